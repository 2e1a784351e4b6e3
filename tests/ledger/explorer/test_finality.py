"""The five states of anything on chain have one meaning and one next step, in pages and API alike."""

import pytest
from django.test import Client
from django.utils import timezone

from ledger import queries
from ledger.explorer import finality
from ledger.models import Halt
from tests.ledger.chain import TOKEN, World

pytestmark = pytest.mark.chain


def explained(event) -> dict:
    event.block.refresh_from_db()
    head = queries.head()
    word = queries.finality_at(event.block, head)
    return finality.explain(word, block_number=event.block.number, head=head)


def test_a_deposit_walks_through_the_states_and_each_says_how_far_the_next_is(
    world: World, settings, client: Client
):
    settings.LOCAL_CHAIN, settings.BLOCK_SECONDS = True, 0.5
    world.person("alice")
    world.deposit("alice", TOKEN)
    world.anvil.mine()
    world.follow()
    (event,) = queries.events(name="Deposited")
    needed = world.known.confirmations
    seen = explained(event)
    assert (seen["finality"], seen["blocks_left"], seen["seconds_left"]) == ("included", 1, 1)
    for on_top in range(1, needed):
        world.anvil.mine()
        world.follow()
        seen = explained(event)
        assert (seen["finality"], seen["blocks_left"]) == ("safe", needed - on_top)
    assert seen["seconds_left"] == 1 and str(needed) in seen["next"]
    world.anvil.mine()
    world.follow()
    seen = explained(event)
    assert (seen["finality"], seen["blocks_left"], seen["seconds_left"]) == ("final", None, None)
    words = {row["finality"]: row for row in client.get("/api/v1/status").json()["finality"]}
    assert tuple(words) == finality.WORDS
    assert words["final"]["meaning"] == seen["meaning"]
    page = client.get("/status").content.decode()
    for row in words.values():
        assert row["meaning"] in page and row["next"] in page, row


def test_an_orphaned_transaction_says_that_it_is_sent_again(world: World):
    world.person("alice")
    world.follow()
    world.deposit("alice", TOKEN)
    world.anvil.mine()
    world.follow()
    (event,) = queries.events(name="Deposited")
    world.anvil.reorg(1)
    world.anvil.mine(2)
    world.follow()
    seen = explained(event)
    assert seen["finality"] == "orphaned" and "sends the same transaction again" in seen["next"]


def test_while_settlement_is_halted_nothing_is_promised(world: World):
    world.follow()
    assert finality.explain("pending")["blocks_left"] == 1
    Halt.objects.create(reason="test", from_number=1, created_at=timezone.now())
    seen = finality.explain("pending")
    assert seen["blocks_left"] is None and "halted" in seen["next"]
    assert "halted" not in finality.explain("final")["next"]


def test_on_a_chain_that_is_not_ours_the_pace_is_that_of_the_newest_blocks(world: World, settings):
    for _ in range(finality.BLOCKS_AVERAGED):  # the window holds no block of the deployment
        world.anvil.pass_time(30)
    world.follow()
    settings.LOCAL_CHAIN = False
    assert 25_000 <= finality.seconds_per_block_milli() <= 31_000
