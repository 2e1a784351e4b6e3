"""Who pays whom when a claim about a decided trade ends: the challenger's bond, and its reward.

The disputed trade is closed like any other (`split`); this is what moves beside it. Nobody ever pays more than the bond of
the dispute, and a reward comes out of what the close just gave the payer. Nobody is rewarded without a ruling.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from suan.core.contract import Outcome, OutcomeKind, Record
from suan.core.encoding import ZERO_ADDRESS
from suan.core.settlement.split import split

REVEAL_SHARE: Final = 10
"""A receipt that was asked for costs its challenger the bond divided by this."""


@dataclass(frozen=True, slots=True)
class BondEnd:
    """How the bond of a claim ends, as ClaimEnded names it. Base units.

    forfeited: what `opponent` gets of the challenger's bond. reward: what `opponent` pays the challenger. opponent: the
    zero address where nobody is one.
    """

    opponent: str
    forfeited: int
    reward: int


NOBODY_RULED = BondEnd(ZERO_ADDRESS, 0, 0)
"""The bond goes back: nobody loses one for the arbiters' silence, or for a receipt that was not shown."""


@dataclass(frozen=True, slots=True)
class WithoutRuling:
    """How a dispute ends without a ruling: from when on (unix seconds), and whether the trade is refunded then."""

    due: int
    falls: bool


def without_ruling(
    *, missing: int, for_arbiters: bool, claim_by: int, reveal_by: int, rule_by: int
) -> WithoutRuling:
    """missing: receipts that are asked for and were not shown. for_arbiters: whether anybody claims that they must rule.

    A receipt that is missing after reveal_by refunds the trade. Else it stands, as soon as nobody can or may rule any more.
    """
    if missing:
        return WithoutRuling(reveal_by, True)
    return WithoutRuling(rule_by if for_arbiters else claim_by, False)


def revealed_end(bond: int, revealer: str) -> BondEnd:
    """How the bond of a claim ends when the receipt is shown: a tenth pays whoever showed it. Down: the challenger gains."""
    return BondEnd(revealer, bond // REVEAL_SHARE, 0)


def bond_end(
    record: Record,
    *,
    challenger: str,
    bond: int,
    decided: Outcome,
    becomes: Outcome,
    fee_bps: int,
    pool: str,
    shared: bool = False,
) -> BondEnd:
    """How the bond of a claim for arbiters ends when they rule that a trade that was `decided` so is closed as it `becomes`.

    The loser is the side to which the ruling leaves less than the decision did, and it pays the challenger; after a slash
    the pool pays. If nobody lost (a slash takes nothing from a buyer), nobody pays. A challenger that was wrong, or is the
    loser itself, forfeits its bond to the other side, a third party to the pool: it may be an accomplice of either side.
    shared: two challengers get half of the reward each. Down: the dust stays with the payer.
    """
    others = {record.provider: record.buyer, record.buyer: record.provider}
    attacked = others.get(challenger, pool)
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
    reward = min(there, bond)
    return BondEnd(payer, 0, reward // 2 if shared else reward)
