"""What the exchange does about disputes, as anybody may: it shows the receipts that are asked for, ends what nobody rules on,
and frees the bonds of claims that were open when their trade ended.

Everything is read from the chain's events and from published evidence, so a restored database and a second sweep plan the
same transactions. Times are unix seconds, given by the caller; the contract compares them with the chain's clock.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from itertools import islice, takewhile
from typing import Any

from django.db.models import F, QuerySet

from ledger import outbox
from ledger import queries as ledger
from marketplace.clearing.models import Trade
from marketplace.problems import NotReady
from marketplace.settlement.evidence import published_answers
from marketplace.settlement.lockbatches import BatchUnknown, LockBatch, lock_batch_of
from suan.core.contract import OutcomeKind, encode_reclaim, encode_reveal, encode_time_out, prove_records
from suan.core.encoding import from_hex, to_hex
from suan.core.settlement import end_of, open_claims, receipts_asked

SIGNER = "relayer"
TRADES_PER_SWEEP_MAX = 200
TIMEOUTS_MAX = 50
TRIES_MAX = 3
"""Of an answer or a reclaim: what reverted may have come too early for the chain, or what it answered was claimed again."""
CLOCK_SECONDS = 1
"""The chain's clock may be behind ours by a block."""
log = logging.getLogger(__name__)


def answer_claims(*, now: int) -> int:
    """Plan reveal(...) for each receipt that a challenger asks for and that published evidence has; returns how many.

    An honest trade is refunded if nobody answers, so no dispute of others may keep this one from its turn.
    """
    if ledger.is_halted():
        return 0
    planned = (_answer_safely(trade, now) for trade in _disputed().order_by("id"))
    return sum(islice(filter(None, planned), TRADES_PER_SWEEP_MAX))


def time_out_disputed(*, now: int) -> int:
    """Plan timeOut(...) for disputes that end without a ruling, because a receipt is missing or nobody ruled; returns how many.

    One that was too early for the chain's clock is planned again one window later.
    """
    if ledger.is_halted():
        return 0
    planned = (_time_out(trade, now) for trade in _disputed().order_by("id"))
    return sum(islice(filter(None, planned), TRADES_PER_SWEEP_MAX))


def reclaim_bonds() -> int:
    """Plan reclaim(...) for the claims that were still open when their trade ended; returns how many."""
    if ledger.is_halted():
        return 0
    ended = (
        Trade.objects.filter(
            ledger.was_told("DisputeOpened", of="trade_hash"), ledger.was_told("TradeClosed", of="trade_hash")
        )
        .alias(
            claims=ledger.times_told("DisputeOpened", of="trade_hash"),
            ends=ledger.times_told("ClaimEnded", of="trade_hash"),
        )
        .filter(claims__gt=F("ends"))
    )
    planned = (_reclaim(trade) for trade in ended.order_by("id"))
    return sum(islice(filter(None, planned), TRADES_PER_SWEEP_MAX))


def _disputed() -> QuerySet[Trade]:
    return Trade.objects.filter(
        ledger.was_told("DisputeOpened", of="trade_hash"), ~ledger.was_told("TradeClosed", of="trade_hash")
    )


def _answer_safely(trade: Trade, now: int) -> int:
    """One settlement that cannot be read costs its own trade, and no other."""
    try:
        return _answer(trade, now)
    except Exception:
        log.exception("receipts of %s are not shown", trade.trade_id)
        return 0


def _answer(trade: Trade, now: int) -> int:
    asked = receipts_asked(open_claims(_told(trade, "DisputeOpened"), _told(trade, "ClaimEnded")))
    keys = {
        int(claim["run"]): (claim, key)
        for claim in asked
        if now < claim["reveal_by"]
        and (key := _free_key(f"reveal:{trade.trade_hash}:{claim['run']}")) is not None
    }
    if not keys:
        return 0
    try:
        batch = lock_batch_of(trade.trade_hash)
        answers = published_answers(_disputed_root(batch, asked[0]["verdict"]))
    except (BatchUnknown, NotReady) as error:
        log.warning("receipts of %s are not shown now: %s", trade.trade_id, error)
        return 0
    record, count = batch.records[batch.index_of(from_hex(trade.trade_hash))], 0
    for run, (claim, key) in keys.items():
        shown = answers.to(record.trade, run, OutcomeKind(claim["kind"]))
        if shown is None:
            log.error("run %d of %s: no published evidence answers its challenger", run, trade.trade_id)
            continue
        _plan(key, encode_reveal(batch=batch.id, record=record, run=run, shown=shown))
        count += 1
    return count


def _time_out(trade: Trade, now: int) -> int:
    window = ledger.deployment().dispute_window
    revealed = ledger.events_of(name="ReceiptRevealed", subject=trade.trade_hash)
    end = end_of(
        _told(trade, "DisputeOpened"),
        _told(trade, "ClaimEnded"),
        revealed_at=[event.block.timestamp for event in revealed],
        window=window,
    )
    planned = _timeouts_of(trade)
    tries = len(planned)
    due = end.due + tries * window
    if now <= due + CLOCK_SECONDS or tries >= TIMEOUTS_MAX or (planned and planned[-1].status != "failed"):
        return 0
    try:
        batch = lock_batch_of(trade.trade_hash)
    except BatchUnknown as error:
        log.warning("the dispute of %s is not ended now: %s", trade.trade_id, error)
        return 0
    proven = prove_records(batch.records, [batch.index_of(from_hex(trade.trade_hash))])
    _plan(_timeout_key(trade, tries), encode_time_out(head=batch.head, proven=proven))
    return 1


def _reclaim(trade: Trade) -> int:
    left = receipts_asked(open_claims(_told(trade, "DisputeOpened"), _told(trade, "ClaimEnded")))
    keys = {
        run: key
        for run in (int(claim["run"]) for claim in left)
        if (key := _free_key(f"reclaim:{trade.trade_hash}:{run}")) is not None
    }
    if not keys:
        return 0
    try:
        batch = lock_batch_of(trade.trade_hash)
    except BatchUnknown as error:
        log.warning("bonds of %s are not freed now: %s", trade.trade_id, error)
        return 0
    proven = prove_records(batch.records, [batch.index_of(from_hex(trade.trade_hash))])
    for run, key in keys.items():
        _plan(key, encode_reclaim(head=batch.head, proven=proven, run=run))
    return len(keys)


def _told(trade: Trade, name: str) -> list[Mapping[str, Any]]:
    return [event.args for event in ledger.events_of(name=name, subject=trade.trade_hash)]


def _disputed_root(batch: LockBatch, verdict: str) -> str:
    """The receipts root of a verdict, in the chain's words. Raises BatchUnknown."""
    for event in ledger.events_of(name="BatchDecided", subject=to_hex(batch.id)):
        if event.args["verdict"] == verdict:
            return str(event.args["receipts_root"])
    raise BatchUnknown(f"no canonical BatchDecided event of verdict {verdict}")


def _free_key(stem: str) -> str | None:
    """The key of the next transaction for what one did not end; None while one is on its way, or after TRIES_MAX."""
    for number in range(1, TRIES_MAX + 1):
        key = stem if number == 1 else f"{stem}:{number}"
        planned = ledger.outgoing(key)
        if planned is None:
            return key
        if planned.status not in ("failed", "final"):
            return None
    return None


def _timeouts_of(trade: Trade) -> list[Any]:
    """The transactions with timeOut(...) that were planned for a trade, in their order."""
    tried = (ledger.outgoing(_timeout_key(trade, number)) for number in range(TIMEOUTS_MAX))
    return list(takewhile(lambda planned: planned is not None, tried))


def _timeout_key(trade: Trade, tries: int) -> str:
    return f"timeout:{trade.trade_hash}:{tries + 1}"


def _plan(key: str, calldata: bytes) -> None:
    outbox.plan(key=key, signer=SIGNER, to=ledger.deployment().market, calldata=calldata)
