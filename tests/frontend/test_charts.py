"""Charts are whole numbers inside their frame, and say nothing that the tables do not."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from frontend.markets import charts
from suan.core.units import format_tokens

levels = st.lists(
    st.tuples(st.integers(1, 10**24), st.integers(1, 10**15)), max_size=12, unique_by=lambda level: level[0]
)


@dataclass
class Auction:
    price: int
    executed_units: int
    cut_at: int = 0


def view(rows: list[tuple[int, int]], *, reverse: bool) -> list[dict[str, object]]:
    return [
        {"price": format_tokens(price), "units": str(units), "orders": 1}
        for price, units in sorted(rows, reverse=reverse)
    ]


@given(levels, levels)
def test_depth_stays_inside_its_frame(bids, offers):
    found = charts.depth({"bids": view(bids, reverse=True), "offers": view(offers, reverse=False)})
    if not bids and not offers:
        assert found is None
        return
    assert found is not None
    for path in (found.bids, found.offers):
        across = [int(x) for x in re.findall(r"[HM](-?\d+)", path)]
        down = [int(y) for y in re.findall(r"V(-?\d+)", path)]
        assert all(0 <= x <= charts.WIDTH for x in across) and all(0 <= y <= charts.HEIGHT for y in down)
    assert bool(found.bids) == bool(bids) and bool(found.offers) == bool(offers)


@given(st.lists(st.builds(Auction, st.integers(1, 10**24), st.integers(0, 10**15)), max_size=60))
def test_prices_stay_inside_their_frame(auctions):
    found = charts.prices(auctions)
    if not auctions:
        assert found is None
        return
    assert found is not None and len(found.bars) == len(auctions)
    assert all(0 <= int(y) <= charts.HEIGHT - charts.BARS_HEIGHT for y in re.findall(r"V(-?\d+)", found.line))
    for bar in found.bars:
        assert 0 <= bar.x <= charts.WIDTH - bar.width and 0 <= bar.y and bar.y + bar.height == charts.HEIGHT


def test_a_ladder_sums_from_the_best_price_on():
    rows = charts.ladder([{"price": "2", "units": "3"}, {"price": "1", "units": "9"}])
    assert [(row["total"], row["percent"]) for row in rows] == [(3, 25), (12, 100)]
