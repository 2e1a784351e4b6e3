"""Published orders: the signed order behind a hash, its terms, the exchange's acknowledgement, and cancellations.

Growth: one entry of the store per order that was looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from suan.client.audit.published import documents
from suan.client.audit.report import Report
from suan.client.audit.source.evidence import Evidence
from suan.client.audit.state import Books
from suan.client.audit.store.tables import Store, Table
from suan.core import encoding, ids, signing
from suan.core.orders import BidTerms, OfferTerms
from suan.core.signing import Acknowledgement, Bid, Cancel, Offer

Json = dict[str, Any]
AcceptedByWallet = Callable[[str, bytes, bytes], bool]
"""Whether the code of an account accepts a signature over a digest (ERC-1271)."""


@dataclass(frozen=True)
class PublishedOrder:
    """An order as it was published and checked: `sequence` is 0 when no good acknowledgement was published."""

    order: Offer | Bid
    symbol: str
    sequence: int
    terms: BidTerms | OfferTerms | None

    @property
    def quantity(self) -> int:
        """Runs of a bid, work units of an offer."""
        return self.order.runs if isinstance(self.order, Bid) else self.order.units


class OrderShelf:
    """Orders of the evidence, each read and checked once; `wallet` says whether a maker's code accepts a signature."""

    def __init__(
        self,
        evidence: Evidence,
        domain: signing.Domain,
        books: Books,
        report: Report,
        store: Store,
        wallet: AcceptedByWallet,
    ) -> None:
        self.evidence, self.domain, self.books, self.report = evidence, domain, books, report
        self._wallet = wallet
        self._known: Table[str, PublishedOrder | None] = store.table("published orders")
        self._cancelled: Table[str, bool] = store.table("published cancellations")

    def find(self, order_hash: str) -> PublishedOrder | None:
        """The published order behind a hash; None (and a difference) when missing or not what it says."""
        if order_hash not in self._known:
            self._known[order_hash] = self._read(order_hash)
            self.report.orders_checked += 1
        return self._known[order_hash]

    def _read(self, order_hash: str) -> PublishedOrder | None:
        subject = f"ord_{order_hash}"
        sequence = self._sequence(subject)
        document = documents.find(self.evidence, self.report, "orders", f"{subject}.json", subject)
        if document is None:
            return None
        kind: type[Bid] | type[Offer] = Bid if document.get("type") == "bid" else Offer
        try:
            order: Offer | Bid = kind.from_json(document.get("order"))
            signature = encoding.from_hex(str(document.get("signature")))
        except ValueError as error:
            self.report.differ(subject, "evidence", "a well-formed signed order", error)
            return None
        symbol = str(document.get("symbol"))
        written = {
            "type": kind.__name__.lower(),
            "order": order.to_json(),
            "signature": encoding.to_hex(signature),
            "symbol": symbol,
        }
        ok = self.report.expect(subject, "form of the published order", written, document)
        ok &= self.report.expect(
            subject, "hash of the published order", order_hash, encoding.to_hex(order.digest(self.domain))
        )
        ok &= self.report.expect(
            subject, "product", encoding.to_hex(order.product), encoding.to_hex(ids.product_id(symbol))
        )
        ok &= self.signed(subject, order, order.digest(self.domain), signature)
        return PublishedOrder(order, symbol, sequence, self._terms(subject, order)) if ok else None

    def signed(self, subject: str, order: Offer | Bid, digest: bytes, signature: bytes) -> bool:
        """Whether the maker signed, or a key that ever was its delegate for that side, or the maker's wallet accepts it.

        What a delegate may spend, the chain judged.
        """
        signer = ""
        with suppress(signing.BadSignature):
            signer = signing.recover(digest, signature)
        if signer == order.maker or (order.maker, signer, order.side) in self.books.delegates:
            return True
        if self._wallet(order.maker, digest, signature):
            return True
        wanted = f"by {order.maker}, its delegate or its wallet"
        self.report.differ(subject, "signature", wanted, signer or "nobody")
        return False

    def _terms(self, subject: str, order: Offer | Bid) -> BidTerms | OfferTerms | None:
        name = encoding.to_hex(order.terms)
        document = documents.find(self.evidence, self.report, "terms", f"{name}.json", subject)
        if document is None:
            return None
        read: Callable[[Json], BidTerms | OfferTerms] = (
            BidTerms.from_json if isinstance(order, Bid) else OfferTerms.from_json
        )
        try:
            terms = read(document)
        except ValueError as error:
            self.report.differ(subject, "terms", f"well-formed terms under {name}", error)
            return None
        self.report.expect(subject, "hash of the terms", name, encoding.to_hex(terms.hash()))
        self.report.expect(subject, f"form of the terms {name}", terms.to_json(), document)
        return terms

    def _sequence(self, subject: str) -> int:
        document = documents.find(self.evidence, self.report, "acknowledgements", f"{subject}.json", subject)
        if document is None:
            return 0
        return self.acknowledged(document, subject) or 0

    def acknowledged(self, document: Json, subject: str) -> int | None:
        """The sequence of a signed acknowledgement of the order `subject`; None (and a difference) when it is none."""
        try:
            said = Acknowledgement(
                ids.parse_id(str(document.get("order")), prefix="ord"),
                int(document["sequence"]),
                int(document["accepted_at"]),
            )
            signature = encoding.from_hex(str(document.get("signature")))
            signer = signing.recover(said.digest(self.domain), signature)
        except (KeyError, TypeError, ValueError) as error:
            self.report.differ(subject, "acknowledgement", "a signed acknowledgement", error)
            return None
        written = {
            "order": subject,
            "sequence": said.sequence,
            "accepted_at": said.accepted_at,
            "signature": encoding.to_hex(signature),
        }
        if not self.report.expect(subject, "acknowledgement", written, document):
            return None
        if (self.books.operator, signer) not in self.books.agents:
            self.report.differ(subject, "acknowledgement", "signed by the exchange's key", signer)
            return None
        self.report.acknowledgements_checked += 1
        return said.sequence

    def cancelled(self, order_hash: str, order: Offer | Bid) -> bool:
        """Whether the maker's own signed cancellation was published. A file that is no such thing is a difference."""
        if order_hash not in self._cancelled:
            self._cancelled[order_hash] = self._read_cancel(order_hash, order)
        return self._cancelled[order_hash]

    def _read_cancel(self, order_hash: str, order: Offer | Bid) -> bool:
        subject = f"ord_{order_hash}"
        if self.evidence.read("cancels", f"{subject}.json") is None:
            return False
        document = documents.find(self.evidence, self.report, "cancels", f"{subject}.json", subject)
        if document is None:
            return False
        try:
            wish = Cancel(order.maker, order.side, order.nonce)
            signature = encoding.from_hex(str(document.get("signature")))
        except ValueError as error:
            self.report.differ(subject, "cancellation", "signed by its maker", error)
            return False
        written = {"maker": order.maker, "order": subject, "signature": encoding.to_hex(signature)}
        known = self.report.expect(subject, "cancellation", written, document)
        return self.signed(subject, order, wish.digest(self.domain), signature) and known
