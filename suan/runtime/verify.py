"""Run a job again and compare: the judgement on one receipt, made without a database and for any runner.

Layout: `recompute` runs the job with the engine that agents use; only when something differs it runs a second time
with the runner's other engine, which shares no generated machine code with the first.

| our run | second engine | finding |
|---|---|---|
| as the receipt says | not asked | accepted |
| differs | as our run | rejected: the receipt is false, and two engines say so |
| differs | differs from our run | undecided: nobody is punished for what our own engines disagree about |
| does not finish in time | not asked | unfinished: tried again later, then undecided |

Invariant: no receipt is rejected on the word of one engine.
Known limit: `peakMemoryBytes`, CPU and wall time depend on the machine and are not compared.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Self

from suan.core.delivery import Counters, ExitReason, Receipt
from suan.core.encoding import sha256_hex, to_hex
from suan.core.settlement import Judgement
from suan.runtime.runner import Engine, Runner, RunRequest, RunResult

WALL_MARGIN: Final = 3
"""The verifier may be slower than the agent by this factor before it gives up."""
WALL_SECONDS_MIN: Final = 20
CONFIRMING_SECONDS_MAX: Final = 1_200


@dataclass(frozen=True, slots=True)
class Statement:
    """What a run produced, as far as every correct machine must agree on it."""

    exit_reason: int
    output: str
    counters: Counters
    fuel: int

    @classmethod
    def claimed(cls, receipt: Receipt) -> Self:
        """What a receipt says."""
        return cls(receipt.exit_reason, to_hex(receipt.output), receipt.counters, receipt.fuel)

    @classmethod
    def of(cls, result: RunResult) -> Self:
        """What a run of ours says."""
        return cls(int(result.exit_reason), sha256_hex(result.output), result.counters, result.fuel)

    def to_json(self) -> dict[str, Any]:
        return {
            "exit_reason": self.exit_reason,
            "output": self.output,
            **{name: str(value) for name, value in asdict(self.counters).items()},
            "fuel": str(self.fuel),
        }

    def differences(self, other: Statement) -> list[str]:
        """The names of the fields in which two statements differ."""
        mine, theirs = self.to_json(), other.to_json()
        return [name for name in mine if mine[name] != theirs[name]]


@dataclass(frozen=True, slots=True)
class Finding:
    """The judgement with its facts. `work_units` is our own count; `recount` is our statement for the record."""

    judgement: Judgement
    reason: str
    work_units: int = 0
    recount: dict[str, Any] | None = None
    confirmed_by: str = ""


def recompute(request: RunRequest, claimed: Statement, runner: Runner) -> Finding:
    """Judge one receipt by running its job again, under the limits that its agent had.

    Takes as long as the job does, and as much longer on a mismatch as the second engine is slower.
    """
    wall = max(request.limits.wall_seconds * WALL_MARGIN, WALL_SECONDS_MIN)
    first, second = runner.engines
    result = _run(request, runner, first, wall)
    ours = Statement.of(result)
    if ours.exit_reason == ExitReason.TIMEOUT:
        return Finding(Judgement.UNFINISHED, "our own run did not finish within its time")
    recount = ours.to_json() | {"engine": result.engine, "work_units": str(int(result.work_units))}
    differing = ours.differences(claimed)
    if not differing:
        return Finding(Judgement.ACCEPTED, "", int(result.work_units), recount)
    confirming = _run(request, runner, second, min(wall * second.slowdown, CONFIRMING_SECONDS_MAX))
    return _confirmed(ours, Statement.of(confirming), differing, recount, second.name)


def _confirmed(
    ours: Statement, theirs: Statement, differing: list[str], recount: dict[str, Any], engine: str
) -> Finding:
    """The finding on a receipt that differs from our run in the named fields, once the second engine has run."""
    named = ", ".join(differing)
    if theirs.exit_reason == ExitReason.TIMEOUT:
        reason = f"{named} differ, but the second engine did not finish within its time"
        return Finding(Judgement.UNDECIDED, reason, 0, recount)
    apart = ours.differences(theirs)
    if apart:
        reason = f"our two engines disagree about {', '.join(apart)}; nothing is paid and the bond returns"
        return Finding(Judgement.UNDECIDED, reason, 0, recount | {"second": theirs.to_json()})
    reason = f"false receipt: {named} differ from two runs of ours"
    return Finding(Judgement.REJECTED, reason, int(recount["work_units"]), recount, engine)


def _run(request: RunRequest, runner: Runner, engine: Engine, wall_seconds: int) -> RunResult:
    return runner.run(replace(request, limits=replace(request.limits, wall_seconds=wall_seconds)), engine)
