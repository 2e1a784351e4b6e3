"""The rate of this machine: work units per second, measured with a job of the resource class itself.

The job is one kernel in which floating point, integer, memory and control stand in about the shares that real jobs
have; it is written here as text and measured through the same runner as any job. A rate is what a provider may
promise, so it is taken on the wall clock.

Known limit: one kernel is one mix. Jobs that wait for memory or divide all the time run slower than it promises.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from suan.core.delivery import Counters, ExitReason
from suan.core.units import Mflops
from suan.runtime.runner import RunLimits, RunRequest
from suan.runtime.wasm.run import run_job

SECONDS: Final = 0.5
"""About how long one measurement should take."""
_PROBE_ROUNDS: Final = 300_000
_SEED: Final = bytes(32)
_PRECISIONS: Final = {"cpu.fp64": ("f64", 8), "cpu.fp32": ("f32", 4)}


class BenchmarkFailed(RuntimeError):
    """The benchmark did not run to its end on this machine."""


@dataclass(frozen=True, slots=True)
class BenchmarkResult:
    """rate_mflops: work units per wall-clock second, down. counters and times are those of the best run."""

    resource_class: str
    rate_mflops: Mflops
    counters: Counters
    work_units: int
    cpu_ms: int
    wall_ms: int
    engine: str

    def to_json(self) -> dict[str, object]:
        return {
            "class": self.resource_class,
            "rate_mflops": self.rate_mflops,
            "counters": {
                "fp64": self.counters.fp64,
                "fp32": self.counters.fp32,
                "integer": self.counters.integer,
                "memory_control": self.counters.memory_control,
            },
            "work_units": self.work_units,
            "cpu_ms": self.cpu_ms,
            "wall_ms": self.wall_ms,
            "engine": self.engine,
        }


def measure_rate(resource_class: str, *, seconds: float = SECONDS, repeats: int = 3) -> BenchmarkResult:
    """Measure this machine: the best of `repeats` runs of about `seconds` each.

    Raises ValueError for a class that has no benchmark, BenchmarkFailed when the job cannot run here.
    """
    if resource_class not in _PRECISIONS:
        raise ValueError(f"resource_class must be one of {', '.join(_PRECISIONS)}, got {resource_class!r}")
    probe = _measure(resource_class, _PROBE_ROUNDS)
    rounds = max(_PROBE_ROUNDS, int(_PROBE_ROUNDS * seconds * 1000 / max(1, probe.wall_ms)))
    results = [_measure(resource_class, rounds) for _ in range(repeats)]
    return max(results, key=lambda result: result.rate_mflops)


def _measure(resource_class: str, rounds: int) -> BenchmarkResult:
    result = run_job(
        RunRequest(
            module=benchmark_module(resource_class),
            stdin=rounds.to_bytes(8, "little"),
            run=0,
            seed=_SEED,
            resource_class=resource_class,
            limits=RunLimits(ceiling_units=10**9, memory_bytes=4 * 1024 * 1024, wall_seconds=120),
        )
    )
    if result.exit_reason is not ExitReason.OK:
        raise BenchmarkFailed(f"The benchmark ended with {result.exit_reason.name}: {result.detail}")
    return BenchmarkResult(
        resource_class=resource_class,
        rate_mflops=Mflops(result.work_units * 10**9 // max(1, result.wall_ns)),  # Down: never promise more.
        counters=result.counters,
        work_units=result.work_units,
        cpu_ms=result.cpu_ms,
        wall_ms=result.wall_ms,
        engine=result.engine,
    )


def benchmark_module(resource_class: str) -> bytes:
    """The job: `rounds` (input, 8 bytes) times a step of a damped string of 1,024 points, with a branch per point."""
    import wasmtime

    kind, size = _PRECISIONS[resource_class]
    return bytes(wasmtime.wat2wasm(_TEXT.replace("KIND", kind).replace("SIZE", str(size))))


_TEXT: Final = """
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (func (export "_start")
    (local $left i64) (local $at i32) (local $here KIND) (local $bend KIND) (local $sum KIND)
    (i32.store (i32.const 0) (i32.const 16))
    (i32.store (i32.const 4) (i32.const 8))
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (local.set $left (i64.load (i32.const 16)))
    (local.set $at (i32.const 1024))
    (KIND.store (i32.const 5120) (KIND.const 1))
    (loop $step
      (local.set $here (KIND.load offset=SIZE (local.get $at)))
      (local.set $bend (KIND.sub (KIND.add (KIND.load (local.get $at)) (KIND.load offset=16 (local.get $at)))
        (KIND.mul (KIND.const 2) (local.get $here))))
      (local.set $here (KIND.add (KIND.mul (local.get $here) (KIND.const 0.999))
        (KIND.mul (local.get $bend) (KIND.const 0.25))))
      (KIND.store offset=SIZE (local.get $at) (local.get $here))
      (if (KIND.gt (local.get $here) (KIND.const 0.5))
        (then (local.set $sum (KIND.add (local.get $sum) (KIND.sqrt (local.get $here))))))
      ;; Every step needs the sum of the step before, as iterations and integrators do.
      (local.set $sum (KIND.div (KIND.add (local.get $sum) (local.get $here))
        (KIND.add (KIND.const 1) (KIND.mul (local.get $sum) (local.get $sum)))))
      (local.set $at (i32.add (i32.const 1024) (i32.and (i32.add (local.get $at) (i32.const SIZE)) (i32.const 8191))))
      (br_if $step (i64.ne (local.tee $left (i64.sub (local.get $left) (i64.const 1))) (i64.const 0))))
    (KIND.store (i32.const 16) (local.get $sum))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))
"""
