"""What a job sees of the world, and what it is refused."""

import hashlib

import pytest

from suan.core.delivery.receipts import ExitReason
from suan.runtime.wasm.contract import HOST_FUNCTIONS
from suan.runtime.wasm.host import CLOCK_NANOSECONDS, SeedStream
from suan.runtime.wasm.run import check_module
from tests.runtime.jobs import SEED, WASI, assemble, execute, start

IMPORTS = f"""
(import "{WASI}" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
(import "{WASI}" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
(import "{WASI}" "args_get" (func $args (param i32 i32) (result i32)))
(import "{WASI}" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
(import "{WASI}" "environ_sizes_get" (func $environ_sizes (param i32 i32) (result i32)))
(import "{WASI}" "random_get" (func $random (param i32 i32) (result i32)))
(import "{WASI}" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
(import "{WASI}" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
(import "{WASI}" "fd_close" (func $close (param i32) (result i32)))
(import "{WASI}" "fd_fdstat_get" (func $stat (param i32 i32) (result i32)))
(import "{WASI}" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
(import "{WASI}" "proc_exit" (func $exit (param i32)))
(memory (export "memory") 1)
(func $out (param $descriptor i32) (param $at i32) (param $size i32)
  (i32.store (i32.const 0) (local.get $at)) (i32.store (i32.const 4) (local.get $size))
  (if (call $write (local.get $descriptor) (i32.const 0) (i32.const 1) (i32.const 8)) (then (unreachable))))
"""


def job(body: str) -> bytes:
    """A job with every host function at hand, which writes with $out."""
    return start(body, before=IMPORTS)


def written(body: str, **changes: object) -> bytes:
    result = execute(job(body), **changes)
    assert result.exit_reason is ExitReason.OK, result.detail
    return result.output


def test_standard_input_comes_in_the_pieces_that_are_asked_for_and_then_ends() -> None:
    body = """(i32.store (i32.const 16) (i32.const 100)) (i32.store (i32.const 20) (i32.const 3))
      (i32.store (i32.const 24) (i32.const 200)) (i32.store (i32.const 28) (i32.const 4))
      (loop (drop (call $read (i32.const 0) (i32.const 16) (i32.const 2) (i32.const 32)))
        (call $out (i32.const 1) (i32.const 32) (i32.const 4))
        (call $out (i32.const 1) (i32.const 100) (i32.const 3)) (call $out (i32.const 1) (i32.const 200) (i32.const 4))
        (br_if 0 (i32.load (i32.const 32))))"""
    output = written(body, stdin=b"abcdefghij")
    # Seven bytes, then three (the second buffer keeps its old content), then the end.
    assert output == b"\x07\0\0\0abcdefg" + b"\x03\0\0\0hijdefg" + b"\0\0\0\0hijdefg"


def test_arguments_are_job_and_the_run_index_and_the_environment_is_empty() -> None:
    body = """(drop (call $args_sizes (i32.const 16) (i32.const 20)))
      (drop (call $environ_sizes (i32.const 24) (i32.const 28)))
      (drop (call $args (i32.const 32) (i32.const 64)))
      (call $out (i32.const 1) (i32.const 16) (i32.const 24)) (call $out (i32.const 1) (i32.const 64) (i32.const 12))"""
    output = written(body, run=4294967295)
    numbers = [int.from_bytes(output[i : i + 4], "little") for i in range(0, 24, 4)]
    assert numbers == [2, 4 + 11, 0, 0, 64, 68]
    assert output[24:] == b"job\x004294967295"[:12]


def test_randomness_is_the_published_stream_of_the_seed() -> None:
    body = """(drop (call $random (i32.const 100) (i32.const 10)))
      (call $out (i32.const 1) (i32.const 100) (i32.const 10))
      (drop (call $random (i32.const 100) (i32.const 5000)))
      (call $out (i32.const 1) (i32.const 100) (i32.const 5000))"""
    output = written(body)
    blocks = [hashlib.shake_256(SEED + i.to_bytes(8, "little")).digest(4096) for i in range(2)]
    assert output == b"".join(blocks)[:5010]
    assert written(body, seed=bytes(32)) != output
    assert (
        written(body, run=1) == output
    )  # The seed alone decides; it is the market that gives every run its own.
    stream = SeedStream(SEED)
    assert b"".join(stream.take(n) for n in (0, 1, 4095, 1, 913)) == output


def test_the_clock_stands_still() -> None:
    body = """(loop (drop (call $clock (i32.const 0) (i64.const 1) (i32.const 100)))
      (call $out (i32.const 1) (i32.const 100) (i32.const 8))
      (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 2))))"""
    result = execute(start(body, locals="(local $i i32)", before=IMPORTS))
    assert result.output == CLOCK_NANOSECONDS.to_bytes(8, "little") * 2


@pytest.mark.parametrize("engine", ["cranelift", "pulley"])
def test_an_exit_code_is_a_delivery_and_keeps_the_output(engine: str) -> None:
    result = execute(
        job("(call $out (i32.const 1) (i32.const 0) (i32.const 4)) (call $exit (i32.const 3))"), engine=engine
    )
    assert result.exit_reason is ExitReason.EXIT
    assert result.exit_reason.delivers
    assert result.detail == "exit code 3"
    assert len(result.output) == 4


def test_standard_error_is_kept_apart_from_the_output() -> None:
    result = execute(
        start(
            "(call $out (i32.const 2) (i32.const 100) (i32.const 5))"
            "(call $out (i32.const 1) (i32.const 100) (i32.const 2))",
            before=IMPORTS + '(data (i32.const 100) "hello")',
        )
    )
    assert (result.output, result.stderr) == (b"he", b"hello")


def test_streams_cannot_be_sought_and_nothing_else_can_be_opened() -> None:
    calls = {
        "(call $seek (i32.const 1) (i64.const 0) (i32.const 0) (i32.const 100))": 70,
        "(call $seek (i32.const 3) (i64.const 0) (i32.const 0) (i32.const 100))": 8,
        "(call $prestat (i32.const 3) (i32.const 100))": 8,
        "(call $read (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 100))": 8,
        "(call $write (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 100))": 8,
        "(call $write (i32.const 1) (i32.const 65533) (i32.const 1) (i32.const 100))": 21,
        "(call $write (i32.const 1) (i32.const 0) (i32.const 1025) (i32.const 100))": 28,
        "(call $random (i32.const 65000) (i32.const 1000))": 21,
        "(call $clock (i32.const 9) (i64.const 0) (i32.const 100))": 28,
        "(call $stat (i32.const 2) (i32.const 200))": 0,
        "(call $close (i32.const 0))": 0,
        "(call $close (i32.const 0)) ": 8,
    }
    stores = " ".join(f"(i32.store (i32.const {1000 + 4 * i}) {call})" for i, call in enumerate(calls))
    output = written(stores + f"(call $out (i32.const 1) (i32.const 1000) (i32.const {4 * len(calls)}))")
    assert [int.from_bytes(output[i : i + 4], "little") for i in range(0, len(output), 4)] == list(
        calls.values()
    )


@pytest.mark.parametrize(
    ("imported", "advice"),
    [
        ('"env" "abort" (func (param i32 i32 i32 i32))', "--use abort="),
        (
            f'"{WASI}" "path_open" (func (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32))',
            "standard input",
        ),
        (f'"{WASI}" "sock_recv" (func (param i32 i32 i32 i32 i32 i32) (result i32))', "standard input"),
        (f'"{WASI}" "poll_oneoff" (func (param i32 i32 i32 i32) (result i32))', "standard input"),
        ('"env" "emscripten_memcpy" (func)', "link the code"),
        ('"env" "table" (table 1 funcref)', "not a function"),
        (f'"{WASI}" "proc_exit" (func (param i64))', "(i64) -> ()"),
    ],
)
def test_any_other_import_is_refused_by_name(imported: str, advice: str) -> None:
    module = assemble(f'(module (import {imported}) (memory (export "memory") 1) (func (export "_start")))')
    problems = check_module(module)
    space, name = imported.split('"')[1], imported.split('"')[3]
    assert [problem.field for problem in problems] == ["module.imports"]
    assert f"{space}.{name}" in problems[0].message
    assert advice in problems[0].message


def test_every_reason_is_given_at_once() -> None:
    module = assemble(f"""(module (import "env" "a" (func)) (import "env" "b" (func))
      (import "{WASI}" "fd_close" (func)) (import "{WASI}" "fd_write" (func (param i32 i32 i32 i32) (result i32))))""")
    codes = [problem.code for problem in check_module(module)]
    assert codes == [
        "import_not_allowed",
        "import_not_allowed",
        "import_type",
        "no_start",
        "memory_not_exported",
    ]


def test_start_takes_and_returns_nothing() -> None:
    module = assemble('(module (func (export "_start") (result i32) (i32.const 0)))')
    assert [problem.code for problem in check_module(module)] == ["start_type"]


def test_every_host_function_of_the_contract_exists() -> None:
    names = {"i": "i32", "I": "i64"}
    imports = ""
    for name, (parameters, results) in HOST_FUNCTIONS.items():
        given = "".join(f"(param {names[kind]})" for kind in parameters) + ("(result i32)" if results else "")
        imports += f'(import "{WASI}" "{name}" (func ${name} {given}))'
    zero = {"i": "(i32.const 0)", "I": "(i64.const 0)"}
    calls = ""
    for name, (parameters, results) in HOST_FUNCTIONS.items():
        if name != "proc_exit":
            arguments = " ".join(zero[kind] for kind in parameters)
            calls += f"(drop (call ${name} {arguments}))" if results else ""
    module = start(calls + "(call $proc_exit (i32.const 0))", before=imports + '(memory (export "memory") 1)')
    assert check_module(module) == []
    assert execute(module).exit_reason is ExitReason.OK
