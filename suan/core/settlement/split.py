"""THE MONEY RULE: how a trade may be closed, and where its payment and its bond go then, as the Market contract has it.

Whatever says or checks where the money of a close goes asks here: the books, the folds of the log, the trade's page, the
audit. Independent of it, on purpose: the contract itself, and the oracle of the tests that both are held against.

Invariants: the parts of a split sum to payment and bond of the trade; a buyer never pays more than was locked; a slash
never reaches the buyer, who gets the payment back; what an outcome did not use may trade again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from suan.core.contract import PAID_KINDS, Outcome, OutcomeKind, Record
from suan.core.units import BaseUnits, Price, WorkUnits, fee, minimum_units, payment

END_STATES: Final = {
    OutcomeKind.REFUNDED: "refunded",
    OutcomeKind.SETTLED: "settled",
    OutcomeKind.SLASHED: "slashed",
}
"""The state (suan.core.lifecycle) of a trade that was closed so; two kinds may share one."""


class InvalidOutcome(ValueError):
    """An outcome that the contract would refuse for this trade."""


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
    def provider_share(self) -> int:
        """All that the outcome leaves to the provider."""
        return self.to_provider + self.bond_back

    @property
    def total(self) -> int:
        return self.paid + self.to_buyer + self.bond_back + self.slashed


def check_outcome(record: Record, outcome: Outcome) -> None:
    """InvalidOutcome unless the contract accepts this outcome for this trade."""
    if outcome.kind in PAID_KINDS:
        least = outcome.runs_delivered * minimum_units(WorkUnits(record.ceiling))
        most = outcome.runs_delivered * record.ceiling
        if not 1 <= outcome.runs_delivered <= record.runs:
            raise InvalidOutcome(f"paid for {outcome.runs_delivered} of {record.runs} runs")
        if not least <= outcome.units <= most:
            raise InvalidOutcome(f"paid for {outcome.units} units outside {least} to {most}")
    elif outcome.kind not in set(OutcomeKind):
        raise InvalidOutcome(f"there is no outcome of kind {outcome.kind}")
    elif outcome.runs_delivered:
        raise InvalidOutcome("only a paid trade delivers runs")
    elif outcome.kind == OutcomeKind.REFUNDED and outcome.units:
        raise InvalidOutcome("a refunded trade has no units")


def allows(record: Record, outcome: Outcome) -> bool:
    """Whether the contract accepts this outcome for this trade."""
    try:
        check_outcome(record, outcome)
    except InvalidOutcome:
        return False
    return True


def as_possible(record: Record, outcome: Outcome) -> Outcome:
    """What a verdict with this outcome means for the trade: one that it cannot have refunds it, so no trade opens again."""
    return outcome if allows(record, outcome) else Outcome(OutcomeKind.REFUNDED, 0, 0)


def split(record: Record, outcome: Outcome, fee_bps: int) -> Payout:
    """Where payment and bond of a trade go that is closed so.

    Settled: the payment for the billed units, less the fee, to the provider; the rest of the lock to the
    buyer; the bond back. Refunded: lock to the buyer, bond back. Slashed: lock to the buyer; of the bond as
    much as the re-run costs to the re-run account, the rest to the pool.

    Answers for any outcome that somebody claims: for one that `check_outcome` refuses, a part may be negative.
    """
    paid = paid_for(record, outcome)
    slashed = record.bond if outcome.kind == OutcomeKind.SLASHED else 0
    return divided(record, outcome.units, paid=paid, charged=fee(paid, fee_bps), slashed=slashed)


def paid_for(record: Record, outcome: Outcome) -> BaseUnits:
    """What an outcome pays for work, before the fee. Down: the dust stays with the buyer."""
    if outcome.kind == OutcomeKind.SETTLED:
        return payment(Price(record.price), WorkUnits(outcome.units))
    return BaseUnits(0)


def divided(record: Record, units: int, *, paid: int, charged: int, slashed: int) -> Payout:
    """The parts into which the three figures of a close (TradeClosed.paid, fee and slashed) divide what was locked.

    They sum to it whatever the figures are; one is negative where the figures exceed the lock. `units` price the re-run,
    which comes out of what was slashed.
    """
    rerun = min(slashed, payment(Price(record.price), WorkUnits(units)))
    return Payout(
        to_provider=BaseUnits(paid - charged),
        fee=BaseUnits(charged),
        to_buyer=BaseUnits(record.payment - paid),
        bond_back=BaseUnits(record.bond - slashed),
        rerun=BaseUnits(rerun),
        pool=BaseUnits(slashed - rerun),
    )


def units_given_back(record: Record, outcome: Outcome) -> tuple[int, int]:
    """(work units back to the offer, runs back to the bid) when a trade is closed; they may trade again."""
    used = outcome.units if outcome.kind in PAID_KINDS else 0
    return record.runs * record.ceiling - used, record.runs - outcome.runs_delivered
