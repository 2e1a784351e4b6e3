"""Which nonce an order gets: the contract keeps 256 places for each maker and side, and order n stands in place n % 256.

A nonce is reserved under the client's own id, so that asking again gives the same one; programs that sign themselves ask
first. An order ends the older ones in its place on chain, so none is admitted that would end one that still trades.
"""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.db.models import Max

from marketplace.accounts.models import Participant
from marketplace.book.models import OPEN_STATUSES, NonceReservation, Order
from marketplace.problems import Refused

PLACES = 256
NONCE_MAX = 2**32 - 1
TRIES_MAX = 20


def reserve_nonce(*, participant: Participant, side: int, client_order_id: str) -> int:
    """The nonce of this participant's order of this name; the next free one when it is asked for the first time."""
    for _ in range(TRIES_MAX):
        known = NonceReservation.objects.filter(
            participant=participant, side=side, client_order_id=client_order_id
        ).first()
        if known is not None:
            return known.nonce
        try:
            with transaction.atomic():
                return NonceReservation.objects.create(
                    participant=participant,
                    side=side,
                    client_order_id=client_order_id,
                    maker=participant.address,
                    nonce=_next(participant.address, side),
                ).nonce
        except IntegrityError:
            continue  # Somebody took it in the same moment: the next one, or the same name's.
    raise Refused.one("nonce", "busy", "too many orders of your account at once; send it again.")


def check_place(*, maker: str, side: int, nonce: int) -> None:
    """Refused when a younger order has the place, or when the order would end one that may still trade."""
    if nonce > NONCE_MAX:
        raise Refused.one(
            "nonce", "out_of_range", f"must be at most {NONCE_MAX}; ask for one at orders/nonces."
        )
    newest = _newest(maker, side)
    if nonce + PLACES <= newest:
        text = f"order {newest} of yours has taken or may take its place; ask for a nonce at orders/nonces."
        raise Refused.one("nonce", "nonce_too_old", text)
    ended = Order.objects.filter(
        maker=maker, side=side, nonce__lte=nonce - PLACES, order_status__in=OPEN_STATUSES
    )
    oldest = ended.order_by("nonce").first()
    if oldest is not None:
        text = (
            f"the contract keeps your last {PLACES} orders of a side, and {oldest.order_id} is {nonce - oldest.nonce} "
            "orders old and still open; cancel it, or wait until it is filled."
        )
        raise Refused.one("nonce", "too_many_orders", text)


def _next(maker: str, side: int) -> int:
    reserved = NonceReservation.objects.filter(maker=maker, side=side).aggregate(last=Max("nonce"))["last"]
    return max(_newest(maker, side), -1 if reserved is None else reserved) + 1


def _newest(maker: str, side: int) -> int:
    last = Order.objects.filter(maker=maker, side=side).aggregate(last=Max("nonce"))["last"]
    return -1 if last is None else int(last)
