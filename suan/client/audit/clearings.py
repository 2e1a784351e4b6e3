"""Every clearing on chain, cleared again from its published order set: same root, same price, same trades.

Also answers the question of a maker who holds an acknowledgement: was my order in every auction that it belonged to?
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from suan.client.audit.evidence import Evidence
from suan.client.audit.orders import OrderShelf
from suan.client.audit.report import Report
from suan.client.audit.state import Books
from suan.core import identity
from suan.core.clearing.auction import ProposedTrade
from suan.core.clearing.book import BidEntry, ClearingBook, OfferEntry
from suan.core.clearing.evidence import ClearingDocument, read_document, replay
from suan.core.signed import Bid, Offer

Json = dict[str, Any]


@dataclass(frozen=True)
class ClearingView:
    """A published clearing that was read and is committed to on chain under the id `clearing`."""

    clearing: str
    document: ClearingDocument

    @property
    def book(self) -> ClearingBook:
        """The order set."""
        return self.document.book

    @property
    def trades(self) -> tuple[ProposedTrade, ...]:
        """The published trades."""
        return self.document.result.trades


def check_all(books: Books, evidence: Evidence, shelf: OrderShelf, report: Report) -> list[ClearingView]:
    """Check all clearings on chain; returns those whose evidence could be read, by product and number."""
    views = []
    ordered = sorted(books.clearings.items(), key=lambda item: (item[1]["product"], item[1]["number"]))
    for clearing, committed in ordered:
        view = _read(clearing, committed, evidence, report)
        if view is not None:
            for difference in replay(view.document):
                report.differ(f"clr_{clearing}", "recomputed auction", "as published", difference)
            _orders(view, shelf, report)
            _on_chain(view, books, report)
            views.append(view)
        report.clearings_checked += 1
    return views


def _read(clearing: str, committed: Json, evidence: Evidence, report: Report) -> ClearingView | None:
    """Read one clearing and compare it with what the chain committed to."""
    subject = f"clr_{clearing}"
    data = evidence.read("clearings", f"{subject}.json")
    if data is None:
        report.differ(subject, "evidence", "a published clearing", "missing")
        return None
    try:
        document = read_document(data)
    except ValueError as error:
        report.differ(subject, "evidence", "a well-formed clearing", error)
        return None
    report.expect(subject, "id", clearing, identity.to_hex(document.clearing_id))
    report.expect(
        subject, "product", committed["product"], identity.to_hex(identity.product_id(document.symbol))
    )
    report.expect(subject, "number", committed["number"], document.number)
    report.expect(subject, "price", committed["price"], document.result.price or 0)
    report.expect(
        subject,
        "root of the order set",
        committed["order_set_root"],
        identity.to_hex(document.order_set_root),
    )
    return ClearingView(clearing, document)


def _orders(view: ClearingView, shelf: OrderShelf, report: Report) -> None:
    """Each entry is a signed order, never more of it than was signed, at its acknowledged place."""
    for entry in view.book.ordered_entries:
        published = shelf.find(identity.to_hex(entry.order))
        if published is None:
            continue
        order, subject = published.order, identity.ord_id(entry.order)
        report.expect(subject, "product in the clearing", published.symbol, view.book.symbol)
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
        else:
            report.differ(subject, "side in the clearing", order.side, type(entry).__name__)


def _on_chain(view: ClearingView, books: Books, report: Report) -> None:
    """A trade on chain under this clearing was published with it."""
    published = {identity.to_hex(view.document.trade_id(trade)) for trade in view.trades}
    for trade, found in books.trades.items():
        if found.clearing == view.clearing and trade not in published:
            report.differ(f"trd_{trade}", "clearing", "among the published trades", "not published")


def check_acknowledgement(
    document: Json, views: list[ClearingView], shelf: OrderShelf, report: Report
) -> None:
    """Name every auction on chain that left out an order which the exchange had acknowledged before its cut.

    An order may be missing once it is cancelled, too late or fully traded; anything else is a difference.
    """
    sequence = shelf.acknowledged(document)
    if sequence is None:
        return
    subject = str(document["order"])
    order = identity.parse_id(subject, prefix="ord")
    published = shelf.find(identity.to_hex(order))
    if published is None or shelf.cancelled(identity.to_hex(order), published.order):
        return
    quantity = published.order.runs if isinstance(published.order, Bid) else published.order.units
    traded = 0
    for view in views:
        if view.document.symbol != published.symbol or view.book.cut_sequence < sequence:
            continue
        alive = view.document.cut_at < published.order.valid_until and traded < quantity
        excluded = any(exclusion.order == order for exclusion in view.document.result.excluded)
        if alive and view.book.find(order) is None and not excluded:
            report.differ(
                subject, f"order set of clr_{view.clearing}", "holds this acknowledged order", "left out"
            )
        for trade in view.trades:
            if order == trade.bid:
                traded += trade.runs
            elif order == trade.offer:
                traded += trade.units
