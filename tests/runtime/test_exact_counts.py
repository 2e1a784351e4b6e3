"""Counts derived by hand, operator by operator, for small modules.

Reminders of meter/1: markers (block, loop, else, end), local.get, constants and drop count nothing; a branch counts one
and the values of its label; a call counts one, its parameters and its results; a block, loop or if counts the
values of its type; every declared local counts one when its function is entered.
"""

import pytest

from suan.core.delivery.metering import HOST_CALL_UNITS
from suan.core.delivery.receipts import ExitReason
from tests.runtime.jobs import WASI, counted, execute, start

BOTH_ENGINES = pytest.mark.parametrize("engine", ["cranelift", "pulley"])


@BOTH_ENGINES
def test_nested_loops_count_every_round(engine: str) -> None:
    module = start(
        """
        (loop $outer
          (local.set $j (i32.const 0))
          (loop $inner
            (local.set $x (f64.add (local.get $x) (f64.mul (f64.const 2) (f64.const 3))))
            (br_if $inner (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (i32.const 7))))
          (br_if $outer (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 5))))
        """,
        locals="(local $i i32) (local $j i32) (local $x f64)",
    )
    result = execute(module, engine=engine)
    # Inner round: add, mul | add, lt_u | set, tee, br_if. 5 * 7 = 35 rounds.
    # Outer round: add, lt_u | set, tee, br_if. 5 rounds. Three locals.
    fp64 = 35 * 2
    integer = 35 * 2 + 5 * 2
    memory_control = 35 * 3 + 5 * 3 + 3
    assert result.exit_reason is ExitReason.OK
    assert counted(result) == (fp64, 0, integer, memory_control)


@BOTH_ENGINES
def test_a_br_table_counts_the_case_that_was_taken(engine: str) -> None:
    module = start(
        """
        (loop $next
          (block $default (block $two (block $one (block $zero
            (br_table $zero $one $two $default (local.get $n)))
              (local.set $x (i32.add (local.get $x) (i32.const 1)))
              (br $default))
            (local.set $x (i32.xor (i32.mul (local.get $x) (i32.const 3)) (i32.const 5)))
            (br $default))
          (local.set $y (f32.add (local.get $y) (f32.const 1))))
          (br_if $next (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 10))))
        """,
        locals="(local $n i32) (local $x i32) (local $y f32)",
    )
    result = execute(module, engine=engine)
    # Ten rounds: br_table | add, lt_u | tee, br_if.
    # Case 0 once: add | set, br. Case 1 once: mul, xor | set, br. Case 2 once: f32.add | set. Seven times nothing.
    assert counted(result) == (0, 1, 10 * 2 + 1 + 2, 10 * 3 + 2 + 2 + 1 + 3)


@BOTH_ENGINES
def test_early_exits_count_only_what_was_entered(engine: str) -> None:
    module = start(
        "(drop (call $find (i32.const 0))) (drop (call $find (i32.const 2))) (drop (call $find (i32.const 5)))",
        before="""
        (func $find (param i32) (result i32)
          (block (result i32)
            (drop (br_if 0 (i32.const 7) (i32.eqz (local.get 0))))
            (if (i32.gt_u (local.get 0) (i32.const 3)) (then (return (i32.const 9))))
            (i32.add (local.get 0) (i32.const 100))))
        """,
    )
    result = execute(module, engine=engine)
    # Every call: block with one result (1), eqz, br_if with one value (2).
    # find(0) leaves there: integer 1, control 3.
    # find(2) goes on: gt_u, if; then add: integer 3, control 4.
    # find(5) goes on: gt_u, if; return with one value (2): integer 2, control 6.
    # Three calls with one parameter and one result: 3 each.
    assert counted(result) == (0, 0, 1 + 3 + 2, 3 + 4 + 6 + 3 * 3)


@BOTH_ENGINES
def test_recursion_counts_every_call(engine: str) -> None:
    module = start(
        "(drop (call $fib (i32.const 10)))",
        before="""
        (func $fib (param i32) (result i32)
          (if (result i32) (i32.lt_s (local.get 0) (i32.const 2))
            (then (local.get 0))
            (else (i32.add
              (call $fib (i32.sub (local.get 0) (i32.const 1)))
              (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
        """,
    )
    result = execute(module, engine=engine)
    # fib(10) makes 177 calls: 89 leaves and 88 inner ones.
    # Every call: lt_s | if with one result (2). Inner: two sub, add | two calls of 3. The first call: 3.
    assert counted(result) == (0, 0, 177 + 88 * 3, 177 * 2 + 88 * 6 + 3)


@BOTH_ENGINES
def test_indirect_calls_count_the_function_that_the_table_holds(engine: str) -> None:
    module = start(
        """
        (local.set $x (f64.const 16))
        (loop $next
          (local.set $x (call_indirect (type $f) (local.get $x) (i32.and (local.get $i) (i32.const 1))))
          (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 5))))
        """,
        locals="(local $i i32) (local $x f64)",
        before="""
        (type $f (func (param f64) (result f64)))
        (table 2 funcref) (elem (i32.const 0) $double $root)
        (func $double (type $f) (f64.mul (f64.add (local.get 0) (local.get 0)) (f64.const 1)))
        (func $root (type $f) (f64.sqrt (local.get 0)))
        """,
    )
    result = execute(module, engine=engine)
    # Rounds 0, 2, 4 call $double (2 FLOPs), rounds 1 and 3 call $root (1 FLOP).
    # Round: and, add, lt_u | call_indirect (4) with a parameter and a result, set, tee, br_if: 9.
    # Before: one set. Two locals.
    assert counted(result) == (3 * 2 + 2 * 1, 0, 5 * 3, 5 * 9 + 1 + 2)


@BOTH_ENGINES
def test_vectors_count_their_lanes(engine: str) -> None:
    module = start(
        """
        (local.set $a (v128.load (i32.const 0)))
        (local.set $b (f32x4.sqrt (f32x4.mul (local.get $a) (f32x4.splat (f32.const 2)))))
        (local.set $b (f64x2.div (local.get $b) (v128.const f64x2 3 4)))
        (local.set $b (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 31 (local.get $a) (local.get $b)))
        (local.set $b (v128.bitselect (local.get $a) (i32x4.add (local.get $a) (local.get $b)) (local.get $b)))
        (f32.store (i32.const 64) (f32x4.extract_lane 2 (local.get $b)))
        (v128.store64_lane 1 (i32.const 32) (local.get $b))
        (v128.store (i32.const 16) (i16x8.shl (local.get $b) (i32.const 3)))
        """,
        locals="(local $a v128) (local $b v128)",
        before="(memory 1)",
    )
    result = execute(module, engine=engine)
    # FP64: div 2. FP32: sqrt 4, mul 4. Integer: splat 4, shuffle 16, bitselect 2, add 4, extract 1, shl 8.
    # Memory: load 2, five sets, f32.store 1, store64_lane 1, store 2, two locals.
    assert counted(result) == (2, 8, 4 + 16 + 2 + 4 + 1 + 8, 2 + 5 + 1 + 1 + 2 + 2)


@BOTH_ENGINES
def test_a_trap_in_mid_block_is_charged_for_the_whole_block_and_nothing_behind_it(engine: str) -> None:
    module = start(
        """
        (local.set $x (f64.add (f64.const 1) (f64.const 2)))
        (drop (i32.div_u (i32.const 1) (local.get $zero)))
        (local.set $x (f64.mul (f64.mul (local.get $x) (local.get $x)) (local.get $x)))
        (if (i32.const 1) (then (local.set $x (f64.sqrt (local.get $x)))))
        """,
        locals="(local $zero i32) (local $x f64)",
    )
    result = execute(module, engine=engine)
    # The block reaches to the if: add, two mul | div_u | two sets, if, two locals. The then-branch is not entered.
    assert result.exit_reason is ExitReason.TRAP
    assert "division by zero" in result.detail
    assert counted(result) == (3, 0, 1, 2 + 1 + 2)


@BOTH_ENGINES
def test_bulk_operators_count_what_they_move(engine: str) -> None:
    module = start(
        """
        (memory.fill (i32.const 0) (i32.const 7) (i32.const 100))
        (memory.copy (i32.const 200) (i32.const 0) (i32.const 64))
        (memory.copy (i32.const 200) (i32.const 0) (local.get $zero))
        (memory.init $bytes (i32.const 0) (i32.const 0) (i32.const 3))
        (data.drop $bytes)
        (drop (memory.grow (i32.const 2)))
        (drop (memory.grow (i32.const 60000)))
        (table.fill $t (i32.const 0) (ref.null func) (i32.const 5))
        (drop (table.grow $t (ref.null func) (i32.const 3)))
        (table.copy (i32.const 4) (i32.const 0) (i32.const 2))
        (drop (memory.size))
        """,
        locals="(local $zero i32)",
        before='(memory 1) (data $bytes "abc") (table $t 8 funcref)',
    )
    result = execute(module, engine=engine)
    # One for every operator, and one for every eight bytes begun, for every element, and 8,192 for a page granted.
    fills = (1 + 13) + (1 + 8) + (1 + 0) + (1 + 1) + 1
    grows = (1 + 2 * 8192) + 1
    tables = (1 + 1 + 5) + (1 + 1 + 3) + (1 + 2)
    assert result.exit_reason is ExitReason.OK
    assert counted(result) == (0, 0, 0, fills + grows + tables + 1 + 1)


@BOTH_ENGINES
def test_multiple_values_count_where_they_are_carried(engine: str) -> None:
    module = start(
        """
        (call $swap (i32.const 3) (f64.const 1.5))
        (block (param f64 i32) (result f64) (drop))
        (drop)
        (i32.const 3)
        (loop (param i32) (result i32)
          (i32.sub (i32.const 1))
          (local.tee $n)
          (br_if 0 (local.get $n)))
        (drop)
        """,
        locals="(local $n i32)",
        before="""
        (func $swap (param i32 f64) (result f64 i32) (local.get 1) (local.get 0))
        """,
    )
    result = execute(module, engine=engine)
    # Call with two parameters and two results: 5. Block of three values: 3. Loop of two values: 2, once.
    # Three rounds: sub | tee, br_if with one value (2). One local.
    assert counted(result) == (0, 0, 3, 5 + 3 + 2 + 3 * 3 + 1)


@BOTH_ENGINES
def test_conversions_and_rounding_are_not_flops(engine: str) -> None:
    module = start(
        """
        (local.set $i (i32.trunc_sat_f64_s (f64.floor (f64.min (f64.const 3.5) (f64.abs (f64.const -4))))))
        (local.set $w (i64.extend8_s (i64.extend_i32_s (local.get $i))))
        (local.set $x (f64.convert_i64_u (local.get $w)))
        (local.set $f (f32.copysign (f32.demote_f64 (local.get $x)) (f32.const -1)))
        (local.set $i (i32.reinterpret_f32 (f32.sqrt (f32.neg (local.get $f)))))
        (local.set $i (f64.eq (local.get $x) (f64.promote_f32 (local.get $f))))
        """,
        locals="(local $i i32) (local $w i64) (local $x f64) (local $f f32)",
    )
    result = execute(module, engine=engine)
    # Integer counter: trunc_sat, floor, min, abs | extend8, extend | convert | copysign, demote | reinterpret, neg |
    # eq, promote = 13. The only FLOP is the FP32 root. Six sets, four locals.
    assert counted(result) == (0, 1, 13, 6 + 4)


@BOTH_ENGINES
def test_memory_globals_and_select_count_one_each(engine: str) -> None:
    module = start(
        """
        (global.set $g (i64.add (global.get $g) (i64.load32_u offset=4 (i32.const 8))))
        (i64.store (i32.const 0) (select (global.get $g) (i64.const 1) (i32.const 0)))
        (i32.store8 (i32.const 9) (select (result i32) (i32.const 1) (i32.const 2) (i32.const 1)))
        (nop)
        """,
        before="(memory 1) (global $g (mut i64) (i64.const 5))",
    )
    result = execute(module, engine=engine)
    # add | set, get, load, store, select, get, store, select.
    assert counted(result) == (0, 0, 1, 8)


@BOTH_ENGINES
def test_the_start_section_and_host_calls_are_counted(engine: str) -> None:
    module = start(
        """
        (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 16)))
        (call $exit (i32.const 0))
        (drop (i32.add (i32.const 1) (i32.const 2)))
        """,
        before=f"""
        (import "{WASI}" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
        (import "{WASI}" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (func $begin (local $v v128) (i32.store (i32.const 0) (i32.const 32)) (i32.store (i32.const 4) (i32.const 99)))
        (start $begin)
        """,
    )
    result = execute(module, engine=engine, stdin=b"0123456789")
    # $begin: one local, two stores. _start is one block: a call of 1+4+1, a call of 1+1 | add (charged, though the
    # exit comes before it). Two host calls, and ten bytes read: two units of eight bytes.
    assert result.exit_reason is ExitReason.OK
    assert counted(result) == (0, 0, 1, 3 + 6 + 2 + 2 * HOST_CALL_UNITS + 2)


def test_dead_code_and_empty_blocks_count_nothing() -> None:
    module = start(
        """
        (block (block) (br 0) (drop (f64.add (f64.const 1) (f64.const 1))))
        (loop)
        (block (return) (loop (br 0)))
        """
    )
    # The first br (1) and the return (1): nothing behind either is entered.
    assert counted(execute(module)) == (0, 0, 0, 2)
