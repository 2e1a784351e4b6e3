"""Every clearing, cleared again from its published order set: same root, same price, same trades.

Those on chain must be published; those that traded nothing are only published, sealed by the exchange, and numbered
without a gap up to the last one on chain. One document is in memory at a time; what spans documents lies in the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from suan.client.audit.published import documents
from suan.client.audit.published.acknowledged import Watched
from suan.client.audit.published.orders import OrderShelf
from suan.client.audit.report import Report
from suan.client.audit.source.evidence import Evidence, hash_in
from suan.client.audit.state import Books
from suan.client.audit.store.tables import Store, Table
from suan.core import encoding, ids
from suan.core.clearing import BidEntry, ClearingDocument, OfferEntry, read_document, replay
from suan.core.orders import OfferTerms
from suan.core.signing import Bid, Offer

Json = dict[str, Any]


class ClearingAudit:
    """Check all clearings; `watched` orders see each of them."""

    def __init__(
        self,
        books: Books,
        evidence: Evidence,
        shelf: OrderShelf,
        report: Report,
        store: Store,
        watched: Sequence[Watched] = (),
    ) -> None:
        self.books, self.evidence, self.shelf, self.report = books, evidence, shelf, report
        self.store, self.watched = store, watched
        self._numbers: Table[str, str] = store.table("clearings by number")

    def check_all(self, between: Callable[[int], None] = lambda _: None) -> None:
        """Check those on chain, then the published rest, then their numbers; `between` two of them gets their count."""
        for clearing in self.books.clearings:
            if self.store.once("committed clearings", clearing):
                self.check_committed(clearing)
                between(self.report.clearings_checked)
        for name in self.evidence.names("clearings"):
            digest = hash_in(name, "clr_")
            if not self.store.once("published clearings", name):
                continue
            if digest is None:
                self.report.differ(f"clearings/{name}", "name", "clr_0x… and the id's 64 digits", name)
            elif (clearing := encoding.to_hex(digest)) not in self.books.clearings:
                document = self._document(clearing)
                if document is not None:
                    product = encoding.to_hex(ids.product_id(document.symbol))
                    self._number(product, document.number, clearing)
                    self._check(clearing, document)
                between(self.report.clearings_checked)
        self._gaps()
        for order in self.watched:
            order.judge(self.shelf)

    def check_committed(self, clearing: str) -> None:
        """Check one that is on chain."""
        committed = self.books.clearings[clearing]
        self._number(committed["product"], committed["number"], clearing)
        document = self._document(clearing)
        if document is not None:
            self._committed(clearing, committed, document)
            self._check(clearing, document)

    def _document(self, clearing: str) -> ClearingDocument | None:
        subject = f"clr_{clearing}"
        self.report.clearings_checked += 1
        data = documents.read_sealed(
            self.evidence, self.books, self.report, "clearings", f"{subject}.json", subject
        )
        if data is None:
            return None
        try:
            document = read_document(data)
        except (KeyError, TypeError, ValueError) as error:
            self.report.differ(subject, "evidence", "a well-formed clearing", error)
            return None
        self.report.expect(
            subject, "id that follows from its content", clearing, encoding.to_hex(document.clearing_id)
        )
        return document

    def _committed(self, clearing: str, committed: Json, document: ClearingDocument) -> None:
        """The document is what open() committed to, and every trade locked under it was published with it."""
        subject = f"clr_{clearing}"
        found = {
            "product": encoding.to_hex(ids.product_id(document.symbol)),
            "number": document.number,
            "order_set_root": encoding.to_hex(document.order_set_root),
            "price": document.result.price,
        }
        for name, value in found.items():
            self.report.expect(subject, name, committed[name], value)
        runs = {encoding.to_hex(document.trade_id(trade)): trade.runs for trade in document.result.trades}
        for key, locked in self.store.table("runs_by_clearing").begin_with(f"{clearing} "):
            trade = key.partition(" ")[2]
            self.report.expect(f"trd_{trade}", "runs published with its clearing", locked, runs.get(trade))

    def _check(self, clearing: str, document: ClearingDocument) -> None:
        """The rule gives the same outcome, every entry is a signed order, and watched orders look for themselves."""
        for sentence in replay(document):
            self.report.differ(f"clr_{clearing}", "outcome", "what the rule gives", sentence)
        for entry in document.book.ordered_entries:
            self._entry(entry, document.book.symbol)
        for exclusion in document.result.excluded:
            self.shelf.find(encoding.to_hex(exclusion.order))
        for order in self.watched:
            order.see(clearing, document)

    def _entry(self, entry: OfferEntry | BidEntry, symbol: str) -> None:
        """An entry is a signed order, never more of it than was signed, at its acknowledged place."""
        published = self.shelf.find(encoding.to_hex(entry.order))
        if published is None:
            return
        order, subject, report = published.order, ids.ord_id(entry.order), self.report
        report.expect(subject, "product in the clearing", published.symbol, symbol)
        report.expect(subject, "maker in the clearing", order.maker, entry.maker)
        report.expect(subject, "limit price in the clearing", order.price, entry.limit_price)
        report.expect(subject, "deliver by in the clearing", order.deliver_by, entry.deliver_by)
        report.expect(subject, "sequence in the clearing", published.sequence, entry.sequence)
        if isinstance(entry, BidEntry) and isinstance(order, Bid):
            fits = all(first + count <= order.runs for first, count in entry.runs)
            report.expect(subject, "ceiling in the clearing", order.ceiling, entry.ceiling)
            report.expect(subject, "runs in the clearing within those signed", True, fits)
        elif isinstance(entry, OfferEntry) and isinstance(order, Offer):
            report.expect(
                subject, "units in the clearing within those signed", True, entry.units <= order.units
            )
            if isinstance(published.terms, OfferTerms):
                report.expect(subject, "rate in the clearing", published.terms.rate_mflops, entry.rate_mflops)
        else:
            report.differ(subject, "side in the clearing", order.side, type(entry).__name__)

    def _number(self, product: str, number: int, clearing: str) -> None:
        other = self._numbers.setdefault(f"{product} {number:020d}", clearing)
        if other != clearing:
            self.report.differ(
                f"clr_{clearing}", f"clearing {number} of its product", f"only clr_{other}", "another one"
            )

    def _gaps(self) -> None:
        """Numbers count up from 1 within a product, so one that is missing below the last on chain was withheld."""
        last: dict[str, int] = {}
        for committed in self.books.clearings.values():
            last[committed["product"]] = max(committed["number"], last.get(committed["product"], 0))
        for product, highest in last.items():
            before = 0
            for number in self._numbers_of(product):
                if number > highest:
                    break
                if number != before + 1:
                    missing = f"{before + 1}" if number == before + 2 else f"{before + 1} to {number - 1}"
                    self.report.differ(f"product {product}", f"clearing {missing}", "published", "missing")
                before = number

    def _numbers_of(self, product: str) -> Iterator[int]:
        for key, _ in self._numbers.begin_with(f"{product} "):
            yield int(key.partition(" ")[2])
