"""What may be asked of delivery: trades on their way from order to payout, outputs, and who may read which bytes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.db.models import Q, QuerySet

from ledger import queries as ledger
from ledger.explorer import explain
from marketplace.accounts.models import Participant
from marketplace.book import queries as book
from marketplace.book.models import Order
from marketplace.clearing.models import SLASHED, TRADE_STATUSES, Trade
from marketplace.delivery.models import Lease, Run
from suan.core.contract import OutcomeKind, refund_after
from suan.core.delivery import ExitReason
from suan.core.units import format_tokens


def trades(
    *,
    participant: Participant | None = None,
    order: Order | None = None,
    symbol: str | None = None,
    status: str | None = None,
) -> QuerySet[Trade]:
    """Trades with everything that `trade_view` reads, newest first; of one participant (either side) if given."""
    rows = Trade.objects.select_related("clearing", "lock_batch", "bid", "offer")
    if participant is not None:
        rows = rows.filter(Q(buyer=participant.address) | Q(provider=participant.address))
    if order is not None:
        rows = rows.filter(bid=order) if order.is_bid else rows.filter(offer=order)
    if symbol is not None:
        rows = rows.filter(symbol=symbol)
    if status is not None:
        rows = rows.filter(status=status)
    return rows.order_by("-id")


def is_status(status: str) -> bool:
    return status in TRADE_STATUSES


def runs_of(trade: Trade) -> QuerySet[Run]:
    """The runs of a trade with their receipts, by index; none before the trade is locked."""
    return Run.objects.filter(trade=trade).select_related("receipt").order_by("index")


def trade_view(trade: Trade) -> dict[str, Any]:
    """The trade object of docs/protocol.md, section 7: the way from order to payout, and `finality_detail`: what its
    finality means, what comes next, and when."""
    head = ledger.head()
    (view,) = trade_views([trade], head=head)
    number = (view["close"] or view["lock"])["block_number"]
    return {"finality_detail": explain(view["finality"], block_number=number, head=head)} | view


def trade_views(trades: Sequence[Trade], *, head: ledger.Head | None) -> list[dict[str, Any]]:
    """As trade_view without the detail, for many trades in their order; the number of queries does not grow with theirs.

    head: what the indexer knows.
    """
    grace = ledger.deployment().verification_grace
    hashes = [trade.trade_hash for trade in trades]
    locks = ledger.last_events(name="TradeLocked", subjects=hashes)
    closes = ledger.last_events(name="TradeClosed", subjects=hashes)
    runs: dict[int, list[Run]] = defaultdict(list)
    for run in Run.objects.filter(trade__in=trades).select_related("receipt").order_by("index"):
        runs[run.trade_id].append(run)
    return [
        _trade_view(
            trade, locks.get(trade.trade_hash), closes.get(trade.trade_hash), runs[trade.pk], head, grace
        )
        for trade in trades
    ]


def _trade_view(
    trade: Trade,
    locked: Any | None,
    closed: Any | None,
    runs: list[Run],
    head: ledger.Head | None,
    grace: int,
) -> dict[str, Any]:
    return {
        "trade_id": trade.trade_id,
        "offer_id": f"ord_{trade.offer_hash}",
        "bid_id": f"ord_{trade.bid_hash}",
        "clearing_id": trade.clearing.clearing_id,
        "product": trade.symbol,
        "price": format_tokens(trade.price),
        "first_run": trade.first_run,
        "runs": trade.runs,
        "ceiling_units": str(trade.ceiling_units),
        "buyer": trade.buyer,
        "provider": trade.provider,
        "status": trade.status,
        "reason": trade.reject_reason,
        "finality": _finality(closed or locked, head),
        "matched_at": trade.matched_at,
        "lock": _lock_view(trade, locked, head),
        "close": _close_view(closed, head),
        "deliver_by": trade.deliver_by,
        "refund_after": refund_after(trade.deliver_by, grace),
        "runs_detail": [_run_view(run) for run in runs],
    }


def outputs(trade: Trade) -> list[dict[str, Any]]:
    """Outputs that were delivered to the buyer: [{run, status, exit_reason, output, size_bytes}], by run.

    A slashed trade has none: the buyer's money came back and its runs trade again.
    """
    if trade.status == SLASHED:
        return []
    found = []
    for run in runs_of(trade).filter(status__in=("delivered", "verified")):
        if not ExitReason(run.receipt.exit_reason).delivers:
            continue
        artifact = book.artifact(run.receipt.output)
        found.append(
            {
                "run": run.index,
                "status": run.status,
                "exit_reason": run.receipt.exit_reason,
                "output": run.receipt.output,
                "size_bytes": artifact.size_bytes if artifact else None,
            }
        )
    return found


def lease_view(lease: Lease) -> dict[str, Any]:
    """All that an agent needs to execute a run (docs/protocol.md, section 7)."""
    run, trade = lease.run, lease.run.trade
    terms = trade.bid.terms
    return {
        "lease_id": lease.lease_id,
        "trade": trade.trade_id,
        "run": run.index,
        "seed": run.seed,
        "module": terms["module"],
        "input": terms["input"],
        "ceiling_units": str(trade.ceiling_units),
        "class": trade.symbol.split(":")[0],
        "memory_bytes": terms["memory_bytes"],
        "wall_seconds": terms["wall_seconds"],
        "profile": terms["profile"],
        "deliver_by": trade.deliver_by,
        "expires_at": lease.expires_at,
    }


def may_read_artifact(participant: Participant, sha256: str, *, now: int) -> bool:
    """Whether these bytes are the caller's to read.

    Its uploader always; the buyer of a run whose delivered output it is; the provider that holds a live lease on a run
    of this module or input; a verifier of the market, of a run that was delivered.
    """
    if book.owns_artifact(participant, sha256):
        return True
    if participant.address in ledger.deployment().verifier_set.members:
        return _belongs_to_a_delivery(sha256)
    bought = Run.objects.filter(
        receipt__output=sha256, trade__buyer=participant.address, status__in=("delivered", "verified")
    ).exclude(trade__status=SLASHED)
    if bought.exists():
        return True
    leased = Lease.objects.filter(
        Q(run__trade__bid__terms__module=sha256) | Q(run__trade__bid__terms__input=sha256),
        run__trade__provider=participant.address,
        released_at=None,
        expires_at__gt=now,
    )
    return leased.exists()


def _belongs_to_a_delivery(sha256: str) -> bool:
    """Module, input or output of a run with a receipt: what a verifier has to look at."""
    mine = Q(receipt__module=sha256) | Q(receipt__input=sha256) | Q(receipt__output=sha256)
    return Run.objects.filter(mine).exists()


def counts() -> dict[str, int]:
    """Runs by status, for the status page."""
    return {
        status: Run.objects.filter(status=status).count() for status in ("waiting", "leased", "delivered")
    }


def _finality(event: Any | None, head: ledger.Head | None) -> str:
    return ledger.finality_at(event.block if event else None, head)


def _lock_view(trade: Trade, event: Any | None, head: ledger.Head | None) -> dict[str, Any]:
    batch = trade.lock_batch
    return {
        "batch_id": f"bat_{batch.batch_id}" if batch and batch.batch_id else None,
        "tx_hash": event.tx_hash if event else (batch.tx_hash if batch else None),
        "block_number": event.block.number if event else None,
        "finality": _finality(event, head),
        "payment": format_tokens(trade.payment),
        "bond": format_tokens(trade.bond),
    }


def _close_view(event: Any | None, head: ledger.Head | None) -> dict[str, Any] | None:
    if event is None:
        return None
    args = event.args
    return {
        "tx_hash": event.tx_hash,
        "block_number": event.block.number,
        "finality": _finality(event, head),
        "kind": OutcomeKind(int(args["kind"])).word,
        "runs_delivered": int(args["runs_delivered"]),
        "units": str(args["units"]),
        "paid": format_tokens(int(args["paid"])),
        "fee": format_tokens(int(args["fee"])),
        "slashed": format_tokens(int(args["slashed"])),
    }


def _run_view(run: Run) -> dict[str, Any]:
    receipt = getattr(run, "receipt", None)
    view = {
        "run": run.index,
        "status": run.status,
        "reason": run.reason,
        "attempts": run.attempts,
        "exit_reason": None,
        "counters": None,
        "units": None,
        "output": None,
        "receipt_id": None,
        "verdict": None,
    }
    if receipt is None:
        return view
    return view | {
        "exit_reason": receipt.exit_reason,
        "counters": {
            name: str(getattr(receipt, name)) for name in ("fp64", "fp32", "integer", "memory_control")
        },
        "units": str(receipt.units),
        "output": receipt.output,
        "receipt_id": receipt.receipt_id,
        "verdict": "undecided" if receipt.parked_at is not None else receipt.status,
    }
