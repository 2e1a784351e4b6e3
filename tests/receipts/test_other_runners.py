"""A trade of another runner at another level: exchange and verifier set judge it without a line of theirs that knows it."""

import hashlib
import time
from types import SimpleNamespace

import pytest
from django.test import Client

from ledger import conf
from marketplace.receipts.models import Receipt
from suan.client.audit.source.evidence import FolderEvidence
from suan.client.rpc import Rpc
from suan.core.contract.records import ReceiptVerdict
from suan.core.encoding import from_hex, to_hex
from suan.core.settlement.levels import LEVELS, Judgement, Recomputed
from suan.core.signing import market_domain
from suan.provider.targets.local import LocalTarget
from suan.verifier.judge import Judge, Refusal
from tests.core.signing.keys import Key
from tests.runtime import jobs, toy
from tests.settlement.exchange import Exchange

JOB = b"a toy job"


@pytest.fixture
def two_of_two(settings) -> None:
    settings.VERIFIERS = (Key("another verifier").address,)
    settings.VERIFIER_THRESHOLD = 2


class Doubtful(Recomputed):
    """A level that lets no finding stand."""

    def verdict(self, judgement: Judgement) -> ReceiptVerdict:
        return ReceiptVerdict.UNDECIDED


def judge(exchange: Exchange) -> Judge:
    known = exchange.world.known
    market = SimpleNamespace(
        market=Client().get("/api/v1/market").json(), domain=market_domain(known.chain_id, known.market)
    )
    return Judge(market, FolderEvidence(conf.evidence_dir()), Rpc(exchange.world.anvil.url), time.time)


def deliver_one(exchange: Exchange, number: int, **lies: int) -> Receipt:
    """One run of the toy job, sold, leased, executed by the agent's target and judged by the exchange."""
    exchange.offer(client_order_id=f"offer-{number}", terms={"engine": toy.Toy.version})
    exchange.bid(JOB, client_order_id=f"bid-{number}", runs=1)
    exchange.lock()
    (lease,) = exchange.lease()
    result = LocalTarget().execute(
        jobs.request(
            exchange.download(lease["module"], exchange.provider),
            stdin=exchange.download(lease["input"], exchange.provider),
            run=lease["run"],
            seed=from_hex(lease["seed"]),
        )
    )
    assert result.output == hashlib.sha256(JOB + b"input" + from_hex(lease["seed"])).digest()
    exchange.provider.upload(result.output)
    answer = exchange.provider.post("/receipts", exchange.signed(lease, result, **lies))
    assert answer.status_code == 201, answer.content
    exchange.verify()
    return Receipt.objects.order_by("-pk")[0]


def proposed(exchange: Exchange) -> dict:
    exchange.close()
    return Client().get("/api/v1/proposals").json()["results"][-1]


def test_a_trade_of_another_runner_is_sold_run_judged_and_signed(two_of_two, exchange, monkeypatch):
    runner = toy.Toy()
    toy.register(runner, "cpu.fp64", monkeypatch)
    receipt = deliver_one(exchange, 1)
    assert (receipt.status, receipt.verdict, receipt.units) == ("accepted", ReceiptVerdict.ACCEPTED, 1)
    proposal = proposed(exchange)
    runner.asked.clear()
    assert to_hex(judge(exchange).check(proposal)) == proposal["digest"]
    assert [engine for engine, _ in runner.asked] == ["quick"]

    runner.faults = lambda _: 1  # The verifier's own toy counts otherwise, in both engines.
    with pytest.raises(Refusal, match="run 0 is rejected .*fp64 differ.*, not accepted"):
        judge(exchange).check(proposal)


def test_what_a_level_makes_of_a_finding_stands_for_the_exchange_and_the_verifier_set(
    two_of_two, exchange, monkeypatch
):
    toy.register(toy.Toy(), "cpu.fp64", monkeypatch)
    monkeypatch.setitem(LEVELS, "recomputed", Doubtful())
    receipt = deliver_one(exchange, 1)
    assert (receipt.status, receipt.verdict) == ("submitted", ReceiptVerdict.UNDECIDED)
    assert receipt.parked_at is not None and receipt.run.status == "failed"
    proposal = proposed(exchange)
    assert [row["kind"] for row in proposal["outcomes"]] == [0]
    assert to_hex(judge(exchange).check(proposal)) == proposal["digest"]
    monkeypatch.setitem(LEVELS, "recomputed", Recomputed())
    with pytest.raises(Refusal, match="run 0 is accepted, not undecided"):
        judge(exchange).check(proposal)
