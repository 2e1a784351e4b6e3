"""What the contract or the key refuses waits, is held back or fails, with its reason and without spending a nonce."""

from datetime import timedelta

import pytest
from django.utils import timezone

from ledger.chain import NodeUnavailable, SigningRefused, TxReceipt
from ledger.chain.rpc import RpcGateway
from ledger.models import OutgoingTx
from ledger.outbox.failure import HELD_BACK_SECONDS_MAX, PARKED_SECONDS_MAX, REFUSALS_MAX, Failure
from tests.ledger.outbox.offices import ADDRESS, NOBODY, SOMEBODY, planned, signed

NOW = timezone.now()
REVERTS = "0x60006000fd"


def failing(anvil, *, gas_max: int = 10**6) -> Failure:
    """On a node where every call of SOMEBODY reverts."""
    anvil.rpc("anvil_setBalance", ADDRESS, hex(10**20))
    anvil.rpc("anvil_setCode", SOMEBODY, REVERTS)
    return Failure(RpcGateway(anvil.url), ADDRESS, gas_max=gas_max)


@pytest.mark.chain
def test_a_simulation_that_reverts_parks_the_row_ever_longer_and_then_fails_it(db, anvil):
    failure, waits = failing(anvil), []
    for _ in range(REFUSALS_MAX - 1):
        row = planned(1)
        assert failure.gas_of(row, NOW) is None
        row.refresh_from_db()
        waits.append((row.due_at - NOW).seconds)
        assert row.status == "planned" and row.error.startswith("simulation: ")
    assert waits == [2, 4, 8, PARKED_SECONDS_MAX, PARKED_SECONDS_MAX]
    assert failure.gas_of(planned(1), NOW) is None
    row = OutgoingTx.objects.get()
    assert (row.status, row.refusals, row.nonce) == ("failed", REFUSALS_MAX, None)


@pytest.mark.chain
def test_the_gas_limit_leaves_room_and_what_needs_more_than_the_limit_fails(db, anvil):
    anvil.rpc("anvil_setBalance", ADDRESS, hex(10**20))
    gas = Failure(RpcGateway(anvil.url), ADDRESS, gas_max=10**6).gas_of(planned(1), NOW)
    assert gas is not None and 21_000 < gas <= 60_000
    assert Failure(RpcGateway(anvil.url), ADDRESS, gas_max=20_000).gas_of(planned(2), NOW) is None
    row = OutgoingTx.objects.get(key="wish:2")
    assert row.status == "failed" and "the limit of a transaction is 20000" in row.error


def test_a_node_that_does_not_answer_is_no_failure_of_the_row(db):
    with pytest.raises(NodeUnavailable):
        Failure(NOBODY, ADDRESS, gas_max=10**6).gas_of(planned(1), NOW)
    row = OutgoingTx.objects.get()
    assert (row.status, row.refusals, row.error) == ("planned", 0, "")


def test_what_the_key_may_not_sign_fails_with_the_limit_in_words(db):
    Failure(NOBODY, ADDRESS, gas_max=10**6).unsigned(planned(1), SigningRefused("value is 1 wei"), NOW)
    row = OutgoingTx.objects.get()
    assert (row.status, row.error) == ("failed", "the signer refuses: value is 1 wei")


@pytest.mark.chain
def test_bytes_that_would_revert_are_held_back_for_a_while_counted_from_the_reorganisation(db, anvil):
    failure = failing(anvil)
    row = signed(1, nonce=0)
    OutgoingTx.objects.update(updated_at=NOW)
    row.refresh_from_db()
    for seconds in (0, HELD_BACK_SECONDS_MAX - 1):
        assert failure.is_too_early(row, NOW + timedelta(seconds=seconds))
        row.refresh_from_db()
        assert row.error.startswith("held back after a reorganisation: ") and row.updated_at == NOW
    assert not failure.is_too_early(row, NOW + timedelta(seconds=HELD_BACK_SECONDS_MAX))
    anvil.rpc("anvil_setCode", SOMEBODY, "0x")
    assert not failure.is_too_early(row, NOW), "what it builds on is back"


@pytest.mark.chain
def test_a_reverted_receipt_is_explained_by_the_same_call_before_its_block(db, anvil):
    failure = failing(anvil)
    anvil.mine()
    number = anvil.head() + 1
    receipt = TxReceipt("0x" + "1" * 64, "0x" + "2" * 64, number, succeeded=False, gas_used=30_000)
    assert "revert" in failure.why_reverted(planned(1), receipt)
    anvil.rpc("anvil_setCode", SOMEBODY, "0x")
    anvil.mine()
    later = TxReceipt("0x" + "1" * 64, "0x" + "2" * 64, number + 1, succeeded=False, gas_used=30_000)
    assert "another transaction in the same block" in failure.why_reverted(planned(1), later)


def test_a_node_that_cannot_say_why_leaves_the_reason_unknown(db):
    receipt = TxReceipt("0x" + "1" * 64, "0x" + "2" * 64, 9, succeeded=False, gas_used=30_000)
    assert "reason unknown" in Failure(NOBODY, ADDRESS, gas_max=1).why_reverted(planned(1), receipt)
