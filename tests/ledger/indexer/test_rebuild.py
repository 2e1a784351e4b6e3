"""Every derived table has one rebuild; on an honest ledger it changes nothing, on a spoilt one it gives the honest one."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from ledger import journal, reconciliation
from ledger.models import Account, Block, ChainEvent, Transfer
from ledger.reconciliation.dump import view
from tests.ledger.chain import TOKEN, World
from tests.ledger.reconciliation.test_run import tamper

pytestmark = pytest.mark.chain


def rebuilt(*names: str) -> dict[str, int]:
    """Changed rows by name, as the command says them."""
    said = io.StringIO()
    call_command("rebuild", *names, stdout=said)
    lines = [line for line in said.getvalue().splitlines() if line.endswith("rows changed")]
    return {line.split(":")[0]: int(line.split(" ")[1]) for line in lines}


def accounts() -> list[dict]:
    return list(Account.objects.order_by("id").values())


def events() -> list[tuple]:
    rows = ChainEvent.objects.filter(block__canonical=True).order_by("position")
    return list(
        rows.values_list(
            "block__hash", "log_index", "tx_hash", "address", "name", "subject", "args", "posted_at"
        )
    )


@pytest.fixture
def traded(world: World) -> World:
    for name in ("alice", "bob"):
        world.person(name)
    world.follow()
    for number in range(1, 7):
        world.deposit("alice" if number % 2 else "bob", number * TOKEN)
        world.anvil.mine()
        world.follow()
    world.anvil.reorg(2)
    world.deposit("bob", 50 * TOKEN)
    world.anvil.mine()
    world.finalise()
    alice = world.keys.address("alice")
    for number in range(4):
        journal.hold(account=alice, amount=10 + number, key=f"order:{number}")
    journal.void(key="order:1")
    journal.post(key="order:2", amount=5)
    journal.resize(key="order:3", amount=99)
    return world


def test_a_rebuild_of_what_was_made_step_by_step_changes_nothing(traded: World):
    before = accounts(), events(), b"".join(view())
    assert set(rebuilt().values()) == {0}
    assert (accounts(), events(), b"".join(view())) == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_account SET credits_posted = credits_posted + 7 WHERE kind = 'available'",
        "UPDATE ledger_account SET debits_pending = 0, debits_posted = 1 WHERE kind <> 'custody'",
        "UPDATE ledger_account SET head = '0x' || repeat('5', 64)",
    ],
)
def test_spoilt_balances_are_folded_again_from_the_transfers(traded: World, statement: str):
    before = accounts()
    tamper(statement)
    assert accounts() != before
    assert rebuilt("accounts")["accounts"] > 0
    assert accounts() == before
    assert rebuilt("accounts") == {"accounts": 0}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_chainevent SET args = jsonb_set(args, '{amount}', '1') WHERE name = 'Deposited'",
        "UPDATE ledger_chainevent SET subject = 'x', tx_hash = '0x' || repeat('6', 64)",
        "UPDATE ledger_block SET timestamp = 1, parent = '0x' || repeat('6', 64) WHERE canonical",
        "UPDATE ledger_block SET hash = '0x' || repeat('7', 64) WHERE id ="
        " (SELECT block_id FROM ledger_chainevent WHERE name = 'Deposited' ORDER BY position DESC LIMIT 1)",
        "INSERT INTO ledger_chainevent (block_id, position, tx_hash, log_index, address, name, subject, args, postings)"
        " SELECT block_id, 999999, tx_hash, 77, address, name, subject, args, 0 FROM ledger_chainevent"
        " WHERE block_id IN (SELECT id FROM ledger_block WHERE canonical) ORDER BY position LIMIT 1",
    ],
)
def test_a_spoilt_index_is_read_again_from_the_node(traded: World, statement: str):
    before = events(), b"".join(view()), Block.objects.count()
    tamper(statement)
    assert b"".join(view()) != before[1]
    assert rebuilt("events")["events"] > 0
    assert (events(), b"".join(view()), Block.objects.count()) == before
    assert rebuilt("events") == {"events": 0}


def test_a_lost_event_is_found_again_and_posted_only_if_it_was_not(traded: World):
    before, transfers = b"".join(view()), Transfer.objects.count()
    tamper("DELETE FROM ledger_chainevent WHERE name = 'AgentSet'")
    rebuilt("events")
    assert b"".join(view()) == before
    traded.follow()
    assert Transfer.objects.count() == transfers


def test_the_guards_are_back_after_a_rebuild_and_the_verifier_agrees(traded: World):
    rebuilt()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_trigger WHERE tgenabled <> 'O' AND tgname LIKE 'ledger_%%'")
        assert cursor.fetchone() == (0,)
    report = reconciliation.compare(gateway=traded.indexer.gateway, deep=True)
    held = [finding for _, finding in report.findings if finding.table != "ledger_account"]
    assert held == []


def test_a_node_on_another_branch_is_not_believed(traded: World):
    traded.anvil.reorg(1)
    traded.anvil.mine(2)
    with pytest.raises(CommandError, match="index_chain"):
        call_command("rebuild", "events")
    with pytest.raises(CommandError, match="names are"):
        call_command("rebuild", "nothing")
