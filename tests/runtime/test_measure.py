"""Measuring a job before a bid, and a machine before an offer."""

import json
from pathlib import Path

import pytest

from suan.client.job import JobError, measure
from suan.core.delivery.metering import work_units
from suan.core.delivery.receipts import ExitReason
from suan.runtime.wasm.benchmark import benchmark_module, measure_rate
from tests.runtime.jobs import WASI, assemble, execute, start

COUNT_DOWN = f"""(module
  (import "{WASI}" "random_get" (func $random (param i32 i32) (result i32))) (memory (export "memory") 1)
  (func (export "_start") (local $i i32)
    (drop (call $random (i32.const 0) (i32.const 1)))
    (local.set $i (i32.add (i32.const 1000000) (i32.shl (i32.load8_u (i32.const 0)) (i32.const 12))))
    (loop (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))))"""


def write(folder: Path, module: bytes) -> Path:
    path = folder / "job.wasm"
    path.write_bytes(module)
    return path


def test_a_report_says_what_every_run_does_and_which_ceiling_is_safe(tmp_path: Path) -> None:
    path = write(tmp_path, assemble(COUNT_DOWN))
    report = measure(path, runs=3)
    assert report.accepted
    assert report.delivered
    assert [run.run for run in report.runs] == [0, 1, 2]
    units = [run.result.work_units for run in report.runs]
    assert len({run.result.counters for run in report.runs}) == 3  # Every run has a seed of its own.
    assert report.suggested_ceiling_units == -(-max(units) * 110 // 100)
    assert measure(path, runs=3).to_json()["suggested_ceiling_units"] == report.suggested_ceiling_units
    shown = json.loads(json.dumps(report.to_json()))
    assert shown["runs"][0]["exit_reason"] == "ok"
    assert shown["runs"][0]["output"].startswith("0xe3b0c442")  # Nothing was written: the hash of no bytes.


def test_a_refused_job_is_a_report_with_the_reason(tmp_path: Path) -> None:
    report = measure(write(tmp_path, start("nop", before='(import "env" "abort" (func))')))
    assert not report.accepted
    assert report.runs == []
    assert report.suggested_ceiling_units is None
    assert "--use abort=" in report.problems[0].message


def test_a_job_that_never_ends_is_measured_by_the_clock_and_suggests_no_ceiling(tmp_path: Path) -> None:
    report = measure(write(tmp_path, start("(loop (br 0))")), runs=5, wall_seconds=1)
    assert [run.result.exit_reason for run in report.runs] == [ExitReason.TIMEOUT]
    assert report.suggested_ceiling_units is None
    assert not report.delivered


def test_arguments_out_of_bounds_name_the_argument_and_the_limit(tmp_path: Path) -> None:
    path = write(tmp_path, start("nop"))
    with pytest.raises(JobError, match="module: .*No such file"):
        measure(tmp_path / "missing.wasm")
    with pytest.raises(JobError, match="runs: must be between 1 and 1000"):
        measure(path, runs=0)
    with pytest.raises(JobError, match="memory_bytes must be between"):
        measure(path, memory_bytes=5)
    with pytest.raises(JobError, match="stdin: has 16777217 bytes"):
        measure(path, stdin=bytes(16 * 1024 * 1024 + 1))


@pytest.mark.parametrize(("resource_class", "counter"), [("cpu.fp64", "fp64"), ("cpu.fp32", "fp32")])
def test_a_rate_is_the_work_of_a_real_run_over_its_wall_clock(resource_class: str, counter: str) -> None:
    result = measure_rate(resource_class, seconds=0.05, repeats=1)
    assert result.rate_mflops > 0
    assert getattr(result.counters, counter) > 0
    assert result.work_units == work_units(result.counters, resource_class)
    assert result.rate_mflops <= result.work_units * 1000 / max(1, result.wall_ms - 1)


def test_the_benchmark_is_the_same_job_on_every_machine() -> None:
    rounds = (5000).to_bytes(8, "little")
    runs = [
        execute(benchmark_module("cpu.fp64"), stdin=rounds, engine=engine)
        for engine in ("cranelift", "pulley")
    ]
    assert runs[0].output == runs[1].output != bytes(8)
    assert runs[0].counters == runs[1].counters


def test_a_class_without_a_benchmark_is_named() -> None:
    with pytest.raises(ValueError, match=r"cpu\.fp64, cpu\.fp32, got 'gpu"):
        measure_rate("gpu.fp16")
