"""Runs go to the agent that sold them, come back to it after a crash, and are given up when nobody hears it."""

import threading
import time
from datetime import timedelta

from django.db import connection

from marketplace.accounts.models import Node
from marketplace.delivery import actions
from marketplace.delivery.models import Lease, Run
from marketplace.times import moment
from suan.core.delivery.leases import LeaseRules
from suan.core.encoding import from_hex, to_hex
from suan.core.ids import run_seed
from suan.core.lifecycle import states
from tests.book.market import problem
from tests.receipts.programs import additions

RULES = LeaseRules(lease_seconds=10, silence_seconds=15)


def silent_since(agent: str, at: int) -> None:
    Node.objects.filter(agent=agent).update(last_seen=moment(at))


def test_a_locked_trade_becomes_its_runs_once_with_seeds_that_nobody_chooses(exchange):
    trade = exchange.trade(runs=3)
    assert actions.open_jobs(now=int(time.time())) == 0
    runs = list(Run.objects.order_by("index"))
    assert [run.index for run in runs] == [0, 1, 2]
    assert [run.seed for run in runs] == [to_hex(run_seed(from_hex(trade.bid_hash), run)) for run in range(3)]
    assert {run.agent for run in runs} == {exchange.agent.address}
    assert set(states("run")) == {"waiting", "leased", "delivered", "verified", "failed"}


def test_a_lease_tells_the_agent_all_it_needs_and_a_repeat_gives_its_own_back_first(exchange):
    trade = exchange.trade(runs=3)
    first = exchange.lease(2)
    assert [lease["run"] for lease in first] == [0, 1]
    assert first[0] | {"expires_at": 0} == {
        "lease_id": first[0]["lease_id"],
        "trade": trade.trade_id,
        "run": 0,
        "seed": to_hex(run_seed(from_hex(trade.bid_hash), 0)),
        "module": trade.bid.terms["module"],
        "input": trade.bid.terms["input"],
        "ceiling_units": "3600",
        "class": "cpu.fp64",
        "memory_bytes": 1 << 20,
        "wall_seconds": 30,
        "profile": "strict",
        "deliver_by": trade.deliver_by,
        "expires_at": 0,
    }
    again = exchange.lease(2)  # as after a crash of the agent
    assert [lease["lease_id"] for lease in again] == [lease["lease_id"] for lease in first]
    assert [lease["run"] for lease in exchange.lease(8)] == [0, 1, 2]
    exchange.deliver(first[0])
    assert [lease["run"] for lease in exchange.lease(8)] == [1, 2]


def test_nobody_leases_what_another_node_or_provider_sold(exchange):
    exchange.trade()
    other = exchange._person("other")
    agent = exchange.join(other, "other")
    assert exchange.lease(person=other, agent=agent) == []
    answer = other.post("/leases", {"agent": exchange.agent.address, "max": 1})
    assert answer.status_code == 404
    problem(
        exchange.provider.post("/leases", {"agent": exchange.agent.address, "max": 99}),
        422,
        "too_high",
        "/max",
    )
    problem(exchange.provider.post("/leases", {"agent": "0x12"}), 422, "not_an_address", "/agent")
    problem(
        exchange.provider.post("/leases", {"agent": agent.address, "most": 1}), 422, "unknown_field", "/most"
    )


def test_two_calls_at_once_never_lease_one_run_twice(exchange):
    exchange.trade(runs=8)
    taken, errors = [], []

    def take() -> None:
        try:
            rows = actions.lease_runs(
                participant=exchange.provider.participant,
                agent=exchange.agent.address,
                most=4,
                now=int(time.time()),
                rules=RULES,
            )
            taken.append([lease.run.index for lease in rows])
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert Lease.objects.filter(released_at=None).count() == Run.objects.filter(status="leased").count()
    assert Lease.objects.values("run").distinct().count() == Lease.objects.count()


def test_a_heartbeat_keeps_a_lease_and_silence_frees_it_for_the_same_agent(exchange):
    exchange.trade()
    (lease,) = exchange.lease()
    start = int(time.time())
    actions.expire_leases(now=start, rules=RULES)
    expires = Lease.objects.get().expires_at
    actions.expire_leases(now=start + 4, rules=RULES)
    actions.expire_leases(now=start + 8, rules=RULES)
    silent_since(exchange.agent.address, expires - 1)  # heard a moment before the lease would end
    assert actions.expire_leases(now=expires, rules=RULES) == {"renew": 1}
    assert Lease.objects.get().expires_at == expires - 1 + RULES.lease_seconds
    for now in (expires + 4, expires + 8):
        actions.expire_leases(now=now, rules=RULES)
    assert actions.expire_leases(now=expires + 10, rules=RULES) == {"release": 1}
    assert (Run.objects.get().status, Lease.objects.get().reason) == ("waiting", "expired")
    again = actions.lease_runs(
        participant=exchange.provider.participant,
        agent=exchange.agent.address,
        most=1,
        now=expires + 11,
        rules=RULES,
    )
    assert (again[0].attempt, again[0].lease_id == lease["lease_id"]) == (2, False)


def test_an_exchange_that_was_down_takes_nobody_for_lost(exchange):
    exchange.trade()
    exchange.lease()
    start = int(time.time())
    actions.expire_leases(now=start, rules=RULES)
    silent_since(exchange.agent.address, start)
    woken = start + 600  # the exchange was down for ten minutes and heard nothing
    assert actions.expire_leases(now=woken, rules=RULES) == {"renew": 1}
    for second in range(4, 20, 4):
        counts = actions.expire_leases(now=woken + second, rules=RULES)
    assert counts == {"lost": 1}
    assert Run.objects.get().reason == "the agent was silent for 15 s"


def test_job_bytes_are_read_under_a_lease_and_outputs_by_their_buyer_only(exchange):
    trade = exchange.trade()
    module = trade.bid.terms["module"]
    assert exchange.provider.get(f"/artifacts/{module}").status_code == 404
    (lease,) = exchange.lease()
    assert exchange.download(module, exchange.provider) == additions(1_000)
    receipt = exchange.deliver(lease)
    assert exchange.provider.get(f"/artifacts/{module}").status_code == 404  # delivered: the lease is over
    output = receipt["receipt"]["output"]
    assert exchange.download(output, exchange.buyer) == exchange.download(output, exchange.provider)
    stranger = exchange._person("stranger")
    assert stranger.get(f"/artifacts/{output}").status_code == 404
    assert stranger.get(f"/trades/{trade.trade_id}/outputs").status_code == 404
    anonymous = exchange.buyer.client.__class__()
    assert anonymous.get(f"/api/v1/artifacts/{output}").status_code == 401
    for bad in ("0x12", "zz", "0x" + "g" * 64):
        assert exchange.buyer.get(f"/artifacts/{bad}").status_code == 404


def test_trades_are_shown_to_everybody_and_filtered_strictly(exchange):
    trade = exchange.trade()
    anonymous = exchange.buyer.client.__class__()
    (seen,) = anonymous.get("/api/v1/trades").json()["results"]
    assert (seen["trade_id"], seen["status"], seen["close"]) == (trade.trade_id, "locked", None)
    assert seen["lock"]["finality"] in ("included", "safe", "final")
    assert [run["status"] for run in seen["runs_detail"]] == ["waiting"]
    assert anonymous.get("/api/v1/trades", {"mine": "true"}).status_code == 401
    assert len(exchange.buyer.get("/trades", mine="true").json()["results"]) == 1
    stranger = exchange._person("stranger")
    assert stranger.get("/trades", mine="true").json()["results"] == []
    problem(anonymous.get("/api/v1/trades", {"status": "paid"}), 422, "unknown_value", "/status")
    assert anonymous.get("/api/v1/trades/trd_0x12").status_code == 404
    assert len(anonymous.get(f"/api/v1/orders/ord_{trade.bid_hash}/trades").json()["results"]) == 1


def test_a_list_of_trades_asks_the_database_as_often_as_one_trade(exchange, django_assert_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    exchange.trade()
    with CaptureQueriesContext(connection) as asked:
        (one,) = exchange.buyer.get("/trades").json()["results"]
    count = len(asked)
    exchange.trade()
    with django_assert_num_queries(count):
        both = exchange.buyer.get("/trades").json()["results"]
    assert [trade["runs_detail"][0]["status"] for trade in both] == ["waiting", "waiting"]
    assert both[1]["lock"]["tx_hash"] == one["lock"]["tx_hash"] != both[0]["lock"]["tx_hash"]


def test_a_node_row_per_class_counts_as_heard_when_any_of_them_is(exchange):
    exchange.trade()
    node = Node.objects.get(agent=exchange.agent.address)
    start = int(time.time())
    node.pk, node.resource_class, node.last_seen = None, "cpu.fp32", moment(start) + timedelta(seconds=20)
    node.save()
    actions.expire_leases(now=start, rules=RULES)
    for second in range(4, 32, 4):
        counts = actions.expire_leases(now=start + second, rules=RULES)
    assert counts == {}
