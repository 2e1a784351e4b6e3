"""Where payment and bond of one trade go, exactly as the Market contract splits them."""

from __future__ import annotations

from dataclasses import dataclass

from suan.core.contract import (
    Outcome,
    OutcomeKind,
    Record,
)
from suan.core.settlement.outcomes import check_outcome
from suan.core.units import BaseUnits, Price, WorkUnits, fee, payment


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
