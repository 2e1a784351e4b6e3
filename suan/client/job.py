"""Measure a job on the buyer's own machine, under the very contract that providers run it.

A buyer needs it before the first bid: how much work a run is, what it puts out, and which ceiling is safe. The counters
are the ones that a provider's receipt will show; times are this machine's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from suan.core.delivery import SCHEDULE, ExitReason
from suan.core.encoding import sha256_hex
from suan.core.problems import Problem
from suan.core.units import WorkUnits, div_up
from suan.runtime import RunLimits, Runner, RunRequest, RunResult, runner_for

RUNS_MAX: Final = 1_000
MEMORY_BYTES: Final = 64 * 1024 * 1024
WALL_SECONDS: Final = 30
MEASURING_CEILING_UNITS: Final = 10**9
"""Far above what WALL_SECONDS allow: measuring should end by the clock, not by a ceiling."""
CEILING_MARGIN_PERCENT: Final = 10


class JobError(ValueError):
    """A measurement that cannot start; `problem` names the argument, the limit and the next step."""

    def __init__(self, field_name: str, code: str, message: str) -> None:
        super().__init__(f"{field_name}: {message}")
        self.problem = Problem(field_name, code, message)


@dataclass(frozen=True, slots=True)
class MeasuredRun:
    """One run: its index, what the runner said, and the hash under which its output would be delivered."""

    run: int
    result: RunResult
    output_hash: str

    def to_json(self) -> dict[str, object]:
        result = self.result
        return {
            "run": self.run,
            "exit_reason": result.exit_reason.name.lower(),
            "detail": result.detail,
            "counters": {
                "fp64": str(result.counters.fp64),
                "fp32": str(result.counters.fp32),
                "integer": str(result.counters.integer),
                "memory_control": str(result.counters.memory_control),
            },
            "work_units": result.work_units,
            "fuel": str(result.fuel),
            "output": self.output_hash,
            "output_bytes": len(result.output),
            "cpu_ms": result.cpu_ms,
            "wall_ms": result.wall_ms,
            "peak_memory_bytes": result.peak_memory_bytes,
        }


@dataclass(frozen=True, slots=True)
class JobReport:
    """What a job does on this machine, or why it may not be a job.

    problems: reasons for a refusal; then there are no runs. suggested_ceiling_units: the largest run plus ten percent,
    None when no run was delivered. Module and input are SHA-256 hashes as in the terms of a bid.
    """

    module: str
    module_bytes: int
    input: str
    resource_class: str
    memory_bytes: int
    wall_seconds: int
    problems: list[Problem] = field(default_factory=list)
    runs: list[MeasuredRun] = field(default_factory=list)

    @property
    def accepted(self) -> bool:
        return not self.problems

    @property
    def delivered(self) -> bool:
        """Whether every run would count as a delivery."""
        return bool(self.runs) and all(run.result.exit_reason.delivers for run in self.runs)

    @property
    def suggested_ceiling_units(self) -> WorkUnits | None:
        delivered = [run.result.work_units for run in self.runs if run.result.exit_reason.delivers]
        if not delivered:
            return None
        # Up: a ceiling that the measured run itself would hit is of no use.
        return WorkUnits(max(1, div_up(max(delivered) * (100 + CEILING_MARGIN_PERCENT), 100)))

    def to_json(self) -> dict[str, object]:
        return {
            "schedule": SCHEDULE,
            "class": self.resource_class,
            "module": self.module,
            "module_bytes": self.module_bytes,
            "input": self.input,
            "memory_bytes": self.memory_bytes,
            "wall_seconds": self.wall_seconds,
            "accepted": self.accepted,
            "problems": [problem.to_json() for problem in self.problems],
            "runs": [run.to_json() for run in self.runs],
            "suggested_ceiling_units": self.suggested_ceiling_units,
        }


def measure(
    module_path: str | Path,
    *,
    stdin: bytes = b"",
    runs: int = 1,
    resource_class: str = "cpu.fp64",
    memory_bytes: int = MEMORY_BYTES,
    wall_seconds: int = WALL_SECONDS,
    ceiling_units: int = MEASURING_CEILING_UNITS,
    seed: bytes | None = None,
) -> JobReport:
    """Run a job `runs` times (run index 0, 1, ...) and report what it did.

    The true seed of a run comes from the bid, which does not exist yet: here run i has the seed SHA-256("measure i"),
    or `seed` for all of them. Raises JobError for arguments out of bounds; a bad module is a report with problems.
    """
    try:
        runner = runner_for(resource_class)
    except ValueError as error:
        raise JobError("class", "unknown_value", str(error)) from None
    _check(runs, stdin, runner)
    module = _read_module(Path(module_path), runner)
    report = JobReport(
        module=sha256_hex(module),
        module_bytes=len(module),
        input=sha256_hex(stdin),
        resource_class=resource_class,
        memory_bytes=memory_bytes,
        wall_seconds=wall_seconds,
        problems=runner.check(module),
    )
    for run in range(runs if report.accepted else 0):
        request = RunRequest(
            module=module,
            stdin=stdin,
            run=run,
            seed=seed or bytes.fromhex(sha256_hex(b"measure %d" % run)[2:]),
            resource_class=resource_class,
            limits=RunLimits(ceiling_units, memory_bytes, wall_seconds),
        )
        try:
            result = runner.run(request, runner.engines[0])
        except ValueError as error:
            raise JobError("limits", "out_of_bounds", str(error)) from None
        report.runs.append(MeasuredRun(run, result, sha256_hex(result.output)))
        if result.exit_reason in (ExitReason.TIMEOUT, ExitReason.REFUSED):
            break  # The next runs would end the same way and only take time.
    return report


def _check(runs: int, stdin: bytes, runner: Runner) -> None:
    if not 1 <= runs <= RUNS_MAX:
        raise JobError(
            "runs", "out_of_bounds", f"must be between 1 and {RUNS_MAX}, got {runs}; measure a sample"
        )
    limit = runner.input_bytes_max
    if len(stdin) > limit:
        raise JobError(
            "stdin", "too_large", f"has {len(stdin)} bytes, the limit is {limit}; send a smaller input"
        )


def _read_module(path: Path, runner: Runner) -> bytes:
    try:
        with path.open("rb") as file:
            # One byte over the limit is enough to see that a file is too large.
            return file.read(runner.module_bytes_max + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise JobError("module", "unreadable", f"{path}: {reason}; give the path of a .wasm file") from None
