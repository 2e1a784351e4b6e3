"""Who pays whom when a dispute ends: the challenger's bond, and its reward.

The disputed trade is closed like any other (`split`); this is what moves beside it. Nobody ever pays more than the bond of
the dispute, and a reward comes out of what the close just gave the payer.
"""

from __future__ import annotations

from dataclasses import dataclass

from suan.core.contract import PAID_KINDS, Outcome, OutcomeKind, Record
from suan.core.encoding import ZERO_ADDRESS
from suan.core.settlement.split import split


@dataclass(frozen=True, slots=True)
class BondEnd:
    """How a dispute's bond ends, as DisputeRuled names it. Base units.

    forfeited: what `opponent` gets of the challenger's bond. reward: what `opponent` pays the challenger. opponent: the
    zero address where nobody is one.
    """

    opponent: str
    forfeited: int
    reward: int


NOBODY_RULED = BondEnd(ZERO_ADDRESS, 0, 0)
"""What was decided stands, and nobody loses a bond for the arbiters' silence."""


def falls_unbacked(kind: int, *, revealed: bool, challenger: str, provider: str) -> bool:
    """Whether a disputed outcome of this kind is refunded if nobody rules: it pays, and no receipt backed it in time.

    A provider that disputes what it was denied cannot gain by hiding its own receipts.
    """
    return kind in PAID_KINDS and not revealed and challenger != provider


def bond_end(
    record: Record,
    *,
    challenger: str,
    bond: int,
    decided: Outcome,
    becomes: Outcome,
    fee_bps: int,
    pool: str,
) -> BondEnd:
    """How the bond of a dispute ends when a trade that was `decided` so is closed as it `becomes`.

    The loser is the side to which the ruling leaves less than the decision did, and it pays the challenger; after a slash
    the pool pays. If nobody lost (a slash takes nothing from a buyer), nobody pays. A challenger that was wrong, or is the
    loser itself, forfeits its bond to the side that it attacked.
    """
    attacked = record.buyer if challenger == record.provider else record.provider
    was, now = split(record, decided, fee_bps), split(record, becomes, fee_bps)
    payer, there = ZERO_ADDRESS, 0
    if now.provider_share < was.provider_share:
        payer, there = record.provider, now.provider_share
    elif now.to_buyer < was.to_buyer:
        payer, there = record.buyer, int(now.to_buyer)
    if decided == becomes or payer == challenger:
        return BondEnd(attacked, bond, 0)
    if payer == record.provider and becomes.kind == OutcomeKind.SLASHED:
        payer, there = pool, int(now.pool)
    return BondEnd(payer, 0, min(there, bond))
