"""Inclusion: what the chain says about what was sent. A receipt counts when the indexer calls its block canonical.

When that block is orphaned, the row is as sent as before, and its bytes go out again. When it is final, so is the row:
done, or failed if its receipt reverted.
"""

import logging
from datetime import datetime

from ledger import queries
from ledger.chain import Gateway, TxReceipt
from ledger.models import Attempt, Block, OutgoingTx
from ledger.outbox.failure import Failure
from ledger.outbox.rows import Status, save

log = logging.getLogger(__name__)


class Inclusion:
    """Of one signer. Blocks and finality are read from the index, receipts from the node."""

    def __init__(self, gateway: Gateway, signer: str, failure: Failure) -> None:
        self._gateway = gateway
        self._failure = failure
        self._rows = OutgoingTx.objects.filter(signer=signer)

    def reopen_orphaned(self, now: datetime) -> int:
        """Rows whose block left the chain wait for inclusion again, every attempt unsent; returns how many."""
        count = 0
        for row in self._rows.filter(block__canonical=False).order_by("nonce"):
            log.warning("%s: block %s was orphaned, sending again", row.key, row.block_id)
            Attempt.objects.filter(outgoing=row).update(sent_at=None, broadcasts=0, sent_block_number=None)
            save(
                row,
                now,
                status=Status.SENT,
                block=None,
                tx_hash=None,
                gas_used=None,
                reverted=False,
                error="",
            )
            count += 1
        return count

    def confirm(self, now: datetime) -> int:
        """Rows whose block is final are final, or failed where the receipt reverted; returns how many."""
        rows = self._rows.filter(status=Status.INCLUDED, block__number__lte=queries.final_number())
        for row in rows:
            save(row, now, status=Status.FAILED if row.reverted else Status.FINAL)
        return len(rows)

    def include(self, row: OutgoingTx, now: datetime) -> bool:
        """Whether a canonical block has an attempt of the row; then the row says which, and why if it reverted."""
        receipt = self.receipt(row)
        if receipt is None:
            return False
        block = Block.objects.filter(hash=receipt.block_hash, canonical=True).first()
        if block is None:
            return False  # The indexer has not seen it yet, or it is already history.
        error = "" if receipt.succeeded else self._failure.why_reverted(row, receipt)
        save(
            row, now, status=Status.INCLUDED, block=block, tx_hash=receipt.tx_hash, gas_used=receipt.gas_used,
            reverted=not receipt.succeeded, error=error,
        )  # fmt: skip
        return True

    def receipt(self, row: OutgoingTx) -> TxReceipt | None:
        """The receipt of the row's attempts, the newest asked first; one nonce has at most one."""
        for attempt in sorted(row.attempts.all(), key=lambda attempt: -attempt.pk):
            receipt = self._gateway.receipt(attempt.tx_hash)
            if receipt is not None:
                return receipt
        return None
