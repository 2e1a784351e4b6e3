"""Arithmetic on what is left of an order: run ranges, what may trade now, and what must be held for it. Pure.

A run range is [first, count]; a list of them is ascending, without overlap and without neighbours left unjoined.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from marketplace.book.models import CANCELED, EXPIRED, REJECTED, Order
from suan.core.units import Price, WorkUnits, bid_hold, offer_hold

Ranges = list[list[int]]


def count(ranges: Iterable[Sequence[int]]) -> int:
    """Runs in the ranges."""
    return sum(part[1] for part in ranges)


def without(ranges: Ranges, taken: Iterable[Sequence[int]]) -> Ranges:
    """The ranges minus what was taken. Raises ValueError if something taken is not in them."""
    left = [list(part) for part in ranges]
    for first, number in taken:
        for place, (start, size) in enumerate(left):
            if start <= first and first + number <= start + size:
                before, after = [start, first - start], [first + number, start + size - first - number]
                left[place : place + 1] = [part for part in (before, after) if part[1]]
                break
        else:
            raise ValueError(f"runs {first} to {first + number - 1} are not free")
    return left


def joined(ranges: Ranges, returned: Iterable[Sequence[int]]) -> Ranges:
    """The ranges plus what came back. Raises ValueError if something is in both."""
    result: Ranges = []
    for first, number in sorted([*map(list, ranges), *map(list, returned)]):
        if result and result[-1][0] + result[-1][1] > first:
            raise ValueError(f"run {first} is free already")
        if result and result[-1][0] + result[-1][1] == first:
            result[-1][1] += number
        else:
            result.append([first, number])
    return result


def first_of(ranges: Ranges, number: int) -> Ranges:
    """The first `number` runs of the ranges."""
    result: Ranges = []
    for first, size in ranges:
        if number <= 0:
            break
        result.append([first, min(size, number)])
        number -= size
    return result


def tradable(order: Order, now: int) -> int:
    """How much of the order may trade at `now`, in its own unit (runs or work units).

    Until valid_until all that is left; after it, until deliver_by, only what came back at closes on chain, since the
    contract lets `consumed` rise to its earlier peak and no further.
    """
    if order.order_status in (CANCELED, EXPIRED, REJECTED) or now >= order.deliver_by:
        return 0
    if now < order.valid_until:
        return int(order.leaves_quantity)
    return min(int(order.leaves_quantity), int(order.headroom_quantity))


def hold_amount(order: Order, quantity: int, *, bond_bps: int, bond_floor_price: int) -> int:
    """Base units that the account must hold for `quantity` of this order."""
    if order.is_bid:
        return int(bid_hold(Price(order.price), quantity, WorkUnits(order.ceiling_units)))
    return int(offer_hold(Price(order.price), WorkUnits(quantity), bond_bps, Price(bond_floor_price)))
