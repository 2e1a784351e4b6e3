"""From verified runs to a verdict, and from a verdict to money, exactly as the Market contract splits it.

Invariants: the parts of a split sum to payment and bond of the trade; a provider is paid for verified work
only; a buyer never pays more than was locked; a slash never reaches the buyer, who gets the payment back.
A false receipt slashes only after a second engine confirmed the mismatch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from suan.core.contract import (
    Outcome,
    OutcomeKind,
    ReceiptVerdict,
    Record,
)
from suan.core.delivery import ExitReason
from suan.core.units import WorkUnits, billed_units, minimum_units


class InvalidOutcome(ValueError):
    """An outcome that the contract would refuse for this trade."""


@dataclass(frozen=True, slots=True)
class VerifiedRun:
    """One run of a trade. counted: work units as recomputed from the four counters, never as claimed.

    A run without receipt has no exit reason that matters and counts nothing: `VerifiedRun.missing(run)`.
    """

    run: int
    verdict: ReceiptVerdict
    exit_reason: ExitReason
    counted: WorkUnits

    @classmethod
    def missing(cls, run: int) -> VerifiedRun:
        return cls(run, ReceiptVerdict.MISSING, ExitReason.REFUSED, WorkUnits(0))


def outcome_of(record: Record, runs: Sequence[VerifiedRun]) -> Outcome:
    """The outcome of a trade whose runs have all been decided.

    One confirmed false receipt slashes the whole trade: units are then the recomputed work of all runs that
    were recomputed, which prices the re-run. Otherwise every accepted run that delivers (docs: money
    outcomes) is billed by its count within ceiling and minimum; none of them means a refund.
    Raises ValueError when a run is missing from `runs`, given twice or not of the trade.
    """
    expected = range(record.first_run, record.first_run + record.runs)
    if sorted(run.run for run in runs) != list(expected):
        raise ValueError(f"every run from {expected.start} to {expected.stop - 1} is needed exactly once")
    ceiling = WorkUnits(record.ceiling)
    if any(run.verdict == ReceiptVerdict.REJECTED for run in runs):
        recomputed = sum(min(run.counted, ceiling) for run in runs if run.verdict != ReceiptVerdict.MISSING)
        return Outcome(OutcomeKind.SLASHED, 0, recomputed)
    billed = [
        billed_units(run.counted, ceiling)
        for run in runs
        if run.verdict == ReceiptVerdict.ACCEPTED and run.exit_reason.delivers
    ]
    if not billed:
        return Outcome(OutcomeKind.REFUNDED, 0, 0)
    return Outcome(OutcomeKind.SETTLED, len(billed), sum(billed))


def check_outcome(record: Record, outcome: Outcome) -> None:
    """InvalidOutcome unless the contract accepts this outcome for this trade."""
    if outcome.kind == OutcomeKind.SETTLED:
        least = outcome.runs_delivered * minimum_units(WorkUnits(record.ceiling))
        most = outcome.runs_delivered * record.ceiling
        if not 1 <= outcome.runs_delivered <= record.runs:
            raise InvalidOutcome(f"settled with {outcome.runs_delivered} of {record.runs} runs")
        if not least <= outcome.units <= most:
            raise InvalidOutcome(f"settled {outcome.units} units outside {least} to {most}")
    elif outcome.runs_delivered:
        raise InvalidOutcome("only a settled trade delivers runs")
    elif outcome.kind == OutcomeKind.REFUNDED:
        if outcome.units:
            raise InvalidOutcome("a refunded trade has no units")
    elif outcome.kind != OutcomeKind.SLASHED:
        raise InvalidOutcome(f"there is no outcome of kind {outcome.kind}")


def allows(record: Record, outcome: Outcome) -> bool:
    """Whether the contract accepts this outcome for this trade."""
    try:
        check_outcome(record, outcome)
    except InvalidOutcome:
        return False
    return True


def units_given_back(record: Record, outcome: Outcome) -> tuple[int, int]:
    """(work units back to the offer, runs back to the bid) when a trade is closed; they may trade again."""
    used = outcome.units if outcome.kind == OutcomeKind.SETTLED else 0
    return record.runs * record.ceiling - used, record.runs - outcome.runs_delivered
