"""Books for the tests: plain builders for examples, strategies for properties."""

from hypothesis import strategies as st

from suan.core.clearing import BidEntry, ClearingBook, OfferEntry

NOW = 1_800_000_000
SYMBOL = "cpu.fp64:eu-north:recomputed"


def address(name: str) -> str:
    return "0x" + name.encode().hex().rjust(40, "0")


def order_hash(number: int) -> bytes:
    return number.to_bytes(32, "big")


def offer(
    number: int, price: int, units: int, *, maker: str = "", seconds: int = 3600, **more: int
) -> OfferEntry:
    return OfferEntry(
        order=order_hash(number),
        maker=address(maker or f"seller{number}"),
        limit_price=price,
        sequence=more.pop("sequence", number),
        units=units,
        deliver_by=NOW + seconds,
        rate_mflops=more.pop("rate_mflops", 10**9),
        **more,
    )


def bid(
    number: int, price: int, runs: int, ceiling: int, *, maker: str = "", seconds: int = 3600
) -> BidEntry:
    return BidEntry(
        order=order_hash(number),
        maker=address(maker or f"buyer{number}"),
        limit_price=price,
        sequence=number,
        runs=((0, runs),),
        ceiling=ceiling,
        deliver_by=NOW + seconds,
    )


def book(*entries: OfferEntry | BidEntry) -> ClearingBook:
    return ClearingBook(
        symbol=SYMBOL,
        cut_sequence=max((entry.sequence for entry in entries), default=0),
        offers=tuple(entry for entry in entries if isinstance(entry, OfferEntry)),
        bids=tuple(entry for entry in entries if isinstance(entry, BidEntry)),
    )


_makers = st.sampled_from([address(name) for name in ("anna", "bo", "cleo", "dai", "eve")])
_deadlines = st.sampled_from([5, 11, 15, 20, 20, 30, 60, 600])


@st.composite
def _ranges(draw: st.DrawFn) -> tuple[tuple[int, int], ...]:
    ranges, start = [], 0
    for _ in range(draw(st.integers(1, 3))):
        first = start + draw(st.integers(0, 2))
        count = draw(st.integers(1, 4))
        ranges.append((first, count))
        start = first + count
    return tuple(ranges)


@st.composite
def books(draw: st.DrawFn, orders_max: int = 14) -> ClearingBook:
    """Small books in which everything is scarce: few prices, tight rates, near deadlines, makers on both
    sides.
    """
    entries: list[OfferEntry | BidEntry] = []
    for number in range(1, draw(st.integers(0, orders_max)) + 1):
        common = {
            "order": order_hash(draw(st.integers(0, 2**16)) * 64 + number),
            "maker": draw(_makers),
            "limit_price": draw(st.integers(1, 24)),
            "sequence": number,
            "deliver_by": NOW + draw(_deadlines),
        }
        if draw(st.booleans()):
            entries.append(
                OfferEntry(
                    **common,
                    units=draw(st.integers(1, 60)),
                    rate_mflops=draw(st.sampled_from([0, 1, 2, 3, 5, 1000])),
                    backlog_units=draw(st.sampled_from([0, 0, 1, 7, 40])),
                )
            )
        else:
            entries.append(
                BidEntry(**common, runs=draw(_ranges()), ceiling=draw(st.sampled_from([1, 2, 3, 4, 6, 10])))
            )
    return book(*entries)
