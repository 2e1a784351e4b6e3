"""A runner is one of several: who judges and who measures speaks to what every runner owes, and finds it by name."""

from dataclasses import replace
from pathlib import Path

import pytest

from suan.client.job import JobError, measure
from suan.core.delivery.receipts import Counters, ExitReason
from suan.core.orders.products import RESOURCE_CLASSES, RUNTIMES
from suan.core.settlement.levels import Judgement
from suan.provider.targets.local import LocalTarget
from suan.runtime import registry
from suan.runtime.runner import Engine
from suan.runtime.verify import WALL_SECONDS_MIN, Statement, recompute
from suan.runtime.wasm.runner import WASM
from tests.runtime import jobs, toy
from tests.runtime.toy import Toy


def test_every_runtime_that_a_product_names_has_a_runner() -> None:
    assert set(registry.RUNNERS) == set(RUNTIMES)
    assert {registry.runner_for(name) for name in RESOURCE_CLASSES} == {WASM}


def test_a_class_that_is_not_traded_is_refused_by_the_classes_there_are() -> None:
    with pytest.raises(ValueError, match=r"one of cpu\.fp64, cpu\.fp32, got 'gpu\.fp64'"):
        registry.runner_for("gpu.fp64")


def test_a_second_runner_is_found_by_its_class_and_runs_where_the_agent_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = Toy()
    toy.register(other, "cpu.fp32", monkeypatch)
    request = jobs.request(b"a toy", resource_class="cpu.fp32")
    assert LocalTarget().execute(request).backend == "quick"
    assert LocalTarget().measure_rate("cpu.fp32") == 1_000
    assert registry.runner_for("cpu.fp64") is WASM


def claimed(**lies: object) -> Statement:
    toy = Toy()
    return replace(Statement.of(toy.run(jobs.request(b"a toy"), toy.engines[0])), **lies)


def test_a_receipt_of_a_second_runner_is_judged_by_its_first_engine_alone_when_it_is_true() -> None:
    runner = Toy()
    finding = recompute(jobs.request(b"a toy"), claimed(), runner)
    assert (finding.judgement, finding.work_units) == (Judgement.ACCEPTED, 1)
    assert finding.recount is not None and finding.recount["engine"] == "toy-1"
    assert [engine for engine, _ in runner.asked] == ["quick"]


def test_a_false_receipt_of_a_second_runner_needs_both_of_its_engines() -> None:
    runner = Toy()
    finding = recompute(jobs.request(b"a toy"), claimed(fuel=8), runner)
    assert (finding.judgement, finding.confirmed_by) == (Judgement.REJECTED, "slow")
    limits = [(engine, request.limits.wall_seconds) for engine, request in runner.asked]
    assert limits == [("quick", 60), ("slow", 120)]
    short = Toy()
    recompute(jobs.request(b"a toy", wall_seconds=1), claimed(fuel=8), short)
    assert short.asked[0][1].limits.wall_seconds == WALL_SECONDS_MIN


def test_engines_of_a_second_runner_that_disagree_punish_nobody() -> None:
    def fault(engine: Engine) -> int:
        return 5 if engine.name == "slow" else 0

    lie = Counters(9, 9, 9, 9)
    finding = recompute(jobs.request(b"a toy"), claimed(counters=lie), Toy(fault))
    assert finding.judgement is Judgement.UNDECIDED
    assert "disagree about fp64" in finding.reason


def test_a_buyer_measures_a_job_of_a_second_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy.register(Toy(), "cpu.fp32", monkeypatch)
    job = tmp_path / "job"
    job.write_bytes(b"a toy")
    report = measure(job, resource_class="cpu.fp32", runs=2)
    assert report.accepted and report.delivered and report.suggested_ceiling_units == 3
    assert [run.result.exit_reason for run in report.runs] == [ExitReason.OK] * 2
    job.write_bytes(toy.FORBIDDEN)
    assert [problem.code for problem in measure(job, resource_class="cpu.fp32").problems] == ["not_a_toy"]
    with pytest.raises(JobError, match="the limit is 1000"):
        measure(job, resource_class="cpu.fp32", stdin=bytes(1_001))
