"""An order before it is signed: complete, checked by every rule, with what a wallet must sign. Reads only.

A page shows this. A wallet's maker then asks for a nonce under the order's name (actions.reserve_nonce), signs with it and
places the body with nonce and signature; the platform, where it signs, does both when the body is placed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ledger.queries import deployment
from marketplace.accounts.models import Participant
from marketplace.book.models import Order
from marketplace.book.queries.drafts import Draft, draft_bid, draft_offer, standing_of
from marketplace.book.queries.jobs import judged_module
from marketplace.problems import Conflict, Forbidden, Refused
from suan.core.encoding import to_hex
from suan.core.orders import Limits
from suan.core.signing import Cancel, market_domain


@dataclass(frozen=True)
class Review:
    """body: what to place, with what a signature covers besides the nonce. nonce: what the order would get now.

    typed_data: for eth_signTypedData_v4, in the order in which their signatures are given back (a replacement needs two:
    the new order, and the cancel of the old one).
    """

    body: dict[str, Any]
    nonce: int
    typed_data: list[dict[str, Any]]


def review_bid(*, participant: Participant, body: Mapping[str, Any], limits: Limits, now: int) -> Review:
    """A bid as it would be placed now. Raises Refused with every reason, those about its job included."""
    draft = draft_bid(body, participant, limits, now)
    draft.require_admissible(standing_of(participant))
    _, problems = judged_module(participant, draft.terms, draft.product.resource_class)
    if problems:
        raise Refused(problems)
    return _review(body, draft)


def review_offer(
    *,
    participant: Participant,
    body: Mapping[str, Any],
    limits: Limits,
    now: int,
    replaces: Order | None = None,
) -> Review:
    """An offer as it would be placed now, in place of an open one if given. Raises Refused with every reason."""
    if replaces is not None:
        require_replaceable(participant, replaces, body["product"])
    draft = draft_offer(body, participant, limits, now)
    draft.require_admissible(standing_of(participant, freed=replaces.held if replaces else 0))
    review = _review(body, draft)
    if replaces is not None:
        review.typed_data.append(cancel_typed_data(replaces))
    return review


def cancel_typed_data(order: Order) -> dict[str, Any]:
    """What the maker's wallet signs to cancel an order."""
    chain = deployment()
    cancel = Cancel(maker=order.maker, side=order.side, nonce=order.nonce)
    return cancel.typed_data(market_domain(chain.chain_id, chain.market))


def require_replaceable(participant: Participant, order: Order, symbol: str) -> None:
    """Raises Forbidden or Conflict when this order of this participant cannot be replaced by one of that product."""
    if order.participant_id != participant.pk:
        raise Forbidden("The order belongs to another account; only its maker changes it.")
    if not order.is_open:
        raise Conflict(f"The order is {order.order_status}; place a new one instead.")
    if order.is_bid or order.symbol != symbol:
        raise Conflict(f"An offer of {order.symbol} is replaced by one of the same product only.")


def _review(body: Mapping[str, Any], draft: Draft) -> Review:
    struct = draft.struct
    signed = {
        "maker": struct.maker,
        "max_fee_bps": struct.max_fee_bps,
        "verifier_set": to_hex(struct.verifier_set),
    }
    return Review({**body, **signed}, struct.nonce, [struct.typed_data(draft.domain)])
