"""The host of a job: WASI preview1 with three streams, arguments, a seed and a clock that stands still.

Invariant: what a job sees depends on its input, run index and seed alone, never on the machine, the time or the engine.
Errors are WASI's error numbers. Source: WASI preview1 (witx, wasi_snapshot_preview1).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final

import wasmtime

from suan.core.delivery import HOST_CALL_UNITS, RANDOM_BYTE_UNITS, units_of_bytes
from suan.runtime.wasm.contract import OUTPUT_BYTES_MAX, STDERR_BYTES_MAX
from suan.runtime.wasm.instrument import LEFT, STOPPED, STOPPED_BY_CEILING

SUCCESS: Final = 0
BAD_FILE: Final = 8
FAULT: Final = 21
INVALID: Final = 28
NOT_SEEKABLE: Final = 70

CLOCK_NANOSECONDS: Final = 946_684_800 * 10**9
"""What every clock shows during the whole run: 2000-01-01T00:00:00Z."""
VECTORS_MAX: Final = 1_024
RANDOM_BLOCK_BYTES: Final = 4_096
_RIGHT_READ: Final = 1 << 1
_RIGHT_WRITE: Final = 1 << 6
_U32: Final = 0xFFFF_FFFF


class Exit(Exception):
    """proc_exit was called."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exit code {code}")
        self.code = code


class Stop(Exception):
    """The host ended the run; `ceiling` tells whether the budget was spent, else the output was too long."""

    def __init__(self, message: str, *, ceiling: bool) -> None:
        super().__init__(message)
        self.ceiling = ceiling


class SeedStream:
    """The bytes of random_get: block i is SHAKE-256(seed || i as 8 bytes, little endian), 4,096 bytes long.

    Source: FIPS 202 for SHAKE-256. The stream goes on where the last call stopped.
    """

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._block = 0
        self._ready = b""

    def take(self, size: int) -> bytes:
        parts = [self._ready[:size]]
        self._ready = self._ready[size:]
        missing = size - len(parts[0])
        while missing > 0:
            counter = self._block.to_bytes(8, "little")
            block = hashlib.shake_256(self._seed + counter).digest(RANDOM_BLOCK_BYTES)
            self._block += 1
            parts.append(block[:missing])
            self._ready = block[missing:]
            missing -= len(parts[-1])
        return b"".join(parts)


class Host:
    """The host functions of one run and what it wrote. `bind` must be called before the job starts."""

    def __init__(self, *, stdin: bytes, run: int, seed: bytes, memory_control_weight: int) -> None:
        self.output = bytearray()
        self.errors = bytearray()
        self.units = 0
        self._stdin = stdin
        self._read = 0
        self._arguments = [b"job\0", str(run).encode() + b"\0"]
        self._random = SeedStream(seed)
        self._weight = memory_control_weight
        self._closed: set[int] = set()
        self._memory: Any = None
        self._left: Any = None
        self._stopped: Any = None

    def bind(self, exports: Any) -> None:
        """Remember the memory and the budget of the instance."""
        self._memory = exports.get("memory")
        self._left = exports[LEFT]
        self._stopped = exports[STOPPED]

    def function(self, name: str) -> Callable[..., int | None]:
        """The implementation of a host function, with its fixed charge in front."""
        implementation = getattr(self, f"_{name}")

        def call(caller: wasmtime.Caller, *arguments: int) -> int | None:
            self._charge(caller, HOST_CALL_UNITS)
            result: int | None = implementation(caller, *(argument & _U32 for argument in arguments))
            return result

        return call

    def _charge(self, caller: wasmtime.Caller, units: int) -> None:
        """Take memory_control from the budget; ends the run when it is spent."""
        self.units += units
        left = self._left.value(caller) - units * self._weight
        self._left.set_value(caller, left)
        if left < 0:
            self._stopped.set_value(caller, STOPPED_BY_CEILING)
            raise Stop("the ceiling was reached in a host call", ceiling=True)

    def _fits(self, caller: wasmtime.Caller, at: int, size: int) -> bool:
        return self._memory is not None and at + size <= self._memory.data_len(caller)

    def _put(self, caller: wasmtime.Caller, data: bytes, at: int) -> int:
        if not self._fits(caller, at, len(data)):
            return FAULT
        self._memory.write(caller, data, at)
        return SUCCESS

    def _put_u32(self, caller: wasmtime.Caller, *pairs: tuple[int, int]) -> int:
        if not all(self._fits(caller, at, 4) for at, _ in pairs):
            return FAULT
        for at, value in pairs:
            self._memory.write(caller, value.to_bytes(4, "little"), at)
        return SUCCESS

    def _vectors(self, caller: wasmtime.Caller, at: int, count: int) -> list[tuple[int, int]] | int:
        """The (address, length) pairs of a scattered read or write, or an error number."""
        if count > VECTORS_MAX:
            return INVALID
        if not self._fits(caller, at, 8 * count):
            return FAULT
        raw = bytes(self._memory.read(caller, at, at + 8 * count))
        words = [int.from_bytes(raw[i : i + 4], "little") for i in range(0, len(raw), 4)]
        pairs = list(zip(words[::2], words[1::2], strict=True))
        return pairs if all(self._fits(caller, start, size) for start, size in pairs) else FAULT

    def _open(self, descriptor: int) -> bool:
        return descriptor <= 2 and descriptor not in self._closed

    def _args_sizes_get(self, caller: wasmtime.Caller, count_at: int, size_at: int) -> int:
        size = sum(map(len, self._arguments))
        return self._put_u32(caller, (count_at, len(self._arguments)), (size_at, size))

    def _args_get(self, caller: wasmtime.Caller, pointers_at: int, text_at: int) -> int:
        pointers, text = b"", b""
        for argument in self._arguments:
            pointers += ((text_at + len(text)) & _U32).to_bytes(4, "little")
            text += argument
        if not self._fits(caller, pointers_at, len(pointers)):
            return FAULT
        return self._put(caller, text, text_at) or self._put(caller, pointers, pointers_at)

    def _environ_sizes_get(self, caller: wasmtime.Caller, count_at: int, size_at: int) -> int:
        return self._put_u32(caller, (count_at, 0), (size_at, 0))

    def _environ_get(self, _caller: wasmtime.Caller, _pointers_at: int, _text_at: int) -> int:
        return SUCCESS

    def _clock_res_get(self, caller: wasmtime.Caller, clock: int, at: int) -> int:
        return INVALID if clock > 3 else self._put(caller, (1).to_bytes(8, "little"), at)

    def _clock_time_get(self, caller: wasmtime.Caller, clock: int, _precision: int, at: int) -> int:
        return INVALID if clock > 3 else self._put(caller, CLOCK_NANOSECONDS.to_bytes(8, "little"), at)

    def _fd_close(self, _caller: wasmtime.Caller, descriptor: int) -> int:
        if not self._open(descriptor):
            return BAD_FILE
        self._closed.add(descriptor)
        return SUCCESS

    def _fd_fdstat_get(self, caller: wasmtime.Caller, descriptor: int, at: int) -> int:
        if not self._open(descriptor):
            return BAD_FILE
        # File type 0 (unknown) and no flags: a library then buffers its output instead of flushing every line.
        rights = _RIGHT_WRITE if descriptor else _RIGHT_READ
        return self._put(caller, bytes(8) + rights.to_bytes(8, "little") + bytes(8), at)

    def _fd_fdstat_set_flags(self, _caller: wasmtime.Caller, descriptor: int, _flags: int) -> int:
        return SUCCESS if self._open(descriptor) else BAD_FILE

    def _fd_prestat_get(self, _caller: wasmtime.Caller, _descriptor: int, _at: int) -> int:
        return BAD_FILE

    def _fd_prestat_dir_name(self, _caller: wasmtime.Caller, _descriptor: int, _at: int, _size: int) -> int:
        return BAD_FILE

    def _fd_seek(self, _caller: wasmtime.Caller, descriptor: int, _by: int, _from: int, _at: int) -> int:
        return NOT_SEEKABLE if self._open(descriptor) else BAD_FILE

    def _fd_read(self, caller: wasmtime.Caller, descriptor: int, at: int, count: int, read_at: int) -> int:
        if descriptor != 0 or not self._open(descriptor):
            return BAD_FILE
        vectors = self._vectors(caller, at, count)
        if isinstance(vectors, int):
            return vectors
        if not self._fits(caller, read_at, 4):
            return FAULT
        size = min(sum(size for _, size in vectors), len(self._stdin) - self._read)
        self._charge(caller, units_of_bytes(size))
        start = self._read
        for address, length in vectors:
            part = self._stdin[self._read : min(self._read + length, start + size)]
            self._memory.write(caller, part, address)
            self._read += len(part)
        return self._put_u32(caller, (read_at, size))

    def _fd_write(
        self, caller: wasmtime.Caller, descriptor: int, at: int, count: int, written_at: int
    ) -> int:
        if descriptor not in (1, 2) or not self._open(descriptor):
            return BAD_FILE
        vectors = self._vectors(caller, at, count)
        if isinstance(vectors, int):
            return vectors
        if not self._fits(caller, written_at, 4):
            return FAULT
        size = sum(size for _, size in vectors)
        self._charge(caller, units_of_bytes(size))
        target, limit = (
            (self.output, OUTPUT_BYTES_MAX) if descriptor == 1 else (self.errors, STDERR_BYTES_MAX)
        )
        for address, length in vectors:
            room = min(length, limit - len(target))
            target += self._memory.read(caller, address, address + room)
            if room < length and descriptor == 1:
                raise Stop(f"the output is longer than {OUTPUT_BYTES_MAX} bytes", ceiling=False)
        return self._put_u32(caller, (written_at, size & _U32))

    def _proc_exit(self, _caller: wasmtime.Caller, code: int) -> None:
        raise Exit(code)

    def _random_get(self, caller: wasmtime.Caller, at: int, size: int) -> int:
        if not self._fits(caller, at, size):
            return FAULT
        self._charge(caller, RANDOM_BYTE_UNITS * size)
        return self._put(caller, self._random.take(size), at)

    def _sched_yield(self, _caller: wasmtime.Caller) -> int:
        return SUCCESS
