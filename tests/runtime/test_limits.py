"""Every limit of a run ends it in a defined way, the same on both engines where the job itself is the cause."""

import os
import threading
import time

import psutil
import pytest

from suan.core.delivery.metering import CEILING_UNITS_MAX, weighted_sum
from suan.core.delivery.receipts import Counters, ExitReason
from suan.runtime.runner import RunResult
from suan.runtime.wasm.contract import OUTPUT_BYTES_MAX
from suan.runtime.wasm.instrument import FRAME_BYTES, SLOT_BYTES, STACK_BYTES
from suan.runtime.wasm.run import check_module
from tests.runtime.jobs import WASI, assemble, counted, execute, start

PAGE = 65_536
FOREVER = "(loop (br 0))"


def both(module: bytes, **limits: object) -> RunResult:
    """Run on both engines, insist that they agree on everything that a receipt compares, and return one result."""
    compiled, interpreted = (execute(module, engine=engine, **limits) for engine in ("cranelift", "pulley"))
    for name in (
        "exit_reason",
        "output",
        "counters",
        "work_units",
        "fuel",
        "peak_memory_bytes",
        "engine",
        "detail",
    ):
        assert getattr(compiled, name) == getattr(interpreted, name), name
    return compiled


def test_the_ceiling_stops_a_loop_at_the_first_head_beyond_it() -> None:
    result = both(start(FOREVER), ceiling_units=3)
    assert result.exit_reason is ExitReason.CEILING
    # A round is one br: 45 of 300,000,000 hundredths. The head that passes the ceiling is charged, then it stops.
    assert counted(result) == (0, 0, 0, 3 * 10**8 // 45 + 1)
    assert result.work_units == 4


def test_a_run_that_needs_exactly_its_ceiling_is_not_stopped() -> None:
    body = "(loop (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000000))))"
    module = start(body, locals="(local $i i32)")
    free = execute(module)
    # A million rounds of two integer operators and two of control, and one local.
    assert weighted_sum(free.counters, "cpu.fp64") == 10**6 * (2 * 10 + 2 * 45) + 45
    assert free.work_units == 2
    assert execute(module, ceiling_units=2).exit_reason is ExitReason.OK
    assert execute(module, ceiling_units=1).exit_reason is ExitReason.CEILING


def test_recursion_without_loops_meets_the_ceiling_at_a_function_entry() -> None:
    module = start(
        "(call $f (i32.const 40))",
        before="""
        (func $f (param i32) (if (local.get 0) (then
          (call $f (i32.sub (local.get 0) (i32.const 1))) (call $f (i32.sub (local.get 0) (i32.const 1))))))""",
    )
    result = both(module, ceiling_units=1)
    assert result.exit_reason is ExitReason.CEILING
    assert result.work_units == 2


def test_a_huge_copy_is_stopped_before_it_runs() -> None:
    body = "(loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 2097152)) (br 0))"
    started = time.monotonic()
    result = both(start(body, before="(memory 32)"), ceiling_units=1)
    assert result.exit_reason is ExitReason.CEILING
    # Each fill counts 2^21 / 8 and each round two: the ninth fill would pass the ceiling of 2,222,222 and is charged.
    assert counted(result) == (0, 0, 0, 9 * (2**18 + 2))
    assert time.monotonic() - started < 5


def test_the_wall_clock_ends_a_run_and_nothing_is_delivered() -> None:
    started = time.monotonic()
    result = execute(start(FOREVER), wall_seconds=1, ceiling_units=10**9)
    assert time.monotonic() - started < 5
    assert result.exit_reason is ExitReason.TIMEOUT
    assert not result.exit_reason.delivers
    assert (result.output, counted(result)) == (b"", (0, 0, 0, 0))


DEEP = {
    "a function without values": '(module (func $f (export "_start") (call $f)))',
    "many values alive across the call": """(module (memory 1) (func $f (export "_start") DECLARED LOADED
        (call $f) STORED))""",
    "many parameters": """(module (memory 1) (func $f (param MANY) GIVEN (call $f))
        (func (export "_start") FRESH (call $f)))""",
    "many results": """(module (memory 1) (func $g (result MANY) FRESH) (func $f (param i32) (result MANY) (call $g)
        (call $f (local.get 0)) DROPPED) (func (export "_start") (call $f (i32.const 1)) DROPPED))""",
    "values that a compiler moves out of a loop": """(module (memory 2) (func $f (param $a v128) (local $n i32)
        (loop (call $f (local.get $a)) INVARIANT
        (br_if 0 (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 9)))))
        (func (export "_start") (call $f (v128.load (i32.const 0)))))""",
}


def deep(text: str, count: int = 900) -> bytes:
    """Fill in the parts that repeat `count` times."""
    parts = {
        "DECLARED": "(local $v{i} v128)",
        "LOADED": "(local.set $v{i} (v128.load (i32.const {at})))",
        "STORED": "(v128.store (i32.const {at}) (local.get $v{i}))",
        "MANY": "v128",
        "GIVEN": "(local.get {i})",
        "FRESH": "(v128.load (i32.const {at}))",
        "DROPPED": "drop",
        "INVARIANT": "(v128.store (i32.const {at}) (f64x2.mul (local.get $a) (f64x2.splat (f64.const {i}.5))))",
    }
    for name, part in parts.items():
        text = text.replace(name, " ".join(part.format(i=i, at=16 * i) for i in range(count)))
    return assemble(text)


@pytest.mark.parametrize("name", DEEP)
def test_a_stack_overflow_is_the_same_call_on_both_engines(name: str) -> None:
    result = both(deep(DEEP[name]))
    assert result.exit_reason is ExitReason.STACK
    assert result.exit_reason.delivers


def test_the_depth_of_a_recursion_follows_from_the_published_frame() -> None:
    result = both(start("(call $f)", before="(func $f (call $f))"))
    # _start and $f have two operators each (call, end); calls count one, so the calls that fitted can be counted.
    frame = FRAME_BYTES + SLOT_BYTES * 2
    assert counted(result) == (0, 0, 0, STACK_BYTES // frame)


def test_memory_grows_to_the_declared_limit_and_not_a_page_further() -> None:
    body = """(if (i32.ne (memory.grow (i32.const 15)) (i32.const 1)) (then (unreachable)))
      (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then (unreachable)))"""
    result = both(start(body, before='(memory (export "memory") 1)'), memory_bytes=16 * PAGE)
    assert result.exit_reason is ExitReason.OK
    assert result.peak_memory_bytes == 16 * PAGE


def test_a_trap_after_refused_memory_is_named_memory() -> None:
    body = "(if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then (unreachable)))"
    result = both(start(body, before="(memory 1)"), memory_bytes=16 * PAGE)
    assert result.exit_reason is ExitReason.MEMORY
    assert counted(result) == (0, 0, 1, 1 + 1 + 1)


def test_a_module_that_needs_more_than_declared_at_the_start_does_not_run() -> None:
    result = both(start("nop", before="(memory 17)"), memory_bytes=16 * PAGE)
    assert result.exit_reason is ExitReason.MEMORY
    assert "17 pages" in result.detail
    assert counted(result) == (0, 0, 0, 0)


def test_a_table_does_not_grow_beyond_its_limit() -> None:
    body = (
        "(if (i32.ne (table.grow (ref.null func) (i32.const 1000000)) (i32.const -1)) (then (unreachable)))"
    )
    assert both(start(body, before="(table 1 funcref)")).exit_reason is ExitReason.OK
    problems = check_module(start("nop", before="(table 1000001 funcref)"))
    assert [problem.code for problem in problems] == ["too_many_elements"]


def test_output_beyond_the_limit_is_a_trap_and_what_fits_is_delivered() -> None:
    body = """(i32.store (i32.const 0) (i32.const 0)) (i32.store (i32.const 4) (i32.const 1000000))
      (loop (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))) (br 0))"""
    module = start(
        body,
        before=f"""(import "{WASI}" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 16)""",
    )
    result = both(module)
    assert result.exit_reason is ExitReason.TRAP
    assert len(result.output) == OUTPUT_BYTES_MAX
    assert str(OUTPUT_BYTES_MAX) in result.detail


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("(unreachable)", "unreachable"),
        ("(drop (i32.load (i32.const -4)))", "memory out of bounds"),
        ("(drop (i32.trunc_f64_s (f64.const nan)))", "bad conversion"),
        ("(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))", "integer overflow"),
        ("(call_indirect (i32.const 0))", "indirect call to null"),
        ("(memory.copy (i32.const 0) (i32.const 65000) (i32.const 65000))", "memory out of bounds"),
    ],
)
def test_a_trap_is_a_result_with_a_reason(body: str, reason: str) -> None:
    result = both(start(body, before="(memory 1) (table 1 funcref)"))
    assert result.exit_reason is ExitReason.TRAP
    assert reason in result.detail


def test_a_trap_while_memory_is_set_up_has_counted_nothing() -> None:
    result = both(start("nop", before='(memory 1) (data (i32.const 65535) "ab")'))
    assert result.exit_reason is ExitReason.TRAP
    assert counted(result) == (0, 0, 0, 0)


def test_a_child_that_is_killed_gives_a_result_with_the_reason() -> None:
    results: list[RunResult] = []
    module = start(FOREVER)
    thread = threading.Thread(target=lambda: results.append(execute(module, ceiling_units=10**9)))
    thread.start()
    deadline = time.monotonic() + 10
    children: list[psutil.Process] = []
    while not children and time.monotonic() < deadline:
        children = [child for server in fork_servers() for child in server.children()]
        time.sleep(0.02)
    children[0].kill()
    thread.join(10)
    assert results[0].exit_reason is ExitReason.TIMEOUT
    assert "SIGKILL" in results[0].detail


def fork_servers() -> list[psutil.Process]:
    return [c for c in psutil.Process().children() if "suan.runtime.wasm.forkserver" in " ".join(c.cmdline())]


def test_a_killed_fork_server_costs_the_runs_under_way_and_no_later_one() -> None:
    module = start("nop")
    assert execute(module).exit_reason is ExitReason.OK
    results: list[RunResult] = []
    thread = threading.Thread(target=lambda: results.append(execute(start(FOREVER), ceiling_units=10**9)))
    thread.start()
    deadline = time.monotonic() + 10
    while not fork_servers()[0].children() and time.monotonic() < deadline:
        time.sleep(0.02)
    server = fork_servers()[0]
    orphan = server.children()[0]
    server.kill()
    thread.join(10)
    assert results[0].exit_reason is ExitReason.TIMEOUT
    assert execute(module).exit_reason is ExitReason.OK
    orphan.kill()
    for _ in range(20):  # A server that is about to die has not begun what it is asked then.
        fork_servers()[0].kill()
        assert execute(module).exit_reason is ExitReason.OK


def test_each_run_has_a_process_of_its_own_that_is_gone_afterwards() -> None:
    for _ in range(2):
        assert execute(start("nop")).exit_reason is ExitReason.OK
    assert [server.children() for server in fork_servers()] == [[]]


def test_a_forked_copy_of_the_caller_starts_a_server_of_its_own() -> None:
    assert execute(start("nop")).exit_reason is ExitReason.OK
    pid = os.fork()
    if pid == 0:
        ended = execute(start("nop")).exit_reason is ExitReason.OK and len(fork_servers()) == 1
        os._exit(0 if ended else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert execute(start("nop")).exit_reason is ExitReason.OK


def test_functions_and_locals_beyond_the_limits_are_refused() -> None:
    many_locals = start("nop", locals=f"(local {'i32 ' * 10_001})")
    long_function = start("(drop (i32.const 1)) " * 180_000)
    large_module = start("nop", before=f'(memory 64) (data (i32.const 0) "{"x" * 4_194_304}")')
    codes = [check_module(module)[0].code for module in (many_locals, long_function, large_module)]
    assert codes == ["too_many_locals", "function_too_large", "too_large"]


@pytest.mark.parametrize(
    "changes",
    [
        {"ceiling_units": 0},
        {"ceiling_units": CEILING_UNITS_MAX + 1},
        {"memory_bytes": 1},
        {"memory_bytes": 2**32 + 1},
        {"wall_seconds": 0},
        {"seed": b"short"},
        {"run": -1},
        {"profile": "fast"},
        {"engine": "v8"},
        {"resource_class": "gpu.fp16"},
    ],
)
def test_arguments_out_of_bounds_are_the_callers_error(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be|no weights"):
        execute(start("nop"), **changes)


def test_no_counter_can_overflow_before_the_largest_ceiling_is_reached() -> None:
    # The budget starts below 2^60. One block adds at most what four megabytes of code and a few thousand bulk
    # operators of 2^32 bytes can, since the ceiling is checked around each of those.
    one_block = 4 * 1024 * 1024 * 1000 + 2**32
    largest = CEILING_UNITS_MAX * 10**8
    assert largest < 2**60
    assert largest + 200 * one_block < 2**63
    assert weighted_sum(Counters(1, 1, 1, 1), "cpu.fp64") >= 4
