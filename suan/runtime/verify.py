"""Run a job again and compare: the judgement on one receipt, made without a database.

Layout: `recompute` runs the job with the engine that agents use; only when something differs it runs a second time
with Pulley, wasmtime's interpreter, which shares no generated machine code with the first.

| our run | Pulley | finding |
|---|---|---|
| as the receipt says | not asked | accepted |
| differs | as our run | rejected: the receipt is false, and two engines say so |
| differs | differs from our run | undecided: nobody is punished for what our own engines disagree about |
| does not finish in time | not asked | unfinished: tried again later, then undecided |

Invariant: no receipt is rejected on the word of one engine.
Known limit: `peakMemoryBytes`, CPU and wall time depend on the machine and are not compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, Final

from suan.core.delivery import Counters, ExitReason
from suan.core.encoding import sha256_hex

FIRST_ENGINE: Final = "cranelift"
SECOND_ENGINE: Final = "pulley"
WALL_MARGIN: Final = 3
"""The verifier may be slower than the agent by this factor before it gives up."""
WALL_SECONDS_MIN: Final = 20
PULLEY_SLOWDOWN: Final = 40
"""Measured: Pulley interprets about forty times slower than Cranelift's code runs."""
PULLEY_SECONDS_MAX: Final = 1_200


class Judgement(Enum):
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNDECIDED = "undecided"
    UNFINISHED = "unfinished"


@dataclass(frozen=True, slots=True)
class Statement:
    """What a run produced, as far as every correct machine must agree on it."""

    exit_reason: int
    output: str
    counters: Counters
    fuel: int

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
class Assignment:
    """Everything that a second run needs, read beforehand, so that no transaction is open while it runs."""

    receipt: int
    claim: str
    claimed: Statement
    module: bytes
    stdin: bytes
    run: int
    seed: bytes
    ceiling_units: int
    resource_class: str
    memory_bytes: int
    wall_seconds: int
    profile: str


@dataclass(frozen=True, slots=True)
class Finding:
    """The judgement with its facts. `work_units` is our own count; `recount` is our statement for the record."""

    judgement: Judgement
    reason: str
    work_units: int = 0
    recount: dict[str, Any] | None = None
    confirmed_by: str = ""


Runner = Callable[..., Any]
"""`suan.runtime.run_job`: the runner is an argument so that the comparison can be read alone."""


def recompute(assignment: Assignment, *, run_job: Runner) -> Finding:
    """Judge one receipt by running its job again; takes as long as the job does, and forty times that on a mismatch."""
    first = _run(assignment, run_job, FIRST_ENGINE)
    ours = statement(first)
    if ours.exit_reason == ExitReason.TIMEOUT:
        return Finding(Judgement.UNFINISHED, "our own run did not finish within its time")
    recount = ours.to_json() | {"engine": first.engine, "work_units": str(int(first.work_units))}
    differing = ours.differences(assignment.claimed)
    if not differing:
        return Finding(Judgement.ACCEPTED, "", int(first.work_units), recount)
    return _confirm(assignment, run_job, ours, recount, differing, int(first.work_units))


def _confirm(
    assignment: Assignment,
    run_job: Runner,
    ours: Statement,
    recount: dict[str, Any],
    differing: list[str],
    work_units: int,
) -> Finding:
    second = _run(assignment, run_job, SECOND_ENGINE)
    theirs = statement(second)
    named = ", ".join(differing)
    if theirs.exit_reason == ExitReason.TIMEOUT:
        reason = f"{named} differ, but the second engine did not finish within its time"
        return Finding(Judgement.UNDECIDED, reason, 0, recount)
    apart = ours.differences(theirs)
    if apart:
        reason = f"our two engines disagree about {', '.join(apart)}; nothing is paid and the bond returns"
        return Finding(Judgement.UNDECIDED, reason, 0, recount | {"second": theirs.to_json()})
    return Finding(
        Judgement.REJECTED,
        f"false receipt: {named} differ from two runs of ours",
        work_units,
        recount,
        SECOND_ENGINE,
    )


def statement(result: Any) -> Statement:
    """The comparable part of a RunResult."""
    return Statement(
        int(result.exit_reason), sha256_hex(result.output), Counters(*_counters(result)), int(result.fuel)
    )


def wall_seconds(assignment: Assignment, engine: str) -> int:
    """How long a run of ours may take."""
    patient = max(assignment.wall_seconds * WALL_MARGIN, WALL_SECONDS_MIN)
    return patient if engine == FIRST_ENGINE else min(patient * PULLEY_SLOWDOWN, PULLEY_SECONDS_MAX)


def _counters(result: Any) -> tuple[int, int, int, int]:
    counted = result.counters
    return (int(counted.fp64), int(counted.fp32), int(counted.integer), int(counted.memory_control))


def _run(assignment: Assignment, run_job: Runner, engine: str) -> Any:
    return run_job(
        assignment.module,
        stdin=assignment.stdin,
        run=assignment.run,
        seed=assignment.seed,
        ceiling_units=assignment.ceiling_units,
        resource_class=assignment.resource_class,
        memory_bytes=assignment.memory_bytes,
        wall_seconds=wall_seconds(assignment, engine),
        profile=assignment.profile,
        engine=engine,
    )
