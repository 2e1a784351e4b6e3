"""From a proposed verdict to the chain and to its settlement: what enough verifiers signed is sent, and once the dispute
window is over anybody may pay what was decided; we do.

Idempotent: the keys of the transactions are kept in the row, and the contract passes over what it has ended.
"""

from __future__ import annotations

import logging

from django.db import transaction

from ledger import outbox
from ledger import queries as ledger
from marketplace.clearing.models import CLOSING, Trade
from marketplace.settlement import queries
from marketplace.settlement.lockbatches import BatchUnknown, LockBatch, lock_batch_of
from marketplace.settlement.models import SettlementBatch
from marketplace.settlement.verbs import quorum
from suan.core.contract import (
    Outcome,
    encode_decide,
    encode_settle,
    prove_records,
)
from suan.core.encoding import from_hex, to_hex

SIGNER = "relayer"
"""Anyone may send these; the relayer's queue keeps them out of the way of the operator's openings."""
SETTLEMENTS_PER_SWEEP_MAX = 200
TRIES_MAX = 50
CLOCK_SECONDS = 1
"""The chain's clock may be behind ours by a block."""
log = logging.getLogger(__name__)


def plan_agreed(*, now: int) -> int:
    """Plan decide(...) for proposed verdicts that enough verifiers have signed; returns how many. Nothing while halted."""
    if ledger.is_halted():
        return 0
    count = 0
    for key in queries.proposed_verdicts().order_by("id").values_list("pk", flat=True):
        with transaction.atomic():
            settlement = SettlementBatch.objects.select_for_update().get(pk=key)
            if settlement.status != "proposed":
                continue
            try:
                count += plan_decide(settlement, _batch_of(settlement))
            except BatchUnknown as error:
                log.warning("%s is not decided now: %s", settlement, error)
    return count


def plan_decide(settlement: SettlementBatch, batch: LockBatch) -> bool:
    """Plan a proposed verdict if it has its signatures. Runs in the transaction of the caller, who holds its row."""
    signatures = quorum.signatures(settlement.verdict_digest)
    if signatures is None:
        return False
    deployment = ledger.deployment()
    calldata = encode_decide(
        head=batch.head,
        verifiers=deployment.verifier_set.key_set,
        outcomes=_outcomes(settlement, batch),
        receipts_root=from_hex(settlement.receipts_root),
        signatures=signatures,
    )
    outbox.plan(key=settlement.outgoing_key, signer=SIGNER, to=deployment.market, calldata=calldata)
    settlement.status, settlement.signatures = "planned", [to_hex(signature) for signature in signatures]
    settlement.save(update_fields=["status", "signatures"])
    return True


def settle_decided(*, now: int) -> int:
    """Plan settle(...) for verdicts whose dispute window is over; returns how many. Nothing while halted.

    A settlement that failed is planned again one window later, as long as trades of the verdict wait.
    """
    if ledger.is_halted():
        return 0
    waiting = (
        SettlementBatch.objects.filter(status__in=("planned", "included"))
        .filter(closings__trade__status=CLOSING)
        .distinct()
    )
    count = 0
    for settlement in waiting.order_by("id")[:SETTLEMENTS_PER_SWEEP_MAX]:
        try:
            count += _settle(settlement, now)
        except BatchUnknown as error:
            log.warning("%s is not settled now: %s", settlement, error)
    return count


def _settle(settlement: SettlementBatch, now: int) -> int:
    ends = _window_end(settlement)
    if ends != settlement.settle_at:  # Another one on another branch of the chain.
        settlement.settle_at = ends
        settlement.save(update_fields=["settle_at"])
    if ends is None:
        return 0
    tries = len(settlement.settle_keys)
    due = ends + tries * ledger.deployment().dispute_window
    if now <= due + CLOCK_SECONDS or tries >= TRIES_MAX:
        return 0
    last = ledger.outgoing(settlement.settle_keys[-1]) if tries else None
    if last is not None and last.status not in ("failed", "final"):
        return 0
    waiting = Trade.objects.filter(
        ~ledger.was_told("TradeClosed", "DisputeOpened", of="trade_hash"),
        closing__settlement=settlement,
        status=CLOSING,
    )
    if not waiting.exists():
        return 0
    calldata = _calldata(settlement)
    with transaction.atomic():
        key = f"settle:{settlement.verdict}:{tries + 1}"
        outbox.plan(key=key, signer=SIGNER, to=ledger.deployment().market, calldata=calldata)
        settlement.settle_keys = [*settlement.settle_keys, key]
        settlement.save(update_fields=["settle_keys"])
    return 1


def _window_end(settlement: SettlementBatch) -> int | None:
    """When the verdict settles, in the chain's words; None until it is in a block."""
    for event in ledger.events_of(name="BatchDecided", subject=settlement.lock_batch):
        if event.args["verdict"] == settlement.verdict:
            return int(event.args["settle_after"])
    return None


def _batch_of(settlement: SettlementBatch) -> LockBatch:
    trade = Trade.objects.filter(closing__settlement=settlement).order_by("index").first()
    if trade is None:
        raise BatchUnknown(f"{settlement} names no trade")
    return lock_batch_of(trade.trade_hash)


def _outcomes(settlement: SettlementBatch, batch: LockBatch) -> list[tuple[int, Outcome]]:
    return [
        (
            batch.index_of(from_hex(row["trade"])),
            Outcome(row["kind"], row["runs_delivered"], int(row["units"])),
        )
        for row in settlement.outcomes
    ]


def _calldata(settlement: SettlementBatch) -> bytes:
    batch = _batch_of(settlement)
    outcomes = _outcomes(settlement, batch)
    return encode_settle(
        head=batch.head,
        outcomes=outcomes,
        receipts_root=from_hex(settlement.receipts_root),
        proven=prove_records(batch.records, [index for index, _ in outcomes]),
    )
