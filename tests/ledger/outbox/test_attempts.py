"""Bytes are stored before anybody sees them, go out until they are in, and are replaced only when they are stuck."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from ledger.chain import SigningRefused, limits_of
from ledger.chain.rpc import RpcGateway
from ledger.chain.signer import Signer
from ledger.models import Attempt, OutgoingTx
from ledger.outbox.attempts import ATTEMPTS_MAX, Answer, Attempts, is_due, newest
from operations.chaos.proxy import CutAfter, CutBefore, FaultProxy, already_known, nonce_too_low
from tests.ledger.outbox.offices import (
    CHAIN_ID,
    FEES,
    NOBODY,
    SIGNER,
    SOMEBODY,
    attempt_of,
    head,
    planned,
    signed,
)

NOW, SOON = timezone.now(), timedelta(seconds=3)


@pytest.fixture
def keys(var: Path) -> Signer:
    return Signer(var / "secrets")


@pytest.fixture
def attempts(db, keys: Signer) -> Attempts:
    return Attempts(NOBODY, keys, SIGNER, chain_id=CHAIN_ID, stuck_blocks=3)


def test_the_same_row_under_the_same_nonce_and_fees_is_the_same_bytes(attempts: Attempts, keys: Signer):
    row = signed(1, nonce=7)
    attempt = attempts.sign(row, 21_000, FEES, NOW)
    fields = {
        "chainId": CHAIN_ID, "nonce": 7, "to": SOMEBODY, "value": 0, "data": b"", "gas": 21_000,
        "maxFeePerGas": FEES.max_fee_per_gas, "maxPriorityFeePerGas": FEES.max_priority_fee_per_gas,
    }  # fmt: skip
    stored = Attempt.objects.get()
    assert bytes(stored.raw) == keys.sign_transaction(SIGNER, fields).raw
    assert (stored, stored.nonce, stored.sent_at) == (attempt, 7, None)
    assert newest(row) == stored and is_due(stored, NOW)


def test_what_the_key_may_not_sign_leaves_no_attempt(db, var: Path):
    limits = limits_of(
        chain_id=CHAIN_ID, market="0x" + "1" * 40, registry="0x" + "2" * 40, evidence_log="0x" + "3" * 40,
        token="0x" + "4" * 40, gas_max=10**6, faucet_gas_wei=None,
    )  # fmt: skip
    strict = Attempts(NOBODY, Signer(var / "secrets", limits), SIGNER, chain_id=CHAIN_ID, stuck_blocks=3)
    row = planned(1, value=1)
    row.nonce = 0
    with pytest.raises(SigningRefused):
        strict.sign(row, 21_000, FEES, NOW)
    assert not Attempt.objects.exists()


def test_bytes_are_stuck_when_the_base_fee_rose_above_them_or_blocks_pass_by(attempts: Attempts):
    attempt = attempt_of(signed(1, nonce=0), NOW, fee=100, sent_block_number=10)

    def is_stuck(number: int, *, base_fee: int = 100, first: bool = True, later: timedelta = SOON) -> bool:
        return attempts.is_stuck(attempt, head(number, base_fee=base_fee), NOW + later, first=first)

    assert not is_stuck(12) and is_stuck(13)
    assert not is_stuck(13, first=False), "it waits for the nonce below it"
    assert is_stuck(10, base_fee=101, first=False)
    assert not is_stuck(13, base_fee=101, later=timedelta(seconds=1)), "it had no time yet"
    attempt.error = "replacement transaction underpriced"
    assert is_stuck(10, first=False)


def test_sent_bytes_go_out_again_with_growing_patience(db):
    attempt = attempt_of(signed(1, nonce=0), NOW)
    waits = []
    for attempt.broadcasts in (1, 2, 3, 4, 50):
        attempt.sent_at = NOW
        waits.append(next(s for s in range(60) if is_due(attempt, NOW + timedelta(seconds=s))))
    assert waits == [4, 8, 16, 30, 30]


def test_after_the_last_attempt_a_row_says_where_to_read_on(attempts: Attempts):
    row = signed(1, nonce=0)
    for _ in range(ATTEMPTS_MAX):
        last = attempt_of(row, NOW)
    assert attempts.replace(row, last, head(1), NOW) is None
    assert "docs/runbook.md" in OutgoingTx.objects.get().error


@pytest.mark.chain
def test_a_replacement_keeps_the_nonce_and_pays_more_and_is_made_once(anvil, db, keys: Signer):
    attempts = Attempts(RpcGateway(anvil.url), keys, SIGNER, chain_id=CHAIN_ID, stuck_blocks=3)
    row = signed(1, nonce=5)
    first = attempts.sign(row, 21_000, FEES, NOW)
    second = attempts.replace(row, first, head(9), NOW)
    assert second is not None and second.nonce == first.nonce and second.raw != first.raw
    assert second.max_fee_per_gas * 100 >= first.max_fee_per_gas * 113
    assert attempts.replace(row, first, head(9), NOW) is None, "another process was faster"
    OutgoingTx.objects.update(status="included")
    assert attempts.replace(row, second, head(9), NOW) is None
    assert Attempt.objects.count() == 2


@pytest.mark.chain
@pytest.mark.parametrize(
    ("fault", "lost", "nonce_was_used", "arrived"),
    [
        (lambda: already_known(accepted=True), False, False, True),
        (nonce_too_low, False, True, False),
        (CutAfter, True, False, True),
        (CutBefore, True, False, False),
    ],
)
def test_what_the_node_says_is_told_apart(
    anvil, db, keys: Signer, fault: Callable, lost: bool, nonce_was_used: bool, arrived: bool
):
    anvil.rpc("anvil_setBalance", keys.address(SIGNER), hex(10**20))
    with FaultProxy(anvil.url) as proxy:
        attempts = Attempts(RpcGateway(proxy.url), keys, SIGNER, chain_id=CHAIN_ID, stuck_blocks=3)
        attempt = attempts.sign(signed(1, nonce=0, status="signed"), 21_000, FEES, NOW)
        proxy.on("eth_sendRawTransaction", fault(), times=1)
        answer = attempts.hand_over(attempt)
        assert (answer.lost, answer.nonce_was_used) == (lost, nonce_was_used)
        assert (anvil.rpc("eth_getTransactionByHash", attempt.tx_hash) is not None) == arrived
        assert attempts.hand_over(attempt) == Answer(), "the same bytes again are no second transaction"


def test_a_lost_answer_leaves_the_bytes_due_and_the_row_signed(attempts: Attempts):
    row = signed(1, nonce=0, status="signed")
    attempt = attempt_of(row, NOW)
    answer = attempts.hand_over(attempt)
    assert answer.lost and not attempts.record(row, attempt, answer, head(4), NOW)
    attempt.refresh_from_db()
    assert attempt.error and is_due(attempt, NOW) and OutgoingTx.objects.get().status == "signed"


def test_a_refusal_is_told_on_the_row_and_success_takes_it_away(attempts: Attempts):
    row = signed(1, nonce=0, status="signed")
    attempt = attempt_of(row, NOW)
    assert not attempts.record(row, attempt, Answer("insufficient funds" * 50), head(4), NOW)
    row.refresh_from_db()
    assert row.status == "signed" and row.error == ("insufficient funds" * 50)[:500]
    assert attempts.record(row, attempt, Answer(), head(6), NOW)
    row.refresh_from_db()
    attempt.refresh_from_db()
    assert (row.status, row.error) == ("sent", "")
    assert (attempt.broadcasts, attempt.sent_block_number, attempt.sent_at) == (2, 4, NOW)


def test_an_answer_about_a_row_that_is_in_flight_no_longer_changes_nothing_of_it(attempts: Attempts):
    row = signed(1, nonce=0, status="signed")
    attempt = attempt_of(row, NOW)
    OutgoingTx.objects.update(status="planned", nonce=None, error="its nonce was used")
    attempts.record(row, attempt, Answer("nonce too low"), head(4), NOW)
    row.refresh_from_db()
    assert (row.status, row.error) == ("planned", "its nonce was used")
