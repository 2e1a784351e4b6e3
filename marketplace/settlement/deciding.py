"""From a verdict on chain to its settlement: once the dispute window is over, anybody may pay what was decided; we do.

Idempotent: the keys of the transactions are kept in the row, and the contract passes over what it has ended.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from django.db import transaction

from ledger import outgoing
from ledger import queries as ledger
from marketplace.clearing.models import CLOSING, Trade
from marketplace.settlement.lockbatches import BatchUnknown, lock_batch_of
from marketplace.settlement.models import SettlementBatch
from suan.core.abi import encode_settle
from suan.core.identity import from_hex
from suan.core.records import Outcome
from suan.core.settlement import prove_records

SIGNER = "relayer"
SETTLEMENTS_PER_SWEEP_MAX = 200
TRIES_MAX = 50
CLOCK_SECONDS = 1
"""The chain's clock may be behind ours by a block."""

log = logging.getLogger(__name__)


def settle_decided(*, now: int) -> int:
    """Plan settle(...) for verdicts whose dispute window is over; returns how many. Nothing while halted.

    A settlement that failed (the payout cap of the verifiers was reached, say) is planned again one window later, as
    long as trades of it wait.
    """
    if ledger.is_halted():
        return 0
    waiting = (
        SettlementBatch.objects.exclude(status="failed").filter(closings__trade__status=CLOSING).distinct()
    )
    count = 0
    for settlement in waiting.order_by("id")[:SETTLEMENTS_PER_SWEEP_MAX]:
        try:
            count += _settle(settlement, now)
        except BatchUnknown as error:
            log.warning("%s is not settled now: %s", settlement, error)
    return count


def _settle(settlement: SettlementBatch, now: int) -> int:
    if settlement.settle_at is None:
        settlement.settle_at = _window_end(settlement)
        if settlement.settle_at is None:
            return 0
        settlement.save(update_fields=["settle_at"])
    if now <= settlement.settle_at + CLOCK_SECONDS or len(settlement.settle_keys) >= TRIES_MAX:
        return 0
    last = ledger.outgoing(settlement.settle_keys[-1]) if settlement.settle_keys else None
    if last is not None and last.status != "failed":
        return 0
    if last is not None and now <= settlement.settle_at + ledger.deployment().dispute_window:
        return 0
    calldata = _calldata(settlement)
    with transaction.atomic():
        key = f"settle:{settlement.verdict}:{len(settlement.settle_keys) + 1}"
        outgoing.plan(key=key, signer=SIGNER, to=ledger.deployment().market, calldata=calldata)
        settlement.settle_keys = [*settlement.settle_keys, key]
        settlement.settle_at = now if last is not None else settlement.settle_at
        settlement.save(update_fields=["settle_keys", "settle_at"])
    return 1


def _window_end(settlement: SettlementBatch) -> int | None:
    """When the verdict settles, in the chain's words; None until it is in a block."""
    for event in _decided(settlement):
        if event.args["verdict"] == settlement.verdict:
            return int(event.args["settle_after"])
    return None


def _decided(settlement: SettlementBatch) -> Iterable[ledger.ChainEvent]:
    return ledger.events_of(name="BatchDecided", subject=settlement.lock_batch)


def _calldata(settlement: SettlementBatch) -> bytes:
    trade = Trade.objects.filter(closing__settlement=settlement).order_by("index").first()
    if trade is None:
        raise BatchUnknown(f"{settlement} names no trade")
    batch = lock_batch_of(trade.trade_hash)
    outcomes = [
        (
            batch.index_of(from_hex(row["trade"])),
            Outcome(row["kind"], row["runs_delivered"], int(row["units"])),
        )
        for row in settlement.outcomes
    ]
    return encode_settle(
        head=batch.head,
        verifiers=ledger.deployment().verifier_set.key_set,
        outcomes=outcomes,
        receipts_root=from_hex(settlement.receipts_root),
        proven=prove_records(batch.records, [index for index, _ in outcomes]),
    )
