"""The rule of the market: one book in, one price and its trades out. Changes nothing, asks no clock.

1. *Allocation at a price p.* Bids at or above p, by price descending and then arrival, take their runs one
   after the other from the first offer at or below p, by price ascending and then arrival, that has the
   units left, can finish the run in time (capacity.py) and belongs to somebody else. A run is never
   divided.
2. *Price.* The price is the one whose allocation executes the most work units. Of equal ones it is the one
   nearest to the midpoint m (floor) of the balanced range, and of two equally near the lower one. The
   balanced range holds every price p at which demand above p does not exceed supply up to p, and supply
   below p does not exceed demand from p on: no one-sided surplus is left to push it. Tried are m and every
   limit price from the lowest offer to the highest bid.
3. *Trades.* Consecutive runs of one bid at one offer are one trade. All trades pay the one price.

Invariants: nobody trades beyond the limit; nobody trades with oneself; no run and no unit is sold twice; at
the price no pair of orders is left that could still trade; the same set of entries in any order gives the
same result.
Growth: one allocation is O(orders + trades) while most offers are used up or untouched, O(bids x offers) at
worst. The bound A(p) <= min(demand(p), supply(p)) usually proves the first price best; never more than
ALLOCATIONS_MAX prices are tried, in an order that depends on the book only. benchmarks/clearing_growth.py
measures both against trying every price.
Known limit: greedy packing of unequal whole runs is not the largest volume a knapsack solver could find.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import Final

from suan.core.clearing.book import BidEntry, ClearingBook, OfferEntry
from suan.core.clearing.capacity import OfferLoad, seconds_to_work

ALLOCATIONS_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class ProposedTrade:
    """`runs` consecutive runs of a bid from `first_run` on, each up to `ceiling` work units, at one offer."""

    offer: bytes
    bid: bytes
    provider: str
    buyer: str
    first_run: int
    runs: int
    ceiling: int
    deliver_by: int

    @property
    def units(self) -> int:
        return self.runs * self.ceiling


@dataclass(frozen=True, slots=True)
class Exclusion:
    """An order that is in the book but had no part in the auction; `reason` is a code of explain.py."""

    order: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class ClearingResult:
    """`price` is None when nothing traded. `allocations` counts the prices tried; it is no part of the
    outcome.
    """

    price: int | None
    trades: tuple[ProposedTrade, ...]
    excluded: tuple[Exclusion, ...]
    executed_units: int = 0
    allocations: int = 0


def clear(book: ClearingBook, now: int) -> ClearingResult:
    """Clear one book at unix second `now`; pure and deterministic."""
    excluded = tuple(
        Exclusion(entry.order, "expired")
        for entry in book.ordered_entries
        if seconds_to_work(entry.deliver_by, now) == 0
    )
    late = {exclusion.order for exclusion in excluded}
    curves = _Curves(
        [offer for offer in book.offers if offer.order not in late],
        [bid for bid in book.bids if bid.order not in late],
        now,
    )
    if not curves.crossed:
        return ClearingResult(None, (), excluded)
    best, price, tried = _best_allocation(curves)
    if best.units == 0:
        return ClearingResult(None, (), excluded, 0, tried)
    return ClearingResult(price, tuple(best.trades()), excluded, best.units, tried)


class _Allocation:
    """The trades of one price: fills as (bid, offer, runs), in the order in which they were made."""

    __slots__ = ("fills", "units")

    def __init__(self) -> None:
        self.fills: list[tuple[BidEntry, OfferEntry, int]] = []
        self.units = 0

    def add(self, bid: BidEntry, offer: OfferEntry, runs: int) -> None:
        self.fills.append((bid, offer, runs))
        self.units += runs * bid.ceiling

    def trades(self) -> list[ProposedTrade]:
        trades: list[ProposedTrade] = []
        free: dict[bytes, list[tuple[int, int]]] = {}
        for bid, offer, runs in self.fills:
            ranges = free.setdefault(bid.order, list(bid.runs))
            taken, free[bid.order] = split_runs(ranges, runs)
            due = min(bid.deliver_by, offer.deliver_by)
            for first, count in taken:
                trades.append(
                    ProposedTrade(
                        offer.order, bid.order, offer.maker, bid.maker, first, count, bid.ceiling, due
                    )
                )
        return trades


def split_runs(
    ranges: list[tuple[int, int]], runs: int
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Take the `runs` lowest run indices: (ranges taken, ranges left)."""
    taken: list[tuple[int, int]] = []
    left: list[tuple[int, int]] = []
    for first, count in ranges:
        part = min(count, runs)
        runs -= part
        if part:
            taken.append((first, part))
        if part < count:
            left.append((first + part, count - part))
    if runs:
        raise AssertionError("a bid never buys more runs than it asked for")
    return taken, left


class _Curves:
    """Both sides in priority order, with demand and supply as step functions of the price."""

    def __init__(self, offers: list[OfferEntry], bids: list[BidEntry], now: int) -> None:
        self.now = now
        self.bids = sorted(bids, key=lambda bid: (-bid.limit_price, bid.sequence, bid.order))
        self.last_deadline = max((bid.deliver_by for bid in bids), default=0)
        self.least_ceiling = min((bid.ceiling for bid in bids), default=1)
        step = gcd(*(bid.ceiling for bid in bids)) or 1
        usable = []
        for offer in offers:
            units = min(offer.units, OfferLoad(offer, now).room(self.last_deadline))
            # Every run is a multiple of `step`, so a remainder below it can never be sold.
            units = units // step * step
            if units >= self.least_ceiling:
                usable.append((offer, units))
        usable.sort(key=lambda pair: (pair[0].limit_price, pair[0].sequence, pair[0].order))
        self.offers = [offer for offer, _ in usable]
        self._supply_units = [units for _, units in usable]
        self._demand = _steps([(-bid.limit_price, bid.units) for bid in self.bids])
        self._supply = _steps(
            [(offer.limit_price, units) for offer, units in zip(self.offers, self._supply_units, strict=True)]
        )

    @property
    def crossed(self) -> bool:
        return bool(self.bids and self.offers) and self.bids[0].limit_price >= self.offers[0].limit_price

    def limits_in_range(self) -> list[int]:
        """Different limit prices from the lowest offer to the highest bid, ascending."""
        low, high = self.offers[0].limit_price, self.bids[0].limit_price
        limits = {bid.limit_price for bid in self.bids} | {offer.limit_price for offer in self.offers}
        return sorted(price for price in limits if low <= price <= high)

    def bounds(self, prices: list[int]) -> dict[int, int]:
        """For ascending prices: min(demand from p on, supply up to p), which no allocation at p can pass."""
        demand = [units for units, _ in _sample(self._demand, [-price for price in reversed(prices)])][::-1]
        supply = [units for units, _ in _sample(self._supply, prices)]
        return {price: min(demand[i], supply[i]) for i, price in enumerate(prices)}

    def midpoint(self, limits: list[int]) -> int:
        """Floor midpoint of the balanced range. Its ends are limit prices, since the curves only step
        there.
        """
        demand = _sample(self._demand, [-price for price in reversed(limits)])[::-1]
        supply = _sample(self._supply, limits)
        low = next(limits[i] for i in range(len(limits)) if demand[i][1] <= supply[i][0])
        high = next(limits[i] for i in reversed(range(len(limits))) if supply[i][1] <= demand[i][0])
        return (low + high) // 2  # Down: the odd base unit goes to the buyer.

    def allocate(self, price: int) -> _Allocation:
        """Rule 1 of this module at one price."""
        allocation = _Allocation()
        loads = [OfferLoad(offer, self.now) for offer in self.offers if offer.limit_price <= price]
        following = list(range(1, len(loads) + 1))
        start = 0
        for bid in self.bids:
            if bid.limit_price < price or start == len(loads):
                break
            wanted, previous, place = bid.run_count, -1, start
            while wanted and place < len(loads):
                load = loads[place]
                runs = 0
                if load.offer.maker != bid.maker:
                    runs = load.runs_that_fit(bid.ceiling, bid.deliver_by, wanted)
                if runs:
                    load.take(runs, bid.ceiling, bid.deliver_by)
                    allocation.add(bid, load.offer, runs)
                    wanted -= runs
                if self._used_up(load):
                    # Unlink: no later bid has to look at this offer again.
                    if previous < 0:
                        start = following[place]
                    else:
                        following[previous] = following[place]
                else:
                    previous = place
                place = following[place]
        return allocation

    def _used_up(self, load: OfferLoad) -> bool:
        """True when not even the smallest run of the book with the latest deadline could be added."""
        return min(load.units_left, load.room(self.last_deadline)) < self.least_ceiling


def _best_allocation(curves: _Curves) -> tuple[_Allocation, int, int]:
    """Rule 2 of this module by branch and bound: (allocation, its price, number of prices tried)."""
    limits = curves.limits_in_range()
    middle = curves.midpoint(limits)
    bounds = curves.bounds(sorted({*limits, middle}))
    order = sorted(bounds, key=lambda price: (price != middle, -bounds[price], abs(price - middle), price))
    best, best_price, tried = _Allocation(), middle, 0
    for price in order:
        gain = (
            bounds[price] - best.units,
            abs(best_price - middle) - abs(price - middle),
            best_price - price,
        )
        if tried and gain <= (0, 0, 0):
            continue
        if tried == ALLOCATIONS_MAX:
            break
        allocation = curves.allocate(price)
        tried += 1
        rank = (allocation.units - best.units, *gain[1:])
        if tried == 1 or rank > (0, 0, 0):
            best, best_price = allocation, price
    return best, best_price, tried


def _steps(levels: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """(level, units) in ascending level -> (level, units up to and including it), one row per level."""
    rows: list[tuple[int, int]] = []
    total = 0
    for level, units in levels:
        total += units
        if rows and rows[-1][0] == level:
            rows[-1] = (level, total)
        else:
            rows.append((level, total))
    return rows


def _sample(rows: list[tuple[int, int]], levels: list[int]) -> list[tuple[int, int]]:
    """For ascending levels: (units up to and including the level, units strictly below it)."""
    samples: list[tuple[int, int]] = []
    place, upto = 0, 0
    for level in levels:
        while place < len(rows) and rows[place][0] < level:
            upto = rows[place][1]
            place += 1
        at_level = rows[place][1] if place < len(rows) and rows[place][0] == level else upto
        samples.append((at_level, upto))
    return samples
