"""Run one job under the job contract, in a child process, and say what happened.

Invariant: whatever the module does, the caller gets a RunResult. An exception means that the caller's own arguments
are wrong (ValueError) or that this machine cannot run jobs at all (RuntimeError). Same module, input, run, seed,
ceiling, class and memory give the same output, counters, fuel and exit reason on every machine and either engine.
"""

from __future__ import annotations

import json
import os
import signal
import tempfile
from functools import cache
from importlib import metadata, util
from pathlib import Path
from typing import IO, Any, Final

from suan.core.delivery import CEILING_UNITS_MAX, Counters, ExitReason, weights, work_units
from suan.core.problems import Problem
from suan.runtime.runner import RunRequest, RunResult
from suan.runtime.wasm import contract
from suan.runtime.wasm.forkserver import ForkServer

ENGINE: Final = "wasmtime-50.0.1"
PROFILE: Final = "strict"
ENGINES: Final = ("cranelift", "pulley")
_GRACE_SECONDS: Final = 10
"""Start of the child and hand-over of its answer, outside the limits for compiling and running."""
_CHECK: Final = {"action": "check", "memory_bytes": contract.MEMORY_BYTES_MIN, "wall_seconds": 1}


def run_job(request: RunRequest, engine: str = ENGINES[0]) -> RunResult:
    """Run one job once. engine: "cranelift" compiles, "pulley" interprets (about 40 times slower).

    wall_seconds bounds the execution; compiling has its own limit (contract.COMPILE_SECONDS_MAX). A time limit, a
    crash of the child and a lack of memory on this machine give ExitReason.TIMEOUT, which delivers nothing.
    """
    _check_bounds(request, engine)
    weights(request.resource_class)
    asked = {
        "action": "run",
        "run": request.run,
        "seed": request.seed.hex(),
        "ceiling_units": request.limits.ceiling_units,
        "resource_class": request.resource_class,
        "memory_bytes": request.limits.memory_bytes,
        "wall_seconds": request.limits.wall_seconds,
        "backend": engine,
    }
    answer, body, failure = _in_child(asked, request.module, request.stdin)
    if answer is None:
        return _result({}, b"", b"", ExitReason.TIMEOUT, failure, request.resource_class, engine)
    output, stderr = body[: answer["output_bytes"]], body[answer["output_bytes"] :]
    reason = ExitReason(answer["exit_reason"])
    return _result(answer, output, stderr, reason, answer["detail"], request.resource_class, engine)


def check_module(module: bytes) -> list[Problem]:
    """Every reason why these bytes may not be a job; empty when they may. Runs in a child process too."""
    answer, _, failure = _in_child(_CHECK, module, b"")
    if answer is None:
        return [Problem("module", "check_failed", f"The check did not end: {failure}; send a smaller module")]
    return [Problem(*entry) for entry in answer["problems"]]


def _check_bounds(request: RunRequest, engine: str) -> None:
    limits = request.limits
    bounds = (
        ("stdin", len(request.stdin), 0, contract.INPUT_BYTES_MAX),
        ("run", request.run, 0, contract.RUN_MAX),
        ("seed", len(request.seed), contract.SEED_BYTES, contract.SEED_BYTES),
        ("ceiling_units", limits.ceiling_units, 1, CEILING_UNITS_MAX),
        ("memory_bytes", limits.memory_bytes, contract.MEMORY_BYTES_MIN, contract.MEMORY_BYTES_MAX),
        ("wall_seconds", limits.wall_seconds, 1, contract.WALL_SECONDS_MAX),
    )
    for name, value, low, high in bounds:
        if not low <= value <= high:
            raise ValueError(f"{name} must be between {low} and {high}, got {value}")
    if request.profile != PROFILE:
        raise ValueError(f"profile must be {PROFILE!r}, got {request.profile!r}")
    if engine not in ENGINES:
        raise ValueError(f"engine must be one of {', '.join(ENGINES)}, got {engine!r}")


def _result(
    answer: dict[str, Any],
    output: bytes,
    stderr: bytes,
    reason: ExitReason,
    detail: str,
    resource_class: str,
    backend: str,
) -> RunResult:
    counters = Counters(**answer["counters"]) if answer else Counters(0, 0, 0, 0)
    return RunResult(
        exit_reason=reason,
        output=output,
        counters=counters,
        work_units=work_units(counters, resource_class),
        fuel=answer.get("fuel", 0),
        cpu_ns=answer.get("cpu_ns", 0),
        wall_ns=answer.get("wall_ns", 0),
        peak_memory_bytes=answer.get("peak_memory_bytes", 0),
        engine=ENGINE,
        profile=PROFILE,
        detail=detail,
        stderr=stderr,
        backend=backend,
    )


def _in_child(
    request: dict[str, Any], module: bytes, stdin: bytes
) -> tuple[dict[str, Any] | None, bytes, str]:
    """Ask a fresh child. Returns its answer, the bytes behind it and, where there is no answer, why."""
    header = json.dumps({**request, "module_bytes": len(module), "stdin_bytes": len(stdin)}).encode()
    timeout = contract.COMPILE_SECONDS_MAX + request["wall_seconds"] + _GRACE_SECONDS
    with (
        tempfile.TemporaryFile() as source,
        tempfile.TemporaryFile() as sink,
        tempfile.TemporaryFile() as log,
    ):
        for part in (header, b"\n", module, stdin):
            source.write(part)
        source.seek(0)
        code = _SERVER.run(source, sink, log, timeout)
        if code != 0:
            return None, b"", _why(code, request["wall_seconds"], log)
        sink.seek(0)
        try:
            answer: dict[str, Any] = json.loads(sink.readline())
        except ValueError:
            return None, b"", "the child ended without an answer"
        return answer, sink.read(), ""


@cache
def _environment() -> dict[str, str]:
    """The whole environment of what runs jobs: where to find suan and wasmtime, and no secret of ours.

    Raises RuntimeError when the installed engine is not the one that receipts name.
    """
    spec = util.find_spec("wasmtime")
    if spec is None or spec.origin is None or f"wasmtime-{metadata.version('wasmtime')}" != ENGINE:
        raise RuntimeError(f"This machine lacks {ENGINE}; install the pinned requirements")
    own = Path(__file__).resolve().parents[3]
    engine = Path(spec.origin).resolve().parents[1]
    return {
        "PYTHONPATH": os.pathsep.join((str(own), str(engine))),
        "PYTHONDONTWRITEBYTECODE": os.environ.get("PYTHONDONTWRITEBYTECODE", ""),
        "LC_ALL": "C.UTF-8",
    }


_SERVER: Final = ForkServer(_environment)


def _why(code: int | None, wall_seconds: int, log: IO[bytes]) -> str:
    if code is None or code in (-signal.SIGALRM, -signal.SIGXCPU):
        compiling = contract.COMPILE_SECONDS_MAX
        return f"the time limit was reached ({wall_seconds} s, after at most {compiling} s to compile)"
    if code < 0:
        return f"the child was killed by {signal.Signals(-code).name}"
    log.seek(0)
    lines = log.read(100_000).decode(errors="replace").strip().splitlines()
    return f"the child failed: {lines[-1] if lines else f'exit code {code}'}"[:300]
