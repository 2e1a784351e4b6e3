"""What stands in one of a maker's 256 places."""

from __future__ import annotations

from dataclasses import dataclass


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
