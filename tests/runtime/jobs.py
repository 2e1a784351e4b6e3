"""Small jobs for the tests: written as text, run with ordinary limits unless a test says otherwise."""

from typing import Any

import wasmtime

from suan.runtime.runner import RunLimits, RunRequest, RunResult
from suan.runtime.wasm.run import run_job

WASI = "wasi_snapshot_preview1"
SEED = bytes(range(32))


def assemble(text: str) -> bytes:
    """The binary of a module in the text format; not validated."""
    return bytes(wasmtime.wat2wasm(text))


def start(body: str, *, locals: str = "", before: str = "") -> bytes:
    """A module whose `_start` has this body."""
    return assemble(f'(module {before} (func (export "_start") {locals} {body}))')


def request(module: bytes, **changes: Any) -> RunRequest:
    """One run of a job with ordinary limits; `changes` name fields of RunRequest or of RunLimits."""
    limits = {"ceiling_units": 10_000, "memory_bytes": 4 * 1024 * 1024, "wall_seconds": 20}
    limits |= {name: changes.pop(name) for name in limits.keys() & changes.keys()}
    fields: dict[str, Any] = {"stdin": b"", "run": 0, "seed": SEED, "resource_class": "cpu.fp64"}
    return RunRequest(module=module, limits=RunLimits(**limits), **(fields | changes))


def execute(module: bytes | str, *, engine: str = "cranelift", **changes: Any) -> RunResult:
    """Run a job, given as binary or text."""
    return run_job(request(assemble(module) if isinstance(module, str) else module, **changes), engine)


def counted(result: RunResult) -> tuple[int, int, int, int]:
    """The four counters: fp64, fp32, integer, memory_control."""
    counters = result.counters
    return (counters.fp64, counters.fp32, counters.integer, counters.memory_control)
