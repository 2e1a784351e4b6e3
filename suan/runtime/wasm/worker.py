"""The child process: one request on standard input, one answer on standard output, then gone. suan.runtime.wasm.forkserver
makes it.

It limits itself before it looks at the module: memory, processor time, file size, wall clock. A limit of the operating
system ends it by a signal, which the parent turns into a result; nothing here is expected to survive that.

Request and answer: a line of JSON, then the raw parts whose sizes it names. Both are trusted code's, never a job's.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import threading
import time
from typing import Any, BinaryIO, Final

import wasmtime

from suan.core.delivery import COUNTER_NAMES, WEIGHT_SCALE, weights
from suan.core.units import FLOP_EQUIVALENTS_PER_WORK_UNIT
from suan.runtime.wasm import contract, instrument
from suan.runtime.wasm.binary import Refused
from suan.runtime.wasm.decode import Module, decode
from suan.runtime.wasm.engine import THREAD_STACK_BYTES, make_engine, validate
from suan.runtime.wasm.host import Exit, Host, Stop

OK, EXIT, TRAP, CEILING, TIMEOUT, MEMORY, REFUSED, STACK = range(8)
"""Numbers of suan.core.delivery.receipts.ExitReason, which this process does not load: it starts often and should be quick."""

ENGINE_BYTES: Final = 1024 * 1024 * 1024
"""Writable memory for interpreter, compiler, code and stacks, besides the job's own memory."""
ADDRESS_BYTES: Final = 24 * 1024 * 1024 * 1024
FUEL: Final = 2**62
DETAIL_CHARACTERS_MAX: Final = 300


def main() -> None:
    """Read one request, answer it."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    request = json.loads(source.readline())
    _limit_process(request)
    binary = _exactly(source, request["module_bytes"])
    stdin = _exactly(source, request["stdin_bytes"])
    if request["action"] == "check":
        found = _problems(binary)
        _answer(sink, {"problems": [[problem.field, problem.code, problem.message] for problem in found]})
        return
    answer, host = _run(request, binary, stdin)
    output, errors = (bytes(host.output), bytes(host.errors)) if host else (b"", b"")
    _answer(sink, {**answer, "output_bytes": len(output), "stderr_bytes": len(errors)}, output, errors)


def _exactly(source: BinaryIO, size: int) -> bytes:
    data = source.read(size)
    if len(data) != size:
        raise EOFError(f"the request ends after {len(data)} of {size} bytes")
    return data


def _answer(sink: BinaryIO, header: dict[str, Any], *parts: bytes) -> None:
    sink.write(json.dumps(header).encode() + b"\n")
    for part in parts:
        sink.write(part)
    sink.flush()


def _limit_process(request: dict[str, Any]) -> None:
    memory = request["memory_bytes"]
    seconds = contract.COMPILE_SECONDS_MAX + request["wall_seconds"] + 5
    file_bytes = contract.OUTPUT_BYTES_MAX + contract.STDERR_BYTES_MAX + 1024 * 1024
    for kind, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_DATA, memory + ENGINE_BYTES),
        (resource.RLIMIT_AS, memory + ADDRESS_BYTES),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_NOFILE, 64),
    ):
        _, hard = resource.getrlimit(kind)
        value = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (value, value))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, contract.COMPILE_SECONDS_MAX)


def _problems(binary: bytes) -> list[Refused]:
    """Every reason to refuse the module, up to the first that stops the reading."""
    try:
        return contract.problems_of_size(binary) or _prepared(binary, "cranelift")[3]
    except Refused as problem:
        return [problem]


def _prepared(binary: bytes, backend: str) -> tuple[wasmtime.Engine, Module, bytes, list[Refused]]:
    """The engine, the decoded and the instrumented module, and what the job contract has against it."""
    return _instrumented(binary, backend, "cpu.fp64")


def _instrumented(
    binary: bytes, backend: str, resource_class: str
) -> tuple[wasmtime.Engine, Module, bytes, list[Refused]]:
    engine = make_engine(backend)
    validate(engine, binary)
    module = decode(binary)
    found = contract.problems(module)
    if found:
        return engine, module, b"", found
    counting = instrument.instrument(module, resource_class)
    try:
        wasmtime.Module.validate(engine, counting)
    except wasmtime.WasmtimeError as error:
        message = (
            f"The module is too large once it counts itself: {str(error).splitlines()[0]}; split functions"
        )
        found = [Refused("module", "too_large", message)]
    return engine, module, counting, found


def _nothing(exit_reason: int, detail: str) -> dict[str, Any]:
    """The answer for a run that executed nothing."""
    counters = dict.fromkeys(COUNTER_NAMES, 0)
    return {
        "exit_reason": exit_reason,
        "detail": detail[:DETAIL_CHARACTERS_MAX],
        "counters": counters,
        "fuel": 0,
        "cpu_ns": 0,
        "wall_ns": 0,
        "peak_memory_bytes": 0,
    }


def _run(request: dict[str, Any], binary: bytes, stdin: bytes) -> tuple[dict[str, Any], Host | None]:
    resource_class = request["resource_class"]
    try:
        found = contract.problems_of_size(binary)
        if not found:
            engine, module, counting, found = _instrumented(binary, request["backend"], resource_class)
    except Refused as problem:
        found = [problem]
    if found:
        return _nothing(REFUSED, "; ".join(problem.message for problem in found)), None
    limit_pages = request["memory_bytes"] // contract.PAGE_BYTES
    minimum = module.memory_minimum_pages or 0
    if minimum > limit_pages:
        detail = f"the module needs {minimum} pages of memory at the start, the job declares {limit_pages}"
        return _nothing(MEMORY, detail), None
    compiled = wasmtime.Module(engine, counting)
    host = Host(
        stdin=stdin,
        run=request["run"],
        seed=bytes.fromhex(request["seed"]),
        memory_control_weight=weights(resource_class).memory_control,
    )
    execution = _Execution(engine, compiled, module, host, request)
    return execution.result(), host


class _Execution:
    """One instance, from its first to its last operator."""

    def __init__(
        self,
        engine: wasmtime.Engine,
        compiled: wasmtime.Module,
        module: Module,
        host: Host,
        request: dict[str, Any],
    ) -> None:
        self._module, self._host, self._request = module, host, request
        self._compiled = compiled
        self._store = wasmtime.Store(engine)
        self._store.set_limits(
            memory_size=request["memory_bytes"],
            table_elements=contract.TABLE_ELEMENTS_MAX,
            instances=1,
            tables=contract.TABLES_MAX,
            memories=1,
        )
        self._store.set_fuel(FUEL)
        self._exports: Any = None
        self._cpu_ns = 0
        self._outcome = (REFUSED, "the run did not start")
        self._failure: BaseException | None = None

    def result(self) -> dict[str, Any]:
        """Run to the end in a thread with a large stack and say what happened."""
        threading.stack_size(THREAD_STACK_BYTES)
        thread = threading.Thread(target=self._thread)
        signal.setitimer(signal.ITIMER_REAL, self._request["wall_seconds"])
        started = time.monotonic_ns()
        thread.start()
        thread.join()
        wall_ns = time.monotonic_ns() - started
        signal.setitimer(signal.ITIMER_REAL, 10)
        if self._failure is not None:
            raise self._failure
        exit_reason, detail = self._outcome
        answer = _nothing(exit_reason, detail)
        if self._exports is not None:
            answer["counters"] = self._counters()
            memory = self._exports.get("memory")
            if isinstance(memory, wasmtime.Memory):
                answer["peak_memory_bytes"] = memory.data_len(self._store)
        answer["fuel"] = FUEL - self._store.get_fuel()
        answer["cpu_ns"] = self._cpu_ns
        answer["wall_ns"] = wall_ns
        return answer

    def _thread(self) -> None:
        try:
            started = time.thread_time_ns()
            self._outcome = self._execute()
            self._cpu_ns = time.thread_time_ns() - started
        except BaseException as failure:
            self._failure = failure

    def _execute(self) -> tuple[int, str]:
        try:
            imports = [self._host_function(entry.name) for entry in self._module.imports]
            instance = wasmtime.Instance(self._store, self._compiled, imports)
            self._exports = instance.exports(self._store)
            self._prepare()
            if self._module.start is not None:
                self._exports[instrument.START_EXPORT](self._store)
            self._exports[contract.START](self._store)
        except Exit as end:
            return (EXIT, f"exit code {end.code}") if end.code else (OK, "")
        except Stop as end:
            return (CEILING if end.ceiling else TRAP), str(end)
        except wasmtime.Trap as trap:
            return self._trapped(trap)
        return OK, ""

    def _host_function(self, name: str) -> wasmtime.Func:
        kinds = {"i": wasmtime.ValType.i32, "I": wasmtime.ValType.i64}
        parameters, results = ([kinds[kind]() for kind in side] for side in contract.HOST_FUNCTIONS[name])
        kind = wasmtime.FuncType(parameters, results)
        return wasmtime.Func(self._store, kind, self._host.function(name), access_caller=True)

    def _prepare(self) -> None:
        """Give the job its budget, its stack and its memory limit."""
        budget = self._request["ceiling_units"] * FLOP_EQUIVALENTS_PER_WORK_UNIT * WEIGHT_SCALE
        pages = self._request["memory_bytes"] // contract.PAGE_BYTES
        maximum = self._module.memory_maximum_pages
        limit = pages if maximum is None else min(pages, maximum)
        self._exports[instrument.LEFT].set_value(self._store, budget)
        self._exports[instrument.LIMIT_PAGES].set_value(self._store, limit)
        self._exports[instrument.STACK].set_value(self._store, instrument.STACK_BYTES)
        self._host.bind(self._exports)

    def _counters(self) -> dict[str, int]:
        values = [self._exports[name].value(self._store) for name in instrument.COUNTERS]
        counters = dict(zip(COUNTER_NAMES, values, strict=True))
        counters["memory_control"] += self._host.units
        return counters

    def _trapped(self, trap: wasmtime.Trap) -> tuple[int, str]:
        code = trap.trap_code
        name = code.name.lower().replace("_", " ") if code else str(trap)
        if self._exports is None:
            return TRAP, f"trap while the memory was set up: {name}"
        stopped = self._exports[instrument.STOPPED].value(self._store)
        if stopped == instrument.STOPPED_BY_CEILING:
            return CEILING, f"the ceiling of {self._request['ceiling_units']} work units was reached"
        if stopped == instrument.STOPPED_BY_STACK:
            return STACK, f"the calls need more than {instrument.STACK_BYTES} bytes of stack"
        if stopped == instrument.STOPPED_BY_HOST:
            return TIMEOUT, "this machine has not the memory that the job declares"
        if code == wasmtime.TrapCode.STACK_OVERFLOW:
            # Not the job's doing by its own measure, so it must never count against it or its provider.
            return REFUSED, "the engine's own stack overflowed before the job's stack was used up"
        if self._exports[instrument.GROWTH_REFUSED].value(self._store):
            return MEMORY, f"trap after memory.grow was refused at the declared limit: {name}"
        return TRAP, f"trap: {name}"
