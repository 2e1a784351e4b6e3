"""What may be asked of settlement; reads only."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from ledger import queries as ledger
from marketplace.clearing.models import CLOSING, Trade
from marketplace.problems import Conflict, NotFound
from marketplace.receipts import queries as receipts
from marketplace.settlement.audit_lists import RECEIPTS as RECEIPTS
from marketplace.settlement.checking import trade_checks as trade_checks
from marketplace.settlement.evidence import published_leaves
from marketplace.settlement.models import Answer, Closing, SettlementBatch
from suan.core.encoding import from_hex, to_hex
from suan.core.evidence import Anchor, receipt_proof
from suan.core.ids import parse_id
from suan.core.problems import FieldError

PROPOSALS_MAX = 100
PATIENCE_SECONDS = 60


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
    """The proof file of a receipt (suan.core.evidence.proofs), built from the published settlement.

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


def proposals() -> list[dict[str, Any]]:
    """What waits for signatures of the verifier set, oldest first, with all that a member needs to check it."""
    return [_verdict(row) for row in proposed_verdicts().order_by("id")[:PROPOSALS_MAX]]


def proposed_verdicts() -> QuerySet[SettlementBatch]:
    """Verdicts that wait for signatures, of trades that have not ended otherwise."""
    waiting = Closing.objects.filter(settlement=OuterRef("pk"), trade__status=CLOSING)
    return SettlementBatch.objects.filter(Exists(waiting), status="proposed")


def is_proposed(digest: str) -> bool:
    """Whether a digest waits for signatures."""
    return proposed_verdicts().filter(verdict_digest=digest).exists()


def was_proposed(digest: str) -> bool:
    """Whether a digest waits for signatures, or once did."""
    return SettlementBatch.objects.filter(verdict_digest=digest).exists()


def short_of_signatures(*, now: int) -> list[dict[str, Any]]:
    """Proposals that have waited so long that a person should look, for the status page: {digest, signed, needed, reasons}."""
    return [
        {
            "digest": row["digest"],
            "signed": sum(answer["agrees"] for answer in row["answers"]),
            "needed": row["needed"],
            "reasons": [answer["reason"] for answer in row["answers"] if answer["reason"]],
        }
        for row in proposals()
        if row["proposed_at"] + PATIENCE_SECONDS <= now
    ]


def _verdict(row: SettlementBatch) -> dict[str, Any]:
    return {
        "batch_id": f"bat_{row.lock_batch}",
        "locked_in": _locked_in(Trade.objects.filter(closing__settlement=row).first()),
        "receipts_root": row.receipts_root,
        "outcomes": row.outcomes,
        "evidence": f"/evidence/settlements/{row.receipts_root}.json",
        "proposed_at": row.cut_at,
        **answers_to(row.verdict_digest),
    }


def _locked_in(trade: Trade | None) -> str | None:
    """The transaction that opened a trade's lock batch: where a verifier looks on the chain."""
    return trade.lock_batch.tx_hash if trade and trade.lock_batch else None


def answers_to(digest: str) -> dict[str, Any]:
    """Who answered what to a proposal, and how many signatures the Market wants."""
    known = ledger.deployment().verifier_set
    answers = Answer.objects.filter(digest=digest).order_by("answered_at", "id")
    return {
        "digest": digest,
        "needed": known.threshold,
        "members": list(known.members),
        "answers": [
            {
                "member": answer.member,
                "agrees": answer.agrees,
                "reason": answer.reason,
                "outcomes": answer.outcomes,
                "signature": answer.signature,
                "answered_at": answer.answered_at,
            }
            for answer in answers
        ],
    }


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
        **{k: v for k, v in answers_to(settlement.verdict_digest).items() if k != "digest"},
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
