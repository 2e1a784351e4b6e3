"""The job contract: what a module may be, what it may import, and every limit of a run.

docs/job-contract.md says the same in words. This file needs no engine: it looks at decoded modules only.
"""

from __future__ import annotations

from typing import Final

from suan.runtime.wasm.binary import Refused
from suan.runtime.wasm.decode import Module

MODULE_BYTES_MAX: Final = 4 * 1024 * 1024
INPUT_BYTES_MAX: Final = 16 * 1024 * 1024
OUTPUT_BYTES_MAX: Final = 4 * 1024 * 1024
"""Standard output beyond this ends the run as a trap; what fits is delivered."""
STDERR_BYTES_MAX: Final = 64 * 1024
"""Standard error beyond this is dropped; it is a help for people and no part of the result."""
MEMORY_BYTES_MIN: Final = 64 * 1024
MEMORY_BYTES_MAX: Final = 4 * 1024 * 1024 * 1024
WALL_SECONDS_MAX: Final = 24 * 3600
COMPILE_SECONDS_MAX: Final = 60
TABLES_MAX: Final = 4
TABLE_ELEMENTS_MAX: Final = 1_000_000
PAGE_BYTES: Final = 65_536
SEED_BYTES: Final = 32
RUN_MAX: Final = 2**32 - 1

WASI: Final = "wasi_snapshot_preview1"
START: Final = "_start"
MEMORY: Final = "memory"

HOST_FUNCTIONS: Final[dict[str, tuple[str, str]]] = {
    "args_get": ("ii", "i"),
    "args_sizes_get": ("ii", "i"),
    "environ_get": ("ii", "i"),
    "environ_sizes_get": ("ii", "i"),
    "clock_res_get": ("ii", "i"),
    "clock_time_get": ("iIi", "i"),
    "fd_close": ("i", "i"),
    "fd_fdstat_get": ("ii", "i"),
    "fd_fdstat_set_flags": ("ii", "i"),
    "fd_prestat_get": ("ii", "i"),
    "fd_prestat_dir_name": ("iii", "i"),
    "fd_read": ("iiii", "i"),
    "fd_seek": ("iIii", "i"),
    "fd_write": ("iiii", "i"),
    "proc_exit": ("i", ""),
    "random_get": ("ii", "i"),
    "sched_yield": ("", "i"),
}
"""What a job may import from WASI preview1, with parameters and results (i: i32, I: i64)."""

_WITHOUT_MEMORY: Final = frozenset({"proc_exit", "sched_yield", "fd_close", "fd_fdstat_set_flags"})
_VALUE_TYPES: Final = {"i": 0x7F, "I": 0x7E}


def problems(module: Module) -> list[Refused]:
    """Every reason why a valid module may not be a job; empty when it may."""
    found = [
        problem for entry in module.imports if (problem := _import_problem(module, entry.module, entry.name))
    ]
    found += _signature_problems(module)
    found += _start_problems(module)
    if len(module.table_minimums) > TABLES_MAX or max(module.table_minimums, default=0) > TABLE_ELEMENTS_MAX:
        message = f"A job has at most {TABLES_MAX} tables of at most {TABLE_ELEMENTS_MAX} elements; use fewer"
        found.append(Refused("module.tables", "too_many_elements", message))
    exported = any(export.name == MEMORY.encode() and export.kind == 2 for export in module.exports)
    if not exported and any(entry.name not in _WITHOUT_MEMORY for entry in module.imports):
        message = 'A module that calls the host must export its memory under the name "memory"; export it'
        found.append(Refused("module.exports", "memory_not_exported", message))
    return found


def problems_of_size(binary: bytes) -> list[Refused]:
    """The limit that needs no decoding."""
    if len(binary) <= MODULE_BYTES_MAX:
        return []
    message = f"The module has {len(binary)} bytes; the limit is {MODULE_BYTES_MAX}; optimise for size"
    return [Refused("module", "too_large", message)]


def _import_problem(module: Module, space: str, name: str) -> Refused | None:
    shown = f"{space}.{name}"
    if space == WASI and name in HOST_FUNCTIONS:
        return None
    if shown == "env.abort":
        advice = "compile AssemblyScript with --use abort= (and handle errors with unreachable)"
    elif space == WASI:
        advice = (
            "a job has standard input, output and error, arguments, a seed and a fixed clock, nothing else"
        )
    else:
        advice = f"only functions of {WASI} exist here; link the code into the module"
    return Refused("module.imports", "import_not_allowed", f"Import {shown} is not allowed: {advice}")


def _signature_problems(module: Module) -> list[Refused]:
    found = []
    for number, entry in enumerate(module.imports):
        if entry.module != WASI or entry.name not in HOST_FUNCTIONS:
            continue
        parameters, results = (
            bytes(_VALUE_TYPES[kind] for kind in side) for side in HOST_FUNCTIONS[entry.name]
        )
        actual = module.signature(number)
        if (actual.parameters, actual.results) != (parameters, results):
            message = f"Import {WASI}.{entry.name} has the type {actual}, which WASI preview1 does not know"
            found.append(Refused("module.imports", "import_type", message + "; use the official headers"))
    return found


def _start_problems(module: Module) -> list[Refused]:
    for export in module.exports:
        if export.name == START.encode() and export.kind == 0:
            kind = module.signature(export.index)
            if not kind.parameters and not kind.results:
                return []
            message = f"_start has the type {kind}; it must take and return nothing"
            return [Refused("module.exports", "start_type", message)]
    message = 'The module exports no function "_start"; compile it as a WASI command'
    return [Refused("module.exports", "no_start", message)]
