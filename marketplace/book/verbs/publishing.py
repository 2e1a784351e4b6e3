"""Evidence of orders: what was signed, its terms, our acknowledgement, cancellations, and public job bytes.

Every function is idempotent: it runs after the commit that it belongs to, and again from a sweep if that was lost.
"""

from __future__ import annotations

import logging

from ledger import evidence
from ledger.errors import LedgerError
from marketplace.book import queries
from marketplace.book.models import Order
from suan.core.encoding import canonical_json
from suan.core.signing import Cancel

SWEEP_ORDERS_MAX = 200

log = logging.getLogger(__name__)


def publish_order(order: Order) -> None:
    """Write orders/, terms/, acknowledgements/, for a public bid its module and input, and its cancellation if any."""
    struct = queries.struct_of(order)
    document = {
        "type": "bid" if order.is_bid else "offer",
        "order": struct.to_json(),
        "signature": order.signature,
        "symbol": order.symbol,
    }
    evidence.publish("terms", order.terms_hash, canonical_json(order.terms))
    if order.is_bid and order.terms["disclosure"] == "public":
        for sha256 in (order.terms["module"], order.terms["input"]):
            data = queries.read_artifact(sha256)
            if data is not None:
                evidence.publish("objects", sha256, data)
    evidence.publish("orders", order.order_id, canonical_json(document))
    acknowledgement = {
        "order": order.order_id,
        "sequence": order.sequence,
        "accepted_at": order.acknowledgement_at,
        "signature": order.acknowledgement_signature,
    }
    evidence.publish("acknowledgements", order.order_id, canonical_json(acknowledgement))
    if order.cancel_signature:
        _publish_cancel(order)
    Order.objects.filter(pk=order.pk).update(evidence_published=True)


def _publish_cancel(order: Order) -> None:
    """Write cancels/: the maker's own signed cancellation."""
    wish = Cancel(maker=order.maker, side=order.side, nonce=order.nonce)
    document = {"maker": wish.maker, "order": order.order_id, "signature": order.cancel_signature}
    evidence.publish("cancels", order.order_id, canonical_json(document))


def publish_missing() -> int:
    """Publish what a crash left unpublished; returns how many orders. One that fails does not hold up the others."""
    done = 0
    for order in Order.objects.filter(evidence_published=False).order_by("id")[:SWEEP_ORDERS_MAX]:
        try:
            publish_order(order)
            done += 1
        except (LedgerError, OSError):
            log.exception("evidence of %s could not be published", order.order_id)
    return done
