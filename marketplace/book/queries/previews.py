"""What an order would cost and trade, before it is signed. Reads only.

The estimate is what stands in the book now, not a promise: the price of an auction is one for all, so everybody who
trades pays or gets it, and orders that arrive before the next auction change it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ledger.queries import balances, deployment
from marketplace.book.queries.orders import OpenOrder, open_orders
from suan.core.settlement import RUN_ENDS
from suan.core.units import (
    BaseUnits,
    Price,
    WorkUnits,
    bid_hold,
    fee,
    format_gflops_hours,
    format_tokens,
    lock_payment,
    minimum_units,
    offer_hold,
    payment,
)


def preview(*, side: str, body: Mapping[str, Any], maker: str, now: int) -> dict[str, Any]:
    """Cost, worst case, estimate and money outcomes of a bid or an offer, amounts in tokens as text."""
    book = [row for row in open_orders(body["product"], now=now) if row.order.maker != maker]
    available = balances(maker).available
    numbers = _bid(body, book) if side == "buy" else _offer(body, book)
    held = numbers.pop("held")
    return {
        **numbers,
        "held": format_tokens(held),
        "available": format_tokens(available),
        "missing": format_tokens(max(held - available, 0)),
        "fee_bps": deployment().fee_bps,
        "money_outcomes": [{"case": end.name, "billed": end.billed, "why": end.why} for end in RUN_ENDS],
    }


def _bid(body: Mapping[str, Any], book: list[OpenOrder]) -> dict[str, Any]:
    price, ceiling, runs = Price(body["limit_price"]), WorkUnits(body["ceiling_units"]), body["runs"]
    offers = [row for row in book if not row.order.is_bid and row.order.price <= price]
    offers.sort(key=lambda row: (row.order.price, row.order.sequence))
    filled, last = 0, None
    for row in offers:
        take = min(row.quantity // ceiling, runs - filled)
        if take:
            filled, last = filled + take, row.order.price
    units = WorkUnits(runs * ceiling)
    least = WorkUnits(runs * minimum_units(ceiling))
    return {
        "side": "buy",
        "quantity": runs,
        "work": f"{format_gflops_hours(units)} GFLOPS·h at most",
        "worst_cost": format_tokens(lock_payment(price, units)),
        "least_cost": format_tokens(payment(Price(last or price), least)),
        "held": int(bid_hold(price, runs, ceiling)),
        "would_fill": filled,
        "estimated_price": None if last is None else format_tokens(last),
    }


def _offer(body: Mapping[str, Any], book: list[OpenOrder]) -> dict[str, Any]:
    chain = deployment()
    price, units = Price(body["limit_price"]), WorkUnits(body["units"])
    bids = [row for row in book if row.order.is_bid and row.order.price >= price]
    bids.sort(key=lambda row: (-row.order.price, row.order.sequence))
    filled, last = 0, None
    for row in bids:
        ceiling = int(row.order.ceiling_units)
        take = min(row.quantity, (units - filled) // ceiling)
        if take:
            filled, last = filled + take * ceiling, row.order.price
    income = payment(price, units)
    return {
        "side": "sell",
        "quantity": units,
        "work": f"{format_gflops_hours(units)} GFLOPS·h",
        "income_at_limit": format_tokens(income - fee(BaseUnits(income), chain.fee_bps)),
        "held": int(offer_hold(price, units, chain.bond_bps, Price(chain.bond_floor_price))),
        "would_fill": filled,
        "estimated_price": None if last is None else format_tokens(last),
    }
