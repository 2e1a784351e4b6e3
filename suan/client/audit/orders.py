"""Published orders: the signed order behind a hash, its terms, and the exchange's acknowledgement of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from suan.client.audit.evidence import Evidence, read_document
from suan.client.audit.report import Report
from suan.client.audit.state import Books
from suan.core import identity
from suan.core.problems import FieldError
from suan.core.signed import Acknowledgement, Bid, Cancel, Offer
from suan.core.terms import BidTerms, OfferTerms

Json = dict[str, Any]


@dataclass(frozen=True)
class PublishedOrder:
    """An order as it was published and checked: `sequence` is 0 when no acknowledgement was published."""

    order: Offer | Bid
    symbol: str
    sequence: int
    terms: BidTerms | OfferTerms | None


class OrderShelf:
    """Orders of the evidence, each read and checked once."""

    def __init__(self, evidence: Evidence, domain: identity.Domain, books: Books, report: Report) -> None:
        self.evidence, self.domain, self.books, self.report = evidence, domain, books, report
        self._known: dict[str, PublishedOrder | None] = {}

    def find(self, order_hash: str) -> PublishedOrder | None:
        """The published order behind a hash; None (and a difference) when missing or not what it says."""
        if order_hash not in self._known:
            self._known[order_hash] = self._read(order_hash)
            self.report.orders_checked += 1
        return self._known[order_hash]

    def _read(self, order_hash: str) -> PublishedOrder | None:
        subject = f"ord_{order_hash}"
        document = read_document(self.evidence, "orders", f"{subject}.json")
        if document is None:
            self.report.differ(subject, "evidence", "a published order", "missing or not JSON")
            return None
        try:
            kind = Bid if document.get("type") == "bid" else Offer
            order: Offer | Bid = kind.from_json(document.get("order"))
            signature = identity.from_hex(str(document.get("signature")))
            signer = identity.recover(order.digest(self.domain), signature)
        except (FieldError, identity.BadSignature) as error:
            self.report.differ(subject, "evidence", "a well-formed signed order", error)
            return None
        symbol = str(document.get("symbol"))
        ok = self.report.expect(
            subject, "hash of the published order", order_hash, identity.to_hex(order.digest(self.domain))
        )
        ok &= self.report.expect(
            subject, "product", identity.to_hex(order.product), identity.to_hex(identity.product_id(symbol))
        )
        if signer != order.maker and (order.maker, signer, order.side) not in self.books.delegates:
            self.report.differ(subject, "signature", f"by {order.maker} or its delegate", signer)
            ok = False
        if not ok:
            return None
        return PublishedOrder(order, symbol, self._sequence(subject, order_hash), self._terms(subject, order))

    def _terms(self, subject: str, order: Offer | Bid) -> BidTerms | OfferTerms | None:
        name = identity.to_hex(order.terms)
        document = read_document(self.evidence, "terms", f"{name}.json")
        if document is None:
            self.report.differ(subject, "terms", f"published under {name}", "missing or not JSON")
            return None
        try:
            kind = BidTerms if isinstance(order, Bid) else OfferTerms
            terms: BidTerms | OfferTerms = kind.from_json(document)
        except FieldError as error:
            self.report.differ(subject, "terms", "well-formed terms", error)
            return None
        self.report.expect(subject, "terms hash", name, identity.to_hex(terms.hash()))
        return terms

    def _sequence(self, subject: str, order_hash: str) -> int:
        document = read_document(self.evidence, "acknowledgements", f"{subject}.json")
        if document is None:
            self.report.differ(subject, "acknowledgement", "published", "missing or not JSON")
            return 0
        return self.acknowledged(document, order_hash) or 0

    def acknowledged(self, document: Json, order_hash: str | None = None) -> int | None:
        """The sequence of a signed acknowledgement, None (and a difference) when it is not the exchange's."""
        subject = str(document.get("order"))
        try:
            said = Acknowledgement(
                identity.parse_id(subject, prefix="ord"),
                int(document["sequence"]),
                int(document["accepted_at"]),
            )
            signer = identity.recover(
                said.digest(self.domain), identity.from_hex(str(document.get("signature")))
            )
        except (FieldError, KeyError, ValueError) as error:
            self.report.differ(subject, "acknowledgement", "a signed acknowledgement", error)
            return None
        if order_hash is not None and identity.to_hex(said.order) != order_hash:
            self.report.differ(f"ord_{order_hash}", "acknowledgement", "of this order", subject)
            return None
        if (self.books.operator, signer) not in self.books.agents:
            self.report.differ(subject, "acknowledgement", "signed by the exchange's key", signer)
            return None
        self.report.acknowledgements_checked += 1
        return said.sequence

    def cancelled(self, order_hash: str, order: Offer | Bid) -> bool:
        """Whether the maker's own signed cancellation was published, or the chain has it."""
        if self.books.uses[(order.maker, order_hash)].cancelled:
            return True
        document = read_document(self.evidence, "cancels", f"ord_{order_hash}.json")
        if document is None:
            return False
        try:
            wish = Cancel(order.maker, identity.from_hex(order_hash))
            signer = identity.recover(
                wish.digest(self.domain), identity.from_hex(str(document.get("signature")))
            )
        except (FieldError, identity.BadSignature):
            return False
        return signer == order.maker or (order.maker, signer, order.side) in self.books.delegates
