"""The long-running commands: what they find, how they share the work, how they mine, what they show."""

import json
import threading
import time

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from ledger import queries
from ledger.chain.gateway import NodeLied, NodeRefused, NodeUnavailable
from ledger.chain.rpc import RpcGateway
from ledger.control import loop, node
from ledger.management.commands.mine_blocks import Miner
from ledger.models import ChainEvent, Halt
from ledger.outbox.plan import plan
from ledger.reconciliation import dump
from operations.chaos.proxy import FaultProxy, Garbage, Result
from suan.core.contract.abi import encode_call
from tests.ledger.chain import TOKEN, World

pytestmark = pytest.mark.chain


def test_index_and_send_do_their_work_from_the_settings_alone(open_world: World, settings):
    settings.INDEX_SECONDS = settings.SEND_SECONDS = 0.01
    alice = open_world.person("alice")
    plan(
        key="faucet",
        signer="relayer",
        to=open_world.known.token,
        calldata=encode_call("faucet", alice, 5),
    )
    call_command("index_chain", steps=1)
    call_command("send_transactions", steps=1)
    open_world.anvil.mine(2)
    call_command("index_chain", steps=1)
    call_command("send_transactions", steps=1)
    assert queries.outgoing("faucet").status == "included"
    open_world.anvil.mine(open_world.known.confirmations)
    call_command("index_chain", steps=1)
    call_command("send_transactions", steps=1)
    assert queries.outgoing("faucet").status == "final"


def test_reading_until_the_head_ends_there_and_exports_what_following_exports(
    open_world: World, capsysbinary
):
    alice, bob = open_world.person("alice"), open_world.person("bob")
    for amount in (3, 4):
        open_world.deposit("alice", amount * TOKEN)
        open_world.anvil.mine(70)
        open_world.follow()
    open_world.anvil.reorg(5)
    open_world.deposit("bob", TOKEN)
    open_world.finalise()
    followed = b"".join(dump.view())
    call_command("export_view")
    assert capsysbinary.readouterr().out == followed
    with (
        connection.cursor() as cursor
    ):  # The books refuse this to everybody but a superuser with triggers off.
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            "TRUNCATE ledger_block, ledger_chainevent, ledger_cursor, ledger_account, ledger_transfer CASCADE"
        )
        cursor.execute("SET session_replication_role = DEFAULT")
    assert b"".join(dump.view()) != followed
    call_command("index_chain", until_head=True)
    assert b"".join(dump.view()) == followed
    rows = [json.loads(line) for line in followed.splitlines()]
    assert rows[0] == {
        "table": "head",
        "number": open_world.anvil.head(),
        "hash": open_world.anvil.rpc("eth_getBlockByNumber", "latest", False)["hash"],
        "final_number": open_world.anvil.head() - open_world.known.confirmations,
    }
    posted = {row["address"]: row["posted"] for row in rows if row["table"] == "account"}
    assert (posted[alice], posted[bob]) == (str(7 * TOKEN), str(TOKEN))
    assert sum(int(amount) for amount in posted.values()) == 0
    assert all(row["posted"] for row in rows if row["table"] == "event" and row["name"] == "Deposited")


def test_deploying_again_sends_nothing(world: World):
    before = world.anvil.head()
    call_command("deploy_contracts")
    assert world.anvil.head() == before
    assert queries.deployment() == world.known


def test_a_second_process_waits_until_the_first_one_ends(transactional_db):
    order: list[str] = []
    first_works, first_may_end = threading.Event(), threading.Event()

    def first() -> None:
        def step(_now: object) -> None:
            order.append("first")
            first_works.set()
            first_may_end.wait(10)

        loop.run("test", step, seconds=0.01, say=lambda _: None, steps_max=1)
        connection.close()

    said: list[str] = []

    def second() -> None:
        loop.run("test", lambda _: order.append("second"), seconds=0.01, say=said.append, steps_max=1)
        connection.close()

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert first_works.wait(10)
    threads[1].start()
    time.sleep(1)
    assert order == ["first"] and "another process" in said[0]
    first_may_end.set()
    for thread in threads:
        thread.join(10)
    assert order == ["first", "second"]


def test_a_loop_outlives_a_lost_connection_and_takes_its_lock_again(transactional_db):
    steps: list[int] = []

    def step(_now: object) -> None:
        steps.append(1)
        if len(steps) == 1:
            connection.connection.close()
            raise OperationalError("the server is gone")

    said: list[str] = []
    loop.run("test", step, seconds=0.01, say=said.append, steps_max=1)
    assert len(steps) == 2
    assert said == ["test: at work", "test: at work", "test: goes on"]


def test_blocks_are_mined_while_something_waits_or_is_not_final_and_rarely_else(world: World):
    chain, clock = node.local_chain(), 100.0
    miner = Miner(chain, confirmations=3, block_seconds=0.5, heartbeat_seconds=10)

    def mined(seconds: float) -> int:
        nonlocal clock
        before = world.anvil.head()
        for _ in range(int(seconds * 4)):
            clock += 0.25
            miner.step(clock=clock)
        return world.anvil.head() - before

    mined(20)
    assert mined(40) == 4, "only the heartbeat"
    world.person("alice")
    world.send("alice", world.known.token, "faucet", world.keys.address("alice"), TOKEN)
    assert mined(0.5) == 1
    assert mined(9) == 4, "one block on top of N, then rest"


def test_a_node_of_another_chain_is_refused(world: World):
    gateway = RpcGateway(world.anvil.url, chain_id=1, timeout_seconds=2)
    with pytest.raises(NodeLied, match="CHAIN_RPC_URL"):
        gateway.header("latest")


def test_a_node_that_lies_or_breaks_is_an_error_with_a_name(world: World):
    with FaultProxy(world.anvil.url) as proxy:
        gateway = RpcGateway(proxy.url, timeout_seconds=2)
        proxy.on("eth_getBlockByNumber", Garbage())
        with pytest.raises(NodeUnavailable):
            gateway.header("latest")
        proxy.on("eth_getBlockByNumber", Result({"number": "0x1"}))
        with pytest.raises(NodeUnavailable, match="without"):
            gateway.header(1)
        proxy.on("eth_blockNumber", Result("12"))
        header = gateway.header(1)
        assert header is not None
        proxy.on("eth_getBlockByNumber", Result(gateway.request("eth_getBlockByNumber", "0x2", False)))
        with pytest.raises(NodeLied, match="asked for block 1"):
            gateway.header(1)
        world.person("alice")
        world.deposit("alice", 5)
        world.anvil.mine()
        newest = gateway.header("latest")
        foreign = gateway.request("eth_getLogs", {"blockHash": newest.hash})
        proxy.on("eth_getLogs", Result(foreign))
        with pytest.raises(NodeLied, match="not asked for"):
            gateway.logs_of_block(newest, [world.known.market])
        with pytest.raises(NodeRefused):
            gateway.request("no_such_method")


def test_the_status_and_the_audit_pages_in_json(world: World, client: Client):
    assert client.get("/api/v1/status").json()["healthy"] is False
    alice = world.person("alice")
    world.deposit("alice", 5 * TOKEN)
    world.finalise()
    call_command("verify_ledger")
    answer = client.get("/api/v1/status").json()
    assert answer["healthy"] and not answer["halted"] and answer["lag_blocks"] == 0
    assert answer["final_number"] == answer["head"]["number"] - world.known.confirmations
    assert answer["unposted_events"] == 0 and answer["outgoing"]["counts"]["failed"] == 0
    summary = client.get("/api/v1/audit/summary").json()
    assert summary["differences"] == 0 and summary["checked"]["events"] == ChainEvent.objects.count()
    page = client.get("/api/v1/audit/events?limit=1").json()
    assert len(page["results"]) == 1 and page["next"] and page["block_number"] == answer["head"]["number"]
    deposits = client.get("/api/v1/audit/events?name=Deposited").json()["results"]
    assert deposits[0]["args"]["amount"] == str(5 * TOKEN) and deposits[0]["finality"] == "final"
    accounts = client.get("/api/v1/audit/accounts").json()["results"]
    assert {
        "address": alice,
        "available": str(5 * TOKEN),
        "held": "0",
        "locked": "0",
        "exiting": "0",
    } in accounts
    assert client.get("/api/v1/audit/differences").json() == {"results": [], "next": None}
    Halt.objects.create(reason="final block 3 changed", from_number=3, created_at=timezone.now())
    assert client.get("/api/v1/status").json()["halts"][0]["reason"] == "final block 3 changed"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "query", ["cursor=x", "cursor=-1", "limit=0", "limit=501", "limit=1e3", "name=%27%20OR"]
)
def test_a_bad_page_is_refused_by_name(client: Client, query: str):
    answer = client.get(f"/api/v1/audit/events?{query}")
    assert answer.status_code in (400, 422)
    assert query.split("=")[0] in answer.content.decode()


def test_rewinding_says_what_it_would_do_and_needs_a_yes(world: World):
    world.person("alice")
    world.deposit("alice", TOKEN)
    world.finalise()
    world.anvil.reorg(world.known.confirmations + 2)
    world.anvil.mine()
    world.follow()
    call_command("rewind_chain")
    assert queries.is_halted()
    call_command("rewind_chain", yes=True, operator="olga")
    assert not queries.is_halted()
    world.finalise()
    call_command("verify_ledger")


def test_rewinding_an_empty_index_says_so(world: World):
    with pytest.raises(CommandError, match="nothing to rewind"):
        call_command("rewind_chain")
