"""Verbs of settlement: conclude trades, cut them into verdicts, settle, follow the chain, help the overdue.

A verdict names trades of one lock batch. In one database transaction it is proposed and its evidence published; it is
planned in that, where the exchange alone is the verifier set, or in a later one, when enough members have signed. A crash
leaves all of it or nothing; the contract refuses what it closed before.
Locks: trades by id, with SKIP LOCKED. Times are unix seconds, given by the caller.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from ledger import evidence
from ledger import queries as ledger
from ledger.errors import EvidenceConflict
from marketplace.book import queries as book
from marketplace.clearing import actions as clearing
from marketplace.clearing.models import CLOSING, DELIVERED, VERIFIED, Trade
from marketplace.delivery import actions as delivery
from marketplace.delivery.models import Run
from marketplace.receipts import queries as receipts
from marketplace.settlement import evidence as documents
from marketplace.settlement.evidence import RunOutcome
from marketplace.settlement.lockbatches import BatchUnknown, LockBatch, lock_batch_of
from marketplace.settlement.models import Closing, SettlementBatch
from marketplace.settlement.verbs.closes import observe_closes, reopen_orphaned, return_quantities
from marketplace.settlement.verbs.deciding import plan_agreed, plan_decide, settle_decided
from marketplace.settlement.verbs.disputed import answer_claims, reclaim_bonds, time_out_disputed
from marketplace.settlement.verbs.overdue import refund_given_up, refund_overdue
from marketplace.settlement.verbs.quorum import answer_ourselves, submit_answer
from marketplace.settlement.verbs.ruling import rule_dispute
from suan.core.contract import Outcome, ReceiptVerdict, pack_outcomes
from suan.core.delivery import ExitReason
from suan.core.encoding import from_hex, to_hex
from suan.core.settlement import check_outcome, outcome_of
from suan.core.signing import Verdict, market_domain
from suan.core.units import WorkUnits

__all__ = [
    "answer_claims",
    "conclude_trades",
    "cut_batches",
    "observe_closes",
    "plan_agreed",
    "reclaim_bonds",
    "refund_given_up",
    "refund_overdue",
    "reopen_orphaned",
    "retry_failed",
    "return_quantities",
    "rule_dispute",
    "settle_decided",
    "submit_answer",
    "time_out_disputed",
]

TRADES_PER_SWEEP_MAX = 500
ATTEMPTS_MAX = 5

log = logging.getLogger(__name__)


def conclude_trades(*, now: int) -> int:
    """Advance trades whose runs all have their verdict; returns how many became verified."""
    delivery.mark_delivered(now=now)
    undecided = Run.objects.filter(trade=OuterRef("pk")).exclude(status__in=delivery.CONCLUDED_STATUSES)
    done = Trade.objects.filter(status=DELIVERED).exclude(Exists(undecided)).order_by("id")
    keys = list(done.values_list("pk", flat=True)[:TRADES_PER_SWEEP_MAX])
    if keys:
        clearing.advance_trades(trades=keys, to=VERIFIED, now=now)
    return len(keys)


def cut_batches(*, now: int, pace_seconds: float, outcomes_max: int) -> list[SettlementBatch]:
    """Propose the verdicts that are due: per lock batch, when all its trades are decided or its oldest verdict waited long
    enough. Halted settlement (a reorg deeper than final) cuts nothing.
    """
    if ledger.is_halted():
        return []
    cut = []
    for lock_batch_key in _due(now, pace_seconds):
        try:
            settlement = _cut(lock_batch_key, now, outcomes_max)
        except BatchUnknown as error:
            log.warning("lock batch %s is not settled now: %s", lock_batch_key, error)
        except EvidenceConflict as error:
            log.error("lock batch %s cannot be settled: %s", lock_batch_key, error)
        else:
            cut += [settlement] if settlement else []
    return cut


def retry_failed(*, now: int) -> int:
    """Give the trades of a verdict that failed on chain back to the cut; returns how many trades.

    Also of one that was included until the chain forgot it. Those that were closed meanwhile (anyone may refund what is
    overdue) keep what the chain says. After ATTEMPTS_MAX verdicts on the same receipts the trades stay `closing` with
    the reason, for a person to look at.
    """
    count = 0
    pending = Q(status="planned") | Q(status="included", closings__trade__status=CLOSING)
    for settlement in SettlementBatch.objects.filter(pending).distinct().order_by("id"):
        sent = ledger.outgoing(settlement.outgoing_key)
        if sent is None or sent.status not in ("failed", "final"):
            continue
        with transaction.atomic():
            settlement.status = "failed" if sent.status == "failed" else "included"
            settlement.reason = sent.error[:300]
            settlement.save(update_fields=["status", "reason"])
            if settlement.status == "failed" and settlement.attempt < ATTEMPTS_MAX:
                again = Trade.objects.filter(closing__settlement=settlement, status=CLOSING)
                keys = [
                    trade.pk
                    for trade in again
                    if not ledger.events_of(name="TradeClosed", subject=trade.trade_hash)
                ]
                clearing.advance_trades(trades=keys, to=VERIFIED, now=now)
                count += len(keys)
    return count


def _due(now: int, pace_seconds: float) -> list[int]:
    """Lock batches with verified trades whose turn has come, oldest verdict first."""
    verified = Trade.objects.filter(status=VERIFIED).order_by("updated_at", "id")
    first_seen: dict[int, int] = {}
    for key, updated_at in verified.values_list("lock_batch_id", "updated_at")[:TRADES_PER_SWEEP_MAX]:
        first_seen.setdefault(key, updated_at)
    working = set(
        Trade.objects.filter(lock_batch_id__in=first_seen, status__in=("locked", DELIVERED)).values_list(
            "lock_batch_id", flat=True
        )
    )
    return [key for key, at in first_seen.items() if key not in working or at + pace_seconds <= now]


def _cut(lock_batch_key: int, now: int, outcomes_max: int) -> SettlementBatch | None:
    with transaction.atomic():
        trades = list(
            Trade.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(lock_batch_id=lock_batch_key, status=VERIFIED, closing__event_position=None)
            .select_related("bid")
            .order_by("index")[:outcomes_max]
        )
        if not trades:
            return None
        batch = lock_batch_of(trades[0].trade_hash)
        runs = {trade.trade_hash: _runs_of(trade) for trade in trades}
        outcomes = {
            from_hex(trade.trade_hash): _outcome(batch, trade, runs[trade.trade_hash]) for trade in trades
        }
        for trade in trades:
            _publish_outputs(trade, runs[trade.trade_hash])
        settlement = _propose_verdict(batch, outcomes, [run for rows in runs.values() for run in rows], now)
        for trade in trades:
            outcome = outcomes[from_hex(trade.trade_hash)]
            Closing.objects.update_or_create(
                trade=trade,
                defaults={
                    "settlement": settlement,
                    "kind": int(outcome.kind),
                    "runs_delivered": outcome.runs_delivered,
                    "units": outcome.units,
                },
            )
        clearing.advance_trades(trades=[trade.pk for trade in trades], to=CLOSING, now=now)
    return settlement


def _propose_verdict(
    batch: LockBatch, outcomes: dict[bytes, Outcome], runs: Sequence[RunOutcome], now: int
) -> SettlementBatch:
    """Publish and propose one verdict, and plan it if our own signature is enough; in the caller's transaction."""
    deployment = ledger.deployment()
    records = [record for record in batch.records if record.trade in outcomes]
    ordered = [(record.index, outcomes[record.trade]) for record in records]
    root = documents.root_of(runs)
    verdict = Verdict(batch=batch.id, outcomes=pack_outcomes(ordered), receipts_root=root)
    digest = verdict.digest(market_domain(deployment.chain_id, deployment.market))
    rows = documents.outcome_rows(records, outcomes)
    evidence.publish(
        "settlements", f"{to_hex(root)}.json", documents.document(batch=batch.id, outcomes=rows, runs=runs)
    )
    attempt = SettlementBatch.objects.filter(receipts_root=to_hex(root)).count() + 1
    settlement = SettlementBatch.objects.create(
        lock_batch=to_hex(batch.id),
        receipts_root=to_hex(root),
        attempt=attempt,
        outcomes=rows,
        verdict=to_hex(verdict.struct_hash()),
        verdict_digest=to_hex(digest),
        outgoing_key=f"decide:{to_hex(root)}" + (f":{attempt}" if attempt > 1 else ""),
        cut_at=now,
    )
    answer_ourselves(digest, now=now)
    plan_decide(settlement, batch)
    return settlement


def _runs_of(trade: Trade) -> list[RunOutcome]:
    rows = Run.objects.filter(trade=trade).select_related("receipt").order_by("index")
    known, ceiling = from_hex(trade.trade_hash), WorkUnits(trade.ceiling_units)
    return [RunOutcome(known, run.index, getattr(run, "receipt", None), ceiling) for run in rows]


def _outcome(batch: LockBatch, trade: Trade, runs: Sequence[RunOutcome]) -> Outcome:
    record = batch.records[batch.index_of(from_hex(trade.trade_hash))]
    outcome = outcome_of(record, [receipts.verified_run(run.receipt, run.run) for run in runs])
    check_outcome(record, outcome)
    return outcome


def _publish_outputs(trade: Trade, runs: Sequence[RunOutcome]) -> None:
    """Outputs of a public bid are evidence: with them anybody can look at what was paid for."""
    if trade.bid.terms["disclosure"] != "public":
        return
    for run in runs:
        receipt = run.receipt
        if receipt is None or receipt.verdict != ReceiptVerdict.ACCEPTED:
            continue
        data = book.read_artifact(receipt.output) if ExitReason(receipt.exit_reason).delivers else None
        if data is not None:
            evidence.publish("objects", receipt.output, data)
