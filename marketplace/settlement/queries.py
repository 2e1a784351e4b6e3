"""What may be asked of settlement; reads only."""

from __future__ import annotations

from typing import Any

from ledger import queries as ledger
from marketplace.problems import NotFound
from marketplace.settlement.models import Closing, SettlementBatch
from suan.core.identity import from_hex, to_hex
from suan.core.problems import FieldError


def settlement_by_root(root: str) -> SettlementBatch:
    """The newest settlement under a receipts root (0x hex). Raises NotFound."""
    try:
        root = to_hex(from_hex(root, field="root", length=32))
    except FieldError as error:
        raise NotFound(f"There is no such settlement: {error.problem.message}") from None
    found = SettlementBatch.objects.filter(receipts_root=root).order_by("-attempt").first()
    if found is None:
        raise NotFound("There is no settlement with this root; a trade's close names its transaction.")
    return found


def settlement_of(trade_key: int) -> SettlementBatch | None:
    """The settlement that names this trade, or None (not cut yet, or refunded without one)."""
    closing = Closing.objects.filter(trade_id=trade_key).select_related("settlement").first()
    return closing.settlement if closing else None


def render(settlement: SettlementBatch) -> dict[str, Any]:
    """The settlement as the API shows it."""
    sent = ledger.outgoing(settlement.outgoing_key)
    return {
        "receipts_root": settlement.receipts_root,
        "batch_id": f"bat_{settlement.lock_batch}",
        "attempt": settlement.attempt,
        "outcomes": [{**row, "trade_id": f"trd_{row['trade']}"} for row in settlement.outcomes],
        "verdict": settlement.verdict,
        "verdict_digest": settlement.verdict_digest,
        "settle_at": settlement.settle_at,
        "settlements": [_sent(key) for key in settlement.settle_keys],
        "signatures": settlement.signatures,
        "status": sent.status if sent else settlement.status,
        "reason": settlement.reason,
        "tx_hash": sent.tx_hash if sent else None,
        "finality": ledger.finality(sent.block if sent else None),
        "cut_at": settlement.cut_at,
        "evidence": f"/evidence/settlements/{settlement.receipts_root}.json",
    }


def _sent(key: str) -> dict[str, Any]:
    sent = ledger.outgoing(key)
    return {
        "status": sent.status if sent else "planned",
        "reason": sent.error if sent else "",
        "tx_hash": sent.tx_hash if sent else None,
        "finality": ledger.finality(sent.block if sent else None),
    }


def failed() -> list[SettlementBatch]:
    """Settlements whose transaction failed, newest first; for the status page."""
    return list(SettlementBatch.objects.filter(status="failed").order_by("-id")[:100])
