"""What stands in one of a maker's 256 places, and what stood there when it was cancelled."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum


class Turn(StrEnum):
    """Which of a bid's runs a fill takes: new ones, some that a fill passed over, some that came back, or none that it may."""

    NEW = "new"
    PASSED = "passed"
    BACK = "back"
    NONE = "none"


@dataclass(slots=True)
class OrderState:
    """One of a maker's 256 places on a side: the generation (nonce // 256) of the order that stands there, its work units
    (offer) or runs (bid) in trades now, how far it got, and whether it was cancelled.

    reached: the most work units of an offer there ever were; the first run of a bid that is new. skipped: bits of the runs
    below it that never traded, because a fill passed over them.
    """

    generation: int = 0
    consumed: int = 0
    reached: int = 0
    skipped: int = 0
    ended: bool = False

    def begin(self, generation: int) -> None:
        """A younger order takes the place over."""
        if generation > self.generation:
            self.generation, self.consumed, self.reached, self.skipped = generation, 0, 0, 0
            self.ended = False

    def end(self) -> None:
        """The order trades no more, and its counts are forgotten."""
        self.consumed, self.reached, self.skipped, self.ended = 0, 0, 0, True

    def take(self, generation: int, units: int) -> None:
        """Work units of an offer."""
        self.begin(generation)
        self.consumed += units
        self.reached = max(self.reached, self.consumed)

    def turn(self, first: int, runs: int) -> Turn:
        """What these runs of a bid are. A fill takes runs of one kind only."""
        if first >= self.reached:
            return Turn.NEW
        if first + runs > self.reached:
            return Turn.NONE
        bits = run_bits(first, runs)
        if self.skipped & bits:
            return Turn.PASSED if self.skipped & bits == bits else Turn.NONE
        back = self.reached - self.skipped.bit_count() - self.consumed
        return Turn.BACK if runs <= back else Turn.NONE

    def take_runs(self, generation: int, first: int, runs: int) -> int:
        """Runs of a bid, of whatever turn; the bits of `skipped` that changed."""
        self.begin(generation)
        before = self.skipped
        if first >= self.reached:
            self.skipped |= run_bits(self.reached, first - self.reached)
            self.reached = first + runs
        elif self.turn(first, runs) is Turn.PASSED:
            self.skipped &= ~run_bits(first, runs)
        self.consumed += runs
        return before ^ self.skipped

    def give(self, generation: int, quantity: int) -> None:
        """What came back, unless the order ended meanwhile."""
        if generation == self.generation and not self.ended:
            self.consumed -= quantity


@dataclass(slots=True)
class Shadow:
    """A place as it was before a cancel. Until `until` (unix) trades of the orders that the cancel ended, those up to generation
    `last`, count in `kept`: they may have been matched before.
    """

    kept: OrderState = field(default_factory=OrderState)
    last: int = 0
    until: int = 0

    def covers(self, generation: int, now: int) -> bool:
        """Whether trades of this order count here."""
        return now < self.until and generation <= self.last

    def cancel(self, place: OrderState, generation: int, *, now: int, window: int) -> None:
        """Keep the place, in which this order is cancelled next; what is kept already if it is cancelled and the window lasts."""
        if not (place.ended and now < self.until):
            self.kept = replace(place)
        self.last, self.until = generation, now + window


def run_bits(first: int, runs: int) -> int:
    """One bit for each of these runs."""
    return ((1 << runs) - 1) << first
