"""The way out when a verdict does not come in time: the refund, whether or not something was delivered.

The contract opens it to anybody; the exchange uses it itself so that nobody has to. Times are unix seconds, given by the
caller; the chain's own clock decides in the end: what comes too early or too late is refused there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from ledger import outbox
from ledger import queries as ledger
from marketplace.clearing.models import CLOSING, DELIVERED, LOCKED, VERIFIED, Trade
from marketplace.delivery.models import Run
from marketplace.settlement.lockbatches import BatchUnknown, lock_batch_of
from suan.core.contract import encode_refund, prove_records
from suan.core.encoding import from_hex, keccak, to_hex

TRADES_PER_SWEEP_MAX = 200
SIGNER = "relayer"
UNCLOSED = (LOCKED, DELIVERED, VERIFIED, CLOSING)
SIGNED = ("planned", "included")
"""Statuses of verdicts that have their signatures: what they name ends by them."""

log = logging.getLogger(__name__)


def refund_overdue(*, now: int) -> int:
    """Plan refund(...) for trades past refund_after that no signed verdict names; returns how many trades.

    Such trades exist only when verification or our own verdicts stood still: in good order every trade is decided before. A
    delivery without a verdict is refunded like none: that it is worth paying for means that k verifiers ran it again, and
    then they sign a verdict, of this one trade if need be.
    """
    grace = ledger.deployment().verification_grace
    overdue = Trade.objects.filter(
        status__in=UNCLOSED, closing__event_position=None, deliver_by__lte=now - grace
    ).exclude(closing__settlement__status__in=SIGNED)
    due = list(overdue.order_by("lock_batch_id", "index")[:TRADES_PER_SWEEP_MAX])
    return sum(_plan_refund(trades) for trades in _by_lock_batch(due))


def refund_given_up(*, now: int) -> int:
    """Plan refund(...) for trades that their provider gave up, once the window is over; returns how many trades.

    Soon, because until then a provider that gave up can still take its bond home, whatever it delivers. A delivery that
    waits for its verdict is left to it.
    """
    given_up = Trade.objects.filter(
        ledger.was_told("TradeGivenUp", of="trade_hash"), status__in=UNCLOSED, closing__event_position=None
    ).exclude(status=CLOSING)
    due = [
        trade
        for trade in given_up.order_by("lock_batch_id", "index")[:TRADES_PER_SWEEP_MAX]
        if now >= _noted(trade) and not _waits(trade)
    ]
    return sum(_plan_refund(trades) for trades in _by_lock_batch(due))


def _waits(trade: Trade) -> bool:
    """Whether something was delivered of which a verdict may still come."""
    return Run.objects.filter(trade=trade, status__in=("delivered", "verified")).exists()


def _noted(trade: Trade) -> int:
    """From when on the chain refunds a trade that was given up."""
    return int(ledger.events_of(name="TradeGivenUp", subject=trade.trade_hash)[-1].args["refund_after"])


def _by_lock_batch(trades: Sequence[Trade]) -> Iterable[list[Trade]]:
    groups: dict[int, list[Trade]] = {}
    for trade in trades:
        groups.setdefault(trade.lock_batch_id, []).append(trade)
    return groups.values()


def _plan_refund(trades: list[Trade]) -> int:
    try:
        batch = lock_batch_of(trades[0].trade_hash)
        indices = sorted(batch.index_of(from_hex(trade.trade_hash)) for trade in trades)
    except BatchUnknown as error:
        log.warning("%d overdue trades are not refunded now: %s", len(trades), error)
        return 0
    proven = prove_records(batch.records, indices)
    named = to_hex(keccak(b"".join(record.trade for record in proven.records)))
    calldata = encode_refund(head=batch.head, proven=proven)
    key = f"refund:{to_hex(batch.id)}:{named}"
    if ledger.outgoing(key) is not None:
        return 0
    outbox.plan(key=key, signer=SIGNER, to=ledger.deployment().market, calldata=calldata)
    return len(trades)
