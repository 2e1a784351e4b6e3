"""An auditor runs again what the level of a product says, and compares it with the verdict that was published."""

from pathlib import Path

import pytest

from suan.client.audit.memory import open_store
from suan.client.audit.published.receipts import CheckedReceipt, rejected_at_its_word
from suan.client.audit.published.rerun import SHARE_STEPS, Rerun
from suan.client.audit.report import Report
from suan.client.audit.source.evidence import FolderEvidence
from suan.client.audit.state import TradeView
from suan.core.contract.records import ReceiptVerdict, Record
from suan.core.delivery.receipts import Counters, ExitReason, Receipt
from suan.core.encoding import from_hex, sha256_hex
from suan.core.orders.terms import BidTerms
from tests.runtime import jobs, toy

JOB, STDIN, TRADE = b"a toy job", b"input", bytes(31) + b"\x07"


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> toy.Toy:
    runner = toy.Toy()
    toy.register(runner, "cpu.fp64", monkeypatch)
    return runner


def checked(receipt: Receipt, verdict: ReceiptVerdict) -> CheckedReceipt:
    record = Record(TRADE, "0x" + "11" * 20, "0x" + "22" * 20, 0, 0, 1, 100, 10**18, 0, 0, 1, 1)
    terms = BidTerms(receipt.module, receipt.input, memory_bytes=1 << 20, wall_seconds=5)
    trade = TradeView(record, bytes(32), bytes(32), "", 1, "")
    return CheckedReceipt(receipt, bytes(32), verdict, trade, 1, terms, "cpu.fp64:eu-north:recomputed")


def audited(folder: Path, receipt: Receipt, verdict: ReceiptVerdict, *published: bytes) -> Report:
    """The report of an auditor who runs everything again, with these published objects."""
    objects = folder / "objects"
    objects.mkdir()
    for data in published:
        (objects / sha256_hex(data)).write_bytes(data)
    rerun = Rerun(FolderEvidence(folder), Report(), open_store(None), SHARE_STEPS)
    rerun.consider(checked(receipt, verdict))
    rerun.run()
    return rerun.report


def receipt_of(reason: ExitReason, output: bytes, counters: Counters) -> Receipt:
    return Receipt(
        trade=TRADE, run=0, module=from_hex(sha256_hex(JOB)), input=from_hex(sha256_hex(STDIN)),
        output=from_hex(sha256_hex(output)), seed=jobs.SEED, fp64=counters.fp64, fp32=counters.fp32,
        integer=counters.integer, memory_control=counters.memory_control, fuel=7, engine="toy-1", profile="strict",
        exit_reason=int(reason), cpu_milliseconds=1, wall_milliseconds=1, peak_memory_bytes=1, started_at=1, ended_at=2,
    )  # fmt: skip


def honest(runner: toy.Toy) -> tuple[Receipt, bytes]:
    result = runner.run(jobs.request(JOB, stdin=STDIN), runner.engines[0])
    runner.asked.clear()
    return receipt_of(ExitReason.OK, result.output, result.counters), result.output


def test_an_accepted_receipt_that_is_true_is_no_difference(tmp_path: Path, runner: toy.Toy) -> None:
    receipt, output = honest(runner)
    report = audited(tmp_path, receipt, ReceiptVerdict.ACCEPTED, JOB, STDIN, output)
    assert (report.differences, report.runs_recomputed) == ([], 1)
    assert [(engine, request.limits.ceiling_units) for engine, request in runner.asked] == [("quick", 100)]


def test_a_verdict_that_two_engines_contradict_is_a_difference(tmp_path: Path, runner: toy.Toy) -> None:
    receipt, output = honest(runner)
    runner.faults = lambda _: 1
    report = audited(tmp_path, receipt, ReceiptVerdict.ACCEPTED, JOB, STDIN, output)
    (difference,) = report.differences
    assert (difference.field, difference.expected) == ("recomputation", "accepted")
    assert difference.found.startswith("rejected: false receipt: fp64 differ")


def test_a_receipt_that_says_nothing_was_delivered_is_not_run_again(tmp_path: Path, runner: toy.Toy) -> None:
    receipt = receipt_of(ExitReason.TIMEOUT, b"", Counters(0, 0, 0, 0))
    report = audited(tmp_path, receipt, ReceiptVerdict.ACCEPTED, JOB, STDIN)
    assert (report.differences, report.runs_recomputed) == ([], 0)
    assert runner.asked == []


@pytest.mark.parametrize("reason", [ExitReason.TIMEOUT, ExitReason.REFUSED])
@pytest.mark.parametrize("verdict", list(ReceiptVerdict))
def test_a_provider_that_says_it_delivered_nothing_can_never_be_slashed_for_it(
    reason: ExitReason, verdict: ReceiptVerdict
) -> None:
    item = checked(receipt_of(reason, b"", Counters(0, 0, 0, 0)), verdict)
    assert rejected_at_its_word(item) is (verdict is ReceiptVerdict.REJECTED)


@pytest.mark.parametrize("verdict", list(ReceiptVerdict))
def test_a_delivered_run_may_be_rejected_since_it_is_run_again(verdict: ReceiptVerdict) -> None:
    assert not rejected_at_its_word(checked(receipt_of(ExitReason.OK, b"x", Counters(1, 0, 0, 0)), verdict))
