"""Work, money, prices and every rounding between them.

Layout: a *work unit* is 10^6 FLOP-equivalents and 1 GFLOPS·h is 3,600,000 of them; a rate in MFLOPS is work
units per second; money is base units of the token (18 decimals); a price is base units per GFLOPS·h.

Invariants: all values are whole and never negative. The lock of a trade covers its payment; the locks of the
parts of a bid never exceed its hold; the bonds of the parts of an offer never exceed the bond of the whole.

Limit: Python integers do not overflow; the Solidity twin does the same arithmetic in uint256, where
uint96 prices times uint64 units fit.
"""

from __future__ import annotations

import re
from typing import Final, NewType

from suan.core.problems import FieldError

WorkUnits = NewType("WorkUnits", int)
BaseUnits = NewType("BaseUnits", int)
Price = NewType("Price", int)
Mflops = NewType("Mflops", int)

FLOP_EQUIVALENTS_PER_WORK_UNIT: Final = 10**6
UNITS_PER_GFLOPS_HOUR: Final = 3_600_000
TOKEN_DECIMALS: Final = 18
BASE_UNITS_PER_TOKEN: Final = 10**TOKEN_DECIMALS
BASIS_POINTS: Final = 10_000
MINIMUM_BILL_DIVISOR: Final = 10
"""A delivered run is billed at least ceiling / 10, so that a ceiling is no free reservation."""

_GFLOPS_HOUR_DECIMALS: Final = 7
"""One work unit is 2.8e-7 GFLOPS·h, so seven decimals name every work unit without doubt."""
_DECIMAL_TEXT: Final = re.compile(r"([0-9]{1,60})(?:\.([0-9]{1,60}))?")


def div_up(numerator: int, denominator: int) -> int:
    """ceil(numerator / denominator) of a non-negative and a positive integer."""
    if numerator < 0 or denominator <= 0:
        raise ValueError(f"div_up needs numerator >= 0 and denominator > 0, got {numerator} / {denominator}")
    return -(-numerator // denominator)


def lock_payment(price: Price, units: WorkUnits) -> BaseUnits:
    """Money locked for `units` at `price`: ceil(price * units / 3,600,000).

    Up: the buyer reserves at most one base unit more than the work can cost, so a payment is always covered.
    """
    _not_negative(price=price, units=units)
    return BaseUnits(div_up(price * units, UNITS_PER_GFLOPS_HOUR))


def payment(price: Price, units: WorkUnits) -> BaseUnits:
    """Money paid for `units` at `price`: floor(price * units / 3,600,000).

    Down: less than one base unit of dust stays with the buyer.
    """
    _not_negative(price=price, units=units)
    return BaseUnits(price * units // UNITS_PER_GFLOPS_HOUR)


def fee(paid: BaseUnits, fee_bps: int) -> BaseUnits:
    """The exchange's part of a payment: floor(paid * fee_bps / 10,000), taken out of what the provider gets.

    Down: the dust stays with the provider.
    """
    _not_negative(paid=paid)
    _basis_points("fee_bps", fee_bps)
    return BaseUnits(paid * fee_bps // BASIS_POINTS)


def bond_price(offer_price: Price, bond_bps: int, bond_floor_price: Price) -> Price:
    """Bond per GFLOPS·h: max(floor(offer_price * bond_bps / 10,000), bond_floor_price).

    Known from the signed offer alone, so a provider knows its largest loss before it signs.
    Down: the dust stays with the provider.
    """
    _not_negative(offer_price=offer_price, bond_floor_price=bond_floor_price)
    _basis_points("bond_bps", bond_bps)
    return Price(max(offer_price * bond_bps // BASIS_POINTS, bond_floor_price))


def bond(price_of_bond: Price, units: WorkUnits) -> BaseUnits:
    """Bond locked for `units`: floor(bond_price * units / 3,600,000).

    Down: the dust stays with the provider, and the bonds of parts never exceed the bond of the whole.
    """
    _not_negative(bond_price=price_of_bond, units=units)
    return BaseUnits(price_of_bond * units // UNITS_PER_GFLOPS_HOUR)


def minimum_units(ceiling: WorkUnits) -> WorkUnits:
    """The least a delivered run is billed: ceil(ceiling / 10). Up: the provider gains less than one unit."""
    _not_negative(ceiling=ceiling)
    return WorkUnits(div_up(ceiling, MINIMUM_BILL_DIVISOR))


def billed_units(counted: WorkUnits, ceiling: WorkUnits) -> WorkUnits:
    """Work billed for one delivered run: max(min(counted, ceiling), ceil(ceiling / 10)).

    Work above the ceiling is the provider's loss; below a tenth of it the buyer pays for the reservation.
    """
    _not_negative(counted=counted)
    return WorkUnits(max(min(counted, ceiling), minimum_units(ceiling)))


def bid_hold(price: Price, runs: int, ceiling: WorkUnits) -> BaseUnits:
    """Money held for `runs` runs of a bid: runs * ceil(price * ceiling / 3,600,000).

    Up per run: it covers every way in which the runs may be split into trades; the rest is released.
    """
    _not_negative(runs=runs)
    return BaseUnits(runs * lock_payment(price, ceiling))


def offer_hold(offer_price: Price, units: WorkUnits, bond_bps: int, bond_floor_price: Price) -> BaseUnits:
    """Money held for an offer: the bond of all its units, which covers the bonds of all parts."""
    return bond(bond_price(offer_price, bond_bps, bond_floor_price), units)


def units_in(rate: Mflops, seconds: int) -> WorkUnits:
    """Work that a rate finishes in whole seconds; exact, since 1 MFLOPS is one work unit per second."""
    _not_negative(rate=rate, seconds=seconds)
    return WorkUnits(rate * seconds)


def parse_tokens(text: str) -> BaseUnits:
    """Base units of a decimal token amount, exact: "0.85" -> 850000000000000000.

    Raises FieldError for signs, exponents, separators and more than 18 decimals: nothing is rounded.
    """
    whole, fraction = _decimal("amount", text, "0.85")
    if len(fraction) > TOKEN_DECIMALS:
        raise FieldError(
            "amount",
            "too_precise",
            f"{text!r} has {len(fraction)} decimals; a token has {TOKEN_DECIMALS}. Shorten it.",
        )
    return BaseUnits(int(whole) * BASE_UNITS_PER_TOKEN + int(fraction.ljust(TOKEN_DECIMALS, "0")))


def format_tokens(amount: int) -> str:
    """The decimal text of base units, exact, without trailing zeros; a negative difference keeps its sign."""
    whole, fraction = divmod(abs(amount), BASE_UNITS_PER_TOKEN)
    digits = str(fraction).rjust(TOKEN_DECIMALS, "0").rstrip("0")
    return ("-" if amount < 0 else "") + str(whole) + ("." + digits if digits else "")


def parse_gflops_hours(text: str) -> WorkUnits:
    """Work units of a decimal number of GFLOPS·h, to the nearest work unit (half goes up).

    At most half a work unit is gained or lost by who wrote the text; what is signed is the whole number.
    parse(format(units)) == units for every number of units. Raises FieldError for anything but plain
    decimals, and for a positive text that is less than half a work unit.
    """
    whole, fraction = _decimal("gflops_hours", text, "1.5")
    scale = 10 ** len(fraction)
    exact = int(whole + fraction) * UNITS_PER_GFLOPS_HOUR
    units = (2 * exact + scale) // (2 * scale)
    if exact and not units:
        raise FieldError(
            "gflops_hours",
            "too_low",
            f"{text!r} is less than one work unit (0.0000003 GFLOPS·h); ask for more.",
        )
    return WorkUnits(units)


def format_gflops_hours(units: int) -> str:
    """The text of work units in GFLOPS·h, to the nearest of seven decimals; for eyes, not for books."""
    _not_negative(units=units)
    scale = 10**_GFLOPS_HOUR_DECIMALS
    scaled = (2 * units * scale + UNITS_PER_GFLOPS_HOUR) // (2 * UNITS_PER_GFLOPS_HOUR)
    whole, fraction = divmod(scaled, scale)
    digits = str(fraction).rjust(_GFLOPS_HOUR_DECIMALS, "0").rstrip("0")
    return str(whole) + ("." + digits if digits else "")


def _decimal(field: str, text: str, example: str) -> tuple[str, str]:
    match = _DECIMAL_TEXT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        shown = repr(text)[:80]
        raise FieldError(
            field, "not_a_decimal", f"{shown} is not a plain decimal number; write digits like {example}."
        )
    return match.group(1), match.group(2) or ""


def _not_negative(**values: int) -> None:
    for name, value in values.items():
        if type(value) is bool or not isinstance(value, int):
            raise TypeError(f"{name} must be a whole number, got {type(value).__name__}")
        if value < 0:
            raise ValueError(f"{name} must not be negative, got {value}")


def _basis_points(name: str, value: int) -> None:
    if not 0 <= value <= BASIS_POINTS:
        raise ValueError(f"{name} must lie between 0 and {BASIS_POINTS}, got {value}")
