"""What one count of each counter costs on this machine, relative to one FP64 FLOP, in the strict profile.

Run: `.venv/bin/python benchmarks/metering_weights.py [--repeats 5]` (about two minutes, one core).

Method: kernels that stress one counter each, in the forms in which compilers emit it, and the three example jobs run
through the job runner. The cost of a kernel is the least processor time of several runs. The four costs are fitted
to all programs at once (least squares of the logarithms), since no program uses one counter alone.
The weights in suan/core/delivery/metering.py are the fitted costs, rounded; this program prints both, and how far the bill
of every program is from its time.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path

import wasmtime

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from suan.core.delivery.metering import COUNTER_NAMES, WEIGHT_SCALE, weights  # noqa: E402
from suan.core.delivery.receipts import ExitReason  # noqa: E402
from suan.runtime import RunLimits, RunRequest, runner_for  # noqa: E402

EXAMPLES = {
    "nbody": b"300000 2",
    "mandelbrot": b"512 512 2 2 600",
    "option": b"100 105 0.03 0.2 1 3000000",
}
ROUNDS = 6_000_000
Programs = dict[str, tuple[list[int], float]]


def chains(kind: str, operators: list[str], length: int = 16, count: int = 4) -> str:
    """`count` independent expressions of `length` operators each, every one ending in a local of its own."""
    lines = []
    for chain in range(count):
        expression = f"(local.get ${kind}{chain})"
        for step in range(length):
            operator = operators[step % len(operators)]
            if operator.endswith("sqrt"):
                expression = f"({operator} {expression})"
            else:
                expression = f"({operator} {expression} (local.get ${kind}{4 + step % 4}))"
        lines.append(f"(local.set ${kind}{chain} {expression})")
    return "\n".join(lines)


def integer_mix(kind: str) -> str:
    verbs = ["add", "xor", "mul", "sub", "rotl", "and", "or", "shr_u"]
    return chains(kind, [f"{kind}.{verb}" for verb in verbs])


def stream(kind: str, size: int, step: int) -> str:
    """Loads, and one store for every three of them, at addresses that walk through 256 KiB."""
    lines = [f"(local.set $at (i32.and (i32.add (local.get $at) (i32.const {step})) (i32.const 262136)))"]
    for place in range(0, 12 * size, 3 * size):
        lines += [
            f"({kind}.store offset={place + 4096} (local.get $at) ({kind}.load offset={place} (local.get $at)))"
        ]
        lines += [f"(local.set ${kind}0 ({kind}.load offset={place + size} (local.get $at)))"]
        lines += [f"({kind}.store offset=8192 (local.get $at) (local.get ${kind}0))"]
    return "\n".join(lines)


def branches() -> str:
    """Conditions that depend on the counter, as in scanners and sorting."""
    lines = []
    for bit in range(8):
        lines.append(
            f"(if (i32.and (local.get $n) (i32.const {1 << bit})) (then (local.set $i320 (i32.add (local.get $i320) "
            f"(local.get $i324)))) (else (local.set $i321 (i32.xor (local.get $i321) (local.get $n)))))"
        )
    return "\n".join(lines)


def calls() -> str:
    lines = ["(local.set $i320 (call $leaf (local.get $i320) (local.get $n)))" for _ in range(4)]
    lines += ["(local.set $i321 (call_indirect (type $leaf) (local.get $i321) (local.get $n) (i32.const 0)))"]
    return "\n".join(lines)


def chase() -> str:
    """Every load needs the address that the one before it found: 256 KiB, no pattern."""
    lines = []
    for _ in range(8):
        address = "(i32.and (i32.mul (local.get $at) (i32.const 2654435761)) (i32.const 262140))"
        lines.append(
            f"(local.set $at (i32.add (i32.load {address}) (i32.add (local.get $at) (i32.const 4))))"
        )
    return "\n".join(lines)


EXTREMES: dict[str, Callable[[], str]] = {
    "fp64 square roots only": lambda: chains("f64", ["f64.sqrt"]),
    "integer one in eight divides": lambda: chains(
        "i64", ["i64.add", "i64.xor", "i64.sub"] * 2 + ["i64.or", "i64.div_u"]
    ),
    "loads that wait for loads": chase,
    "vector of bytes": lambda: chains("v128", ["i8x16.add", "i8x16.sub"]),
}
"""Code at the edges of its class; shown with its bill, left out of the fit."""

KERNELS: dict[str, Callable[[], str]] = {
    "fp64 scalar": lambda: chains("f64", ["f64.add", "f64.mul"]),
    "fp64 one in eight divides": lambda: chains("f64", ["f64.add", "f64.mul"] * 3 + ["f64.sub", "f64.div"]),
    "fp64 vector": lambda: chains("v128", ["f64x2.add", "f64x2.mul"]),
    "fp32 scalar": lambda: chains("f32", ["f32.add", "f32.mul"]),
    "fp32 one in eight divides": lambda: chains("f32", ["f32.add", "f32.mul"] * 3 + ["f32.sub", "f32.div"]),
    "fp32 vector": lambda: chains("v128", ["f32x4.add", "f32x4.mul"]),
    "integer 32 bits": lambda: integer_mix("i32"),
    "integer 64 bits": lambda: integer_mix("i64"),
    "integer vector": lambda: chains("v128", ["i32x4.add", "v128.xor", "i32x4.mul", "i16x8.sub"]),
    "memory 64 bits": lambda: stream("f64", 8, 96),
    "memory 32 bits": lambda: stream("i32", 4, 48),
    "branches": branches,
    "calls": calls,
}


def kernel(body: str) -> bytes:
    """A job that runs `body` ROUNDS times, with locals of every kind that start from memory."""
    kinds = {"i32": "i32.load", "i64": "i64.load", "f32": "f32.load", "f64": "f64.load", "v128": "v128.load"}
    declared = " ".join(f"(local ${kind}{i} {kind})" for kind in kinds for i in range(8))
    loaded = " ".join(
        f"(local.set ${kind}{i} ({load} (i32.const {16 * i + 256 * number})))"
        for number, (kind, load) in enumerate(kinds.items())
        for i in range(8)
    )
    kept = " ".join(f"({k}.store (i32.const {16 * i}) (local.get ${k}{i}))" for k in kinds for i in range(4))
    return bytes(
        wasmtime.wat2wasm(f"""(module (memory (export "memory") 8) (table 1 funcref) (elem (i32.const 0) $leaf)
        (type $leaf (func (param i32 i32) (result i32)))
        (data (i32.const 0) "{SEEDED}")
        (func $leaf (type $leaf) (i32.add (i32.mul (local.get 0) (i32.const 3)) (local.get 1)))
        (func (export "_start") (local $n i32) (local $at i32) {declared} {loaded}
        (loop $again {body} (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1)))
        (i32.const {ROUNDS // 8})))) {kept}))""")
    )


SEEDED = "\\3f" * 2048
"""Memory from which the locals start: small ordinary numbers in every type, never zero."""


def measure(module: bytes, stdin: bytes, repeats: int) -> tuple[list[int], float]:
    """The four counters and the least processor time in nanoseconds."""
    best, counters = float("inf"), [0, 0, 0, 0]
    request = RunRequest(
        module=module,
        stdin=stdin,
        run=0,
        seed=bytes(32),
        resource_class="cpu.fp64",
        limits=RunLimits(ceiling_units=10**9, memory_bytes=16 * 1024 * 1024, wall_seconds=120),
    )
    runner = runner_for(request.resource_class)
    for _ in range(repeats):
        result = runner.run(request, runner.engines[0])
        if result.exit_reason is not ExitReason.OK:
            raise SystemExit(f"a benchmark ended with {result.exit_reason.name}: {result.detail}")
        counters = [getattr(result.counters, name) for name in COUNTER_NAMES]
        best = min(best, result.cpu_ns)
    return counters, best


def error(programs: Programs, costs: list[float]) -> float:
    """Sum of squared logarithms of predicted over measured time: twice too much is as bad as half."""
    return sum(
        math.log(sum(cost * count for cost, count in zip(costs, counters, strict=True)) / time) ** 2
        for counters, time in programs.values()
    )


def fit(programs: Programs) -> list[float]:
    """Nanoseconds per count with the least error: each cost in turn is moved up or down while that helps."""
    costs = [0.5, 0.5, 0.5, 0.5]
    step = 1.5
    while step > 1.0001:
        before = error(programs, costs)
        for unknown in range(4):
            for factor in (step, 1 / step):
                moved = [cost * factor if i == unknown else cost for i, cost in enumerate(costs)]
                if error(programs, moved) < error(programs, costs):
                    costs = moved
        if error(programs, costs) >= before:
            step = math.sqrt(step)
    return costs


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    programs = {name: measure(kernel(body()), b"", repeats) for name, body in KERNELS.items()}
    for name, stdin in EXAMPLES.items():
        module = (ROOT / "examples" / "build" / f"{name}.wasm").read_bytes()
        programs[f"example {name}"] = measure(module, stdin, repeats)
    costs = fit(programs)
    print(
        "fitted cost of one count, ns:", {n: round(c, 4) for n, c in zip(COUNTER_NAMES, costs, strict=True)}
    )
    for resource_class, own in (("cpu.fp64", 0), ("cpu.fp32", 1)):
        ratios = [round(WEIGHT_SCALE * cost / costs[own]) for cost in costs]
        print(f"{resource_class}: measured {ratios}, published {list(weights(resource_class).as_tuple())}")
    weight = weights("cpu.fp64").as_tuple()
    print(
        f"{'program':28}{'fp64':>12}{'fp32':>12}{'integer':>12}{'mem_control':>12}{'ms':>8}{'MFLOPS-eq':>10}"
    )
    extremes = {name: measure(kernel(body()), b"", repeats) for name, body in EXTREMES.items()}
    for name, (counters, time) in (programs | extremes).items():
        work = sum(w * c for w, c in zip(weight, counters, strict=True)) / WEIGHT_SCALE
        shown = "".join(f"{counter:12}" for counter in counters)
        print(f"{name:28}{shown}{time / 1e6:8.1f}{1000 * work / time:10.0f}")


if __name__ == "__main__":
    main()
