"""The reader knows every allowed operator, follows every legal encoding, and refuses the rest."""

import pytest

from suan.core.delivery.metering import OPERATORS
from suan.core.delivery.receipts import ExitReason
from suan.runtime.wasm.binary import Refused, encode_unsigned, operators, signed, unsigned
from suan.runtime.wasm.decode import decode
from suan.runtime.wasm.instrument import instrument
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
    REFERENCE_TYPE,
    SIGNED_32,
    SIGNED_64,
    TYPE_VECTOR,
)
from suan.runtime.wasm.run import check_module
from tests.runtime.jobs import assemble, counted, execute, start

IMMEDIATES = {
    NONE: "",
    INDEX: "0",
    INDEX_PAIR: "0",
    MEMARG: "offset=300",
    MEMARG_LANE: "offset=300 0",
    LANE: "1",
    BYTES_4: "1.5",
    BYTES_8: "1.5",
    BYTES_16: "",
    SIGNED_32: "-70000",
    SIGNED_64: "-5000000000",
    BLOCK_TYPE: "",
    LABEL_VECTOR: "0 0 0",
    TYPE_VECTOR: "(result f64)",
    REFERENCE_TYPE: "func",
}
SPECIAL = {
    "v128.const": "i64x2 1 2",
    "i8x16.shuffle": "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15",
    "call_indirect": "(type 0)",
    "memory.size": "",
    "memory.grow": "",
    "memory.fill": "",
    "memory.copy": "",
    "table.copy": "0 0",
}


def read_back(name: str, immediate: int) -> list[str]:
    """The names that the reader finds in a function made of one operator between two unreachable ones."""
    text = SPECIAL.get(name, IMMEDIATES[immediate])
    tail = " end" if name in ("block", "loop", "if") else ""
    binary = assemble(
        f'(module (type (func)) (memory 1) (table 1 funcref) (data "x") (elem func 0) '
        f"(global (mut i32) (i32.const 0)) (func (local i32) unreachable {name} {text}{tail} unreachable))"
    )
    module = decode(binary)
    begin, end = module.bodies[0]
    code = module.sections[10]
    at = begin + 3  # One group of locals: count, number, type.
    return [OPCODES[key].name for key, _, _, _ in operators(code, at, end)]


def test_every_operator_is_read_by_the_name_the_assembler_knows() -> None:
    for operator in OPCODES.values():
        if operator.name in ("else", "end"):
            continue
        tail = ["end"] if operator.name in ("block", "loop", "if") else []
        expected = ["unreachable", operator.name, *tail, "unreachable", "end"]
        assert read_back(operator.name, operator.immediate) == expected


def test_the_schedule_prices_exactly_the_operators_that_the_reader_knows() -> None:
    assert {operator.name for operator in OPCODES.values()} == set(OPERATORS)


def section(number: int, content: bytes) -> bytes:
    return bytes([number]) + encode_unsigned(len(content)) + content


def job(code: bytes, *, types: bytes = b"\x01\x60\0\0", extra: bytes = b"", locals: bytes = b"\0") -> bytes:
    """A module with one memory, one function of type 0, exported as _start, whose operators are given as bytes."""
    body = locals + code + b"\x0b"
    return (
        b"\0asm\x01\0\0\0"
        + section(1, types)
        + section(3, b"\x01\0")
        + section(4, b"\x01\x70\0\x01")
        + section(5, b"\x01\0\x01")
        + section(7, b"\x01\x06_start\0\0")
        + section(9, b"\x01\0\x41\0\x0b\x01\0")
        + extra
        + section(10, b"\x01" + encode_unsigned(len(body)) + body)
    )


LONG_ENCODINGS = {
    "constant": (b"\x41\x05\x1a", b"\x41\x85\x80\x80\x80\x00\x1a"),
    "negative constant": (b"\x41\x7b\x1a", b"\x41\xfb\xff\xff\xff\x7f\x1a"),
    "64-bit constant": (b"\x42\x7b\x1a", b"\x42\xfb\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x1a"),
    "memory argument": (
        b"\x41\0\x28\x02\x04\x1a",
        b"\x41\0\x28\x82\x80\x80\x80\x00\x84\x80\x80\x80\x00\x1a",
    ),
    "branch label": (b"\x02\x40\x0c\x00\x0b", b"\x02\x40\x0c\x80\x80\x80\x80\x00\x0b"),
    "branch table": (
        b"\x02\x40\x41\x01\x0e\x01\x00\x00\x0b",
        b"\x02\x40\x41\x01\x0e\x81\x80\x80\x80\x00\x80\x80\x80\x80\x00\x80\x00\x0b",
    ),
    "block type": (b"\x02\x00\x0b", b"\x02\x80\x80\x80\x80\x00\x0b"),
    "prefixed number": (
        b"\x44\0\0\0\0\0\0\0\0\xfc\x02\x1a",
        b"\x44\0\0\0\0\0\0\0\0\xfc\x82\x80\x80\x80\x00\x1a",
    ),
    "vector number": (
        b"\x41\0\xfd\x00\x04\x00\xfd\x53\x1a",
        b"\x41\0\xfd\x80\x80\x00\x84\x00\x80\x00\xfd\xd3\x80\x80\x80\x00\x1a",
    ),
    "bulk memory": (
        b"\x41\0\x41\x00\x41\x10\xfc\x0b\x00",
        b"\x41\0\x41\x00\x41\x90\x00\xfc\x8b\x00\x00",
    ),
}


@pytest.mark.parametrize("name", LONG_ENCODINGS)
def test_a_longer_legal_encoding_gives_the_same_bill(name: str) -> None:
    short, long = (execute(job(code)) for code in LONG_ENCODINGS[name])
    assert short.exit_reason is ExitReason.OK, short.detail
    assert long.exit_reason is ExitReason.OK, long.detail
    assert counted(short) == counted(long)


def test_longer_encodings_of_local_counts_and_sizes_are_read_too() -> None:
    code = b"\x20\x00\x1a"
    body = b"\x81\x80\x80\x00" + b"\x83\x80\x00\x7f" + code + b"\x0b"
    size = encode_unsigned(len(body))[:-1] + bytes([encode_unsigned(len(body))[-1] | 0x80]) + b"\x80\x00"
    plain = job(code, locals=b"\x01\x03\x7f")
    long = plain[: plain.rindex(b"\x0a")] + section(10, b"\x81\x00" + size + body)
    assert counted(execute(plain)) == counted(execute(long)) == (0, 0, 0, 3)


REFUSED_BYTES = {
    "a 32-bit constant of six bytes": b"\x41\x80\x80\x80\x80\x80\x00\x1a",
    "a constant that is too large for its type": b"\x41\xff\xff\xff\xff\x3f\x1a",
    "an alignment with the bit that announces a memory": b"\x41\0\x28\x42\x00\x04\x1a",
    "a block with a negative type": b"\x02\x50\x0b",
    "a prefixed number that runs into its prefix": b"\x41\0\xfd\x80\x80\x04\x04\x00\x1a",
    "code behind the function's end": b"\x0b\x01",
    "a return call": b"\x12\x00",
    "an atomic load": b"\x41\0\xfe\x10\x02\x00\x1a",
}


@pytest.mark.parametrize("name", REFUSED_BYTES)
def test_bytes_that_could_be_misread_are_refused(name: str) -> None:
    result = execute(job(REFUSED_BYTES[name]))
    assert result.exit_reason is ExitReason.REFUSED
    assert counted(result) == (0, 0, 0, 0)
    with pytest.raises(
        Refused
    ):  # Without the engine's validation in front of it, the reader refuses them too.
        instrument(decode(job(REFUSED_BYTES[name])), "cpu.fp64")


REFUSED_PROPOSALS = {
    "threads": '(module (memory 1 1 shared) (func (export "_start")))',
    "tail calls": '(module (func $f (export "_start") (return_call $f)))',
    "several memories": '(module (memory 1) (memory 1) (func (export "_start")))',
    "64-bit memory": '(module (memory i64 1) (func (export "_start")))',
    "exceptions": '(module (tag) (func (export "_start") (throw 0)))',
    "garbage collection": '(module (type (struct (field i32))) (func (export "_start")))',
    "typed references": '(module (type $t (func)) (func (export "_start") (local (ref null $t))))',
    "external references": '(module (func (export "_start") (drop (ref.null extern))))',
    "external tables": '(module (table 1 externref) (func (export "_start")))',
    "relaxed vectors": '(module (func (export "_start") unreachable i8x16.relaxed_swizzle drop))',
    "wide arithmetic": '(module (func (export "_start") unreachable i64.add128 drop drop))',
    "extended constants": '(module (global i32 (i32.add (i32.const 1) (i32.const 2))) (func (export "_start")))',
    "small pages": '(module (memory 1 (pagesize 1)) (func (export "_start")))',
    "an initialised table": '(module (table 1 funcref (ref.null func)) (func (export "_start")))',
}


@pytest.mark.parametrize("proposal", REFUSED_PROPOSALS)
def test_everything_beyond_the_contract_is_refused_with_a_reason(proposal: str) -> None:
    module = assemble(REFUSED_PROPOSALS[proposal])
    problems = check_module(module)
    assert len(problems) == 1
    assert problems[0].field.startswith("module")
    result = execute(module)
    assert result.exit_reason is ExitReason.REFUSED
    assert result.detail == problems[0].message


def test_the_text_format_is_not_a_module() -> None:
    for binary in (b"(module)", b"", b"\0as", b"\0asm\x0d\0\x01\0", b"\x7fELF"):
        assert [problem.field for problem in check_module(binary)] == ["module"]


@pytest.mark.parametrize("cut", range(8, 60, 3))
def test_a_truncated_module_is_refused_and_never_an_exception(cut: int) -> None:
    binary = start(
        "(drop (i32.add (i32.const 1) (i32.const 2)))", before="(memory 1) (global i32 (i32.const 7))"
    )
    if cut < len(binary) - 1:
        try:
            module = decode(binary[:cut])
        except Refused:
            return
        assert module.bodies == []  # Cut between two sections: a shorter module, which has no code.


def test_integers_of_the_specification_are_read_exactly() -> None:
    assert unsigned(b"\xff\xff\xff\xff\x0f", 0) == (2**32 - 1, 5)
    assert unsigned(b"\x80\x80\x80\x80\x00", 0) == (0, 5)
    assert signed(b"\x80\x80\x80\x80\x78", 0, 32) == (-(2**31), 5)
    assert signed(b"\xff\xff\xff\xff\x07", 0, 32) == (2**31 - 1, 5)
    assert signed(b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x7f", 0, 64) == (-(2**63), 10)
    for bad in (b"\xff\xff\xff\xff\x1f", b"\x80\x80\x80\x80\x80\x00"):
        with pytest.raises(Refused):
            unsigned(bad, 0)
    for bad in (b"\xff\xff\xff\xff\x0f", b"\x80\x80\x80\x80\x70"):
        with pytest.raises(Refused):
            signed(bad, 0, 32)
