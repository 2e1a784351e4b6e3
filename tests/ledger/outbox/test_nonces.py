"""A nonce is spent by one row, none is left out, and it changes hands only when it is lost for good."""

import pytest
from django.db import transaction
from django.utils import timezone

from ledger.chain.gateway import NodeUnavailable
from ledger.chain.rpc import RpcGateway
from ledger.models import OutgoingTx, SignerNonce
from ledger.outbox.nonces import ForeignNonces, Nonces
from tests.ledger.outbox.offices import ADDRESS, NOBODY, SIGNER, head, planned, signed

NOW = timezone.now()


@pytest.fixture
def nonces(db) -> Nonces:
    return Nonces(NOBODY, SIGNER, ADDRESS, confirmations=3)


def test_a_foreign_nonce_is_lost_once_it_stands_on_more_than_n_blocks():
    foreign = ForeignNonces(3)
    assert [foreign.is_for_good(1, block) for block in (10, 11, 13)] == [False] * 3
    assert foreign.is_for_good(1, 14)
    assert not foreign.is_for_good(2, 14), "of another row nothing is known"


def test_a_foreign_nonce_that_comes_back_is_counted_from_the_start():
    foreign = ForeignNonces(3)
    foreign.is_for_good(1, 10)
    foreign.forget(1)
    assert not foreign.is_for_good(1, 14)
    assert foreign.is_for_good(1, 18)


def test_each_row_takes_the_lowest_nonce_that_nobody_holds(nonces: Nonces):
    signed(1, nonce=5)
    signed(2, nonce=7)
    taken = [nonces.take(planned(number), chain_nonce=5, now=NOW) for number in (3, 4, 5)]
    assert [(row.nonce, row.status) for row in taken if row] == [(6, "signed"), (8, "signed"), (9, "signed")]
    assert SignerNonce.objects.get(signer=SIGNER).next_nonce == 10


def test_a_row_that_is_planned_no_longer_takes_no_nonce(nonces: Nonces):
    row = planned(1)
    assert nonces.take(row, chain_nonce=0, now=NOW)
    assert nonces.take(row, chain_nonce=0, now=NOW) is None
    assert OutgoingTx.objects.get().nonce == 0 and SignerNonce.objects.get().next_nonce == 1


def test_a_nonce_whose_transaction_fails_is_not_spent(nonces: Nonces):
    with pytest.raises(RuntimeError), transaction.atomic():
        nonces.take(planned(1), chain_nonce=0, now=NOW)
        raise RuntimeError("the signer refuses")
    assert SignerNonce.objects.get().next_nonce == 0
    row = nonces.take(planned(2), chain_nonce=0, now=NOW)
    assert row is not None and row.nonce == 0


def test_nobody_asks_the_node_about_gaps_while_a_row_waits_to_take_the_nonce(nonces: Nonces):
    nonces.fill_gap([])
    row = signed(1, nonce=4)
    planned(2)
    nonces.fill_gap([row])
    OutgoingTx.objects.filter(key="wish:2").update(status="failed")
    with pytest.raises(NodeUnavailable):
        nonces.fill_gap([row])


@pytest.mark.chain
def test_a_gap_below_what_is_in_flight_is_filled_once(db, anvil):
    nonces = Nonces(RpcGateway(anvil.url), SIGNER, ADDRESS, confirmations=3)
    row = signed(1, nonce=1)
    nonces.fill_gap([row])
    nonces.fill_gap([row])
    (gap,) = OutgoingTx.objects.exclude(pk=row.pk)
    assert (gap.key, gap.to, bytes(gap.calldata)) == (f"gap:{SIGNER}:0:{row.pk}", ADDRESS, b"")


@pytest.mark.chain
def test_a_row_whose_nonce_is_lost_for_good_is_planned_again_without_it(db, anvil):
    nonces = Nonces(RpcGateway(anvil.url), SIGNER, ADDRESS, confirmations=3)
    row = signed(1, nonce=0)
    nonces.doubt(row, head(10), NOW)
    anvil.rpc("anvil_setNonce", ADDRESS, "0x1")
    for number in (20, 23):
        nonces.doubt(row, head(number), NOW)
        assert OutgoingTx.objects.get().nonce == 0
    nonces.doubt(row, head(24), NOW)
    row = OutgoingTx.objects.get()
    assert (row.status, row.nonce) == ("planned", None) and "not ours" in row.error
