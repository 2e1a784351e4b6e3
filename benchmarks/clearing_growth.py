"""How the auction grows with the book, against an auction that tries every price.

Claim: branch and bound usually proves the first price best, so a clearing costs about one allocation
and one sort; trying every candidate price costs one allocation per limit price. Both run the same
allocation code in the same process, so the ratio shows the search alone. A second table shows the
books that are hard for it: unequal ceilings that pack badly, tight deadlines, and makers on both
sides.

    python benchmarks/clearing_growth.py            about a minute on one core
"""

import random
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from suan.core.clearing import BidEntry, ClearingBook, OfferEntry, clear
from suan.core.clearing.auction import _Curves

NOW = 1_800_000_000
TICK = 10**14


def make_book(orders: int, seed: int, *, hard: bool) -> ClearingBook:
    """Half offers, half bids, prices around 0.85 with a spread of 40 %; demand and supply about equal."""
    chance = random.Random(seed)  # noqa: S311
    price = lambda: TICK * max(1, int(chance.gauss(8_500, 1_700)))  # noqa: E731
    ceilings = [36_000 * part for part in ((7, 11, 13, 17, 29) if hard else (10,))]
    makers = [f"0x{number:040x}" for number in range(max(2, orders // (20 if hard else 1)))]
    seconds = [30, 60, 120, 3600] if hard else [7 * 86_400]
    offers, bids = [], []
    for number in range(orders):
        common = {
            "order": number.to_bytes(32, "big"),
            "maker": chance.choice(makers),
            "limit_price": price(),
            "sequence": number,
            "deliver_by": NOW + chance.choice(seconds) + 10,
        }
        if number % 2:
            units = chance.randrange(1, 40) * 360_000
            offers.append(
                OfferEntry(**common, units=units, rate_mflops=chance.choice([1_000, 20_000, 400_000]))
            )
        else:
            runs = chance.randrange(1, 40)
            bids.append(BidEntry(**common, runs=((0, runs),), ceiling=chance.choice(ceilings)))
    return ClearingBook("cpu.fp64:eu-north:recomputed", orders, tuple(offers), tuple(bids))


def try_every_price(book: ClearingBook) -> int:
    """Executed units of the best price, found by allocating at each limit price; the baseline."""
    curves = _Curves(list(book.offers), list(book.bids), NOW)
    if not curves.crossed:
        return 0
    limits = curves.limits_in_range()
    return max(curves.allocate(price).units for price in sorted({*limits, curves.midpoint(limits)}))


def timed(work: Callable[[], int]) -> tuple[float, int]:
    best, result = float("inf"), 0
    for _ in range(3):
        start = perf_counter()
        result = work()
        best = min(best, perf_counter() - start)
        if best > 2:
            break
    return best, result


def table(title: str, sizes: list[int], *, hard: bool, baseline_max: int) -> None:
    print(f"\n{title}")
    print(
        f"{'orders':>8} {'seconds':>9} {'x last':>7} {'tried':>6} {'limits':>7} {'every price':>12} {'ratio':>8}"
    )
    last = 0.0
    for orders in sizes:
        book = make_book(orders, 7, hard=hard)
        result = clear(book, NOW)
        seconds, _ = timed(lambda book=book: clear(book, NOW).executed_units)
        limits = len({entry.limit_price for entry in book.entries})
        growth = f"{seconds / last:.1f}" if last else ""
        row = f"{orders:>8} {seconds:>9.4f} {growth:>7} {result.allocations:>6} {limits:>7}"
        if orders <= baseline_max:
            slow, units = timed(lambda book=book: try_every_price(book))
            assert units == result.executed_units, "both must execute the same work"
            row += f" {slow:>12.3f} {slow / seconds:>7.0f}x"
        print(row)
        last = seconds


if __name__ == "__main__":
    table(
        "Equal ceilings, wide deadlines",
        [125, 250, 500, 1000, 2000, 4000, 8000, 16000],
        hard=False,
        baseline_max=2000,
    )
    table(
        "Unequal ceilings, tight deadlines, few makers",
        [125, 250, 500, 1000, 2000, 4000],
        hard=True,
        baseline_max=1000,
    )
