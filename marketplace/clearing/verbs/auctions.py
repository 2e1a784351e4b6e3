"""One auction of one product: cut the book, ask the rule, write everything in one transaction. Via
`clearing.actions`.

Locks, in this order: the product, its orders by id, the journal's accounts. The product's lock
excludes placing and cancelling, so every order of the product up to the cut sequence is in the book
that is cleared. The rule itself (suan.core.clearing) proposes; nothing else decides a price or a
trade.
Growth: one pass over the product's open orders; the transaction writes one row per trade and per
filled order.
Known limit: two offers of one node are promised its whole rate each within one clearing; backlog
counts for both from the next one on.
"""

from __future__ import annotations

import hashlib
import logging

from django.db import transaction

from ledger import evidence
from ledger.queries import Deployment, deployment
from marketplace.book import actions as book_actions
from marketplace.book import queries as book
from marketplace.book.actions import Fill
from marketplace.book.queries import OpenOrder
from marketplace.clearing import queries
from marketplace.clearing.models import MATCHED, Clearing, Trade
from suan.core.clearing import (
    BidEntry,
    ClearingBook,
    ClearingDocument,
    Exclusion,
    OfferEntry,
    clear_document,
    seconds_to_work,
)
from suan.core.encoding import canonical_json, from_hex, keccak, to_hex
from suan.core.ids import product_id
from suan.core.units import Price, WorkUnits, bond, bond_price, lock_payment

SIDE_ORDERS_MAX = 5_000
PUBLISH_MAX = 50

log = logging.getLogger(__name__)


def clear_product(*, symbol: str, now: int) -> Clearing | None:
    """Run one auction of a product; None when its book did not change since the last one, or the market
    stands still.

    Writes the clearing, its trades, the fills of their orders and the holds for payment and bond in
    one transaction, and publishes the clearing after it. Repeating it is harmless: a book that was
    cleared is not cleared again.
    """
    if queries.market_stands_still():
        return None
    chain = deployment()
    with transaction.atomic():
        book.lock_product(symbol)
        found = book.open_orders(symbol, now=now)
        cut, kept_out = _cut(symbol, found, chain, now)
        digest = _digest(cut, kept_out, now)
        last = queries.last_clearing(symbol)
        # After a clearing with trades the same book again means that all of it came back: it may trade once more.
        unchanged = last is not None and last.trade_count == 0 and last.book_digest == digest
        if not cut.entries or unchanged:
            return None
        number = last.number + 1 if last else 1
        document = clear_document(cut, number=number, now=now, kept_out=kept_out)
        row = _write_clearing(document, digest)
        orders = {item.order.order_hash: item for item in found}
        trades = _write_trades(row, document, orders, chain, now)
        if trades:
            book_actions.record_fills(fills=[fill for trade in trades for fill in _fills(trade)], now=now)
        transaction.on_commit(lambda: publish_clearing(row), robust=True)
    return row


def publish_clearing(row: Clearing) -> None:
    """Put one clearing into the evidence folder. Idempotent; the row keeps the bytes until they are there."""
    evidence.publish("clearings", row.clearing_id, queries.document_bytes(row))
    Clearing.objects.filter(pk=row.pk).update(document=None)


def publish_missing() -> int:
    """Publish the clearings that a crash left unpublished; returns how many."""
    rows = list(Clearing.objects.filter(document__isnull=False).order_by("id")[:PUBLISH_MAX])
    for row in rows:
        publish_clearing(row)
    return len(rows)


def _cut(
    symbol: str, found: list[OpenOrder], chain: Deployment, now: int
) -> tuple[ClearingBook, tuple[Exclusion, ...]]:
    """The book at this moment, and the orders that stay out of it with their reasons."""
    offers = [item for item in found if not item.order.is_bid]
    bids = [item for item in found if item.order.is_bid]
    kept_out = [
        # One open(...) carries one verifier set; an order for another one waits until the deployment names it.
        Exclusion(from_hex(item.order.order_hash), "halted")
        for item in found
        if item.order.verifier_set != chain.verifier_set.id
    ]
    open_now = [item.order for item in found]
    refused = queries.refused_orders(open_now, now=now) | queries.suspended_offers(open_now, now=now)
    kept_out += [
        Exclusion(from_hex(item.order.order_hash), refused[item.order.pk])
        for item in found
        if item.order.pk in refused and item.order.verifier_set == chain.verifier_set.id
    ]
    waiting = {exclusion.order for exclusion in kept_out}
    offers, late_offers = _best(offers, waiting, cheap_first=True)
    bids, late_bids = _best(bids, waiting, cheap_first=False)
    kept_out += [
        Exclusion(from_hex(item.order.order_hash), "not_cleared_yet") for item in late_offers + late_bids
    ]
    backlog = queries.backlog_by_agent({item.order.terms["agent"] for item in offers})
    book_cut = ClearingBook(
        symbol=symbol,
        cut_sequence=book.last_sequence(),
        offers=tuple(_offer_entry(item, backlog) for item in offers),
        bids=tuple(_bid_entry(item) for item in bids),
    )
    return book_cut, tuple(kept_out)


def _best(
    items: list[OpenOrder], waiting: set[bytes], *, cheap_first: bool
) -> tuple[list[OpenOrder], list[OpenOrder]]:
    """The best-priced SIDE_ORDERS_MAX orders of a side, and the others."""
    ready = [item for item in items if from_hex(item.order.order_hash) not in waiting]
    sign = 1 if cheap_first else -1
    ready.sort(key=lambda item: (sign * item.order.price, item.order.sequence))
    return ready[:SIDE_ORDERS_MAX], ready[SIDE_ORDERS_MAX:]


def _offer_entry(item: OpenOrder, backlog: dict[str, int]) -> OfferEntry:
    order = item.order
    return OfferEntry(
        order=from_hex(order.order_hash),
        maker=order.maker,
        limit_price=order.price,
        sequence=order.sequence,
        units=item.quantity,
        deliver_by=order.deliver_by,
        rate_mflops=int(order.terms["rate_mflops"]),
        backlog_units=backlog.get(order.terms["agent"], 0),
    )


def _bid_entry(item: OpenOrder) -> BidEntry:
    order = item.order
    return BidEntry(
        order=from_hex(order.order_hash),
        maker=order.maker,
        limit_price=order.price,
        sequence=order.sequence,
        runs=tuple((first, count) for first, count in item.runs),
        ceiling=int(order.ceiling_units or 0),
        deliver_by=order.deliver_by,
    )


def _digest(cut: ClearingBook, kept_out: tuple[Exclusion, ...], now: int) -> str:
    """Fingerprint of all that can change the outcome but the passing of time within a deadline.

    Time alone only ever takes capacity away, so a book that did not trade does not trade later unless
    it changes.
    """
    late = [
        to_hex(entry.order) for entry in cut.ordered_entries if not seconds_to_work(entry.deliver_by, now)
    ]
    others = sorted([to_hex(exclusion.order), exclusion.reason] for exclusion in kept_out)
    content = {"orders": cut.orders_json(), "late": late, "kept_out": others}
    return hashlib.sha256(canonical_json(content)).hexdigest()


def _write_clearing(document: ClearingDocument, digest: str) -> Clearing:
    data = document.to_bytes()
    return Clearing.objects.create(
        symbol=document.symbol,
        product=to_hex(product_id(document.symbol)),
        number=document.number,
        clearing_hash=to_hex(document.clearing_id),
        cut_sequence=document.book.cut_sequence,
        cut_at=document.cut_at,
        price=document.result.price,
        order_set_root=to_hex(document.order_set_root),
        order_count=len(document.book.entries),
        trade_count=len(document.result.trades),
        executed_units=document.result.executed_units,
        document_hash=to_hex(keccak(data)),
        document=data,
        book_digest=digest,
    )


def _write_trades(
    row: Clearing, document: ClearingDocument, orders: dict[str, OpenOrder], chain: Deployment, now: int
) -> list[Trade]:
    trades = []
    for proposed in document.result.trades:
        offer, bid = orders[to_hex(proposed.offer)].order, orders[to_hex(proposed.bid)].order
        units = WorkUnits(proposed.units)
        bond_of = bond_price(Price(offer.price), chain.bond_bps, Price(chain.bond_floor_price))
        trades.append(
            Trade(
                trade_hash=to_hex(document.trade_id(proposed)),
                clearing=row,
                offer=offer,
                bid=bid,
                offer_hash=offer.order_hash,
                bid_hash=bid.order_hash,
                provider=proposed.provider,
                buyer=proposed.buyer,
                symbol=row.symbol,
                verifier_set=offer.verifier_set,
                first_run=proposed.first_run,
                runs=proposed.runs,
                ceiling_units=proposed.ceiling,
                price=row.trade_price,
                payment=lock_payment(Price(row.trade_price), units),
                bond=bond(bond_of, units),
                deliver_by=proposed.deliver_by,
                status=MATCHED,
                matched_at=now,
                updated_at=now,
            )
        )
    return Trade.objects.bulk_create(trades)


def _fills(trade: Trade) -> list[Fill]:
    """Both sides of a trade for the book; the money moves from the orders' holds to the trade's own."""
    offer = Fill(
        order_hash=trade.offer_hash,
        quantity=trade.units,
        price=trade.price,
        trade_id=trade.trade_id,
        lock=trade.bond,
    )
    bid = Fill(
        order_hash=trade.bid_hash,
        quantity=trade.runs,
        price=trade.price,
        trade_id=trade.trade_id,
        lock=trade.payment,
        runs=((trade.first_run, trade.runs),),
    )
    return [offer, bid]
