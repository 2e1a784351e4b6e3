"""Lock batches as the chain knows them: head and records rebuilt from the events of the transaction that made them.

The contract keeps only a hash of each batch, so whoever closes a trade must show all of it again. Nothing is taken from
our own trade rows: what is on chain decides.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger import queries as ledger
from suan.core.contract import BatchHead, Record, batch_id, struct_of
from suan.core.encoding import to_hex


class BatchUnknown(LookupError):
    """The chain that we know has no such trade: its lock is not indexed yet, or its block was orphaned."""


@dataclass(frozen=True, slots=True)
class LockBatch:
    """All that settle(), refund() and timeOut() need to prove records of one lock batch."""

    head: BatchHead
    records: tuple[Record, ...]

    @property
    def id(self) -> bytes:
        return batch_id(self.head)

    def index_of(self, trade: bytes) -> int:
        """The index of a trade's record. Raises BatchUnknown."""
        for record in self.records:
            if record.trade == trade:
                return record.index
        raise BatchUnknown(f"trade 0x{trade.hex()} is not in lock batch 0x{self.id.hex()}")


def lock_batch_of(trade: str) -> LockBatch:
    """The lock batch of a trade (bare hash), from canonical events. Raises BatchUnknown."""
    locked = ledger.events_of(name="TradeLocked", subject=trade)
    if not locked:
        raise BatchUnknown(f"no canonical TradeLocked event of trade {trade}")
    block, transaction = locked[-1].block, locked[-1].tx_hash
    rows = list(block.events.filter(tx_hash=transaction).order_by("log_index"))
    heads = [row for row in rows if row.name == "BatchLocked"]
    if len(heads) != 1:
        raise BatchUnknown(
            f"transaction {transaction} has {len(heads)} BatchLocked events; one open() makes one"
        )
    batch = LockBatch(
        head=struct_of("BatchHead", heads[0].args),
        records=tuple(struct_of("Record", row.args) for row in rows if row.name == "TradeLocked"),
    )
    if heads[0].args["batch_id"] != to_hex(batch.id):
        raise BatchUnknown(
            f"the events of transaction {transaction} do not make up batch {heads[0].args['batch_id']}"
        )
    return batch
