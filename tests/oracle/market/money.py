"""How a close divides payment and bond, written down a second time and as plainly as can be.

Nothing here comes from suan.core.settlement: production is held against this copy, and this copy against the contract.
"""

from __future__ import annotations

from dataclasses import dataclass

from suan.core.contract.records import Outcome, OutcomeKind, Record

UNITS_PER_GFLOPS_HOUR = 3_600_000


@dataclass(frozen=True, slots=True)
class MarketParameters:
    """The immutable settings of a Market contract. Basis points, base units (per GFLOPS·h), seconds."""

    fee_bps: int
    bond_bps: int
    bond_floor_price: int
    verification_grace: int
    withdrawal_delay: int
    match_window: int
    dispute_window: int
    dispute_bond: int


@dataclass(frozen=True, slots=True)
class Shares:
    """Who gets what of one closed trade, in base units."""

    provider: int
    buyer: int
    treasury: int = 0
    rerun_account: int = 0
    pool: int = 0


def possible(record: Record, outcome: Outcome) -> bool:
    """Whether a trade can end so."""
    kind, runs, units = outcome.kind, outcome.runs_delivered, outcome.units
    if kind == OutcomeKind.SETTLED:
        tenth = (record.ceiling + 9) // 10
        return 0 < runs <= record.runs and runs * tenth <= units <= runs * record.ceiling
    if kind == OutcomeKind.REFUNDED:
        return runs == units == 0
    return kind == OutcomeKind.SLASHED and runs == 0


def as_possible(record: Record, outcome: Outcome) -> Outcome:
    """What a verdict with this outcome means: one that the trade cannot have refunds it."""
    return outcome if possible(record, outcome) else Outcome(OutcomeKind.REFUNDED, 0, 0)


def price_of(record: Record, units: int) -> int:
    return record.price * units // UNITS_PER_GFLOPS_HOUR


def pays(record: Record, outcome: Outcome) -> int:
    """What the buyer pays for work."""
    return price_of(record, outcome.units) if outcome.kind == OutcomeKind.SETTLED else 0


def shares(record: Record, outcome: Outcome, fee_bps: int) -> Shares:
    """Who gets what of payment and bond."""
    locked = -(-record.price * record.runs * record.ceiling // UNITS_PER_GFLOPS_HOUR)
    if outcome.kind == OutcomeKind.SETTLED:
        paid = price_of(record, outcome.units)
        fee = paid * fee_bps // 10_000
        return Shares(provider=record.bond + paid - fee, buyer=locked - paid, treasury=fee)
    if outcome.kind == OutcomeKind.SLASHED:
        rerun = min(record.bond, price_of(record, outcome.units))
        return Shares(provider=0, buyer=locked, rerun_account=rerun, pool=record.bond - rerun)
    return Shares(provider=record.bond, buyer=locked)
