"""What stands in the books, as the home and market pages show it. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from marketplace.clearing import queries as clearing
from suan.core.orders import PRODUCTS

DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Line:
    """One product: best prices and last price as decimal text in tokens per GFLOPS·h, `volume` in work units a day."""

    symbol: str
    resource_class: str
    region: str
    verification: str
    best_bid: str | None
    best_offer: str | None
    last_price: str | None
    last_at: int | None
    volume: int
    orders: int


def lines(*, now: int) -> list[Line]:
    """All products in the order of their registry."""
    return [line(symbol, now=now) for symbol in PRODUCTS]


def line(symbol: str, *, now: int) -> Line:
    """One product as it stands now."""
    return line_of(clearing.book_view(symbol, now=now), now=now)


def line_of(book: dict[str, Any], *, now: int) -> Line:
    """The line of a book that was read already."""
    product = PRODUCTS[book["product"]]
    bids, offers = book["bids"], book["offers"]
    return Line(
        symbol=product.symbol,
        resource_class=product.resource_class,
        region=product.region,
        verification=product.verification,
        best_bid=bids[0]["price"] if bids else None,
        best_offer=offers[0]["price"] if offers else None,
        last_price=book["last_price"],
        last_at=book["last_clearing_at"],
        volume=clearing.traded_units(product.symbol, since=now - DAY_SECONDS),
        orders=sum(level["orders"] for level in (*bids, *offers)),
    )
