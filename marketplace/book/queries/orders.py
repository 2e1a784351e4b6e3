"""Orders as people and auctions see them: rows, lists, the signed struct of a row, the product's lock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Q, QuerySet

from marketplace.accounts.models import Participant
from marketplace.book.models import OPEN_STATUSES, ExecutionReport, Order
from marketplace.book.quantities import first_of, tradable
from marketplace.problems import NotFound
from marketplace.signed import restored
from marketplace.times import rfc3339
from suan.core.ids import parse_id
from suan.core.orders import LIMITS, Limits
from suan.core.problems import FieldError
from suan.core.signing import Bid, Offer
from suan.core.units import format_tokens

EXECUTIONS_SHOWN_MAX = 500
RENAMED = {"ceiling": "ceiling_units", "terms": "terms_hash"}
"""Fields of a signed order whose column has another name."""


@dataclass(frozen=True)
class OpenOrder:
    """An order that may trade now: `quantity` of it, and for a bid which runs, as [first, count] ranges."""

    order: Order
    quantity: int
    runs: list[list[int]]


def open_orders(symbol: str, *, now: int) -> list[OpenOrder]:
    """All that may trade in this product at `now`, by sequence. Call lock_product first for a cut."""
    rows = Order.objects.filter(symbol=symbol, order_status__in=OPEN_STATUSES, deliver_by__gt=now)
    rows = rows.filter(Q(valid_until__gt=now) | Q(headroom_quantity__gt=0))
    found = []
    for order in rows.order_by("sequence"):
        quantity = tradable(order, now)
        if quantity:
            found.append(OpenOrder(order, quantity, first_of(order.free_runs, quantity)))
    return found


def last_sequence() -> int:
    """The highest sequence given so far, 0 before the first order. Under the product's lock it is the cut."""
    return Order.objects.order_by("-sequence").values_list("sequence", flat=True).first() or 0


def limits() -> Limits:
    """The admission limits of this deployment."""
    return replace(
        LIMITS,
        open_orders_max=settings.OPEN_ORDERS_MAX,
        runs_max=settings.RUNS_PER_BID_MAX,
        valid_seconds_max=settings.ORDER_SECONDS_MAX,
    )


def lock_product(symbol: str) -> None:
    """Take the product's advisory lock until the transaction ends: placing, cancelling and cutting exclude each other.

    Take it before rows of orders and before the journal's accounts.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("the product's lock lives in a transaction; open one first")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"product:{symbol}"])


def order_by_hash(order_hash: str) -> Order | None:
    """The order of a bare hash, or None."""
    return Order.objects.select_related("participant").filter(order_hash=order_hash).first()


def order_by_id(order_id: str) -> Order:
    """The order of `ord_0x…` in any case. Raises NotFound."""
    try:
        order_hash = "0x" + parse_id(order_id, prefix="ord").hex()
    except FieldError as error:
        raise NotFound(f"There is no such order: {error.problem.message}") from None
    order = order_by_hash(order_hash)
    if order is None:
        raise NotFound("There is no order with this id; GET /orders lists yours.")
    return order


def orders_of(
    participant: Participant,
    *,
    status: str | None = None,
    symbol: str | None = None,
    side: int | None = None,
    client_order_id: str | None = None,
) -> QuerySet[Order]:
    """The orders of an account with explicit filters; `status` may also be `open`."""
    rows = Order.objects.filter(participant=participant)
    if status == "open":
        rows = rows.filter(order_status__in=OPEN_STATUSES)
    elif status is not None:
        rows = rows.filter(order_status=status)
    if symbol is not None:
        rows = rows.filter(symbol=symbol)
    if side is not None:
        rows = rows.filter(side=side)
    if client_order_id is not None:
        rows = rows.filter(client_order_id=client_order_id)
    return rows


def published_orders(maker: str) -> QuerySet[Order]:
    """The published orders of an address, newest first: what anybody finds in the evidence."""
    return Order.objects.filter(maker=maker, evidence_published=True).order_by("-id")


def struct_of(order: Order) -> Bid | Offer:
    """The EIP-712 struct that was signed. Raises FieldError when the row holds none."""
    return restored(Bid if order.is_bid else Offer, order, RENAMED)


def last_price(symbol: str) -> int | None:
    """Base units per GFLOPS·h of the newest trade in this product, or None."""
    rows = ExecutionReport.objects.filter(exec_type="trade", order__symbol=symbol)
    price = rows.order_by("-id").values_list("last_price", flat=True).first()
    return None if price is None else int(price)


def order_view(order: Order) -> dict[str, Any]:
    """The order object of docs/protocol.md, section 7. Integers above 2^53 are decimal strings."""
    size: dict[str, Any] = (
        {"runs": order.runs, "ceiling_units": order.ceiling_units} if order.is_bid else {"units": order.units}
    )
    return {
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "side": order.side_name,
        "product": order.symbol,
        "limit_price": format_tokens(order.price),
        "order_status": order.order_status,
        "quantity": order.quantity,
        "cum_quantity": order.cum_quantity,
        "leaves_quantity": order.leaves_quantity,
        **size,
        "valid_until": order.valid_until,
        "deliver_by": order.deliver_by,
        "maker": order.maker,
        "nonce": str(order.nonce),
        "terms": order.terms,
        "held": format_tokens(order.held),
        "reject_reason": order.reject_reason,
        "sequence": order.sequence,
        "created_at": rfc3339(order.created_at),
        "acknowledgement": {
            "order": order.order_id,
            "sequence": order.sequence,
            "accepted_at": order.acknowledgement_at,
            "signature": order.acknowledgement_signature,
        },
    }


def executions(order: Order) -> list[dict[str, Any]]:
    """The story of an order, oldest first, at most EXECUTIONS_SHOWN_MAX lines."""
    rows = order.execution_reports.order_by("id")[:EXECUTIONS_SHOWN_MAX]
    return [execution_view(row) for row in rows]


def execution_view(report: ExecutionReport) -> dict[str, Any]:
    """One line of an order's story."""
    return {
        "exec_id": f"exe_{report.pk}",
        "exec_type": report.exec_type,
        "order_status": report.order_status,
        "last_quantity": report.last_quantity,
        "last_price": None if report.last_price is None else format_tokens(report.last_price),
        "cum_quantity": report.cum_quantity,
        "leaves_quantity": report.leaves_quantity,
        "trade_id": report.trade_id or None,
        "runs": report.run_ranges,
        "text": report.text,
        "transact_at": report.transact_at,
    }
