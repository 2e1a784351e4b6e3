"""From matched trades to locked ones: one open(...) for many, and what the chain said about each. Via
`clearing.actions`.

A trade is locked when its TradeLocked event has one block on top. A refusal (FillRejected, or a
failed transaction) counts only when it is final: then the trade ends, its holds are let go, and runs
and units return to their orders. Until then a reorganisation can still turn either answer around, and
nothing has to be taken back. Locks, in this order: the product, trades and orders by id, the
journal's accounts.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction

from ledger import journal, outbox
from ledger import queries as ledger
from marketplace.book import actions as book_actions
from marketplace.book import queries as book
from marketplace.book.models import Order
from marketplace.book.verbs.nonces import PLACES
from marketplace.clearing import queries
from marketplace.clearing.models import (
    BATCH_FAILED,
    BATCH_FINAL,
    BATCH_INCLUDED,
    BATCH_PLANNED,
    BATCH_SENT,
    CLOSING,
    DELIVERED,
    LOCKED,
    LOCKING,
    MATCHED,
    REJECTED,
    TRADE_STATUSES,
    VERIFIED,
    LockBatch,
    Trade,
)
from suan.core.clearing import seconds_to_work
from suan.core.contract import Clearing as ChainClearing
from suan.core.contract import Fill as ChainFill
from suan.core.contract import encode_open
from suan.core.encoding import from_hex
from suan.core.lifecycle import Kind, allowed_from

BATCH_FILLS_MAX = 100
LOCK_ATTEMPTS_MAX = 3
TOO_LATE, FAILED = 2, 0
REASONS = {
    0: "the transaction that should lock it failed",
    1: "a signature does not hold",
    2: "too late to start",
    3: "an order was canceled on chain",
    4: "an order names another verifier set",
    5: "the products differ",
    6: "the price is outside a limit",
    7: "not enough of an order is left on chain",
    8: "the buyer's account does not cover the payment",
    9: "the provider's account does not cover the bond",
    10: "the fee is above an order's maximum",
    11: "a delegate may not sign this",
    12: "both orders have one maker",
    13: "the runs are outside the bid",
    14: "an order is on the wrong side",
    15: "deliver by is too far ahead",
}
LOCK_KEY = 0x5375616E4C6F636B

log = logging.getLogger(__name__)


def lock_trades(*, now: int, pace_seconds: float) -> LockBatch | None:
    """Plan one open(...) for the oldest matched trades, once there are 100 or the oldest waited
    `pace_seconds`.

    Batch, trades and outgoing transaction are written together. Returns the batch, or None if there
    is none to plan.
    """
    if queries.market_stands_still():
        return None
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK_KEY])
            if not cursor.fetchone()[0]:
                return None
        _drop_late(now)
        trades = _ripe(now, pace_seconds)
        if not trades:
            return None
        trades, calldata = _encode_what_fits(trades)
        number = (LockBatch.objects.order_by("-id").values_list("id", flat=True).first() or 0) + 1
        batch = LockBatch.objects.create(
            outgoing_key=f"lock:{number}",
            verifier_set=trades[0].verifier_set,
            fill_count=len(trades),
            planned_at=now,
        )
        for position, trade in enumerate(trades):
            trade.lock_batch, trade.position, trade.index = batch, position, None
            trade.status, trade.updated_at = LOCKING, now
            trade.lock_attempts += 1
        Trade.objects.bulk_update(
            trades, ["lock_batch", "position", "index", "status", "updated_at", "lock_attempts"]
        )
        outbox.plan(
            key=batch.outgoing_key, signer="operator", to=ledger.deployment().market, calldata=calldata
        )
    return batch


def observe_locks(*, now: int) -> int:
    """Take over what the chain says about open lock batches, and about those that it forgot after they were final; returns
    how many batches changed. Idempotent."""
    batches = [*queries.rewound_lock_batches(now=now), *queries.open_lock_batches()]
    return sum(_observe(batch.pk, now) for batch in batches)


def advance_trades(*, trades: Sequence[int], to: str, now: int) -> int:
    """Move trades (by pk) to a state, those that the lifecycle lets go there; returns how many moved.

    For delivery and settlement. A conditional update: a trade that is elsewhere stays where it is.
    """
    sources = [name for name in TRADE_STATUSES if to in allowed_from(Kind.TRADE, name)]
    return Trade.objects.filter(pk__in=trades, status__in=sources).update(status=to, updated_at=now)


def _drop_late(now: int) -> None:
    """Matched trades that waited so long (the market stood still) that no run could start in time."""
    for trade in queries.trades_in(MATCHED, limit=10 * BATCH_FILLS_MAX):
        if seconds_to_work(trade.deliver_by, now) == 0:
            _reject(trade.pk, code=TOO_LATE, now=now)


def _ripe(now: int, pace_seconds: float) -> list[Trade]:
    rows = Trade.objects.select_for_update(of=("self",)).filter(status=MATCHED)
    rows = rows.select_related("offer", "bid", "clearing").order_by("id")
    trades = list(rows[:BATCH_FILLS_MAX])
    if not trades or (len(trades) < BATCH_FILLS_MAX and now - trades[0].matched_at < pace_seconds):
        return []
    return [trade for trade in trades if trade.verifier_set == trades[0].verifier_set]


def _encode_what_fits(trades: list[Trade]) -> tuple[list[Trade], bytes]:
    """A prefix, about as long as possible, whose calldata a node accepts."""
    calldata = open_calldata(trades)
    while len(calldata) > outbox.CALLDATA_BYTES_MAX and len(trades) > 1:
        share = len(trades) * outbox.CALLDATA_BYTES_MAX // len(calldata)
        trades = trades[: max(1, min(share, len(trades) - 1))]
        calldata = open_calldata(trades)
    return trades, calldata


def open_calldata(trades: Sequence[Trade]) -> bytes:
    """open(...) for these trades; each order and each clearing is sent once, and fills refer to them by
    index.
    """
    offers = {trade.offer_hash: trade.offer for trade in trades}
    bids = {trade.bid_hash: trade.bid for trade in trades}
    clearings = {trade.clearing_id: trade.clearing for trade in trades}
    place = {key: index for group in (offers, bids, clearings) for index, key in enumerate(group)}
    return encode_open(
        verifier_set=from_hex(trades[0].verifier_set),
        clearings=[
            ChainClearing(from_hex(row.product), row.number, from_hex(row.order_set_root), row.price or 0)
            for row in clearings.values()
        ],
        offers=[book.struct_of(order) for order in offers.values()],
        offer_signatures=[from_hex(order.signature) for order in offers.values()],
        bids=[book.struct_of(order) for order in bids.values()],
        bid_signatures=[from_hex(order.signature) for order in bids.values()],
        fills=[
            ChainFill(
                place[trade.offer_hash],
                place[trade.bid_hash],
                place[trade.clearing_id],
                trade.first_run,
                trade.runs,
            )
            for trade in trades
        ],
    )


def _observe(batch_pk: int, now: int) -> bool:
    with transaction.atomic():
        batch = LockBatch.objects.select_for_update().get(pk=batch_pk)
        sent = ledger.outgoing(batch.outgoing_key)
        if sent is None:
            raise LookupError(f"{batch.outgoing_key} was planned together with its batch, but is gone")
        before = _state(batch)
        in_block = sent.block is not None and sent.block.canonical and not sent.reverted
        taken = batch.status in (BATCH_INCLUDED, BATCH_FINAL)
        if taken and (not in_block or sent.block.hash != batch.block_hash):
            _unlock(batch, now)
        if batch.status == BATCH_PLANNED and sent.status in ("signed", "sent"):
            batch.status = BATCH_SENT
        taken = batch.status in (BATCH_INCLUDED, BATCH_FINAL)
        if in_block and not taken and ledger.finality(sent.block) in ("safe", "final"):
            _take_over(batch, sent, now)
        changed = _state(batch) != before
        if changed:
            batch.save()
    # Rejections lock products, which come before trades and batches; so they are transactions of their own.
    if sent.status == "failed":
        return _fail(batch, sent, now)
    if batch.status == BATCH_INCLUDED and ledger.finality(sent.block) == "final":
        return _conclude(batch, now)
    return changed


def _state(batch: LockBatch) -> tuple[str, str | None]:
    """What every change of a batch's row changes too."""
    return batch.status, batch.block_hash


def _take_over(batch: LockBatch, sent: Any, now: int) -> None:
    """Write down the answer of an included open(...): locked trades with their index, refused ones with
    their code.
    """
    events = list(sent.block.events.filter(tx_hash=sent.tx_hash).order_by("log_index"))
    locked = {event.args["trade"]: event for event in events if event.name == "TradeLocked"}
    refused = {int(event.args["position"]): event for event in events if event.name == "FillRejected"}
    moving = []
    for trade in batch.trades.select_for_update(of=("self",)).filter(status=LOCKING).order_by("id"):
        event = locked.get(trade.trade_hash)
        if event is not None:
            _compare(trade, event)
            trade.index, trade.status = int(event.args["index"]), LOCKED
            trade.reject_code = None
        else:
            refusal = refused.get(int(trade.position or 0))
            trade.reject_code = int(refusal.args["code"]) if refusal else FAILED
        trade.updated_at = now
        moving.append(trade)
    Trade.objects.bulk_update(moving, ["index", "status", "reject_code", "updated_at"])
    head = next((event for event in events if event.name == "BatchLocked"), None)
    batch.status, batch.block_hash, batch.tx_hash = BATCH_INCLUDED, sent.block.hash, sent.tx_hash
    if head is not None:
        batch.batch_id, batch.root = head.args["batch_id"], head.args["root"]
        batch.chain_number, batch.count = int(head.args["number"]), int(head.args["count"])


def _compare(trade: Trade, event: Any) -> None:
    """What the contract locked is what we hold; a difference is a bug that must not pass in silence."""
    ours = (trade.payment, trade.bond, trade.price, trade.runs, trade.deliver_by)
    theirs = tuple(int(event.args[name]) for name in ("payment", "bond", "price", "runs", "deliver_by"))
    if ours != theirs:
        log.critical("%s is locked as %s on chain, our books say %s", trade.trade_id, theirs, ours)


def _unlock(batch: LockBatch, now: int) -> None:
    """The block left the chain: its trades wait for the same transaction to be included again."""
    moved = batch.trades.filter(status__in=(LOCKED, DELIVERED, VERIFIED, CLOSING)).update(
        status=LOCKING, index=None, updated_at=now
    )
    batch.trades.filter(status=LOCKING).update(reject_code=None)
    batch.status = BATCH_SENT
    batch.block_hash = batch.tx_hash = batch.batch_id = batch.root = None
    batch.chain_number = batch.count = None
    log.warning("%s left the chain, %d trades wait for it again", batch.outgoing_key, moved)


def _conclude(batch: LockBatch, now: int) -> bool:
    """The answer is final: end the trades that were refused."""
    for trade in batch.trades.filter(status=LOCKING, reject_code__isnull=False).order_by("id"):
        _reject(trade.pk, code=int(trade.reject_code or 0), now=now)
    LockBatch.objects.filter(pk=batch.pk, status=BATCH_INCLUDED).update(status=BATCH_FINAL)
    return True


def _fail(batch: LockBatch, sent: Any, now: int) -> bool:
    """The transaction can never be included: its trades are planned again, or end after some attempts."""
    for trade in batch.trades.filter(status=LOCKING).order_by("id"):
        if trade.lock_attempts >= LOCK_ATTEMPTS_MAX:
            _reject(trade.pk, code=FAILED, now=now)
        else:
            Trade.objects.filter(pk=trade.pk, status=LOCKING).update(
                status=MATCHED, lock_batch=None, position=None, index=None, reject_code=None, updated_at=now
            )
    LockBatch.objects.filter(pk=batch.pk).update(status=BATCH_FAILED, reason=sent.error[:300])
    log.error("%s failed: %s", batch.outgoing_key, sent.error)
    return True


def _reject(trade_pk: int, *, code: int, now: int) -> None:
    """End a trade that the chain does not have: let its holds go, give runs and units back to their
    orders.
    """
    with transaction.atomic():
        trade = Trade.objects.select_related("offer", "bid").get(pk=trade_pk)
        book.lock_product(trade.symbol)
        offer_fault, bid_fault = _faults(trade, code)
        moved = Trade.objects.filter(pk=trade_pk, status__in=(MATCHED, LOCKING)).update(
            status=REJECTED,
            reject_code=code,
            reject_reason=REASONS.get(code, f"code {code}"),
            offer_at_fault=offer_fault,
            bid_at_fault=bid_fault,
            updated_at=now,
        )
        if not moved:
            return
        journal.lock(addresses=[trade.provider, trade.buyer])
        for key in (trade.bond_hold, trade.payment_hold):
            if journal.pending_hold(key=key) is not None:
                journal.void(key=key, memo="the trade was not locked")
        book_actions.return_quantity(
            order_hash=trade.offer_hash,
            quantity=trade.units,
            run_ranges=(),
            trade_id=trade.trade_id,
            now=now,
            locked=False,
        )
        book_actions.return_quantity(
            order_hash=trade.bid_hash,
            quantity=trade.runs,
            run_ranges=((trade.first_run, trade.runs),),
            trade_id=trade.trade_id,
            now=now,
            locked=False,
        )


def _faults(trade: Trade, code: int) -> tuple[bool, bool]:
    """(offer, bid): which orders the refusal is about, so that only they wait before they trade again."""
    if code in (FAILED, TOO_LATE):
        return False, False
    if code in (8, 9):
        return code == 9, code == 8
    if code == 3:
        return _is_canceled(trade.offer), _is_canceled(trade.bid)
    if code in (1, 11):
        delegated = (trade.offer.signer != trade.provider, trade.bid.signer != trade.buyer)
        return delegated if any(delegated) else (True, True)
    return True, True


def _is_canceled(order: Order) -> bool:
    """Whether its maker cancelled it on chain, or a younger order in its place."""
    events = ledger.events_of(name="OrderCancelled", subject=order.maker)
    return any(
        event.args["side"] == order.side
        and event.args["nonce"] >= order.nonce
        and event.args["nonce"] % PLACES == order.nonce % PLACES
        for event in events
    )
