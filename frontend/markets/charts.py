"""Shapes of the two charts of a product page, in whole numbers of a drawing WIDTH x HEIGHT; the page has their tables.

Depth: how much work is bid at a price or more, and offered at a price or less. Prices: the clearing prices of the last
auctions that traded, one step each, with the work that changed hands below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from suan.core.units import format_tokens, parse_tokens

WIDTH, HEIGHT = 1_000, 300
BARS_HEIGHT, BAR_WIDTH_MAX = 60, 40
MARGIN_PARTS = 20
"""The price axis is longer than the prices by one part in so many on each side."""


@dataclass(frozen=True)
class Depth:
    """SVG path data of the two areas, and the ends of the axes as text."""

    bids: str
    offers: str
    price_low: str
    price_high: str
    units_most: int


@dataclass(frozen=True)
class Bar:
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Prices:
    """SVG path data of the price steps, bars of the work, and the ends of the axes."""

    line: str
    bars: list[Bar]
    price_low: str
    price_high: str
    first_at: int
    last_at: int


def depth(book: dict[str, Any]) -> Depth | None:
    """The two staircases of a book view; None for an empty book."""
    bids, offers = _levels(book["bids"]), _levels(book["offers"])
    prices = [price for price, _ in (*bids, *offers)]
    if not prices:
        return None
    low, high = _axis(prices)
    most = max(units for _, units in (*bids, *offers))

    def x(price: int) -> int:
        return (price - low) * WIDTH // (high - low)

    def y(units: int) -> int:
        return HEIGHT - units * (HEIGHT - 10) // most

    return Depth(
        bids=_stairs(bids, end=0, x=x, y=y),
        offers=_stairs(offers, end=WIDTH, x=x, y=y),
        price_low=format_tokens(low),
        price_high=format_tokens(high),
        units_most=most,
    )


def prices(rows: Sequence[Any]) -> Prices | None:
    """Rows of clearings with a price, oldest first; None when nothing traded."""
    if not rows:
        return None
    values = [int(row.price) for row in rows]
    low, high = _axis(values)
    most = max(int(row.executed_units) for row in rows) or 1
    step = WIDTH // len(rows)
    width = min(max(step * 3 // 4, 1), BAR_WIDTH_MAX)
    floor = HEIGHT - BARS_HEIGHT - 10
    heights = [floor - (value - low) * (floor - 10) // (high - low) for value in values]
    parts = [f"M0 {heights[0]}"]
    for place, height in enumerate(heights):
        parts.append(f"V{height}H{(place + 1) * step if place + 1 < len(rows) else WIDTH}")
    bars = [
        Bar(
            x=place * step + (step - width) // 2,
            y=HEIGHT - max(int(row.executed_units) * BARS_HEIGHT // most, 2),
            width=width,
            height=max(int(row.executed_units) * BARS_HEIGHT // most, 2),
        )
        for place, row in enumerate(rows)
    ]
    return Prices(
        line="".join(parts),
        bars=bars,
        price_low=format_tokens(low),
        price_high=format_tokens(high),
        first_at=rows[0].cut_at,
        last_at=rows[-1].cut_at,
    )


def ladder(levels: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Levels of a book view with the sum up to each, and its share of the largest in whole percent."""
    sums = list(accumulate(int(level["units"]) for level in levels))
    return [
        {**level, "total": total, "percent": total * 100 // sums[-1]}
        for level, total in zip(levels, sums, strict=True)
    ]


def _levels(levels: Sequence[dict[str, Any]]) -> list[tuple[int, int]]:
    """(price in base units, work units from the best price to this one), best first."""
    sums = accumulate(int(level["units"]) for level in levels)
    return [(parse_tokens(level["price"]), total) for level, total in zip(levels, sums, strict=True)]


def _axis(prices: Sequence[int]) -> tuple[int, int]:
    low, high = min(prices), max(prices)
    margin = max((high - low) // MARGIN_PARTS, low // MARGIN_PARTS, 1)
    return max(low - margin, 0), high + margin


def _stairs(levels: list[tuple[int, int]], *, end: int, x: Any, y: Any) -> str:
    """From the best price outwards to `end`, and back along the ground."""
    if not levels:
        return ""
    parts = [f"M{x(levels[0][0])} {HEIGHT}"]
    for price, units in levels:
        parts.append(f"H{x(price)}V{y(units)}")
    return "".join([*parts, f"H{end}V{HEIGHT}Z"])
