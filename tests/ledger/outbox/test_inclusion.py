"""A row is in when the index calls its block canonical, out when that block is orphaned, done when it is final."""

import pytest
from django.utils import timezone

from ledger.chain.rpc import RpcGateway
from ledger.chain.signer import Signer
from ledger.models import Block, Cursor, OutgoingTx
from ledger.outbox.attempts import Attempts
from ledger.outbox.failure import Failure
from ledger.outbox.inclusion import Inclusion
from tests.ledger.outbox.offices import ADDRESS, CHAIN_ID, FEES, NOBODY, SIGNER, attempt_of, signed

NOW = timezone.now()


@pytest.fixture
def inclusion(db) -> Inclusion:
    return Inclusion(NOBODY, SIGNER, Failure(NOBODY, ADDRESS, gas_max=10**6))


def block(number: int, hash: str | None = None) -> Block:
    return Block.objects.create(
        number=number, hash=hash or f"0x{number:064x}", parent="0x" + "0" * 64, timestamp=number, seen_at=NOW
    )


def included(number: int, place: Block, *, reverted: bool = False) -> OutgoingTx:
    row = signed(number, nonce=number, status="included")
    row.block, row.tx_hash, row.gas_used, row.reverted = place, f"0x{number:064x}", 21_000, reverted
    row.save()
    return row


def test_a_row_of_an_orphaned_block_is_sent_and_all_its_bytes_are_due(inclusion: Inclusion):
    lost, kept = block(7), block(6)
    row, other = included(1, lost), included(2, kept)
    for _ in range(2):
        attempt_of(row, NOW, sent_at=NOW, broadcasts=3, sent_block_number=5)
    Block.objects.filter(pk=lost.pk).update(canonical=False)
    assert inclusion.reopen_orphaned(NOW) == 1
    assert inclusion.reopen_orphaned(NOW) == 0
    row.refresh_from_db()
    other.refresh_from_db()
    assert (row.status, row.nonce, row.block, row.tx_hash, row.gas_used) == ("sent", 1, None, None, None)
    assert {(a.sent_at, a.broadcasts, a.sent_block_number) for a in row.attempts.all()} == {(None, 0, None)}
    assert other.status == "included"


def test_a_final_block_ends_a_row_as_its_receipt_says(inclusion: Inclusion):
    good, bad, young = included(1, block(4)), included(2, block(5), reverted=True), included(3, block(6))
    Cursor.objects.create(name="final", number=5, updated_at=NOW)
    assert inclusion.confirm(NOW) == 2
    statuses = dict(OutgoingTx.objects.values_list("key", "status"))
    assert [statuses[row.key] for row in (good, bad, young)] == ["final", "failed", "included"]


@pytest.mark.chain
def test_a_receipt_counts_once_the_index_calls_its_block_canonical(anvil, db, var):
    gateway, keys = RpcGateway(anvil.url), Signer(var / "secrets")
    address = keys.address(SIGNER)
    anvil.rpc("anvil_setBalance", address, hex(10**20))
    inclusion = Inclusion(gateway, SIGNER, Failure(gateway, address, gas_max=10**6))
    attempts = Attempts(gateway, keys, SIGNER, chain_id=CHAIN_ID, stuck_blocks=3)
    row = signed(1, nonce=0)
    first = attempts.sign(row, 21_000, FEES, NOW)
    attempts.hand_over(first)
    attempts.sign(row, 22_000, FEES, NOW)
    assert inclusion.receipt(row) is None and not inclusion.include(row, NOW)
    anvil.mine()
    receipt = inclusion.receipt(row)
    assert receipt is not None and receipt.tx_hash == first.tx_hash
    assert not inclusion.include(row, NOW), "the index has not seen its block"
    block(receipt.block_number, receipt.block_hash)
    assert inclusion.include(row, NOW)
    row.refresh_from_db()
    assert (row.status, row.tx_hash, row.gas_used) == ("included", first.tx_hash, 21_000)
    assert (row.reverted, row.error) == (False, "")
