"""Where a leased run is executed. The agent leases, hands the run to its target, signs what comes back and delivers."""

from __future__ import annotations

from typing import Protocol

from suan.core.units import Mflops
from suan.runtime import RunRequest, RunResult

__all__ = ["Target"]


class Target(Protocol):
    """One place that executes runs; several threads call it at once, one for each slot of the agent."""

    def measure_rate(self, resource_class: str) -> Mflops:
        """Work units per wall-clock second that one slot can be promised. Raises ValueError for a class not served here."""
        ...

    def execute(self, request: RunRequest) -> RunResult:
        """Run one job to its end.

        ValueError (a request out of bounds, a class not served here) and RuntimeError (the target cannot run jobs now)
        leave the run unserved: its lease runs out, it trades again, nobody is paid.
        """
        ...
