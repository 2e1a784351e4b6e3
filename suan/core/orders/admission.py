"""Orders: the signed structs, the terms that their hashes commit to, and the rules of admission.

Admission is pure: what the exchange knows about the maker and the chain comes in as an `AdmissionContext`,
and every rule that an order breaks comes back as a Problem that names the field, the limit and the next step.
Not checked here: signatures (who may sign is on chain) and whether job code and input were uploaded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from suan.core.encoding import to_hex
from suan.core.orders.products import RUNTIMES, product_by_id
from suan.core.orders.terms import BidTerms, OfferTerms
from suan.core.problems import FieldError, Problem
from suan.core.signing import (
    SIDE_BUY,
    SIDE_SELL,
    Bid,
    Offer,
)
from suan.core.units import (
    BASIS_POINTS,
    Mflops,
    Price,
    WorkUnits,
    bid_hold,
    format_tokens,
    offer_hold,
    units_in,
)


@dataclass(frozen=True)
class Limits:
    """Bounds of what is admitted to the book; GET /market shows them. Units stand last in each name."""

    price_min: int = 10**12
    price_max: int = 10**24
    units_max: int = 10**15
    """Work units of one offer, and of all runs of one bid together; below 2^53, so JSON numbers hold it."""
    runs_max: int = 10_000
    ceiling_min: int = 1
    ceiling_max: int = 10**12
    valid_seconds_max: int = 30 * 86_400
    deliver_seconds_max: int = 30 * 86_400
    """From now until deliver by; the contract refuses fills that are due later, a lock must not last long."""
    memory_bytes_min: int = 65_536
    memory_bytes_max: int = 1 << 30
    wall_seconds_max: int = 3_600
    rate_mflops_max: int = 10**9
    open_orders_max: int = 1_000
    """Open orders of one maker."""
    engine_characters_max: int = 64

    def to_json(self) -> dict[str, Any]:
        """All limits; prices, which pass 2^53, as decimal strings."""
        return {
            name: str(value) if value > 2**53 else value
            for name, value in ((name, getattr(self, name)) for name in self.__dataclass_fields__)
        }


LIMITS: Final = Limits()
PROFILES: Final = ("strict",)
SCHEDULES: Final = ("meter/1",)
DISCLOSURES: Final = ("public", "private")
_ENGINE: Final = re.compile(r"[a-z][a-z0-9.+-]*")


@dataclass(frozen=True)
class AdmissionContext:
    """What the exchange knows when an order arrives.

    available: base units of the maker that nothing holds yet.
    open_orders: of the maker, this one not counted. verifier_sets: ids the exchange settles under.
    fee_bps, bond_bps, bond_floor_price: of the Market contract. payout_cap: base units that may be locked in trades of the
    verifier set.
    measured_mflops: rate that the offer's node was measured at, None when the agent is not known.
    """

    available: int
    open_orders: int
    verifier_sets: frozenset[bytes]
    fee_bps: int
    bond_bps: int
    bond_floor_price: int
    payout_cap: int
    measured_mflops: int | None = None


def check_bid(
    bid: Bid, terms: BidTerms, *, now: int, context: AdmissionContext, limits: Limits = LIMITS
) -> list[Problem]:
    """Every rule that a bid breaks, empty when it is admitted. now: unix seconds."""
    problems = _common_problems(bid, SIDE_BUY, terms.hash(), now, context, limits)
    problems += _range("runs", bid.runs, 1, limits.runs_max)
    problems += _range("ceiling_units", bid.ceiling, limits.ceiling_min, limits.ceiling_max)
    problems += _range("runs", bid.runs * bid.ceiling, 0, limits.units_max, what="runs x ceiling")
    problems += _bid_terms_problems(terms, limits)
    if bid.deliver_by < now + terms.wall_seconds:
        problems.append(
            Problem(
                "deliver_by",
                "too_soon",
                f"a run may take {terms.wall_seconds} s; deliver by {now + terms.wall_seconds} or later.",
            )
        )
    need = bid_hold(Price(bid.price), bid.runs, WorkUnits(bid.ceiling))
    problems += _cap_problems(bid, need, context)
    return problems + _funds_problems("insufficient_funds", need, context.available, "fewer runs")


def check_offer(
    offer: Offer, terms: OfferTerms, *, now: int, context: AdmissionContext, limits: Limits = LIMITS
) -> list[Problem]:
    """Every rule that an offer breaks, empty when it is admitted. now: unix seconds."""
    problems = _common_problems(offer, SIDE_SELL, terms.hash(), now, context, limits)
    problems += _range("units", offer.units, 1, limits.units_max)
    problems += _offer_terms_problems(terms, limits)
    problems += _capacity_problems(offer, terms, now, context)
    need = offer_hold(
        Price(offer.price), WorkUnits(offer.units), context.bond_bps, Price(context.bond_floor_price)
    )
    return problems + _funds_problems("insufficient_bond", need, context.available, "fewer units")


def _cap_problems(bid: Bid, payment: int, context: AdmissionContext) -> list[Problem]:
    """All runs of a bid may meet one offer. Its bond is then at most that of an offer at the bid's own price."""
    work = WorkUnits(bid.runs * bid.ceiling)
    most = payment + offer_hold(Price(bid.price), work, context.bond_bps, Price(context.bond_floor_price))
    if most <= context.payout_cap:
        return []
    text = (
        f"payment and bond could come to {most} base units; the contract locks at most {context.payout_cap} in trades of "
        f"these verifiers. Bid for fewer runs, or lower the price or the ceiling."
    )
    return [Problem("runs", "above_payout_cap", text)]


def _common_problems(
    order: Bid | Offer, side: int, terms: bytes, now: int, context: AdmissionContext, limits: Limits
) -> list[Problem]:
    problems = []
    if order.side != side:
        problems.append(Problem("side", "wrong_side", f"a {type(order).__name__.lower()} has side {side}."))
    try:
        product_by_id(order.product)
    except FieldError as error:
        problems.append(error.problem)
    problems += _range("limit_price", order.price, limits.price_min, limits.price_max)
    if order.terms != terms:
        problems.append(
            Problem(
                "terms", "differs", "the signed hash is not that of the terms; sign their canonical JSON."
            )
        )
    if order.verifier_set not in context.verifier_sets:
        known = ", ".join(to_hex(identity) for identity in sorted(context.verifier_sets))
        problems.append(Problem("verifier_set", "unknown_verifier_set", f"settled here under {known} only."))
    if not context.fee_bps <= order.max_fee_bps <= BASIS_POINTS:
        problems.append(
            Problem(
                "max_fee_bps",
                "out_of_range",
                f"the fee is {context.fee_bps} bps; sign a maximum of {context.fee_bps} to {BASIS_POINTS}.",
            )
        )
    if context.open_orders >= limits.open_orders_max:
        problems.append(
            Problem(
                "maker",
                "too_many_open_orders",
                f"{context.open_orders} orders are open of {limits.open_orders_max} allowed; cancel one.",
            )
        )
    return problems + _time_problems(order, now, limits)


def _time_problems(order: Bid | Offer, now: int, limits: Limits) -> list[Problem]:
    problems = []
    if order.valid_until <= now:
        problems.append(
            Problem(
                "valid_until", "expired", f"{order.valid_until} has passed (now {now}); choose a later time."
            )
        )
    if order.valid_until > now + limits.valid_seconds_max:
        latest = now + limits.valid_seconds_max
        problems.append(
            Problem("valid_until", "too_late", f"the latest is {latest}; choose an earlier time.")
        )
    if order.deliver_by < order.valid_until:
        problems.append(
            Problem(
                "deliver_by", "before_valid_until", f"must be {order.valid_until} (valid_until) or later."
            )
        )
    if order.deliver_by > now + limits.deliver_seconds_max:
        latest = now + limits.deliver_seconds_max
        problems.append(Problem("deliver_by", "too_late", f"the latest is {latest}; choose an earlier time."))
    return problems


def _bid_terms_problems(terms: BidTerms, limits: Limits) -> list[Problem]:
    problems = _range("terms.version", terms.version, 1, 1)
    problems += _range(
        "terms.memory_bytes", terms.memory_bytes, limits.memory_bytes_min, limits.memory_bytes_max
    )
    problems += _range("terms.wall_seconds", terms.wall_seconds, 1, limits.wall_seconds_max)
    problems += _one_of("terms.profile", terms.profile, PROFILES)
    problems += _one_of("terms.schedule", terms.schedule, SCHEDULES)
    return problems + _one_of("terms.disclosure", terms.disclosure, DISCLOSURES)


def _offer_terms_problems(terms: OfferTerms, limits: Limits) -> list[Problem]:
    problems = _range("terms.version", terms.version, 1, 1)
    problems += _range("terms.rate_mflops", terms.rate_mflops, 1, limits.rate_mflops_max)
    problems += _one_of("terms.runtime", terms.runtime, RUNTIMES)
    if len(terms.engine) > limits.engine_characters_max or _ENGINE.fullmatch(terms.engine) is None:
        problems.append(
            Problem(
                "terms.engine",
                "not_an_engine",
                f"write name and version, as wasmtime-50.0.1, in {limits.engine_characters_max} characters.",
            )
        )
    return problems


def _capacity_problems(offer: Offer, terms: OfferTerms, now: int, context: AdmissionContext) -> list[Problem]:
    problems = []
    if context.measured_mflops is None:
        problems.append(
            Problem(
                "terms.agent",
                "unknown_agent",
                "no node of yours is registered under this key; run `suan provider run` first.",
            )
        )
    elif terms.rate_mflops > context.measured_mflops:
        problems.append(
            Problem(
                "terms.rate_mflops",
                "above_measured",
                f"the node was measured at {context.measured_mflops} MFLOPS; promise no more than that.",
            )
        )
    possible = units_in(Mflops(max(terms.rate_mflops, 0)), max(offer.deliver_by - now, 0))
    if offer.units > possible:
        problems.append(
            Problem(
                "units",
                "beyond_capacity",
                f"{terms.rate_mflops} MFLOPS finish {possible} work units until deliver_by; offer no more.",
            )
        )
    return problems


def _funds_problems(code: str, need: int, available: int, less: str) -> list[Problem]:
    if need <= available:
        return []
    message = (
        f"{format_tokens(need)} tokens must be held and {format_tokens(available)} are free; "
        f"deposit {format_tokens(need - available)} more or ask for {less}."
    )
    return [Problem("maker", code, message)]


def _range(field: str, value: int, least: int, most: int, *, what: str = "this") -> list[Problem]:
    if value < least:
        return [Problem(field, "too_low", f"{what} is {value}, the least is {least}; raise it.")]
    if value > most:
        return [Problem(field, "too_high", f"{what} is {value}, the most is {most}; lower it.")]
    return []


def _one_of(field: str, value: str, known: tuple[str, ...]) -> list[Problem]:
    if value in known:
        return []
    return [Problem(field, "unknown_value", f"{value[:60]!r} is not known; choose {' or '.join(known)}.")]
