"""The alphabet of WebAssembly's binary format, read exactly: integers, value types, operators and their immediates.

Invariant: nothing is guessed. Integers follow the LEB128 rules of the specification (at most ceil(bits / 7) bytes,
no set bits beyond the width; longer encodings of small numbers are legal and are read as such), and an opcode or
form that is not known raises `Refused`. The module is expected to have passed the engine's validation before; this
reader refuses more than that, never less.
Source: WebAssembly Core Specification 2.0, chapter 5.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from suan.runtime.wasm.operators import (
    BLOCK_TYPE,
    BYTES_4,
    BYTES_8,
    BYTES_16,
    INDEX,
    INDEX_PAIR,
    LABEL_VECTOR,
    LANE,
    MEMARG,
    MEMARG_LANE,
    NONE,
    OPCODES,
    PREFIX_MISC,
    PREFIX_VECTOR,
    REFERENCE_TYPE,
    SIGNED_32,
    SIGNED_64,
    TYPE_VECTOR,
)

EMPTY_BLOCK: Final = 0x40
FUNCREF: Final = 0x70
VALUE_TYPES: Final = {0x7F: "i32", 0x7E: "i64", 0x7D: "f32", 0x7C: "f64", 0x7B: "v128", FUNCREF: "funcref"}


class Refused(Exception):
    """A module that a job may not be. `field` names the part, `code` is stable, the message says what to do."""

    def __init__(self, field_name: str, code: str, message: str) -> None:
        super().__init__(message)
        self.field = field_name
        self.code = code
        self.message = message


def malformed(what: str, position: int) -> Refused:
    """The refusal of bytes that are not a WebAssembly module."""
    return Refused("module", "malformed", f"{what} at byte {position}; compile the module again")


def unsigned(data: bytes, at: int, bits: int = 32) -> tuple[int, int]:
    """An unsigned LEB128 integer of at most `bits` bits, and the position behind it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
        if shift >= bits:
            raise malformed("an integer is longer than its type allows", at)
    if value >> bits:
        raise malformed("an integer is larger than its type allows", at)
    return value, at


def signed(data: bytes, at: int, bits: int) -> tuple[int, int]:
    """A signed LEB128 integer of `bits` bits, and the position behind it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
        if shift >= bits:
            raise malformed("an integer is longer than its type allows", at)
    if byte & 0x40:
        value -= 1 << shift
    if not -(1 << bits - 1) <= value < 1 << bits - 1:
        raise malformed("an integer is larger than its type allows", at)
    return value, at


def encode_unsigned(value: int) -> bytes:
    """The shortest unsigned LEB128 encoding."""
    out = bytearray()
    while True:
        byte = value & 0x7F
        value >>= 7
        if not value:
            out.append(byte)
            return bytes(out)
        out.append(byte | 0x80)


def encode_signed(value: int) -> bytes:
    """The shortest signed LEB128 encoding."""
    out = bytearray()
    while True:
        byte = value & 0x7F
        value >>= 7
        if (value == 0 and not byte & 0x40) or (value == -1 and byte & 0x40):
            out.append(byte)
            return bytes(out)
        out.append(byte | 0x80)


def value_types(data: bytes, at: int) -> tuple[bytes, int]:
    count, at = unsigned(data, at)
    kinds = data[at : at + count]
    if len(kinds) != count or any(kind not in VALUE_TYPES for kind in kinds):
        raise bad_value_type(at)
    return kinds, at + count


def bad_value_type(at: int) -> Refused:
    return Refused(
        "module",
        "type_not_allowed",
        f"A value type at byte {at} of its section is not allowed; use i32, i64, f32, f64, v128 or funcref",
    )


Step = tuple[int, int | tuple[int, ...] | None, int, int]
"""(opcode key, immediate, start, end). The immediate is an index (INDEX), a block type (BLOCK_TYPE: the type index, or
minus the type byte), a pair (INDEX_PAIR), the labels (LABEL_VECTOR), else None."""


def operators(data: bytes, at: int, end: int) -> Iterator[Step]:
    """The operators of a function body or constant expression, in order, with their positions in `data`."""
    while at < end:
        start = at
        code = data[at]
        at += 1
        if code in (PREFIX_MISC, PREFIX_VECTOR):
            number, at = unsigned(data, at)
            if number > 0xFFFF:  # Would run into the prefix and look like another operator.
                raise _unknown_operator(code, start)
            code = code << 16 | number
        operator = OPCODES.get(code)
        if operator is None:
            raise _unknown_operator(code, start)
        kind = operator.immediate
        value: int | tuple[int, ...] | None = None
        if kind == NONE:
            pass
        elif kind == INDEX:
            value, at = unsigned(data, at)
        elif kind == MEMARG or kind == MEMARG_LANE:
            at = _memory_argument(data, at) + (kind == MEMARG_LANE)
        else:
            value, at = _immediate(kind, data, at)
        if at > end:
            raise malformed("an operator is longer than its function", start)
        yield code, value, start, at


def _unknown_operator(code: int, at: int) -> Refused:
    shown = f"0x{code:02x}" if code < 0x100 else f"0x{code >> 16:02x} {code & 0xFFFF}"
    return Refused(
        "module",
        "operator_not_allowed",
        f"Operator {shown} at byte {at} of the code section is not allowed; compile for WebAssembly 1.0 with "
        "sign extension, saturating conversions, multi-value, bulk memory, reference types and fixed-width SIMD only",
    )


def _memory_argument(data: bytes, at: int) -> int:
    alignment, at = unsigned(data, at)
    if alignment >= 32:  # Bit 6 announces a memory index, which would shift everything behind it.
        raise Refused("module", "memory_not_allowed", "A memory operator names another memory than the first")
    return unsigned(data, at)[1]


_FIXED_SIZES: Final = {LANE: 1, BYTES_4: 4, BYTES_8: 8, BYTES_16: 16}


def _immediate(kind: int, data: bytes, at: int) -> tuple[int | tuple[int, ...] | None, int]:
    if kind in _FIXED_SIZES:
        return None, at + _FIXED_SIZES[kind]
    if kind in (SIGNED_32, SIGNED_64):
        return None, signed(data, at, 32 if kind == SIGNED_32 else 64)[1]
    if kind == INDEX_PAIR:
        first, at = unsigned(data, at)
        second, at = unsigned(data, at)
        return (first, second), at
    if kind == BLOCK_TYPE:
        return _block_type(data, at)
    if kind == LABEL_VECTOR:
        count, at = unsigned(data, at)
        labels = []
        for _ in range(count + 1):
            label, at = unsigned(data, at)
            labels.append(label)
        return tuple(labels), at
    if kind == TYPE_VECTOR:
        kinds, at = value_types(data, at)
        if len(kinds) != 1:
            raise malformed("select has other than one type", at)
        return None, at
    if kind != REFERENCE_TYPE or data[at] != FUNCREF:
        raise bad_value_type(at)
    return None, at + 1


def _block_type(data: bytes, at: int) -> tuple[int, int]:
    first = data[at]
    if first == EMPTY_BLOCK or first in VALUE_TYPES:
        return -first, at + 1
    index, at = signed(data, at, 33)
    if index < 0:
        raise bad_value_type(at)
    return index, at
