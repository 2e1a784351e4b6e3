"""Small jobs for the tests: written as text, run with ordinary limits unless a test says otherwise."""

from typing import Any

import wasmtime

from suan.runtime.wasm.run import RunResult, run_job

WASI = "wasi_snapshot_preview1"
SEED = bytes(range(32))


def assemble(text: str) -> bytes:
    """The binary of a module in the text format; not validated."""
    return bytes(wasmtime.wat2wasm(text))


def start(body: str, *, locals: str = "", before: str = "") -> bytes:
    """A module whose `_start` has this body."""
    return assemble(f'(module {before} (func (export "_start") {locals} {body}))')


def execute(module: bytes | str, **changes: Any) -> RunResult:
    """Run a job, given as binary or text."""
    binary = assemble(module) if isinstance(module, str) else module
    arguments: dict[str, Any] = {
        "stdin": b"",
        "run": 0,
        "seed": SEED,
        "ceiling_units": 10_000,
        "resource_class": "cpu.fp64",
        "memory_bytes": 4 * 1024 * 1024,
        "wall_seconds": 20,
    }
    return run_job(binary, **(arguments | changes))


def counted(result: RunResult) -> tuple[int, int, int, int]:
    """The four counters: fp64, fp32, integer, memory_control."""
    counters = result.counters
    return (counters.fp64, counters.fp32, counters.integer, counters.memory_control)
