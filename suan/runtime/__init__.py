"""The deterministic job runner: `run_job`, `check_module`, `RunResult`, `instrument`.

Names are loaded on first use: the child process imports this package too and must start quickly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from suan.runtime.wasm.run import RunResult, check_module, run_job

__all__ = ["RunResult", "check_module", "instrument_module", "run_job"]


def instrument_module(module: bytes, resource_class: str = "cpu.fp64") -> bytes:
    """The module with its counters, for people who want to look at it. Raises runtime.binary.Refused."""
    from suan.runtime.wasm import decode, engine
    from suan.runtime.wasm import instrument as rewriting

    engine.validate(engine.make_engine("cranelift"), module)
    return rewriting.instrument(decode.decode(module), resource_class)


def __getattr__(name: str) -> Any:
    if name in ("RunResult", "check_module", "run_job"):
        from suan.runtime.wasm import run

        return getattr(run, name)
    raise AttributeError(f"module 'suan.runtime' has no attribute {name!r}")
