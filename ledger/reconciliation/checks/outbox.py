"""Outgoing transactions against the chain."""

from collections.abc import Iterator

from eth_hash.auto import keccak

from ledger.models import Attempt, OutgoingTx
from ledger.reconciliation.finding import ChainView, Finding

OUTGOING_ROWS_SHALLOW = 200


def check_outgoing(view: ChainView) -> Iterator[Finding]:
    """Included transactions are on chain with the stored calldata; signed bytes hash to their name."""
    rows = OutgoingTx.objects.filter(
        tx_hash__isnull=False, block__canonical=True, block__number__lte=view.number
    )
    rows = rows.select_related("block").order_by("-id")
    for row in rows if view.deep else rows[:OUTGOING_ROWS_SHALLOW]:
        view.checked["outgoing"] = view.checked.get("outgoing", 0) + 1
        found = view.gateway.transaction(row.tx_hash or "")
        receipt = view.gateway.receipt(row.tx_hash or "")
        if found is None or receipt is None or row.block is None:
            yield Finding("ledger_outgoingtx", row.key, "tx_hash", str(row.tx_hash), "no such transaction")
            continue
        for column, stored, expected in (
            ("calldata", "0x" + bytes(row.calldata).hex(), "0x" + found.calldata.hex()),
            ("to", row.to, found.to),
            ("value", row.value, found.value),
            ("nonce", row.nonce, found.nonce),
            ("block", row.block.hash, receipt.block_hash),
            ("reverted", row.reverted, not receipt.succeeded),
            ("gas_used", row.gas_used, receipt.gas_used),
        ):
            if stored != expected:
                yield Finding("ledger_outgoingtx", row.key, column, str(stored), str(expected))
    attempts = Attempt.objects.order_by("-id")
    for attempt in attempts if view.deep else attempts[:OUTGOING_ROWS_SHALLOW]:
        digest = "0x" + keccak(bytes(attempt.raw)).hex()
        if digest != attempt.tx_hash:
            yield Finding("ledger_attempt", attempt.tx_hash, "raw", digest, attempt.tx_hash)
