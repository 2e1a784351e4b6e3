"""What the model of the Market remembers, thing by thing; `model` is the model."""

from __future__ import annotations

from dataclasses import dataclass, field

from suan.core.contract.records import Outcome
from suan.core.signing.structs import SIDE_BUY, SIDE_SELL


class Reverted(Exception):
    """The contract would revert; `args[0]` is the name of its error."""


@dataclass(slots=True)
class ModelAccount:
    """newest: the highest nonce of each side that ever locked a trade or was cancelled. fresh: what of the exit a trade may take
    back until `fresh_until`.
    """

    newest: dict[int, int] = field(default_factory=lambda: {SIDE_BUY: 0, SIDE_SELL: 0})
    available: int = 0
    locked: int = 0
    exiting: int = 0
    ready_at: int = 0
    fresh: int = 0
    fresh_until: int = 0

    def fresh_at(self, now: int) -> int:
        return self.fresh if now < self.fresh_until else 0

    def leave(self, amount: int) -> None:
        """So much of the exit goes; an exit of nothing has no times."""
        self.exiting -= amount
        if not self.exiting:
            self.ready_at = self.fresh = self.fresh_until = 0


@dataclass(slots=True)
class ModelDispute:
    """A disputed trade: what was decided, under which receipts, the deadlines, and who claims what for arbiters to rule.

    unbilled: how many runs were shown not to be billed.
    """

    outcome: Outcome
    receipts_root: bytes
    claim_by: int
    reveal_by: int
    rule_by: int
    for_arbiters: list[tuple[str, int]] = field(default_factory=list)
    unbilled: int = 0


@dataclass(slots=True)
class ModelSession:
    """What was paid for a session, and whether it is open."""

    paid: int = 0
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class Delegate:
    """A delegate key as the Registry has it. version counts its settings; 0 means never set."""

    spend_cap: int = 0
    worst_price: int = 0
    valid_until: int = 0
    version: int = 0
