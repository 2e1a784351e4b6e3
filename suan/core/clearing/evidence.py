"""The published form of one clearing, its ids, and the replay that checks it.

A clearing file holds the whole input (entries, cut, time) and the whole outcome (price, trades, excluded
orders). `replay` runs the auction again and names every difference; it is what the exchange, an auditor and
the tests all use.
Layout and ids: docs/protocol.md, sections 2 and 5. A clearing without trades has no price: `null` in the
file, 0 in its id.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from suan.core.clearing.auction import ClearingResult, Exclusion, ProposedTrade, clear
from suan.core.clearing.book import (
    UINT40_MAX,
    BadBook,
    BidEntry,
    ClearingBook,
    Json,
    OfferEntry,
    entry_from_json,
    read_int,
    read_order,
)
from suan.core.contract import Clearing, order_set_root, trade_id
from suan.core.encoding import JSON_INTEGER_MAX, ZERO_BYTES32, canonical_json, keccak
from suan.core.ids import ord_id, product_id, trd_id

VERSION: Final = 1
CLEARING_BYTES_MAX: Final = 64 * 2**20
REASONS: Final = frozenset({"expired", "halted", "unfunded", "refused", "not_cleared_yet", "suspended"})


@dataclass(frozen=True)
class ClearingDocument:
    """One clearing as it is published. `excluded` may hold more than the auction excludes: orders that the
    exchange kept out of the book at the cut, each with its reason.
    """

    number: int
    cut_at: int
    book: ClearingBook
    result: ClearingResult

    @property
    def symbol(self) -> str:
        return self.book.symbol

    @cached_property
    def order_set_root(self) -> bytes:
        """Root over all entries of the book and, under the zero hash, the cut: its sequence, its time and
        who was kept out. So no byte of the published file can change without another root.
        """
        cut = {
            "cut_sequence": self.book.cut_sequence,
            "cut_at": self.cut_at,
            "excluded": self._excluded_json(),
        }
        return order_set_root([*self.book.leaves(), (ZERO_BYTES32, keccak(canonical_json(cut)))])

    @cached_property
    def clearing_id(self) -> bytes:
        price = self.result.price or 0
        return Clearing(product_id(self.symbol), self.number, self.order_set_root, price).id()

    def trade_id(self, trade: ProposedTrade) -> bytes:
        return trade_id(trade.offer, trade.bid, trade.first_run, self.clearing_id)

    def to_json(self) -> Json:
        price = self.result.price
        return {
            "version": VERSION,
            "symbol": self.symbol,
            "number": self.number,
            "cut_sequence": self.book.cut_sequence,
            "cut_at": self.cut_at,
            "orders": self.book.orders_json(),
            "price": None if price is None else str(price),
            "trades": [
                {
                    "trade": trd_id(self.trade_id(trade)),
                    "offer": ord_id(trade.offer),
                    "bid": ord_id(trade.bid),
                    "first_run": trade.first_run,
                    "runs": trade.runs,
                }
                for trade in self.result.trades
            ],
            "excluded": self._excluded_json(),
        }

    def _excluded_json(self) -> list[Json]:
        return [
            {"order": ord_id(exclusion.order), "reason": exclusion.reason}
            for exclusion in self.result.excluded
        ]

    def to_bytes(self) -> bytes:
        return canonical_json(self.to_json())


def clear_document(
    book: ClearingBook, *, number: int, now: int, kept_out: tuple[Exclusion, ...] = ()
) -> ClearingDocument:
    """Clear a book and wrap the outcome. `kept_out`: orders that are not in the book, each with a reason of
    REASONS.
    """
    unknown = {exclusion.reason for exclusion in kept_out} - REASONS
    if unknown:
        raise BadBook("excluded", f"nobody could read the reasons {sorted(unknown)}")
    result = clear(book, now)
    excluded = result.excluded + tuple(sorted(kept_out, key=lambda exclusion: exclusion.order))
    return ClearingDocument(number, now, book, replace(result, excluded=excluded))


def read_document(data: bytes) -> ClearingDocument:
    """Read a published clearing. Raises FieldError; bytes that are not the canonical form of their
    content are refused too, so that no changed byte goes unnoticed.
    """
    if len(data) > CLEARING_BYTES_MAX:
        raise BadBook("clearing", f"has {len(data)} bytes, more than {CLEARING_BYTES_MAX}")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadBook("clearing", "is not JSON in UTF-8") from error
    if not isinstance(value, dict) or set(value) != _FIELDS or value.get("version") != VERSION:
        raise BadBook("clearing", f"expected an object of version {VERSION} with fields {sorted(_FIELDS)}")
    document = _from_json(value)
    if document.to_bytes() != data:
        raise BadBook(
            "clearing", "is not written canonically, or an id in it does not follow from its content"
        )
    return document


def replay(document: ClearingDocument) -> list[str]:
    """Run the auction again from the published book: one sentence per difference, none when the outcome is
    right.
    """
    fresh = clear(document.book, document.cut_at)
    differences = []
    if fresh.price != document.result.price:
        differences.append(f"price is {document.result.price}, the rule gives {fresh.price}")
    published, expected = set(document.result.trades), set(fresh.trades)
    for trade in sorted(published - expected, key=_place):
        differences.append(f"{_describe(trade)} is published, the rule does not give it")
    for trade in sorted(expected - published, key=_place):
        differences.append(f"{_describe(trade)} follows from the rule, it is not published")
    if len(published) != len(document.result.trades):
        differences.append("a trade is published twice")
    excluded = {exclusion.order: exclusion.reason for exclusion in document.result.excluded}
    inside = {entry.order for entry in document.book.entries}
    due = {exclusion.order: exclusion.reason for exclusion in fresh.excluded}
    for order in sorted(due.keys() | (excluded.keys() & inside)):
        if due.get(order) != excluded.get(order):
            differences.append(
                f"order {ord_id(order)} is excluded as {excluded.get(order)}, the rule says {due.get(order)}"
            )
    return differences


def _from_json(value: Json) -> ClearingDocument:
    number, cut_at = read_int(value, "number"), read_int(value, "cut_at")
    if not 1 <= number <= JSON_INTEGER_MAX or not 0 <= cut_at <= UINT40_MAX:
        raise BadBook("number", f"number {number} or cut_at {cut_at} is out of bounds")
    if not isinstance(value["symbol"], str) or not isinstance(value["orders"], list):
        raise BadBook("clearing", "symbol is text and orders is a list")
    entries = [entry_from_json(entry) for entry in value["orders"]]
    book = ClearingBook(
        symbol=value["symbol"],
        cut_sequence=read_int(value, "cut_sequence"),
        offers=tuple(entry for entry in entries if isinstance(entry, OfferEntry)),
        bids=tuple(entry for entry in entries if isinstance(entry, BidEntry)),
    )
    price = None if value["price"] is None else read_int(value, "price")
    trades = tuple(_read_trade(trade, book) for trade in _list(value, "trades"))
    excluded = tuple(_read_exclusion(exclusion) for exclusion in _list(value, "excluded"))
    units = sum(trade.units for trade in trades)
    return ClearingDocument(number, cut_at, book, ClearingResult(price, trades, excluded, units))


def _read_trade(value: object, book: ClearingBook) -> ProposedTrade:
    if not isinstance(value, dict) or set(value) != {"trade", "offer", "bid", "first_run", "runs"}:
        raise BadBook("trades", "each trade is {trade, offer, bid, first_run, runs}")
    offer, bid = book.find(read_order(value, "offer")), book.find(read_order(value, "bid"))
    if not isinstance(offer, OfferEntry) or not isinstance(bid, BidEntry):
        raise BadBook("trades", f"trade {value['trade']!r} names an order that is not in the book")
    first, runs = read_int(value, "first_run"), read_int(value, "runs")
    due = min(offer.deliver_by, bid.deliver_by)
    return ProposedTrade(offer.order, bid.order, offer.maker, bid.maker, first, runs, bid.ceiling, due)


def _read_exclusion(value: object) -> Exclusion:
    if not isinstance(value, dict) or set(value) != {"order", "reason"} or value["reason"] not in REASONS:
        raise BadBook("excluded", f"each is {{order, reason}} with a reason of {sorted(REASONS)}")
    return Exclusion(read_order(value, "order"), value["reason"])


def _list(value: Json, field: str) -> list[object]:
    items = value[field]
    if not isinstance(items, list):
        raise BadBook(field, "expected a list")
    return items


def _place(trade: ProposedTrade) -> tuple[bytes, int, bytes, int]:
    return trade.bid, trade.first_run, trade.offer, trade.runs


def _describe(trade: ProposedTrade) -> str:
    return (
        f"trade of runs {trade.first_run} to {trade.first_run + trade.runs - 1} of bid {ord_id(trade.bid)} "
        f"at offer {ord_id(trade.offer)}"
    )


_FIELDS = frozenset(
    {"version", "symbol", "number", "cut_sequence", "cut_at", "orders", "price", "trades", "excluded"}
)
