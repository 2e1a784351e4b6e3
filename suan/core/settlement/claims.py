"""What is claimed about a decided trade, from the chain's own events: which claims are open, and what follows unless arbiters rule.

Events are those of suan.core.contract.decode_event, in chain order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from suan.core.contract import ANY_RUN, Claim
from suan.core.settlement.disputes import WithoutRuling, without_ruling

Event = Mapping[str, Any]


def open_claims(opened: Sequence[Event], ended: Sequence[Event]) -> list[Event]:
    """Those DisputeOpened events of one trade whose claim no ClaimEnded event has ended."""
    over = Counter(_names(event) for event in ended)
    left = []
    for event in opened:
        if over[_names(event)]:
            over[_names(event)] -= 1
        else:
            left.append(event)
    return left


def receipts_asked(claims: Sequence[Event]) -> list[Event]:
    """Those of the claims that a receipt answers."""
    return [event for event in claims if event["claim"] == Claim.NO_RECEIPT]


def end_of(
    opened: Sequence[Event], ended: Sequence[Event], *, revealed_at: Sequence[int], window: int
) -> WithoutRuling:
    """How the dispute of a trade that has not ended ends unless arbiters rule.

    opened is not empty. revealed_at: block times of its ReceiptRevealed events. window: the dispute window. Times are unix seconds.
    """
    claims = open_claims(opened, ended)
    asked = receipts_asked(claims)
    reveal_by, rule_by = int(opened[-1]["reveal_by"]), int(opened[-1]["rule_by"])
    return without_ruling(
        missing=len(asked),
        for_arbiters=len(claims) > len(asked),
        claim_by=claim_by(reveal_by, revealed_at=revealed_at, window=window),
        reveal_by=reveal_by,
        rule_by=rule_by,
    )


def claim_by(reveal_by: int, *, revealed_at: Sequence[int], window: int) -> int:
    """Until when somebody may claim that arbiters must rule: the verdict's window, or half a window after a receipt was shown."""
    return max([reveal_by - window, *(at + window // 2 for at in revealed_at)])


def _names(event: Event) -> tuple[Any, ...]:
    """What a claim is known by when it ends: one for arbiters ends without a run, though its challenger may have named one."""
    run = event["run"] if event["claim"] == Claim.NO_RECEIPT else ANY_RUN
    return event["challenger"], event["claim"], run
