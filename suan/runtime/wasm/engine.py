"""The engine in the strict profile: every proposal outside the job contract off, everything deterministic on.

Known limit: the engine is pinned (`run.ENGINE`); fuel differs between versions, so a receipt names the version.
"""

from __future__ import annotations

from typing import Final

import wasmtime
from wasmtime import _ffi as ffi

from suan.runtime.wasm.binary import Refused

BACKENDS: Final = ("cranelift", "pulley")
NATIVE_STACK_BYTES: Final = 64 * 1024 * 1024
THREAD_STACK_BYTES: Final = NATIVE_STACK_BYTES + 16 * 1024 * 1024
"""The run's thread: the engine's stack and room for the host functions that it calls."""

_OFF: Final = (
    "wasm_threads",
    "shared_memory",
    "wasm_tail_call",
    "wasm_multi_memory",
    "wasm_memory64",
    "wasm_relaxed_simd",
    "wasm_exceptions",
    "wasm_function_references",
    "wasm_gc",
    "wasm_wide_arithmetic",
    "wasm_custom_page_sizes",
    "wasm_stack_switching",
    "wasm_component_model",
)
_OFF_IN_C: Final = ("wasmtime_config_wasm_compact_imports_set",)
"""Proposals that the Python class has no property for."""
_ON: Final = (
    "wasm_reference_types",
    "wasm_simd",
    "wasm_bulk_memory",
    "wasm_multi_value",
    "cranelift_nan_canonicalization",
    "consume_fuel",
)


def make_engine(backend: str) -> wasmtime.Engine:
    """An engine of the strict profile that compiles for this machine (cranelift) or for the interpreter (pulley)."""
    config = wasmtime.Config()
    for name in _OFF:
        setattr(config, name, False)
    for name in _OFF_IN_C:
        getattr(ffi, name)(config.ptr(), False)
    for name in _ON:
        setattr(config, name, True)
    # The engine wants its (unused) asynchronous stacks to be at least as large.
    ffi.wasmtime_config_async_stack_size_set(config.ptr(), NATIVE_STACK_BYTES)
    config.max_wasm_stack = NATIVE_STACK_BYTES
    config.parallel_compilation = False  # One run is one core.
    config.memory_may_move = False  # 4 GiB of addresses are reserved: growth never moves or copies.
    config.memory_init_cow = False  # Memory images would be files, which the limit on file size forbids.
    if backend == "pulley":
        config.target = "pulley64"
    elif backend != "cranelift":
        raise ValueError(f"engine must be one of {', '.join(BACKENDS)}, got {backend!r}")
    return wasmtime.Engine(config)


def validate(engine: wasmtime.Engine, binary: bytes) -> None:
    """Let the engine judge the module as it was sent. Raises Refused with the engine's own reason."""
    if binary[:4] != b"\0asm":
        raise Refused(
            "module", "not_wasm", "The module is not WebAssembly in the binary format; send the .wasm file"
        )
    try:
        wasmtime.Module.validate(engine, binary)
    except wasmtime.WasmtimeError as error:
        reason = str(error).splitlines()[0][:300]
        raise Refused("module", "invalid", f"The module does not validate: {reason}") from None
