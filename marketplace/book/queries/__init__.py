"""Reads of the book: orders as people and auctions see them, job bytes, drafts, and what an order would cost."""

from marketplace.book.queries.drafts import Draft, draft_bid, draft_offer
from marketplace.book.queries.jobs import artifact, artifact_bytes, objects_dir, owns_artifact, read_artifact
from marketplace.book.queries.orders import (
    OpenOrder,
    executions,
    last_price,
    last_sequence,
    limits,
    lock_product,
    open_orders,
    order_by_hash,
    order_by_id,
    order_view,
    orders_of,
    published_orders,
    struct_of,
)
from marketplace.book.queries.previews import preview
from marketplace.book.queries.reviews import (
    Review,
    cancel_typed_data,
    require_replaceable,
    review_bid,
    review_offer,
)

__all__ = [
    "Draft",
    "OpenOrder",
    "Review",
    "artifact",
    "artifact_bytes",
    "cancel_typed_data",
    "draft_bid",
    "draft_offer",
    "executions",
    "last_price",
    "last_sequence",
    "limits",
    "lock_product",
    "objects_dir",
    "open_orders",
    "order_by_hash",
    "order_by_id",
    "order_view",
    "orders_of",
    "owns_artifact",
    "preview",
    "published_orders",
    "read_artifact",
    "require_replaceable",
    "review_bid",
    "review_offer",
    "struct_of",
]
