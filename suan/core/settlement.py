"""From verified runs to a verdict, and from a verdict to money, exactly as the Market contract splits it.

Invariants: the parts of a split sum to payment and bond of the trade; a provider is paid for verified work
only; a buyer never pays more than was locked; a slash never reaches the buyer, who gets the payment back.
A false receipt slashes only after a second engine confirmed the mismatch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from suan.core.calls import Proven
from suan.core.merkle import HashTree
from suan.core.receipts import ExitReason
from suan.core.records import (
    BATCH_RECORDS_MAX,
    BatchHead,
    Clearing,
    Fill,
    KeySet,
    Outcome,
    OutcomeKind,
    ReceiptVerdict,
    Record,
    RejectCode,
    batch_head,
    batch_id,
    batch_root,
    batch_tree,
    order_set_root,
    receipts_root,
    receipts_tree,
    trade_id,
    verifier_set_id,
)
from suan.core.units import BaseUnits, Price, WorkUnits, billed_units, fee, minimum_units, payment

__all__ = [
    "BATCH_RECORDS_MAX",
    "BatchHead",
    "Clearing",
    "Fill",
    "InvalidOutcome",
    "KeySet",
    "MarketParameters",
    "Outcome",
    "OutcomeKind",
    "Payout",
    "Proven",
    "ReceiptVerdict",
    "Record",
    "RejectCode",
    "VerifiedRun",
    "allows",
    "batch_head",
    "batch_id",
    "batch_root",
    "batch_tree",
    "check_outcome",
    "order_set_root",
    "outcome_of",
    "pay_attested_after",
    "prove_records",
    "receipts_root",
    "receipts_tree",
    "refund_after",
    "split",
    "trade_id",
    "units_given_back",
    "verifier_set_id",
]


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


@dataclass(frozen=True, slots=True)
class MarketParameters:
    """The immutable settings of a Market contract. Basis points, base units (per GFLOPS·h), seconds."""

    fee_bps: int
    bond_bps: int
    bond_floor_price: int
    verification_grace: int
    withdrawal_delay: int
    dispute_window: int
    dispute_bond: int


@dataclass(frozen=True, slots=True)
class Payout:
    """Where the locked payment and bond of one trade go, in base units."""

    to_provider: BaseUnits
    fee: BaseUnits
    to_buyer: BaseUnits
    bond_back: BaseUnits
    rerun: BaseUnits
    pool: BaseUnits

    @property
    def paid(self) -> int:
        """What the work cost the buyer: TradeClosed.paid."""
        return self.to_provider + self.fee

    @property
    def slashed(self) -> int:
        """What the provider lost of its bond: TradeClosed.slashed."""
        return self.rerun + self.pool

    @property
    def total(self) -> int:
        return self.paid + self.to_buyer + self.bond_back + self.slashed


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


def split(record: Record, outcome: Outcome, parameters: MarketParameters) -> Payout:
    """Where payment and bond of a trade go. Raises InvalidOutcome where the contract would revert.

    Settled: the payment for the billed units, less the fee, to the provider; the rest of the lock to the
    buyer; the bond back. Refunded: lock to the buyer, bond back. Slashed: lock to the buyer; of the bond as
    much as the re-run costs to the re-run account, the rest to the pool.
    """
    check_outcome(record, outcome)
    paid = charged = rerun = 0
    if outcome.kind == OutcomeKind.SETTLED:
        paid = payment(Price(record.price), WorkUnits(outcome.units))
        charged = fee(BaseUnits(paid), parameters.fee_bps)
    elif outcome.kind == OutcomeKind.SLASHED:
        rerun = min(record.bond, payment(Price(record.price), WorkUnits(outcome.units)))
    slashed = record.bond if outcome.kind == OutcomeKind.SLASHED else 0
    payout = Payout(
        to_provider=BaseUnits(paid - charged),
        fee=BaseUnits(charged),
        to_buyer=BaseUnits(record.payment - paid),
        bond_back=BaseUnits(record.bond - slashed),
        rerun=BaseUnits(rerun),
        pool=BaseUnits(slashed - rerun),
    )
    if payout.total != record.payment + record.bond or min(payout.to_buyer, payout.to_provider) < 0:
        raise AssertionError(f"the parts of trade 0x{record.trade.hex()} do not sum to what was locked")
    return payout


def units_given_back(record: Record, outcome: Outcome) -> tuple[int, int]:
    """(work units back to the offer, runs back to the bid) when a trade is closed; they may trade again."""
    used = outcome.units if outcome.kind == OutcomeKind.SETTLED else 0
    return record.runs * record.ceiling - used, record.runs - outcome.runs_delivered


def refund_after(deliver_by: int, verification_grace: int) -> int:
    """The first second (unix) at which anyone may refund a trade whose delivery was not attested."""
    return deliver_by + verification_grace


def pay_attested_after(deliver_by: int, verification_grace: int) -> int:
    """The first second (unix) at which anyone may have an attested delivery paid."""
    return deliver_by + 2 * verification_grace


def prove_records(records: Sequence[Record], indices: Sequence[int]) -> Proven:
    """The chosen records of a whole lock batch, in ascending order of index, with their multiproof.

    records: all records of the batch, in order of their index. Of the whole batch the proof is empty: whoever has all
    leaves builds the root.
    """
    if len(indices) == len(records):
        return Proven(tuple(records))
    tree: HashTree = batch_tree(records)
    proof, flags, order = tree.multiproof(indices)
    return Proven(tuple(records[index] for index in order), tuple(proof), tuple(flags))
