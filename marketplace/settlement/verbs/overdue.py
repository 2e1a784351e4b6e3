"""The ways out when a verdict does not come in time: attest, refund, pay what was attested.

The contract opens them to anybody; the exchange uses them itself so that nobody has to. Times are unix seconds, given
by the caller; the chain's own clock decides in the end: what comes too early or too late is refused there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from django.db import transaction
from django.db.models import QuerySet

from ledger import outbox
from ledger import queries as ledger
from marketplace.clearing.models import CLOSING, Trade
from marketplace.delivery.models import Run
from marketplace.receipts import queries as receipts
from marketplace.settlement import queries
from marketplace.settlement.lockbatches import BatchUnknown, LockBatch, lock_batch_of
from marketplace.settlement.models import Attestation
from marketplace.settlement.queries import UNCLOSED
from marketplace.settlement.verbs import quorum
from suan.core.contract import (
    encode_attest_delivery,
    encode_pay_attested,
    encode_refund,
    pay_attested_after,
    prove_records,
)
from suan.core.delivery import ExitReason
from suan.core.encoding import from_hex, keccak, to_hex
from suan.core.signing import DeliveryAttestation, market_domain
from suan.core.units import WorkUnits, billed_units

TRADES_PER_SWEEP_MAX = 200
SIGNER = "relayer"

log = logging.getLogger(__name__)


def refund_overdue(*, now: int) -> int:
    """Plan refund(...) for trades past refund_after without a verdict; returns how many trades.

    Such trades exist only when verification or our own closes stood still: in good order every trade is closed before.
    A trade with a timely delivery is left alone for twice the grace, in which its verdict or attestation may come.
    """
    grace = ledger.deployment().verification_grace
    overdue = _unclosed().filter(deliver_by__lte=now - grace).order_by("lock_batch_id", "index")
    due = [trade for trade in overdue[:TRADES_PER_SWEEP_MAX] if _may_refund(trade, now, grace)]
    return sum(_plan_refund(trades) for trades in _by_lock_batch(due))


def refund_given_up(*, now: int) -> int:
    """Plan refund(...) for trades that their provider gave up, once the window is over; returns how many trades.

    Soon, because until then a provider that gave up can still take its bond home, whatever it delivers. A delivery that
    waits for its verdict is left to it.
    """
    given_up = _unclosed().filter(ledger.was_told("TradeGivenUp", of="trade_hash")).exclude(status=CLOSING)
    due = [
        trade
        for trade in given_up.order_by("lock_batch_id", "index")[:TRADES_PER_SWEEP_MAX]
        if now >= _noted(trade) and not _waits(trade)
    ]
    return sum(_plan_refund(trades) for trades in _by_lock_batch(due))


def attest_waiting(*, now: int, lead_seconds: int) -> int:
    """Propose attestDelivery(...) for trades that were delivered and whose verdict may miss refund_after.

    Within `lead_seconds` before refund_after; the units are those that the receipts state, billed by the usual rule.
    A verdict that comes later still decides. Rejected and undecided receipts are not attested. Returns how many.
    """
    grace = ledger.deployment().verification_grace
    near = _unclosed().filter(
        deliver_by__gt=now - grace, deliver_by__lte=now - grace + lead_seconds, attestation__isnull=True
    )
    return sum(_attest(trade, now) for trade in near.order_by("deliver_by", "id")[:TRADES_PER_SWEEP_MAX])


def attest_agreed(*, now: int) -> int:
    """Plan attestDelivery(...) where enough verifiers have signed what was proposed; returns how many."""
    count = 0
    waiting = queries.proposed_attestations().order_by("id")
    for key in waiting.values_list("pk", flat=True)[:TRADES_PER_SWEEP_MAX]:
        with transaction.atomic():
            attestation = (
                Attestation.objects.select_for_update(of=("self",)).select_related("trade").get(pk=key)
            )
            if attestation.planned_at is not None:
                continue
            try:
                count += _plan_attest(attestation, lock_batch_of(attestation.trade.trade_hash), now)
            except BatchUnknown as error:
                log.warning("%s is not planned now: %s", attestation, error)
    return count


def pay_attested(*, now: int) -> int:
    """Plan payAttested(...) for attested trades that no verdict reached in twice the grace; returns how many."""
    grace = ledger.deployment().verification_grace
    late = Attestation.objects.filter(pay_key="", trade__status__in=UNCLOSED).select_related("trade")
    count = 0
    for attestation in late.order_by("id")[:TRADES_PER_SWEEP_MAX]:
        if now < pay_attested_after(attestation.trade.deliver_by, grace):
            continue
        if not ledger.events_of(name="DeliveryAttested", subject=attestation.trade.trade_hash):
            continue
        count += _plan_pay(attestation)
    return count


def _unclosed() -> QuerySet[Trade]:
    return Trade.objects.filter(status__in=UNCLOSED, closing__event_position=None)


def _may_refund(trade: Trade, now: int, grace: int) -> bool:
    if ledger.events_of(name="DeliveryAttested", subject=trade.trade_hash):
        return False
    return not _waits(trade) or now >= pay_attested_after(trade.deliver_by, grace)


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


def _attest(trade: Trade, now: int) -> int:
    """Propose what the receipts of a trade state, and plan it if our own signature is enough."""
    runs, units = _delivered(trade)
    if not runs:
        return 0
    try:
        batch = lock_batch_of(trade.trade_hash)
    except BatchUnknown as error:
        log.warning("the delivery of %s is not attested now: %s", trade.trade_id, error)
        return 0
    deployment = ledger.deployment()
    statement = DeliveryAttestation(
        batch=batch.id, trade=from_hex(trade.trade_hash), runs_delivered=runs, units=units
    )
    digest = statement.digest(market_domain(deployment.chain_id, deployment.market))
    with transaction.atomic():
        attestation = Attestation.objects.create(
            trade=trade,
            runs_delivered=runs,
            units=units,
            digest=to_hex(digest),
            outgoing_key=f"attest:{trade.trade_hash}:{runs}",
            proposed_at=now,
        )
        quorum.answer_ourselves(digest, now=now)
        _plan_attest(attestation, batch, now)
    return 1


def _plan_attest(attestation: Attestation, batch: LockBatch, now: int) -> bool:
    """Plan an attestation if it has its signatures. Runs in the transaction of the caller, who holds its row."""
    signatures = quorum.signatures(attestation.digest)
    if signatures is None:
        return False
    deployment, trade = ledger.deployment(), attestation.trade
    calldata = encode_attest_delivery(
        head=batch.head,
        verifiers=deployment.verifier_set.key_set,
        proven=prove_records(batch.records, [batch.index_of(from_hex(trade.trade_hash))]),
        runs_delivered=attestation.runs_delivered,
        units=attestation.units,
        signatures=signatures,
    )
    outbox.plan(key=attestation.outgoing_key, signer=SIGNER, to=deployment.market, calldata=calldata)
    attestation.signatures, attestation.planned_at = [to_hex(one) for one in signatures], now
    attestation.save(update_fields=["signatures", "planned_at"])
    return True


def _plan_pay(attestation: Attestation) -> int:
    trade = attestation.trade
    try:
        batch = lock_batch_of(trade.trade_hash)
    except BatchUnknown as error:
        log.warning("the attested delivery of %s is not paid now: %s", trade.trade_id, error)
        return 0
    index = batch.index_of(from_hex(trade.trade_hash))
    calldata = encode_pay_attested(
        head=batch.head,
        verifiers=ledger.deployment().verifier_set.key_set,
        proven=prove_records(batch.records, [index]),
    )
    with transaction.atomic():
        attestation.pay_key = f"pay:{trade.trade_hash}"
        attestation.save(update_fields=["pay_key"])
        outbox.plan(key=attestation.pay_key, signer=SIGNER, to=ledger.deployment().market, calldata=calldata)
    return 1


def _delivered(trade: Trade) -> tuple[int, int]:
    """(runs delivered and not found false, their billed units as the receipts state them)."""
    units = []
    for run in Run.objects.filter(trade=trade, status__in=("delivered", "verified")).select_related(
        "receipt"
    ):
        if ExitReason(run.receipt.exit_reason).delivers:
            claimed = receipts.claimed_units(run.receipt, trade.symbol)
            units.append(billed_units(claimed, WorkUnits(trade.ceiling_units)))
    return len(units), sum(units)
