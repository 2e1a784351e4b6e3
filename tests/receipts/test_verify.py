"""Every receipt is recomputed; none is rejected on the word of one engine, none is lost with its verifier."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote

from django.conf import settings
from django.db import connection

from marketplace.receipts import actions, queries
from marketplace.receipts.models import Receipt
from marketplace.receipts.tasks import verify_next
from suan.core.delivery.receipts import ExitReason
from suan.core.encoding import from_hex
from suan.core.settlement.levels import Judgement
from suan.runtime.runner import Engine, RunRequest, RunResult
from suan.runtime.verify import Finding, recompute
from suan.runtime.wasm.run import run_job
from suan.runtime.wasm.runner import WasmRunner
from tests.receipts import programs
from tests.runtime import jobs


class Tampered(WasmRunner):
    """The runner with something of its own: it notes its engines, and `change` may alter what one of them is asked."""

    def __init__(
        self, change: Callable[[RunRequest, Engine], RunRequest] = lambda request, _: request
    ) -> None:
        self.change, self.asked = change, []

    def run(self, request: RunRequest, engine: Engine) -> RunResult:
        self.asked.append(engine.name)
        return super().run(self.change(request, engine), engine)


def test_an_equal_recount_accepts_and_the_counters_are_ours(exchange):
    exchange.trade()
    (lease,) = exchange.lease()
    exchange.deliver(lease)
    assert verify_next() is True
    assert verify_next() is False
    receipt = Receipt.objects.get()
    assert (receipt.status, receipt.verdict, receipt.units) == ("accepted", 1, 1)
    assert receipt.recount["fp64"] == str(receipt.fp64) == "1000"
    assert receipt.run.status == "verified"


def test_a_mismatch_is_rejected_only_when_the_second_engine_agrees_with_ours(exchange):
    exchange.trade()
    (lease,) = exchange.lease()
    exchange.deliver(lease, fuel=1)
    watched = Tampered()
    assignment = actions.claim_receipt(claim="a", now=int(time.time()))
    finding = recompute(assignment.request, assignment.claimed, watched)
    assert watched.asked == ["cranelift", "pulley"]
    assert (finding.judgement, finding.confirmed_by) == (Judgement.REJECTED, "pulley")
    assert "fuel" in finding.reason and "output" not in finding.reason

    def from_another_seed(request: RunRequest, engine: Engine) -> RunRequest:
        """A second engine with a fault of its own: it runs, but from another seed."""
        return replace(request, seed=bytes(32)) if engine.name == "pulley" else request

    undecided = recompute(assignment.request, assignment.claimed, Tampered(from_another_seed))
    assert undecided.judgement is Judgement.UNDECIDED
    assert actions.record_finding(
        receipt_key=assignment.receipt, claim="a", finding=undecided, now=int(time.time())
    )
    receipt = Receipt.objects.get()
    assert (receipt.status, receipt.verdict) == ("submitted", 3)
    assert list(queries.parked()) == [receipt]
    assert "our two engines disagree about output" in receipt.reason
    assert (
        actions.claim_receipt(claim="b", now=int(time.time()) + 3_600) is None
    )  # parked, not tried for ever
    exchange.close(final=True)
    receipt.run.trade.refresh_from_db()
    assert receipt.run.trade.status == "refunded"  # nothing is paid, and the bond returns
    assert exchange.world.chain_balances(exchange.provider.address) == (100 * 10**18, 0, 0)


def test_a_job_that_our_machine_cannot_finish_is_tried_again_and_then_parked(exchange):
    exchange.trade(programs.endless(), ceiling_units=36_000)
    (lease,) = exchange.lease()
    now = int(time.time())
    result = run_job(jobs.request(programs.trapping(), seed=from_hex(lease["seed"]), ceiling_units=40))
    exchange.provider.upload(result.output)
    assert exchange.provider.post("/receipts", exchange.signed(lease, result)).status_code == 201

    def impatient(request: RunRequest, _: Engine) -> RunRequest:
        return replace(request, limits=replace(request.limits, wall_seconds=1))

    for attempt in range(1, actions.RECEIPT_ATTEMPTS_MAX + 1):
        assignment = actions.claim_receipt(claim=f"turn {attempt}", now=now)
        finding = recompute(assignment.request, assignment.claimed, Tampered(impatient))
        assert finding.judgement is Judgement.UNFINISHED
        actions.record_finding(
            receipt_key=assignment.receipt, claim=assignment.claim, finding=finding, now=now
        )
        assert (Receipt.objects.get().parked_at is not None) == (attempt == actions.RECEIPT_ATTEMPTS_MAX)
    assert Receipt.objects.get().run.status == "failed"


def test_two_verifiers_share_the_work_and_a_lost_claim_writes_nothing(exchange):
    exchange.trade(runs=2)
    for lease in exchange.lease():
        exchange.deliver(lease)
    now = int(time.time())
    first = actions.claim_receipt(claim="one", now=now)
    second = actions.claim_receipt(claim="two", now=now)
    assert first.receipt != second.receipt
    assert actions.claim_receipt(claim="three", now=now) is None
    later = now + actions.CLAIM_SECONDS
    taken_over = actions.claim_receipt(claim="three", now=later)
    assert taken_over.receipt == first.receipt
    assert actions.renew_claim(receipt_key=first.receipt, claim="one", now=later) is False
    finding = Finding(Judgement.ACCEPTED, "", 1, {})
    assert actions.record_finding(receipt_key=first.receipt, claim="one", finding=finding, now=later) is False
    assert Receipt.objects.get(pk=first.receipt).status == "submitted"
    assert (
        actions.record_finding(receipt_key=first.receipt, claim="three", finding=finding, now=later) is True
    )


VERIFIER = """
import os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "marketplace.settings"
django.setup()
from marketplace.receipts import actions, tasks
actions.CLAIM_SECONDS, tasks.RENEW_SECONDS = 3, 0.5
print("at work", flush=True)
tasks.verify_next()
"""


def test_a_verifier_killed_in_the_middle_of_a_job_loses_its_claim_and_another_one_finishes(exchange, var):
    exchange.trade(programs.endless(), ceiling_units=36_000)
    (lease,) = exchange.lease()
    result = run_job(jobs.request(programs.trapping(), seed=from_hex(lease["seed"]), ceiling_units=40))
    exchange.provider.upload(result.output)
    exchange.provider.post("/receipts", exchange.signed(lease, result))

    database = settings.DATABASES["default"]
    login = f"{quote(database['USER'])}:{quote(database['PASSWORD'])}"
    url = f"postgresql://{login}@/{connection.settings_dict['NAME']}?host={database['HOST']}"
    process = subprocess.Popen(
        [sys.executable, "-c", VERIFIER],
        env=os.environ | {"DATABASE_URL": url, "SUAN_VAR": str(var)},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stdout.readline() == b"at work\n"
        assert _wait(lambda: Receipt.objects.get().claim != "")
        kept_until = Receipt.objects.get().claim_expires_at
        assert _wait(
            lambda: Receipt.objects.get().claim_expires_at > kept_until
        )  # renewed while the job runs
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    assert actions.claim_receipt(claim="too early", now=int(time.time()) - 1) is None
    assert _wait(lambda: actions.claim_receipt(claim="another", now=int(time.time())) is not None)
    receipt = Receipt.objects.get()
    assert (receipt.status, receipt.attempts) == ("submitted", 2)


def _wait(condition, seconds: float = 20.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.2)
    return False


def test_a_timeout_and_a_refused_module_are_not_recomputed(exchange):
    exchange.trade()
    (lease,) = exchange.lease()
    zero = {"fp64": 0, "fp32": 0, "integer": 0, "memory_control": 0, "fuel": 0, "output": bytes(32)}
    receipt = exchange.deliver(lease, exit_reason=int(ExitReason.REFUSED), **zero)
    assert (receipt["status"], receipt["verdict"], receipt["units"]) == ("accepted", 1, "0")
    assert verify_next() is False
    assert Receipt.objects.get().run.status == "failed"
