"""The state of the ledger in one look, for the status page, the audit page and their JSON. Reads only."""

from datetime import datetime
from typing import Any

from django.db.models import Count, Min

from ledger import queries
from ledger.control import kill_switch
from ledger.explorer import finality
from ledger.models import Account, ChainEvent, Cursor, OutgoingTx, Reconciliation, Reorg, Transfer
from suan.core.settlement import AVAILABLE, EXITING, LOCKED, MONEY_EVENTS

SILENT_SECONDS_MAX = 15
"""An indexer that has not asked the node for so long is called silent."""
OUTGOING_ROWS_SHOWN = 20
DIFFERENCE_ROWS_SHOWN = 20
DIFFERENCE_CHARACTERS_SHOWN = 200


def status(*, now: datetime) -> dict[str, Any]:
    """Head, final block, lag of the indexer, halts, last reorg, what waits to be sent, what failed, rows that differ, and
    what the five words of finality mean.

    `healthy` is false when settlement is halted, trading is stopped, the indexer is silent, or reconciliation found differences.
    """
    newest, halts, holding = queries.head(), list(queries.halts()), kill_switch.stopped()
    cursors = {row.name: row for row in Cursor.objects.all()}
    node = cursors.get("node")
    age = (now - node.updated_at).total_seconds() if node else None
    reorg = Reorg.objects.order_by("-id").first()
    differences = queries.differences().count()
    silent = age is None or age > SILENT_SECONDS_MAX
    return {
        "healthy": not halts and not silent and not differences and holding is None,
        "head": {"number": newest.number, "hash": newest.hash, "timestamp": newest.timestamp}
        if newest
        else None,
        "final_number": newest.final_number if newest else -1,
        "node_number": node.number if node else None,
        "lag_blocks": max(node.number - newest.number, 0) if node and newest else None,
        "indexer_silent": silent,
        "indexer_age_seconds": None if age is None else int(max(age, 0)),
        "halted": bool(halts),
        "stopped": {
            "reason": holding.reason,
            "since": holding.since,
            "asked_to_resume": len(set(holding.asked)),
        }
        if holding
        else None,
        "halts": [{"reason": halt.reason, "since": halt.created_at} for halt in halts],
        "last_reorg": {
            "depth": reorg.depth,
            "ancestor_number": reorg.ancestor_number,
            "seen_at": reorg.seen_at,
        }
        if reorg
        else None,
        "unposted_events": unposted_events(),
        "outgoing": outgoing_summary(now=now),
        "differences": differences,
        "difference_rows": [
            {
                "table": row.table,
                "row": row.row,
                "column": row.column,
                "stored": row.stored[:DIFFERENCE_CHARACTERS_SHOWN],
                "expected": row.expected[:DIFFERENCE_CHARACTERS_SHOWN],
                "found_at": row.found_at,
            }
            for row in queries.differences()[:DIFFERENCE_ROWS_SHOWN]
        ],
        "finality": finality.legend(),
    }


def is_silent(*, now: int) -> bool:
    """True when the indexer has not heard the node for SILENT_SECONDS_MAX seconds. now: unix seconds."""
    heard = Cursor.objects.filter(name="node").values_list("updated_at", flat=True).first()
    return heard is None or now - int(heard.timestamp()) > SILENT_SECONDS_MAX


def unposted_events() -> int:
    """Final money events that the books do not know yet; stays above zero only if posting is stuck."""
    rows = ChainEvent.objects.filter(posted_at=None, name__in=MONEY_EVENTS, block__canonical=True)
    return rows.filter(block__number__lte=queries.final_number()).count()


def outgoing_summary(*, now: datetime) -> dict[str, Any]:
    """How many transactions are in which state, how long the oldest waits, and what failed last and why."""
    counts = {
        row["status"]: row["count"] for row in OutgoingTx.objects.values("status").annotate(count=Count("id"))
    }
    waiting = OutgoingTx.objects.filter(status__in=("planned", "signed", "sent"))
    oldest = waiting.aggregate(oldest=Min("created_at"))["oldest"]
    troubled = OutgoingTx.objects.exclude(error="").exclude(status="final").order_by("-updated_at")
    return {
        "counts": {state: counts.get(state, 0) for state in OutgoingTx.Status.values},
        "oldest_waiting_seconds": int((now - oldest).total_seconds()) if oldest else 0,
        "troubled": [
            {
                "key": row.key,
                "signer": row.signer,
                "status": row.status,
                "nonce": row.nonce,
                "tx_hash": row.tx_hash,
                "error": row.error,
                "updated_at": row.updated_at,
            }
            for row in troubled[:OUTGOING_ROWS_SHOWN]
        ],
    }


def audit_summary() -> dict[str, Any]:
    """The last reconciliation: heights, rows compared by check, open differences."""
    last = Reconciliation.objects.order_by("-id").first()
    return {
        "differences": queries.differences().count(),
        "transfers": Transfer.objects.count(),
        "events": ChainEvent.objects.filter(block__canonical=True).count(),
        "reconciled_at": last.finished_at if last else None,
        "head_number": last.head_number if last else None,
        "final_number": last.final_number if last else None,
        "deep": last.deep if last else None,
        "checked": last.checked if last else {},
    }


def accounts_page(*, after: int, limit: int) -> list[dict[str, Any]]:
    """Balances by address, in the order in which the books met them. `id` is the cursor."""
    rows = list(Account.objects.filter(kind=AVAILABLE, id__gt=after).order_by("id")[:limit])
    others = Account.objects.filter(address__in=[row.address for row in rows], kind__in=(LOCKED, EXITING))
    posted = {(row.address, row.kind): row.posted for row in others}
    return [
        {
            "id": row.pk,
            "address": row.address,
            "available": row.free,
            "held": row.debits_pending,
            "locked": posted.get((row.address, LOCKED), 0),
            "exiting": posted.get((row.address, EXITING), 0),
        }
        for row in rows
    ]
