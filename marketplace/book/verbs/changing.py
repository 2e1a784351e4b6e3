"""What happens to an order after it was taken in: fills, returns, cancellation, expiry. Via `book.actions`.

Every change is one execution report and re-cuts the order's hold to what may still trade. Locks, in this order: the
product, the orders by id, the journal's accounts. A trade fills an order once and comes back once, however often the
caller repeats itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q

from ledger import custodial, journal
from ledger import queries as ledger_queries
from ledger.errors import InsufficientFunds
from ledger.queries import deployment
from marketplace.accounts import actions as accounts
from marketplace.accounts.models import Participant
from marketplace.book import queries
from marketplace.book.models import (
    CANCELED,
    EXPIRED,
    FILLED,
    NEW,
    OPEN_STATUSES,
    PARTIALLY_FILLED,
    REJECTED,
    ChainCursor,
    ExecutionReport,
    Order,
)
from marketplace.book.quantities import count, hold_amount, joined, tradable, without
from marketplace.book.verbs import publishing
from marketplace.problems import Conflict, Forbidden, Refused
from marketplace.times import moment
from suan.core.contract import PLACES
from suan.core.encoding import from_hex, to_hex
from suan.core.lifecycle import Kind, advance, is_end
from suan.core.signing import BadSignature, Cancel, market_domain, recover

EXPIRE_MAX = 500
CHAIN_CANCELS_MAX = 500


@dataclass(frozen=True)
class Fill:
    """One order's side of a trade.

    quantity: runs of a bid, work units of an offer. runs: (first, count) ranges of a bid, () of an offer.
    price: base units per GFLOPS·h. lock: base units that the trade holds from this side (payment or bond), which move
    from the order's hold to the hold `trade:<trade id>:payment` or `:bond`.
    """

    order_hash: str
    quantity: int
    price: int
    trade_id: str
    lock: int
    runs: tuple[tuple[int, int], ...] = ()


def record_fills(*, fills: Sequence[Fill], now: int) -> list[Order]:
    """Take the fills of one clearing off their orders; returns the orders that changed.

    Call it in the transaction that stores the trades, under `queries.lock_product`. For each order its hold is split
    into one hold per trade and the rest, so the money never becomes free in between. Fills that were recorded before
    are skipped. Raises ValueError for a fill that the order cannot bear (a bug of the caller).
    """
    by_order: dict[str, list[Fill]] = {}
    for fill in fills:
        by_order.setdefault(fill.order_hash, []).append(fill)
    changed = []
    with transaction.atomic():
        orders = _locked(by_order)
        journal.lock(addresses=[order.maker for order in orders])
        for order in orders:
            known = set(_trades(order, "trade"))
            fresh = [fill for fill in by_order[order.order_hash] if fill.trade_id not in known]
            if fresh:
                _fill(order, fresh, now)
                changed.append(order)
    return changed


def return_quantity(
    *,
    order_hash: str,
    quantity: int,
    run_ranges: Iterable[Sequence[int]],
    trade_id: str,
    now: int,
    locked: bool = True,
) -> Order:
    """Give back what a trade did not use: work units to an offer, whole runs (with their ranges) to a bid.

    locked: the trade was locked on chain and closed, so the quantity may trade again until deliver_by even after
    valid_until; False for a trade that the chain never accepted. Void or post the trade's own hold first: the order's
    hold is then taken anew, and an order whose money is gone is canceled with that reason. Repeats are skipped.
    A canceled or expired order takes its quantity back and stays what it is.
    """
    with transaction.atomic():
        symbol = Order.objects.values_list("symbol", flat=True).get(order_hash=order_hash)
        queries.lock_product(symbol)
        order = _locked([order_hash])[0]
        if trade_id in _trades(order, "trade_cancel"):
            return order
        if not 0 < quantity <= order.cum_quantity:
            raise ValueError(f"{trade_id} returns {quantity} of {order.cum_quantity} to {order.order_id}")
        ranges = [list(part) for part in run_ranges]
        if order.is_bid:
            if count(ranges) != quantity:
                raise ValueError(f"{trade_id} returns {quantity} runs but names {count(ranges)}")
            order.free_runs = joined(order.free_runs, ranges)
        order.cum_quantity -= quantity
        order.leaves_quantity += quantity
        order.headroom_quantity += quantity if locked else 0
        _move(order, _status_of(order, now))
        _save(order, now)
        _report(order, "trade_cancel", now, quantity=quantity, trade_id=trade_id, ranges=ranges)
        _hold_what_may_trade(order, now)
    return order


def cancel_order(
    *, participant: Participant, order_id: str, signature: bytes | None, on_chain: bool, now: int
) -> Order:
    """Take what is left of an order out of the book, and keep out what comes back of a filled one. Idempotent.

    The maker's Cancel signature, made by the platform for custodial accounts, is published, so that an auditor knows
    why later auctions leave the order out. on_chain: relay it too, and the contract refuses the order from then on,
    whatever others may hold. Raises NotFound, Forbidden, Refused, Conflict.
    """
    order = queries.order_by_id(order_id)
    if order.participant_id != participant.pk:
        raise Forbidden("The order belongs to another account; only its maker cancels it.")
    signed = _cancel_signature(participant, order, signature)
    with transaction.atomic():
        queries.lock_product(order.symbol)
        order = _locked([order.order_hash])[0]
        if order.order_status in (FILLED, EXPIRED, REJECTED) and not on_chain:
            raise Conflict(
                f"The order is {order.order_status}: nothing of it is in the book. Nothing was changed."
            )
        if order.order_status != CANCELED:
            order.cancel_signature = to_hex(signed)
            order.evidence_published = False
            _cancel(order, now, text="canceled by its maker")
            transaction.on_commit(lambda: publishing.publish_order(order), robust=True)
        if on_chain:
            accounts.relay_cancel(
                participant=participant,
                order_hash=from_hex(order.order_hash),
                side=order.side,
                nonce=order.nonce,
                signature=signed,
                now=now,
            )
    return order


def expire_orders(now: int) -> int:
    """Take orders whose time is over out of the book and free their money; returns how many changed.

    After valid_until an order that traded keeps trading what comes back from closed trades, until deliver_by; what
    never traded is free at once.
    """
    late = Order.objects.filter(order_status__in=OPEN_STATUSES, valid_until__lte=now).filter(
        Q(deliver_by__lte=now) | Q(cum_quantity=0, headroom_quantity=0) | Q(trimmed=False)
    )
    changed = 0
    for order_hash, symbol in late.order_by("id").values_list("order_hash", "symbol")[:EXPIRE_MAX]:
        with transaction.atomic():
            queries.lock_product(symbol)
            order = _locked([order_hash])[0]
            if not order.is_open or now < order.valid_until:
                continue
            if _move(order, _status_of(order, now)) == EXPIRED:
                _report(order, "expired", now, text="its time is over")
            order.trimmed = True
            _save(order, now)
            _hold_what_may_trade(order, now)
            changed += 1
    return changed


def apply_chain_cancels(now: int) -> int:
    """Take orders out of the book that their makers cancelled on chain, by themselves; returns how many."""
    with transaction.atomic():
        cursor, _ = ChainCursor.objects.select_for_update().get_or_create(name="OrderCancelled")
        events = ledger_queries.events(
            name="OrderCancelled", after_id=cursor.position, confirmations=1, limit=CHAIN_CANCELS_MAX
        )
    done = 0
    for event in events:
        ended = Order.objects.filter(
            maker=event.args["maker"], side=event.args["side"], nonce__lte=event.args["nonce"]
        )
        for order in ended.filter(order_status__in=OPEN_STATUSES):
            if order.nonce % PLACES == event.args["nonce"] % PLACES:
                done += _cancel_under_locks(order, now, text="canceled on chain by its maker")
    if events:
        ChainCursor.objects.filter(name="OrderCancelled", position__lt=events[-1].position).update(
            position=events[-1].position
        )
    return done


def cancel_uncovered(now: int) -> int:
    """Cancel orders, newest first, of accounts whose money left by the chain while orders held it; returns how many."""
    done = 0
    for address in ledger_queries.overcommitted_addresses():
        rows = Order.objects.filter(maker=address, order_status__in=OPEN_STATUSES).order_by("-sequence")
        for order in rows:
            if ledger_queries.balances(address).available >= 0:
                break
            done += _cancel_under_locks(
                order, now, text="its money was withdrawn on chain; deposit and order again"
            )
    return done


def _cancel_under_locks(order: Order, now: int, *, text: str) -> int:
    with transaction.atomic():
        queries.lock_product(order.symbol)
        row = _locked([order.order_hash])[0]
        if is_end(Kind.ORDER, row.order_status):
            return 0
        _cancel(row, now, text=text)
    return 1


def _locked(order_hashes: Iterable[str]) -> list[Order]:
    """The orders with their rows locked, by id."""
    wanted = list(order_hashes)
    rows = list(Order.objects.select_for_update().filter(order_hash__in=wanted).order_by("id"))
    if len(rows) != len(set(wanted)):
        raise ValueError(f"{len(set(wanted)) - len(rows)} of {len(set(wanted))} orders are not in the book")
    return rows


def _trades(order: Order, exec_type: str) -> list[str]:
    return list(order.execution_reports.filter(exec_type=exec_type).values_list("trade_id", flat=True))


def _fill(order: Order, fills: list[Fill], now: int) -> None:
    parts: dict[str, int] = {}
    hold_of = journal.keys.payment_hold if order.is_bid else journal.keys.bond_hold
    if not order.is_open:
        raise ValueError(f"{order.order_id} is {order.order_status} and cannot trade")
    for fill in fills:
        if not 0 < fill.quantity <= order.leaves_quantity:
            raise ValueError(
                f"{fill.trade_id} takes {fill.quantity} of {order.leaves_quantity} of {order.order_id}"
            )
        if order.is_bid:
            if count(fill.runs) != fill.quantity:
                raise ValueError(f"{fill.trade_id} takes {fill.quantity} runs but names {count(fill.runs)}")
            order.free_runs = without(order.free_runs, fill.runs)
        order.cum_quantity += fill.quantity
        order.leaves_quantity -= fill.quantity
        order.headroom_quantity = max(order.headroom_quantity - fill.quantity, 0)
        _move(order, _status_of(order, now))
        if fill.lock:
            parts[hold_of(fill.trade_id)] = fill.lock
        _report(
            order,
            "trade",
            now,
            quantity=fill.quantity,
            price=fill.price,
            trade_id=fill.trade_id,
            ranges=[list(part) for part in fill.runs],
        )
    rest = _needed(order, now)
    if parts:
        journal.split(key=order.hold_key, parts=parts, rest=rest, memo="order filled")
    elif order.hold_version:
        journal.resize(key=order.hold_key, amount=rest, memo="order filled")
    order.held = rest
    _save(order, now)


def _cancel(order: Order, now: int, *, text: str) -> None:
    _move(order, CANCELED)
    order.reject_reason = text
    _save(order, now)
    _report(order, "canceled", now, text=text)
    _hold_what_may_trade(order, now)


def _status_of(order: Order, now: int) -> str:
    """What the order is at `now`, from its quantities and times; an ended one stays what it is."""
    if is_end(Kind.ORDER, order.order_status):
        return order.order_status
    if order.leaves_quantity == 0:
        return FILLED
    over = now >= order.deliver_by or (order.cum_quantity == 0 and not tradable(order, now))
    if over:
        return EXPIRED
    return PARTIALLY_FILLED if order.cum_quantity else NEW


def _move(order: Order, status: str) -> str:
    if status != order.order_status:
        order.order_status = advance(Kind.ORDER, order.order_status, status)
    return order.order_status


def _needed(order: Order, now: int) -> int:
    chain = deployment()
    open_quantity = tradable(order, now) if order.is_open else 0
    return hold_amount(order, open_quantity, bond_bps=chain.bond_bps, bond_floor_price=chain.bond_floor_price)


def _hold_what_may_trade(order: Order, now: int) -> None:
    """Make the hold fit; an order whose money is not there any more leaves the book."""
    needed = _needed(order, now)
    if needed == order.held:
        return
    try:
        if order.hold_version:
            journal.resize(key=order.hold_key, amount=needed, memo=f"order {order.order_status}")
        else:
            journal.hold(account=order.maker, amount=needed, key=order.hold_key, memo="order reopened")
            order.hold_version = 1
        order.held = needed
    except InsufficientFunds:
        _release(order)
        _move(order, CANCELED)
        order.reject_reason = "the money that it needs is not free any more; deposit and order again"
        _report(order, "canceled", now, text=order.reject_reason)
    _save(order, now)


def _release(order: Order) -> None:
    if order.hold_version:
        journal.resize(key=order.hold_key, amount=0, memo="order canceled: not covered")
    order.held = 0


def _save(order: Order, now: int) -> None:
    order.updated_at = moment(now)
    order.save()


def _report(
    order: Order,
    exec_type: str,
    now: int,
    *,
    quantity: int = 0,
    price: int | None = None,
    trade_id: str = "",
    ranges: Sequence[Sequence[int]] = (),
    text: str = "",
) -> None:
    ExecutionReport.objects.create(
        order=order,
        exec_type=exec_type,
        order_status=order.order_status,
        last_quantity=quantity,
        last_price=price,
        cum_quantity=order.cum_quantity,
        leaves_quantity=order.leaves_quantity,
        trade_id=trade_id,
        run_ranges=[list(part) for part in ranges],
        text=text,
        transact_at=now,
    )


def _cancel_signature(participant: Participant, order: Order, signature: bytes | None) -> bytes:
    chain = deployment()
    domain = market_domain(chain.chain_id, chain.market)
    digest = Cancel(maker=order.maker, side=order.side, nonce=order.nonce).digest(domain)
    if signature is None:
        if order.cancel_signature:
            return from_hex(order.cancel_signature)
        if not participant.custodial:
            raise Refused.one(
                "signature",
                "missing",
                "the key is in your wallet, so the wallet signs Cancel; send its signature.",
            )
        return custodial.sign_digest(participant.address, digest)
    try:
        signer = recover(digest, signature)
    except BadSignature as error:
        raise Refused.one("signature", "bad_signature", f"{error}; sign the typed data again.") from None
    if signer != order.maker:
        text = (
            f"it recovers to {signer}, not to the maker {order.maker}: another key signed, or the chain id "
            f"({domain.chain_id}), the contract ({domain.verifying_contract}) or the order differs."
        )
        raise Refused.one("signature", "wrong_signer", text)
    return signature
