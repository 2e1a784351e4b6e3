"""A module cannot touch its own counters, whatever it names or exports."""

import pytest

from suan.core.delivery.receipts import ExitReason
from suan.runtime.wasm.binary import Refused
from suan.runtime.wasm.decode import decode
from suan.runtime.wasm.engine import make_engine, validate
from suan.runtime.wasm.instrument import instrument
from suan.runtime.wasm.run import check_module
from tests.runtime.jobs import assemble, counted, execute, start


def instrument_module(module: bytes) -> bytes:
    """The module with its counters, as a child process makes it."""
    validate(make_engine("cranelift"), module)
    return instrument(decode(module), "cpu.fp64")


def test_a_module_that_names_a_hidden_global_is_refused() -> None:
    for index in (
        1,
        4,
        9,
    ):  # Nine globals are added behind the one of the module: here first, fourth and last.
        forged = start(
            f"(drop (f64.add (f64.const 1) (f64.const 2))) (global.set {index} (i64.const 0))",
            before="(global (mut i64) (i64.const 0))",
        )
        result = execute(forged)
        assert result.exit_reason is ExitReason.REFUSED
        assert "unknown global" in result.detail
        with pytest.raises(Refused, match="unknown global"):
            instrument_module(forged)


def test_a_module_that_names_a_hidden_type_or_import_is_refused() -> None:
    two_results = "(func $two (result i32 i32) (call $two))"
    assert (
        execute(start("(drop (call_indirect (type 7)))", before=two_results)).exit_reason
        is ExitReason.REFUSED
    )
    smuggled = start("nop", before='(import "suan" "left" (global (mut i64)))')
    result = execute(smuggled)
    assert result.exit_reason is ExitReason.REFUSED
    assert "suan.left" in result.detail


def test_exports_that_use_our_names_are_renamed_and_the_count_stays_right() -> None:
    module = assemble("""(module
        (global (export "suan:fp64") (mut i64) (i64.const 777)) (global (export "_suan:fp64") i64 (i64.const 1))
        (global (export "suan:left") (mut i64) (i64.const 1)) (global (export "suan:stopped") (mut i32) (i32.const 2))
        (memory (export "suan:memory_control") 1)
        (func (export "suan:start") (export "suan:stack") unreachable)
        (func $begin (drop (f64.mul (f64.const 2) (f64.const 3))))
        (start $begin)
        (func (export "_start") (global.set 0 (i64.const 5)) (drop (f64.add (f64.const 1) (f64.const 2)))))""")
    assert check_module(module) == []
    result = execute(module)
    assert result.exit_reason is ExitReason.OK
    assert counted(result) == (2, 0, 0, 1)
    names = [export.name.decode() for export in decode(instrument_module(module)).exports]
    assert len(names) == len(set(names))
    assert {
        "__suan:fp64",
        "_suan:fp64",
        "_suan:left",
        "_suan:start",
        "_suan:stack",
        "_suan:memory_control",
    } <= set(names)
    assert names.count("suan:fp64") == 1


def test_a_module_cannot_end_its_run_with_a_reason_of_its_choice() -> None:
    # Exit codes and traps are the only ways out; neither looks like the ceiling or the stack.
    result = execute(
        start("(global.set 0 (i32.const 1)) (unreachable)", before="(global (mut i32) (i32.const 0))")
    )
    assert result.exit_reason is ExitReason.TRAP


def test_custom_sections_and_debug_names_do_not_change_the_count() -> None:
    plain = start("(drop (f64.add (f64.const 1) (f64.const 2)))")
    noisy = plain + b"\0\x07\x04name\xff\xff" + b"\0\x10\x0dmetadata.code\x00\x00"
    assert counted(execute(plain)) == counted(execute(noisy)) == (1, 0, 0, 0)
