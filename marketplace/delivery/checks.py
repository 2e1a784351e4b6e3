"""Trades and runs against the orders they come from and against the chain, for ledger.reconciliation.run.

A trade row repeats what its orders, its clearing and its TradeLocked event say, so a changed byte disagrees with one of
them. Known limit: `updated_at` and counters of attempts are bookkeeping that nothing else repeats.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ledger.reconciliation import ChainView, Finding
from marketplace.clearing.models import MATCHED, REJECTED, UNLOCKED_STATUSES, Trade
from marketplace.delivery.models import Run
from suan.core.contract import trade_id
from suan.core.encoding import from_hex, to_hex
from suan.core.ids import run_seed
from suan.core.units import Price, WorkUnits, bond, bond_price, lock_payment

TABLE = "clearing_trade"
CHUNK_ROWS = 500
EVENT_COLUMNS = {
    "provider": "provider",
    "buyer": "buyer",
    "index": "index",
    "first_run": "first_run",
    "runs": "runs",
    "ceiling_units": "ceiling",
    "price": "price",
    "payment": "payment",
    "bond": "bond",
    "deliver_by": "deliver_by",
}


def check_trades(view: ChainView) -> Iterator[Finding]:
    """Every trade row against its orders and clearing; every locked one against its TradeLocked event, both ways."""
    locked = {event.subject: event.args for event in view.named("TradeLocked")}
    sure = {event.subject for event in view.named("TradeLocked", upto=view.final_number)}
    rows = Trade.objects.select_related("offer", "bid", "clearing").order_by("id")
    for trade in rows.iterator(chunk_size=CHUNK_ROWS):
        view.checked["trades"] = view.checked.get("trades", 0) + 1
        sure.discard(trade.trade_hash)
        if trade.clearing.price is None:
            name = trade.clearing.clearing_id
            yield Finding("clearing_clearing", name, "price", "none", "that of its trades")
        yield from _unlike(trade.trade_id, trade, _derived(view, trade))
        args = locked.get(trade.trade_hash)
        if args is not None:
            yield from _unlike(
                trade.trade_id,
                trade,
                {c: args[name] for c, name in EVENT_COLUMNS.items() if _known(trade, c)},
            )
        elif trade.status not in (*UNLOCKED_STATUSES, REJECTED):
            yield Finding(
                TABLE, trade.trade_id, "status", trade.status, "no TradeLocked event, so matched or locking"
            )
        if args is not None and trade.status in (MATCHED, REJECTED):
            yield Finding(TABLE, trade.trade_id, "status", trade.status, "locked on chain")
    for missing in sorted(sure):
        yield Finding(TABLE, f"trd_{missing}", "*", "no row", "a TradeLocked event")


def check_runs(view: ChainView) -> Iterator[Finding]:
    """Every run row against its trade: the seed is never the provider's choice."""
    rows = Run.objects.select_related("trade__offer").order_by("id")
    for run in rows.iterator(chunk_size=CHUNK_ROWS):
        view.checked["runs"] = view.checked.get("runs", 0) + 1
        trade = run.trade
        name = f"{trade.trade_id}:{run.index}"
        expected = {
            "bid_hash": trade.bid_hash,
            "seed": to_hex(run_seed(from_hex(trade.bid_hash), run.index)),
            "agent": trade.offer.terms.get("agent"),
        }
        yield from _unlike(name, run, expected, table="delivery_run")
        if not trade.first_run <= run.index < trade.first_run + trade.runs:
            yield Finding(
                "delivery_run", name, "index", str(run.index), f"{trade.first_run} and {trade.runs - 1} more"
            )


def _known(trade: Trade, column: str) -> bool:
    """The index is learnt from the chain a moment after the event; until then it is empty, not wrong."""
    return column != "index" or trade.index is not None


def _derived(view: ChainView, trade: Trade) -> dict[str, Any]:
    """What the orders and the clearing of a trade determine; no money where the clearing has no price."""
    offer, bid, deployment = trade.offer, trade.bid, view.deployment
    units = WorkUnits(trade.runs * bid.ceiling_units)
    per_unit = bond_price(Price(offer.price), deployment.bond_bps, Price(deployment.bond_floor_price))
    price = trade.clearing.price
    money = {} if price is None else {"price": price, "payment": lock_payment(Price(price), units)}
    return money | {
        "trade_hash": to_hex(
            trade_id(
                from_hex(offer.order_hash),
                from_hex(bid.order_hash),
                trade.first_run,
                from_hex(trade.clearing.clearing_hash),
            )
        ),
        "offer_hash": offer.order_hash,
        "bid_hash": bid.order_hash,
        "provider": offer.maker,
        "buyer": bid.maker,
        "symbol": offer.symbol,
        "verifier_set": offer.verifier_set,
        "ceiling_units": bid.ceiling_units,
        "bond": bond(per_unit, units),
        "deliver_by": min(offer.deliver_by, bid.deliver_by),
        "matched_at": trade.clearing.cut_at,
    }


def _unlike(name: str, row: Any, expected: dict[str, Any], *, table: str = TABLE) -> Iterator[Finding]:
    for column, value in expected.items():
        stored = getattr(row, column)
        if str(stored) != str(value):
            yield Finding(table, name, column, str(stored), str(value))
