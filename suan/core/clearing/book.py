"""The book of one product at one moment: what an auction sees, and nothing else.

An entry holds what is left of an order at the cut: the units an offer can still sell, the runs a bid still
wants. Its JSON form is published as evidence, and the Merkle root over all entries goes on chain with the
trades, so that a stranger replays the auction from the file and knows that nobody exchanged the input
(docs/protocol.md, section 5).

Units: prices in token base units per GFLOPS·h, quantities in work units, rates in MFLOPS (work units per
second), times in unix seconds. Hashes are 32 bytes, makers lower-case addresses.
Not handled here: money (held by the book room), signatures (checked at admission and again on chain).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from suan.core.encoding import JSON_INTEGER_MAX, canonical_json, keccak
from suan.core.ids import ord_id, parse_id
from suan.core.problems import FieldError

Json = dict[str, Any]

ORDERS_MAX: Final = 20_000
RANGES_MAX: Final = 1_024
PRICE_MAX: Final = 2**96 - 1
UINT64_MAX: Final = 2**64 - 1
UINT40_MAX: Final = 2**40 - 1
RUN_MAX: Final = 2**32 - 1


class BadBook(FieldError):
    """An entry or a book that no exchange may publish."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(field, "bad_book", message)


@dataclass(frozen=True, slots=True)
class OfferEntry:
    """What is left of an offer: `units` to sell, `backlog_units` of earlier trades that its node still has to
    finish.
    """

    order: bytes
    maker: str
    limit_price: int
    sequence: int
    units: int
    deliver_by: int
    rate_mflops: int
    backlog_units: int = 0

    def __post_init__(self) -> None:
        _check_common(self)
        _bounded("units", self.units, 1, UINT64_MAX)
        _bounded("rate_mflops", self.rate_mflops, 0, JSON_INTEGER_MAX)
        _bounded("backlog_units", self.backlog_units, 0, UINT64_MAX)

    def to_json(self) -> Json:
        return {
            "order": ord_id(self.order),
            "side": "sell",
            "maker": self.maker,
            "limit_price": str(self.limit_price),
            "sequence": self.sequence,
            "units": str(self.units),
            "deliver_by": self.deliver_by,
            "rate_mflops": self.rate_mflops,
            "backlog_units": str(self.backlog_units),
        }


@dataclass(frozen=True, slots=True)
class BidEntry:
    """What is left of a bid: `runs` as ranges (first index, count) in ascending order, each run up to
    `ceiling` work units.
    """

    order: bytes
    maker: str
    limit_price: int
    sequence: int
    runs: tuple[tuple[int, int], ...]
    ceiling: int
    deliver_by: int

    def __post_init__(self) -> None:
        _check_common(self)
        _bounded("ceiling", self.ceiling, 1, UINT64_MAX)
        _bounded("runs (number of ranges)", len(self.runs), 1, RANGES_MAX)
        end = 0
        for first, count in self.runs:
            _bounded("runs (first index; ranges ascend and do not overlap)", first, end, RUN_MAX)
            _bounded("runs (count)", count, 1, RUN_MAX)
            end = first + count

    @property
    def run_count(self) -> int:
        return sum(count for _, count in self.runs)

    @property
    def units(self) -> int:
        """Work units that all remaining runs may cost."""
        return self.run_count * self.ceiling

    def to_json(self) -> Json:
        return {
            "order": ord_id(self.order),
            "side": "buy",
            "maker": self.maker,
            "limit_price": str(self.limit_price),
            "sequence": self.sequence,
            "runs": [list(part) for part in self.runs],
            "ceiling": str(self.ceiling),
            "deliver_by": self.deliver_by,
        }


@dataclass(frozen=True)
class ClearingBook:
    """Offers and bids of one product, cut at `cut_sequence`. The order of the entries has no meaning."""

    symbol: str
    cut_sequence: int
    offers: tuple[OfferEntry, ...] = ()
    bids: tuple[BidEntry, ...] = ()

    def __post_init__(self) -> None:
        _bounded("cut_sequence", self.cut_sequence, 0, JSON_INTEGER_MAX)
        _bounded("orders", len(self.offers) + len(self.bids), 0, ORDERS_MAX)
        hashes = {entry.order for entry in self.entries}
        if len(hashes) != len(self.offers) + len(self.bids):
            raise BadBook("orders", "an order appears twice; publish each order once with what is left of it")
        late = [entry for entry in self.entries if entry.sequence > self.cut_sequence]
        if late:
            raise BadBook(
                "orders", f"sequence {late[0].sequence} arrived after the cut at {self.cut_sequence}"
            )

    @property
    def entries(self) -> tuple[OfferEntry | BidEntry, ...]:
        return (*self.offers, *self.bids)

    @cached_property
    def ordered_entries(self) -> tuple[OfferEntry | BidEntry, ...]:
        """All entries by arrival: the one order in which they are published."""
        return tuple(sorted(self.entries, key=lambda entry: (entry.sequence, entry.order)))

    def find(self, order: bytes) -> OfferEntry | BidEntry | None:
        return self._by_order.get(order)

    @cached_property
    def _by_order(self) -> dict[bytes, OfferEntry | BidEntry]:
        return {entry.order: entry for entry in self.entries}

    def orders_json(self) -> list[Json]:
        return [entry.to_json() for entry in self.ordered_entries]

    def leaves(self) -> list[tuple[bytes, bytes]]:
        """(order hash, keccak256(canonical JSON of the entry)) by arrival: the leaves of the order set."""
        return [(entry.order, keccak(canonical_json(entry.to_json()))) for entry in self.ordered_entries]


def entry_from_json(value: object) -> OfferEntry | BidEntry:
    """Read one published entry. Raises BadBook with the name of the field."""
    if not isinstance(value, dict):
        raise BadBook("orders", "each entry is a JSON object")
    side = value.get("side")
    if side not in ("sell", "buy"):
        raise BadBook("side", f"is {side!r}; expected 'sell' or 'buy'")
    expected = _OFFER_FIELDS if side == "sell" else _BID_FIELDS
    if set(value) != expected:
        raise BadBook("orders", f"fields differ from the protocol: {sorted(set(value) ^ expected)}")
    common: Json = {
        "order": read_order(value, "order"),
        "maker": _read_maker(value),
        "limit_price": read_int(value, "limit_price"),
        "sequence": read_int(value, "sequence"),
        "deliver_by": read_int(value, "deliver_by"),
    }
    if side == "buy":
        return BidEntry(**common, runs=_read_ranges(value), ceiling=read_int(value, "ceiling"))
    return OfferEntry(
        **common,
        units=read_int(value, "units"),
        rate_mflops=read_int(value, "rate_mflops"),
        backlog_units=read_int(value, "backlog_units"),
    )


def read_int(value: Json, field: str) -> int:
    """An integer, given as JSON integer or as decimal string. Floats and booleans are refused."""
    raw = value.get(field)
    if isinstance(raw, bool) or not isinstance(raw, int | str):
        raise BadBook(field, "expected an integer or a decimal string")
    if isinstance(raw, str) and not (raw.isascii() and raw.isdigit() and len(raw) <= 32):
        raise BadBook(field, "expected decimal digits, at most 32 of them")
    return int(raw)


def read_order(value: Json, field: str) -> bytes:
    """The 32-byte hash of an order id, `ord_0x` and 64 lower-case hex digits."""
    raw = value.get(field)
    order = parse_id(raw, prefix="ord") if isinstance(raw, str) else b""
    if raw != (ord_id(order) if order else None):
        raise BadBook(field, "expected an order id: ord_0x and 64 lower-case hex digits")
    return order


def _read_maker(value: Json) -> str:
    raw = value.get("maker")
    if not isinstance(raw, str):
        raise BadBook("maker", "expected a lower-case address")
    return raw


def _read_ranges(value: Json) -> tuple[tuple[int, int], ...]:
    raw = value.get("runs")
    if not isinstance(raw, list) or len(raw) > RANGES_MAX:
        raise BadBook("runs", f"expected a list of at most {RANGES_MAX} ranges [first, count]")
    ranges = []
    for part in raw:
        if not isinstance(part, list) or len(part) != 2 or any(type(number) is not int for number in part):
            raise BadBook("runs", "each range is [first, count], two integers")
        ranges.append((part[0], part[1]))
    return tuple(ranges)


def _check_common(entry: OfferEntry | BidEntry) -> None:
    if len(entry.order) != 32:
        raise BadBook("order", f"a hash has 32 bytes, not {len(entry.order)}")
    if len(entry.maker) != 42 or not entry.maker.startswith("0x") or set(entry.maker[2:]) - _HEX:
        raise BadBook("maker", "expected a lower-case address: 0x and 40 hex digits")
    _bounded("limit_price", entry.limit_price, 1, PRICE_MAX)
    _bounded("sequence", entry.sequence, 0, JSON_INTEGER_MAX)
    _bounded("deliver_by", entry.deliver_by, 0, UINT40_MAX)


def _bounded(field: str, number: int, low: int, high: int) -> None:
    if not low <= number <= high:
        raise BadBook(field, f"{number} is outside {low} to {high}")


_HEX = frozenset("0123456789abcdef")
_COMMON_FIELDS = frozenset({"order", "side", "maker", "limit_price", "sequence", "deliver_by"})
_OFFER_FIELDS = _COMMON_FIELDS | {"units", "rate_mflops", "backlog_units"}
_BID_FIELDS = _COMMON_FIELDS | {"runs", "ceiling"}
