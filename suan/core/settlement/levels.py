"""Levels of verification: which runs of a trade are run again, and what a finding about one makes of its receipt.

A product names its level. The exchange, the verifier set and an auditor ask the level, so that they agree on what a
verdict stands for. Known limit: a run that is not run again counts no work. That fits one that delivered nothing; a level
that believes a delivered run needs a rule for its count, too.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, Protocol

from suan.core.contract import ReceiptVerdict
from suan.core.delivery import ExitReason


class Judgement(Enum):
    """What running a job again says about its receipt (suan.runtime.verify)."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNDECIDED = "undecided"
    UNFINISHED = "unfinished"


class Level(Protocol):
    """One level of verification."""

    def recomputes(self, trade: bytes, run: int, reason: ExitReason) -> bool:
        """Whether the run is run again before its verdict. Others are taken at their word: accepted, nothing counted."""
        ...

    def verdict(self, judgement: Judgement) -> ReceiptVerdict:
        """What becomes of a receipt that was run again. UNFINISHED is asked when no attempt is left."""
        ...


class Recomputed:
    """Every delivered run is run again. That nothing was delivered is the provider's own word against itself."""

    def recomputes(self, trade: bytes, run: int, reason: ExitReason) -> bool:
        return reason.delivers

    def verdict(self, judgement: Judgement) -> ReceiptVerdict:
        return _VERDICTS[judgement]


_VERDICTS: Final = {
    Judgement.ACCEPTED: ReceiptVerdict.ACCEPTED,
    Judgement.REJECTED: ReceiptVerdict.REJECTED,
    Judgement.UNDECIDED: ReceiptVerdict.UNDECIDED,
    Judgement.UNFINISHED: ReceiptVerdict.UNDECIDED,
}
LEVELS: Final[dict[str, Level]] = {"recomputed": Recomputed()}
"""By the name in a product's symbol."""


def level_of(symbol: str) -> Level:
    """The level that a product's symbol names. Raises ValueError for a symbol without a level that is known here."""
    name = symbol.rpartition(":")[2]
    if name not in LEVELS:
        raise ValueError(f"{symbol!r} names no level of verification; there are {', '.join(LEVELS)}")
    return LEVELS[name]
