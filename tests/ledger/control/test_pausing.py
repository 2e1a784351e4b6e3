"""The contract's pause goes on chain by the admin's key alone, is written down, and two persons take it back."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from ledger.control import kill_switch, pausing
from ledger.models import SwitchEntry
from tests.ledger.chain import World

pytestmark = pytest.mark.chain


@contextmanager
def mining(world: World) -> Iterator[None]:
    """Blocks come by themselves meanwhile, as from a miner."""
    done = threading.Event()

    def work() -> None:
        while not done.wait(0.2):
            world.anvil.mine()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_one_person_pauses_the_contract_and_two_unpause_it(world: World, monkeypatch):
    gateway, known = world.indexer.gateway, world.known
    for name in ("anna", "ben"):
        get_user_model().objects.create_user(username=name, password="a long password", is_staff=True)
    monkeypatch.setenv("SUAN_OPERATOR_PASSWORD", "a long password")
    with mining(world):
        call_command("stop", "contract", person="anna", reason="a bug was found")
        assert pausing.is_paused(gateway, known)
        with pytest.raises(CommandError, match="second person"):
            call_command("resume", "contract", person="anna")
        assert pausing.is_paused(gateway, known)
        call_command("resume", "contract", person="ben")
        assert not pausing.is_paused(gateway, known)
        call_command(
            "resume", "contract", person="ben"
        )  # What two agreed on may be sent again; nothing is left to do.
    assert (
        kill_switch.stopped(kill_switch.CONTRACT) is None and kill_switch.stopped(kill_switch.TRADING) is None
    )
    assert list(SwitchEntry.objects.order_by("id").values_list("verb", flat=True)) == [
        "stop",
        "ask",
        "ask",
        "resume",
    ]


def test_a_pause_that_the_contract_refuses_says_so_and_stays_in_the_log(world: World):
    get_user_model().objects.create_user(username="anna", password="a long password", is_staff=True)
    (world.keys._folder / "admin.key").unlink()  # Another key is made, which is not the contract's admin.
    world.anvil.rpc("anvil_setBalance", world.keys.address("admin"), hex(10**20))
    with pytest.raises(CommandError, match="the contract is not paused"):
        call_command("stop", "contract", person="anna", reason="a bug was found")
    assert kill_switch.stopped(kill_switch.CONTRACT) is not None
    assert not pausing.is_paused(world.indexer.gateway, world.known)
