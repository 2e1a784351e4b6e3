"""Everything that the book does. The verbs live beside this file by group; other rooms import them from here only."""

from marketplace.book.verbs.artifacts import store_artifact
from marketplace.book.verbs.changing import (
    Fill,
    apply_chain_cancels,
    cancel_order,
    cancel_uncovered,
    expire_orders,
    record_fills,
    return_quantity,
)
from marketplace.book.verbs.placing import place_bid, place_offer
from marketplace.book.verbs.publishing import publish_missing
from marketplace.book.verbs.rebuilding import rebuild_orders
from marketplace.book.verbs.replacing import replace_offer
from marketplace.book.verbs.signing import reserve_nonce

__all__ = [
    "Fill",
    "apply_chain_cancels",
    "cancel_order",
    "cancel_uncovered",
    "expire_orders",
    "place_bid",
    "place_offer",
    "publish_missing",
    "record_fills",
    "rebuild_orders",
    "replace_offer",
    "reserve_nonce",
    "return_quantity",
    "store_artifact",
]
