"""From verified runs to the outcome of their trade.

A provider is paid for verified work only. A false receipt slashes only after a second engine confirmed the mismatch.
"""

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
from suan.core.units import WorkUnits, billed_units


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

    def billed(self, ceiling: WorkUnits) -> WorkUnits:
        """What a paid trade bills for this run, as its leaf under the verdict's root says: zero if it delivers nothing."""
        if self.verdict != ReceiptVerdict.ACCEPTED or not self.exit_reason.delivers:
            return WorkUnits(0)
        return billed_units(self.counted, ceiling)


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
    billed = [units for run in runs if (units := run.billed(ceiling))]
    if not billed:
        return Outcome(OutcomeKind.REFUNDED, 0, 0)
    return Outcome(OutcomeKind.SETTLED, len(billed), sum(billed))
