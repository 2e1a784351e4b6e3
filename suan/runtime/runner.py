"""What a runner owes to everybody who runs jobs: agent, verifier, auditor, buyer. WebAssembly is one.

Invariants that each keeps: whatever the job does, `run` answers with a RunResult; the same RunRequest gives the same
output, counters, fuel and exit reason on every machine and in either engine. No receipt is rejected on the word of one
engine, so a runner has two that share no generated machine code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from suan.core.delivery import Counters, ExitReason
from suan.core.problems import Problem
from suan.core.units import Mflops, WorkUnits, div_up


@dataclass(frozen=True, slots=True)
class RunLimits:
    """What one run may use. wall_seconds bounds the execution; a runner bounds its own preparation."""

    ceiling_units: int
    memory_bytes: int
    wall_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """One run of a job: its code and input, its index, its seed (32 bytes) and its limits."""

    module: bytes
    stdin: bytes
    run: int
    seed: bytes
    resource_class: str
    limits: RunLimits
    profile: str = "strict"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What one run did.

    output: standard output. stderr: the first bytes of standard error, for people. counters, fuel, exit_reason and
    output are the same for everybody who runs the job; cpu_ns and wall_ns (nanoseconds of the job alone, without
    preparation) are not. peak_memory_bytes: the job's memory at its end, which never shrinks. work_units: of the
    counters, not capped at the ceiling. engine: version for the receipt. backend: name of the engine that ran. detail: a
    sentence.
    """

    exit_reason: ExitReason
    output: bytes
    counters: Counters
    work_units: WorkUnits
    fuel: int
    cpu_ns: int
    wall_ns: int
    peak_memory_bytes: int
    engine: str
    profile: str
    detail: str
    stderr: bytes
    backend: str

    @property
    def cpu_ms(self) -> int:
        """Processor milliseconds of the job alone, up: a receipt never claims less than was used."""
        return div_up(self.cpu_ns, 10**6)

    @property
    def wall_ms(self) -> int:
        """Wall-clock milliseconds of the job alone, up."""
        return div_up(self.wall_ns, 10**6)


@dataclass(frozen=True, slots=True)
class Engine:
    """One way in which a runner executes. slowdown: how many times longer than with the first engine a run takes."""

    name: str
    slowdown: int


class Runner(Protocol):
    """Runs the jobs of one runtime on this machine.

    version: what offers and receipts name as their engine. engines: the one that agents use, then the one that confirms.
    module_bytes_max, input_bytes_max: the most that `check` and `run` take.
    """

    version: str
    engines: tuple[Engine, Engine]
    module_bytes_max: int
    input_bytes_max: int

    def check(self, module: bytes) -> list[Problem]:
        """Every reason why these bytes may not be a job; empty when they may."""
        ...

    def run(self, request: RunRequest, engine: Engine) -> RunResult:
        """Run one job once. A time limit, a crash and a lack of memory here give ExitReason.TIMEOUT, which delivers nothing.

        Raises ValueError when the request is out of bounds, RuntimeError when this machine cannot run jobs at all.
        """
        ...

    def measure_rate(self, resource_class: str) -> Mflops:
        """Work units per wall-clock second of this machine, down. Raises RuntimeError when it cannot be measured here."""
        ...
