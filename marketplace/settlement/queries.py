"""What may be asked of settlement; reads only."""

from __future__ import annotations

import json
from typing import Any

from ledger import evidence
from ledger import queries as ledger
from marketplace.problems import Conflict, NotFound, NotReady
from marketplace.receipts import queries as receipts
from marketplace.settlement.models import Closing, SettlementBatch
from suan.core.identity import ZERO_BYTES32, from_hex, market_domain, parse_id, to_hex
from suan.core.problems import FieldError
from suan.core.proofs import Anchor, Leaf, receipt_proof
from suan.core.receipts import Receipt as SignedReceipt


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


def proof_of(receipt_id: str) -> bytes:
    """The proof file of a receipt (suan.core.proofs), built from the published settlement.

    Raises NotFound, Conflict while no close names its trade, NotReady when the settlement is not published.
    """
    receipt = receipts.receipt_by_id(receipt_id)
    settlement = settlement_of(receipt.run.trade_id)
    if settlement is None:
        raise Conflict(
            f"No close names trade trd_{receipt.trade} yet, so the receipt is under no root; ask again when it has closed."
        )
    leaves = published_leaves(settlement.receipts_root)
    digest = parse_id(receipt.receipt_id)
    index = next((place for place, leaf in enumerate(leaves) if leaf[0] == digest), None)
    if index is None:
        raise Conflict(
            f"The close of trade trd_{receipt.trade} passed over this receipt: it came without a verdict in time."
        )
    known = ledger.deployment()
    event = ledger.root_event(batch=settlement.lock_batch, root=settlement.receipts_root)
    anchor = Anchor(
        batch=from_hex(settlement.lock_batch),
        chain_id=known.chain_id,
        contract=known.market,
        transaction=event.tx_hash if event else None,
        block_number=event.block.number if event else None,
        block_hash=event.block.hash if event else None,
    )
    return receipt_proof(leaves, index, anchor)


def published_leaves(root: str) -> list[Leaf]:
    """The leaves of a published settlement, in its order. Raises NotReady when it is not published."""
    data = evidence.read("settlements", root)
    if data is None:
        raise NotReady(f"The settlement {root} is not published yet; ask again in a moment.")
    known = ledger.deployment()
    domain = market_domain(known.chain_id, known.market)
    leaves: list[Leaf] = []
    for row in json.loads(data)["receipts"]:
        signed = row["receipt"] and SignedReceipt.from_json(row["receipt"])
        digest = signed.digest(domain) if signed else ZERO_BYTES32
        leaves.append((digest, from_hex(row["trade"]), row["run"], row["verdict"]))
    return leaves


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
