"""What the model of the Market remembers, thing by thing; `suan.core.market_model` is the model."""

from __future__ import annotations

from dataclasses import dataclass

from suan.core.records import Outcome

TERM_SECONDS_MAX = 30 * 86_400
DAY_SECONDS = 86_400
PLACES = 256
UNITS_MAX = 2**52 - 2
RUNS_MAX = 2**20 - 2


class Reverted(Exception):
    """The contract would revert; `args[0]` is the name of its error."""


@dataclass(slots=True)
class ModelAccount:
    available: int = 0
    locked: int = 0
    exiting: int = 0
    ready_at: int = 0


@dataclass(slots=True)
class OrderState:
    """One of a maker's 256 places on a side: the generation (nonce // 256) of the order that stands there, its work
    units (offer) or runs (bid) in trades now, the most there ever were, and whether it was cancelled.
    """

    generation: int = 0
    consumed: int = 0
    peak: int = 0
    ended: bool = False

    def begin(self, generation: int) -> None:
        """A younger order takes the place over."""
        if generation > self.generation:
            self.generation, self.consumed, self.peak, self.ended = generation, 0, 0, False

    def take(self, generation: int, quantity: int) -> None:
        self.begin(generation)
        self.consumed += quantity
        self.peak = max(self.peak, self.consumed)

    def give(self, generation: int, quantity: int) -> None:
        """What came back, unless the order ended meanwhile."""
        if generation == self.generation and not self.ended:
            self.consumed -= quantity


@dataclass(slots=True)
class ModelDispute:
    """A disputed trade: who locked which bond, until when it may be revealed and ruled, and what was decided."""

    challenger: str
    bond: int
    reveal_by: int
    rule_by: int
    outcome: Outcome
    revealed: bool = False


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
