"""The index follows the chain through reorganisations of every depth, and forgets nothing."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from ledger import queries
from ledger.chain.gateway import NodeUnavailable
from ledger.control import node
from ledger.indexer import blocks
from ledger.models import Block, ChainEvent, Cursor, Halt, Reorg
from operations.chaos.proxy import FaultProxy, Result
from tests.ledger.chain import TOKEN, World

pytestmark = pytest.mark.chain


def view() -> dict[str, list]:
    """What a reader of the index can see."""
    return {
        "blocks": list(
            Block.objects.filter(canonical=True)
            .order_by("number")
            .values_list("number", "hash", "parent", "timestamp")
        ),
        "events": [
            (
                event.block.number,
                event.block.hash,
                event.log_index,
                event.tx_hash,
                event.address,
                event.name,
                event.args,
            )
            for event in ChainEvent.objects.filter(block__canonical=True)
            .select_related("block")
            .order_by("position")
        ],
        "head": [queries.head().number, queries.head().hash],
    }


def fresh_view(world: World) -> dict[str, list]:
    """The view of an index made from nothing, in a transaction that is rolled back."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute("TRUNCATE ledger_block, ledger_chainevent, ledger_cursor, ledger_transfer CASCADE")
            cursor.execute("SET LOCAL session_replication_role = DEFAULT")
        other = type(world)(world.anvil, world.keys)
        for _ in range(60):
            other.indexer.step(now=timezone.now())
        result = view()
        transaction.set_rollback(True)
    return result


def test_deposits_become_events_blocks_and_balances_when_they_are_final(world: World):
    alice = world.person("alice")
    world.deposit("alice", 5 * TOKEN)
    world.anvil.mine()
    world.follow()
    (event,) = queries.events(name="Deposited")
    assert event.args == {"account": alice, "from": alice, "amount": 5 * TOKEN}
    assert event.subject == alice
    assert queries.finality(event.tx_hash) == "included"
    assert queries.events(name="Deposited", confirmations=1) == []
    assert queries.balances(alice).available == 0
    world.anvil.mine()
    world.follow()
    assert queries.finality(event.tx_hash) == "safe"
    world.anvil.mine(world.known.confirmations - 2)
    world.follow()
    assert queries.finality(event.tx_hash) == "safe"
    world.anvil.mine()
    world.follow()
    assert queries.finality(event.tx_hash) == "final"
    assert queries.balances(alice).available == 5 * TOKEN
    assert queries.events(name="Deposited", confirmations=world.known.confirmations) == [event]
    assert queries.events(name="Deposited", after_id=event.position) == []


@pytest.mark.parametrize("depth", [1, 2, 3, 5, 8])
def test_after_a_reorg_the_view_equals_that_of_a_fresh_index(world: World, depth: int):
    for name in ("alice", "bob"):
        world.person(name)
    world.follow()
    for amount in range(1, 10):
        world.deposit("alice" if amount % 2 else "bob", amount * TOKEN)
        world.anvil.mine()
        world.follow()
    before = ChainEvent.objects.count()
    world.anvil.reorg(depth)
    world.deposit("bob", 77 * TOKEN)
    world.anvil.mine()
    progress = world.follow()
    assert progress.reorg_depth == depth
    assert view() == fresh_view(world)
    assert ChainEvent.objects.count() == before + 1
    assert Block.objects.filter(canonical=False).count() == depth
    assert Reorg.objects.get().depth == depth
    orphan = ChainEvent.objects.filter(block__canonical=False).first()
    assert queries.finality(orphan.tx_hash) == "orphaned"
    assert orphan not in queries.events(name="Deposited")


def test_the_silence_of_a_lagging_node_hides_no_event(world: World, settings):
    alice = world.person("alice")
    world.follow()
    world.deposit("alice", TOKEN)
    world.anvil.mine()
    with FaultProxy(world.anvil.url) as proxy:
        settings.CHAIN_RPC_URL = proxy.url
        indexer = node.indexer()
        proxy.on("eth_getLogs", Result([]))
        proxy.on("eth_getBlockReceipts", Result(None))
        with pytest.raises(NodeUnavailable, match="receipts"):
            indexer.step(now=timezone.now())
        assert queries.head().number == world.anvil.head() - 1, (
            "a block is stored with its events or not at all"
        )
        proxy.on("eth_getLogs", Result([]))
        indexer.step(now=timezone.now())
        assert proxy.met == {("eth_getLogs", "Result"): 2, ("eth_getBlockReceipts", "Result"): 1}
        (event,) = queries.events(name="Deposited")
        assert event.subject == alice
        assert view() == fresh_view(world)


def test_a_bloom_knows_what_is_not_in_a_block(world: World):
    world.person("alice")
    world.deposit("alice", TOKEN)
    world.anvil.mine()
    gateway = world.indexer.gateway
    full = gateway.header("latest")
    world.anvil.mine()
    empty = gateway.header("latest")
    stranger = "0x" + "5a" * 20
    assert full.may_hold_logs([world.known.market]) and full.may_hold_logs([stranger, world.known.token])
    assert not full.may_hold_logs([stranger, world.known.registry])
    assert not empty.may_hold_logs([world.known.market])


def test_a_branch_that_comes_back_is_announced_again(world: World):
    world.person("alice")
    world.follow()
    world.deposit("alice", TOKEN)
    world.anvil.mine()
    world.follow()
    (event,) = queries.events(name="Deposited")
    seen_upto = event.position
    # The indexer is told of another branch, then of the old one again, as two nodes behind one address would.
    tip = Block.objects.get(pk=event.block_id)
    parent = Block.objects.filter(canonical=True, number=tip.number - 1).get()
    blocks.store_reorg(parent, tip, "0x" + "11" * 32, timezone.now())
    assert queries.events(name="Deposited") == []
    world.follow()
    (again,) = queries.events(name="Deposited", after_id=seen_upto)
    assert again.pk == event.pk and again.position > seen_upto
    assert again.block.hash == tip.hash


def test_a_node_that_lost_its_newest_blocks_is_followed_after_a_moment(
    anvil_factory, db, var, compiled, settings
):
    from tests.ledger.conftest import deployed

    anvil = anvil_factory(keep_state=True)
    settings.CHAIN_RPC_URL = anvil.url
    world = deployed(anvil, var, compiled, settings)
    world.person("alice")
    world.anvil.mine()
    state = world.saved_state()
    world.deposit("alice", 3 * TOKEN)
    world.anvil.mine()
    world.follow()
    head = queries.head().number
    lost = world.lose_blocks(state)
    assert lost == 1
    now = timezone.now()
    assert world.indexer.step(now=now).reorg_depth == 0
    assert queries.head().number == head
    later = now + timedelta(seconds=blocks.LAGGING_NODE_SECONDS + 1)
    assert world.indexer.step(now=later).reorg_depth == lost
    assert queries.head().number == anvil.head()
    assert queries.events(name="Deposited") == []
    assert not queries.is_halted()


def test_a_long_gap_is_read_in_ranges_and_gives_the_same_events(world: World):
    world.person("alice")
    for amount in range(1, 6):
        world.deposit("alice", amount)
        world.anvil.mine(60)
    world.follow()
    assert [event.args["amount"] for event in queries.events(name="Deposited")] == [1, 2, 3, 4, 5]
    assert Block.objects.count() < world.anvil.head(), "deep blocks without events are not stored"
    head = world.anvil.rpc("eth_getBlockByNumber", "latest", False)
    assert queries.head().hash == head["hash"]
    assert queries.final_number() == world.anvil.head() - world.known.confirmations


def test_a_reorg_below_the_final_block_halts_and_changes_nothing(world: World):
    alice = world.person("alice")
    world.deposit("alice", TOKEN)
    world.finalise()
    assert queries.balances(alice).available == TOKEN
    before = view()
    world.anvil.reorg(world.known.confirmations + 2)
    world.anvil.mine()
    assert world.indexer.step(now=timezone.now()).halted
    assert queries.is_halted()
    assert "rewind_chain" in Halt.objects.get().reason
    world.anvil.mine(30)
    world.follow()
    assert view() == before
    assert Cursor.objects.get(name="final").number == before["head"][0] - world.known.confirmations
    assert queries.balances(alice).available == TOKEN


def test_a_reorg_of_exactly_n_blocks_is_followed(world: World):
    world.person("alice")
    world.deposit("alice", TOKEN)
    world.finalise()
    world.anvil.reorg(world.known.confirmations)
    world.anvil.mine()
    assert world.follow().reorg_depth == world.known.confirmations
    assert not queries.is_halted()
    assert view() == fresh_view(world)
