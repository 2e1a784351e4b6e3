"""What the chain made of trades: TradeClosed events become settled, refunded or slashed, and quantity goes back.

A trade ends here when its close has one block on top. If that block is orphaned later, the trade is closing again: the
sender broadcasts the same bytes and the same event comes back, or they fail on the new chain (which may have decided
later than the old one, so that its window is not over) and what ends trades plans anew. Quantity goes back to its orders
only when the event is final and the ledger has posted it: the hold of what trades again needs the money that it freed.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.db.models import Max, Q

from ledger import queries as ledger
from marketplace.book import actions as book
from marketplace.clearing import actions as clearing
from marketplace.clearing.models import (
    CLOSING,
    ENDED_STATUSES,
    UNLOCKED_STATUSES,
    Trade,
)
from marketplace.delivery import actions as delivery
from marketplace.delivery.models import Run
from marketplace.settlement.models import Closing
from suan.core.contract import PAID_KINDS, OutcomeKind
from suan.core.settlement import END_STATES

EVENTS_PER_SWEEP_MAX = 200
TRADES_PER_SWEEP_MAX = 200
CONFIRMATIONS = 1
ORPHANED_SECONDS = 86_400
"""So far back a close is looked for that a reorganisation took."""
STALE_SECONDS = 10
STALE_TRADES_MAX = 50

log = logging.getLogger(__name__)


def observe_closes(*, now: int) -> int:
    """Advance trades by their TradeClosed events and give back what was not used; returns how many changed.

    Idempotent: an event is applied once, however often it is read. Reads on from the last event applied, and looks up
    trades that should have closed by now one by one: nothing is missed when an event overtook its trade's lock.
    """
    seen = Closing.objects.aggregate(last=Max("event_position"))["last"] or 0
    events = ledger.events(
        name="TradeClosed", after_id=seen, confirmations=CONFIRMATIONS, limit=EVENTS_PER_SWEEP_MAX
    )
    due = Q(status=CLOSING) | Q(deliver_by__lte=now)
    stale = Trade.objects.exclude(status__in=(*ENDED_STATUSES, *UNLOCKED_STATUSES)).filter(
        due, updated_at__lte=now - STALE_SECONDS
    )
    for trade_hash in stale.order_by("updated_at").values_list("trade_hash", flat=True)[:STALE_TRADES_MAX]:
        events += ledger.events_of(name="TradeClosed", subject=trade_hash, confirmations=CONFIRMATIONS)
    return sum(_apply(event, now) for event in events)


def reopen_orphaned(*, now: int) -> int:
    """Trades whose close left the chain and has not come back are closing again; returns how many."""
    since = datetime.fromtimestamp(now - ORPHANED_SECONDS, tz=UTC)
    gone = ledger.orphaned_subjects(name="TradeClosed", since=since)
    with transaction.atomic():
        trades = Trade.objects.select_for_update().filter(trade_hash__in=gone, status__in=END_STATES.values())
        keys = [trade.pk for trade in trades.order_by("id")]
        Closing.objects.filter(trade__in=keys).update(event_position=None, transaction="")
        return clearing.advance_trades(trades=keys, to=CLOSING, now=now)


def return_quantities(*, now: int) -> int:
    """Give back to the orders what final closes did not use; returns how many trades.

    Idempotent: the book skips a trade that came back before, so a crash between the two orders is repaired by the next
    call. Nothing is locked across the calls: each takes its product's lock itself.
    """
    waiting = Closing.objects.filter(returned_at=None, event_position__isnull=False).select_related("trade")
    count = 0
    for closing in waiting.order_by("event_position")[:TRADES_PER_SWEEP_MAX]:
        events = ledger.events_of(name="TradeClosed", subject=closing.trade.trade_hash)
        if not events or events[-1].posted_at is None or events[-1].position != closing.event_position:
            continue
        _return_quantity(closing.trade, closing, now)
        Closing.objects.filter(pk=closing.pk).update(returned_at=now, final=True)
        count += 1
    return count


def _apply(event: Any, now: int) -> bool:
    with transaction.atomic():
        trades = Trade.objects.select_for_update(of=("self",)).select_related("offer", "bid")
        trade = trades.filter(trade_hash=event.args["trade"]).first()
        if trade is None or trade.status in UNLOCKED_STATUSES:
            return False
        closing = Closing.objects.filter(trade=trade).first() or Closing(trade=trade)
        if closing.event_position == event.position and trade.status == END_STATES[OutcomeKind(closing.kind)]:
            return False
        before = (closing.kind, closing.runs_delivered, closing.units) if closing.event_position else None
        closing.kind = int(event.args["kind"])
        closing.runs_delivered = int(event.args["runs_delivered"])
        closing.units = int(event.args["units"])
        closing.event_position, closing.transaction = event.position, event.tx_hash
        _end(trade, END_STATES[OutcomeKind(closing.kind)], now)
        if before is None:
            _end_open_runs(trade, now)
        elif before != (closing.kind, closing.runs_delivered, closing.units):
            log.warning(
                "%s closed in another way after a reorg: %s, then %s", trade.trade_id, before, event.args
            )
        closing.save()
    return True


def _end(trade: Trade, to: str, now: int) -> None:
    if trade.status == to:
        return
    if trade.status in ENDED_STATUSES:
        clearing.advance_trades(trades=[trade.pk], to=CLOSING, now=now)
    clearing.advance_trades(trades=[trade.pk], to=to, now=now)


def _end_open_runs(trade: Trade, now: int) -> None:
    """Runs of a trade that somebody closed meanwhile (a refund by anyone) take no receipt and no verdict any more."""
    runs = Run.objects.select_for_update().filter(trade=trade).exclude(status__in=delivery.CONCLUDED_STATUSES)
    for run in runs.order_by("id"):
        delivery.conclude_run(run=run, verified=False, reason="the trade was closed on chain", now=now)


def _return_quantity(trade: Trade, closing: Closing, now: int) -> None:
    """What the chain gave back to the orders (consumed fell by it) may trade again under the same signatures."""
    used = closing.units if closing.kind in PAID_KINDS else 0
    units = trade.runs * trade.ceiling_units - used
    runs = _undelivered(trade, closing)
    if units:
        book.return_quantity(
            order_hash=trade.offer_hash, quantity=units, run_ranges=[], trade_id=trade.trade_id, now=now
        )
    if runs:
        book.return_quantity(
            order_hash=trade.bid_hash,
            quantity=sum(count for _, count in runs),
            run_ranges=runs,
            trade_id=trade.trade_id,
            now=now,
        )


def _undelivered(trade: Trade, closing: Closing) -> list[list[int]]:
    """[first, count] ranges of the runs that the buyer did not get, as many as the chain says."""
    every = range(trade.first_run, trade.first_run + trade.runs)
    paid = set()
    if closing.kind in PAID_KINDS:
        verified = Run.objects.filter(trade=trade, status="verified").order_by("index")
        paid = set(verified.values_list("index", flat=True)[: closing.runs_delivered])
    ranges: list[list[int]] = []
    for index in every:
        if index in paid:
            continue
        if ranges and ranges[-1][0] + ranges[-1][1] == index:
            ranges[-1][1] += 1
        else:
            ranges.append([index, 1])
    return ranges
