"""Final events move money in the books, once, and the books then say what the contract says."""

import pytest
from django.utils import timezone

from ledger import journal, queries, reconciliation
from ledger.indexer import blocks
from ledger.indexer.rewind import rewind
from ledger.journal.posting import post_final_events, reverse_orphaned_events
from ledger.models import Account, Block, ChainEvent, Cursor, Halt, Transfer
from suan.core.contract.records import Outcome
from suan.core.settlement.bookkeeping import BooksDisagree
from tests.ledger.chain import TOKEN, World
from tests.ledger.trading import CEILING, close, deal

pytestmark = pytest.mark.chain
BUYER, PROVIDER = "alice", "paula"


def books(address: str) -> tuple[int, int, int]:
    found = queries.balances(address)
    return found.posted, found.locked, found.exiting


def everybody(world: World) -> list[str]:
    known = world.known
    people = [world.keys.address(name) for name in (BUYER, PROVIDER)]
    return [*people, known.treasury, known.pool, known.rerun_account]


def ready(world: World) -> None:
    for name in (BUYER, PROVIDER):
        world.person(name)
        world.deposit(name, 50 * TOKEN)
    world.finalise()


def test_a_trade_of_each_outcome_leaves_the_books_equal_to_the_contract(world: World):
    ready(world)
    made = deal(world, buyer=BUYER, provider=PROVIDER, runs=3)
    world.send_raw("operator", world.known.market, made.calldata)
    world.finalise()
    assert len(queries.events(name="TradeLocked")) == 3
    assert all(books(address) == world.chain_balances(address) for address in everybody(world))
    assert books(world.keys.address(BUYER))[1] == sum(record.payment for record in made.records)
    outcomes = {0: Outcome(1, 1, CEILING // 3), 1: Outcome(0, 0, 0), 2: Outcome(2, 0, CEILING // 100)}
    close(world, made, outcomes)
    world.finalise()
    kinds = [event.args["kind"] for event in queries.events(name="TradeClosed")]
    assert sorted(kinds) == [0, 1, 2]
    for address in everybody(world):
        assert books(address) == world.chain_balances(address), address
        assert books(address)[1] == 0
    assert books(world.known.treasury)[0] > 0
    assert books(world.known.rerun_account)[0] > 0
    assert books(world.known.pool)[0] > 0


def test_the_way_out_is_request_then_withdraw(world: World):
    ready(world)
    alice = world.keys.address(BUYER)
    world.send(BUYER, world.known.market, "requestWithdrawal", 20 * TOKEN)
    world.finalise()
    assert books(alice) == (30 * TOKEN, 0, 20 * TOKEN) == world.chain_balances(alice)
    world.anvil.pass_time(world.known.withdrawal_delay + 1)
    world.send(BUYER, world.known.market, "withdraw", alice)
    world.finalise()
    assert books(alice) == (30 * TOKEN, 0, 0) == world.chain_balances(alice)
    custody = Account.objects.get(kind="custody")
    assert -custody.posted == world.call(world.known.market, "custody")["custody"] == 80 * TOKEN


def test_the_holds_of_a_trade_are_posted_by_its_lock(world: World):
    ready(world)
    made = deal(world, buyer=BUYER, provider=PROVIDER, runs=2)
    alice, paula = (world.keys.address(name) for name in (BUYER, PROVIDER))
    for record, trade in zip(made.records, made.trades, strict=True):
        journal.hold(account=alice, amount=record.payment, key=f"trade:trd_{trade}:payment")
        journal.hold(account=paula, amount=record.bond, key=f"trade:trd_{trade}:bond")
    held = queries.balances(alice)
    assert held.held == sum(record.payment for record in made.records) and held.locked == 0
    world.send_raw("operator", world.known.market, made.calldata)
    world.anvil.mine()
    world.follow()
    assert queries.balances(alice) == held, "only final facts move money"
    world.finalise()
    after = queries.balances(alice)
    assert (after.available, after.held, after.locked) == (held.available, 0, held.held)
    assert Transfer.objects.filter(kind="post").count() == 4
    assert books(alice) == world.chain_balances(alice)


def test_posting_again_posts_nothing(world: World):
    ready(world)
    before = Transfer.objects.count()
    assert post_final_events(now=timezone.now()) == 0
    ChainEvent.objects.filter(name="Deposited").update(posted_at=None, postings=0)
    post_final_events(now=timezone.now())
    assert Transfer.objects.count() == before
    assert queries.balances(world.keys.address(BUYER)).available == 50 * TOKEN


def test_an_event_that_contradicts_another_stops_the_posting_after_those_before_it(world: World):
    ready(world)
    made = deal(world, buyer=BUYER, provider=PROVIDER, runs=2)
    world.send_raw("operator", world.known.market, made.calldata)
    world.anvil.mine()
    world.follow()
    locked = queries.events(name="TradeLocked")
    lie = ChainEvent.objects.create(
        block=locked[-1].block, tx_hash=locked[-1].tx_hash, log_index=99, address=world.known.market, name="TradeClosed",
        subject="0x" + "11" * 32, args={"trade": "0x" + "11" * 32}, position=locked[-1].position + 50,
    )  # fmt: skip
    with pytest.raises(BooksDisagree):
        world.finalise()
    assert not ChainEvent.objects.filter(pk__in=[event.pk for event in locked], posted_at=None).exists()
    assert ChainEvent.objects.get(pk=lie.pk).posted_at is None
    assert books(world.keys.address(BUYER))[1] == sum(record.payment for record in made.records)
    with pytest.raises(BooksDisagree):
        post_final_events(now=timezone.now())


def test_after_a_deep_reorg_an_operator_rewinds_and_the_books_follow_the_new_chain(world: World):
    ready(world)
    alice, paula = (world.keys.address(name) for name in (BUYER, PROVIDER))
    made = deal(world, buyer=BUYER, provider=PROVIDER, runs=1)
    world.send_raw("operator", world.known.market, made.calldata)
    world.finalise()
    world.anvil.reorg(world.known.confirmations + 1)
    world.anvil.mine()
    world.follow()
    assert queries.is_halted()
    assert post_final_events(now=timezone.now()) == 0
    result = rewind(indexer=world.indexer, operator="olga", now=timezone.now())
    assert result.events == 1 and result.halts == 1
    assert Halt.objects.get().resolved_by == "olga"
    assert not queries.is_halted()
    assert books(alice) == (50 * TOKEN, 0, 0) and books(paula) == (50 * TOKEN, 0, 0)
    world.send_raw("operator", world.known.market, made.calldata)
    world.finalise()
    for address in everybody(world):
        assert books(address) == world.chain_balances(address)
    assert books(alice)[1] == made.records[0].payment


def test_a_final_block_that_left_and_came_back_is_posted_again_under_other_keys(world: World):
    ready(world)
    alice = world.keys.address(BUYER)
    deposits = queries.events(name="Deposited")
    tip = Block.objects.filter(canonical=True).order_by("-number").first()
    before = Block.objects.get(canonical=True, number=deposits[0].block.number - 1)
    for generation in (1, 2):
        # As if the node had served another branch for a while; an operator rewound, then the old branch came back.
        blocks.store_reorg(before, tip, "0x" + "11" * 32, timezone.now())
        Cursor.objects.filter(name="final").update(number=before.number, hash=before.hash)
        assert reverse_orphaned_events(now=timezone.now()) == len(deposits)
        assert books(alice) == (0, 0, 0)
        world.follow()
        assert books(alice) == (50 * TOKEN, 0, 0)
        assert (
            Transfer.objects.filter(key__endswith=f"~{generation}")
            .exclude(key__startswith="reverse")
            .exists()
        )
        assert reconciliation.compare(gateway=world.indexer.gateway, deep=True).findings == []
