"""Changing an offer: the new one in, the old one out, in one database transaction. Via `book.actions`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from marketplace.accounts.models import Participant
from marketplace.book import queries
from marketplace.book.models import Order
from marketplace.book.verbs.changing import cancel_order
from marketplace.book.verbs.placing import place_offer
from suan.core.orders import Limits


def replace_offer(
    *,
    participant: Participant,
    order_id: str,
    body: Mapping[str, Any],
    signature: bytes | None,
    cancel_signature: bytes | None,
    limits: Limits,
    now: int,
) -> Order:
    """Cancel what is left of an offer and place `body` (as for place_offer) in its place; both happen or neither.

    The new offer comes last in the queue of its price, as any new order. A repeat of a change that happened returns
    its offer. Locks: the participant first, then as cancel_order and place_offer. Raises what these two raise.
    """
    with transaction.atomic():
        Participant.objects.select_for_update().get(pk=participant.pk)
        old = queries.order_by_id(order_id)
        known = queries.orders_of(participant, client_order_id=body["client_order_id"]).exists()
        if not known:
            queries.require_replaceable(participant, old, body["product"])
            cancel_order(
                participant=participant,
                order_id=order_id,
                signature=cancel_signature,
                on_chain=False,
                now=now,
            )
        order, _ = place_offer(
            participant=participant, body=body, signature=signature, limits=limits, now=now
        )
    return order
