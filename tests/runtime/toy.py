"""A second runner: its jobs are any bytes, and what they put out is the hash of code, input and seed."""

import hashlib
from collections.abc import Callable

import pytest

from suan.core.delivery.metering import work_units
from suan.core.delivery.receipts import Counters, ExitReason
from suan.core.orders import products
from suan.core.problems import Problem
from suan.core.units import Mflops
from suan.runtime import registry
from suan.runtime.runner import Engine, RunRequest, RunResult

FORBIDDEN = b"no job"


class Toy:
    """`faults` says by how much an engine counts wrongly; `asked` is what it was asked to run, by engine."""

    version = "toy-1"
    engines = (Engine("quick", 1), Engine("slow", 2))
    module_bytes_max = 1_000
    input_bytes_max = 1_000

    def __init__(self, faults: Callable[[Engine], int] = lambda _: 0) -> None:
        self.faults = faults
        self.asked: list[tuple[str, RunRequest]] = []

    def check(self, module: bytes) -> list[Problem]:
        return [Problem("module", "not_a_toy", "send other bytes")] if module == FORBIDDEN else []

    def run(self, request: RunRequest, engine: Engine) -> RunResult:
        self.asked.append((engine.name, request))
        counters = Counters(1_000_000 + self.faults(engine), 0, 0, 0)
        return RunResult(
            exit_reason=ExitReason.OK,
            output=hashlib.sha256(request.module + request.stdin + request.seed).digest(),
            counters=counters,
            work_units=work_units(counters, request.resource_class),
            fuel=7,
            cpu_ns=1,
            wall_ns=1,
            peak_memory_bytes=1,
            engine=self.version,
            profile=request.profile,
            detail="",
            stderr=b"",
            backend=engine.name,
        )

    def measure_rate(self, resource_class: str) -> Mflops:
        return Mflops(1_000)


def register(toy: Toy, resource_class: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """For this test the class names the toy as its runtime."""
    monkeypatch.setitem(registry.RUNNERS, "toy", lambda: toy)
    monkeypatch.setitem(products._RUNTIME_OF, resource_class, "toy")
