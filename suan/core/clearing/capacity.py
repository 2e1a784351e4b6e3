"""What one offer can still take in a clearing: units that are left, and time before the deadlines.

A node works its runs off in the order of their deadlines (earliest deadline first), so a set of runs can be
finished in time exactly when for every deadline D: work due by D <= rate * seconds until D. Backlog from
earlier clearings counts against all deadlines, and nothing starts before START_ALLOWANCE_SECONDS (gathering
of fills, inclusion in a block, first download); both are conservative: they may refuse a run that would
have been in time, never promise one that cannot be.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import Final

from suan.core.clearing.book import OfferEntry

START_ALLOWANCE_SECONDS: Final = 10


def seconds_to_work(deliver_by: int, now: int) -> int:
    """Seconds in which a node may work on something due at `deliver_by`; 0 when it is too late to start."""
    return max(0, deliver_by - now - START_ALLOWANCE_SECONDS)


class OfferLoad:
    """Runs assigned to one offer so far. `take` is the only thing that changes it.

    Growth: `runs_that_fit` is constant while all work fits before the new deadline, else linear in the
    number of different deadlines that the offer has accepted.
    """

    __slots__ = ("_deadlines", "_now", "_units", "assigned", "offer", "units_left")

    def __init__(self, offer: OfferEntry, now: int) -> None:
        self.offer = offer
        self.units_left = offer.units
        self.assigned = 0
        self._now = now
        self._deadlines: list[int] = []
        self._units: list[int] = []

    def room(self, deliver_by: int) -> int:
        """Work units the rate allows before `deliver_by`, less backlog and all assigned work; may be
        negative.
        """
        return self._work_until(min(deliver_by, self.offer.deliver_by)) - self.assigned

    def runs_that_fit(self, ceiling: int, deliver_by: int, wanted: int) -> int:
        """How many of `wanted` equal runs of `ceiling` units this offer can finish by `deliver_by`."""
        runs = min(wanted, self.units_left // ceiling)
        if runs == 0:
            return 0
        due = min(deliver_by, self.offer.deliver_by)
        # All work, whenever it is due, fits before this deadline: no later one can be missed, earlier ones stay.
        if self.assigned + runs * ceiling <= self._work_until(due):
            return runs
        return max(0, min(runs, self.slack(due) // ceiling))

    def take(self, runs: int, ceiling: int, deliver_by: int) -> None:
        units = runs * ceiling
        due = min(deliver_by, self.offer.deliver_by)
        place = bisect_left(self._deadlines, due)
        if place < len(self._deadlines) and self._deadlines[place] == due:
            self._units[place] += units
        else:
            self._deadlines.insert(place, due)
            self._units.insert(place, units)
        self.units_left -= units
        self.assigned += units
        if self.units_left < 0:
            raise AssertionError("an offer never sells more than it has")

    def slack(self, deliver_by: int) -> int:
        """Units that may be added at `deliver_by` without missing it or a later one; may be negative.

        Earlier deadlines are not touched: what is due before is worked off first.
        """
        due = min(deliver_by, self.offer.deliver_by)
        place = bisect_left(self._deadlines, due)
        sums = list(accumulate(self._units))
        due_by_now = sums[place - 1] if place else 0
        if place < len(self._deadlines) and self._deadlines[place] == due:
            due_by_now = sums[place]
        slack = self._work_until(due) - due_by_now
        for deadline, total in zip(self._deadlines[place:], sums[place:], strict=True):
            slack = min(slack, self._work_until(deadline) - total)
        return slack

    def _work_until(self, due: int) -> int:
        return self.offer.rate_mflops * seconds_to_work(due, self._now) - self.offer.backlog_units
