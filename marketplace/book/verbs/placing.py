"""Taking an order into the book: check, sign or verify, hold the money, number and acknowledge it. Via `book.actions`.

One database transaction does what must be together: order, hold, sequence, acknowledgement. Evidence is published
after the commit, and again by a sweep if a crash came in between.
Locks, in this order: the participant, the product, the journal's accounts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from django.db import connection, transaction

from ledger import journal
from ledger.control import kill_switch
from ledger.errors import TradingStopped
from marketplace.accounts.models import Participant
from marketplace.book import queries
from marketplace.book.models import NEW, ExecutionReport, Order
from marketplace.book.queries.drafts import Draft, draft_bid, draft_offer, standing_of
from marketplace.book.queries.jobs import judged_module
from marketplace.book.queries.orders import RENAMED
from marketplace.book.verbs import publishing
from marketplace.book.verbs.signing import acknowledge, sign
from marketplace.problems import Refused
from marketplace.signed import columns
from marketplace.times import moment
from suan.core.encoding import to_hex
from suan.core.orders import BidTerms, Limits
from suan.core.signing import Bid


def place_bid(
    *, participant: Participant, body: Mapping[str, Any], signature: bytes | None, limits: Limits, now: int
) -> tuple[Order, bool]:
    """Accept a bid; (order, made). A repeat of the same body under the same client_order_id returns the same order.

    body: client_order_id, product, limit_price (base units), runs, ceiling_units, valid_until, deliver_by, terms, and
    with a signature maker, nonce, max_fee_bps and verifier_set (hex). Raises Refused with every reason.
    """
    draft = draft_bid(body, participant, limits, now)
    return _place(draft, participant, signature)


def place_offer(
    *, participant: Participant, body: Mapping[str, Any], signature: bytes | None, limits: Limits, now: int
) -> tuple[Order, bool]:
    """Accept an offer; as place_bid, with `units` (work units) in place of runs and ceiling.

    The terms name a node of this account: its measured rate, class and region bound what may be promised.
    """
    draft = draft_offer(body, participant, limits, now)
    return _place(draft, participant, signature)


def _place(draft: Draft, participant: Participant, signature: bytes | None) -> tuple[Order, bool]:
    known = _placed_before(draft, participant)
    if known is not None:
        return known, False
    draft.require_admissible(standing_of(participant))
    draft = sign(draft, participant, signature)
    _accept_job(draft, participant)
    return _admit(draft, participant)


def _placed_before(draft: Draft, participant: Participant) -> Order | None:
    """The order that has this draft's name. Raises Refused when that one was another order."""
    order = Order.objects.filter(participant=participant, client_order_id=draft.client_order_id).first()
    if order is not None and order.fingerprint != draft.fingerprint:
        text = f"it stands for {order.order_id} with another body; use a new id for a new order."
        raise Refused.one("client_order_id", "client_order_id_reused", text)
    return order


def _accept_job(draft: Draft, participant: Participant) -> None:
    """Refuse a bid whose job cannot run. The runtime's verdict on a module is kept, so that it is given at most once."""
    if not isinstance(draft.terms, BidTerms):
        return
    module, problems = judged_module(participant, draft.terms, draft.product.resource_class)
    if module.module_checked_at is None:
        module.module_problem = json.dumps([asdict(problem) for problem in problems])
        module.module_checked_at = moment(draft.now)
        module.save(update_fields=["module_problem", "module_checked_at"])
    if problems:
        raise Refused(problems)


def _admit(draft: Draft, participant: Participant) -> tuple[Order, bool]:
    with transaction.atomic():
        Participant.objects.select_for_update().get(pk=participant.pk)
        known = _placed_before(draft, participant)
        if known is not None:
            return known, False
        _refuse_while_stopped()
        draft.require_unused()
        queries.lock_product(draft.product.symbol)
        journal.lock(addresses=[participant.address])
        draft.require_admissible(standing_of(participant))
        order = _row(draft, participant)
        order.save(force_insert=True)
        if order.held:
            journal.hold(account=order.maker, amount=order.held, key=order.hold_key, memo="order placed")
        ExecutionReport.objects.create(
            order=order,
            exec_type="new",
            order_status=NEW,
            cum_quantity=0,
            leaves_quantity=order.quantity,
            transact_at=draft.now,
        )
        transaction.on_commit(partial(publishing.publish_order, order), robust=True)
    return order, True


def _refuse_while_stopped() -> None:
    holding = kill_switch.stopped()
    if holding is not None:
        raise TradingStopped(reason=holding.reason, since=holding.since)


def _row(draft: Draft, participant: Participant) -> Order:
    """The order with its sequence and acknowledgement. Under the product's lock sequences commit in order."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('book_order_sequence')")
        sequence = int(cursor.fetchone()[0])
    return Order(
        **columns(draft.struct, RENAMED),
        order_hash=to_hex(draft.digest),
        participant=participant,
        client_order_id=draft.client_order_id,
        fingerprint=draft.fingerprint,
        sequence=sequence,
        symbol=draft.product.symbol,
        terms=draft.terms.to_json(),
        signature=to_hex(draft.signature),
        signer=draft.signer,
        order_status=NEW,
        quantity=draft.quantity,
        cum_quantity=0,
        leaves_quantity=draft.quantity,
        free_runs=[[0, draft.quantity]] if isinstance(draft.struct, Bid) else [],
        held=draft.held,
        hold_version=1 if draft.held else 0,
        acknowledgement_at=draft.now,
        acknowledgement_signature=to_hex(acknowledge(draft, sequence)),
        created_at=moment(draft.now),
        updated_at=moment(draft.now),
    )
