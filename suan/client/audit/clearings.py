"""Every clearing on chain, cleared again from its published order set: same root, same price, same trades.

Also answers the question of a maker who holds an acknowledgement: was my order in every auction that it belonged to?
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from suan.client.audit.evidence import Evidence, read_document
from suan.client.audit.orders import OrderShelf
from suan.client.audit.report import Report
from suan.client.audit.state import Books
from suan.core import identity
from suan.core.clearing.auction import clear
from suan.core.clearing.book import BadBook, BidEntry, ClearingBook, OfferEntry, entry_from_json, read_int
from suan.core.records import trade_id
from suan.core.signed import Bid, Offer

Json = dict[str, Any]


@dataclass(frozen=True)
class ClearingView:
    """A published clearing that matches its root on chain."""

    clearing: str
    number: int
    book: ClearingBook
    cut_at: int
    trades: list[Json]
    excluded: frozenset[str]


def check_all(books: Books, evidence: Evidence, shelf: OrderShelf, report: Report) -> list[ClearingView]:
    """Check all clearings on chain; returns those whose evidence could be read, by product and number."""
    views = []
    for clearing, committed in sorted(
        books.clearings.items(), key=lambda item: (item[1]["product"], item[1]["number"])
    ):
        view = _read(clearing, committed, evidence, report)
        if view is not None:
            _recompute(view, committed, report)
            _orders(view, shelf, report)
            _on_chain(view, books, report)
            views.append(view)
        report.clearings_checked += 1
    return views


def _read(clearing: str, committed: Json, evidence: Evidence, report: Report) -> ClearingView | None:
    subject = f"clr_{clearing}"
    document = read_document(evidence, "clearings", f"{subject}.json")
    if document is None:
        report.differ(subject, "evidence", "a published clearing", "missing or not JSON")
        return None
    try:
        entries = [entry_from_json(value) for value in document["orders"]]
        book = ClearingBook(
            symbol=str(document["symbol"]),
            cut_sequence=read_int(document, "cut_sequence"),
            offers=tuple(entry for entry in entries if isinstance(entry, OfferEntry)),
            bids=tuple(entry for entry in entries if isinstance(entry, BidEntry)),
        )
        view = ClearingView(
            clearing=clearing,
            number=read_int(document, "number"),
            book=book,
            cut_at=read_int(document, "cut_at"),
            trades=[dict(trade) for trade in document["trades"]],
            excluded=frozenset(str(item["order"]) for item in document["excluded"]),
        )
    except (BadBook, KeyError, TypeError, ValueError) as error:
        report.differ(subject, "evidence", "a well-formed clearing", repr(error))
        return None
    product = identity.to_hex(identity.product_id(book.symbol))
    report.expect(subject, "product", committed["product"], product)
    report.expect(subject, "number", committed["number"], view.number)
    report.expect(subject, "price", str(committed["price"]), str(document.get("price")))
    report.expect(
        subject, "root of the order set", committed["order_set_root"], identity.to_hex(book.order_set_root)
    )
    return view


def _recompute(view: ClearingView, committed: Json, report: Report) -> None:
    """The rule gives the same price and the same trades."""
    subject = f"clr_{view.clearing}"
    result = clear(view.book, view.cut_at)
    report.expect(subject, "recomputed price", committed["price"], result.price)
    expected = [
        {
            "trade": identity.trd_id(trade_id(t.offer, t.bid, t.first_run, identity.from_hex(view.clearing))),
            "offer": identity.ord_id(t.offer),
            "bid": identity.ord_id(t.bid),
            "first_run": t.first_run,
            "runs": t.runs,
        }
        for t in result.trades
    ]
    report.expect(subject, "recomputed trades", _sorted(expected), _sorted(view.trades))


def _sorted(trades: list[Json]) -> list[Json]:
    keys = ("trade", "offer", "bid", "first_run", "runs")
    return sorted(
        ({key: trade.get(key) for key in keys} for trade in trades), key=lambda trade: str(trade["trade"])
    )


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
    published = {trade.get("trade") for trade in view.trades}
    for trade, found in books.trades.items():
        if found.clearing == view.clearing and f"trd_{trade}" not in published:
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
    order_hash = identity.to_hex(identity.parse_id(subject, prefix="ord"))
    published = shelf.find(order_hash)
    if published is None or shelf.cancelled(order_hash, published.order):
        return
    quantity = published.order.runs if isinstance(published.order, Bid) else published.order.units
    traded = 0
    for view in views:
        if view.book.symbol != published.symbol or view.book.cut_sequence < sequence:
            continue
        alive = view.cut_at < published.order.valid_until and traded < quantity
        present = view.book.find(identity.from_hex(order_hash)) is not None or subject in view.excluded
        if alive and not present:
            report.differ(
                subject, f"order set of clr_{view.clearing}", "holds this acknowledged order", "left out"
            )
        for trade in view.trades:
            if subject in (trade.get("bid"), trade.get("offer")):
                traded += int(trade["runs"]) * (
                    1 if isinstance(published.order, Bid) else _ceiling(view, trade)
                )


def _ceiling(view: ClearingView, trade: Json) -> int:
    entry = view.book.find(identity.parse_id(str(trade["bid"]), prefix="ord"))
    return entry.ceiling if isinstance(entry, BidEntry) else 0
