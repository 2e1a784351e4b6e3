"""One's own orders: what they are, why they wait, their story, and taking them out of the book."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from frontend import drafts
from frontend.offers.views import own_order
from frontend.pages import now, page_number
from marketplace.book import actions, queries
from marketplace.clearing import queries as clearing
from marketplace.delivery import queries as delivery

ORDERS_PER_PAGE = 25
TRADES_SHOWN = 200
FILTERS = ("all", "open", "buy", "sell")
SIDES = {"buy": 1, "sell": 2}


@require_safe
def orders(request: HttpRequest, *, me: Any) -> HttpResponse:
    chosen = request.GET.get("show", "all")
    chosen = chosen if chosen in FILTERS else "all"
    rows = queries.orders_of(me, status="open" if chosen == "open" else None, side=SIDES.get(chosen))
    shown = Paginator(rows.order_by("-sequence"), ORDERS_PER_PAGE).get_page(page_number(request))
    context = {
        "me": me,
        "orders": [_line(row) for row in shown],
        "shown": shown,
        "chosen": chosen,
        "filters": FILTERS,
    }
    return render(request, "orders/orders.html", context)


@require_safe
def order(request: HttpRequest, order_id: str, *, me: Any) -> HttpResponse:
    row = own_order(me, order_id)
    context = {
        "me": me,
        "order": queries.order_view(row),
        "row": row,
        "why": clearing.explain(row, now=now()) if _waits(row) else None,
        "executions": queries.executions(row),
        "trades": delivery.trades(order=row)[:TRADES_SHOWN],
        "can_cancel": row.order_status in ("new", "partially_filled"),
        "typed_data": [queries.cancel_typed_data(row)],
    }
    return render(request, "orders/order.html", context)


@require_POST
def cancel(request: HttpRequest, order_id: str, *, me: Any) -> HttpResponse:
    row = own_order(me, order_id)
    (signature,) = drafts.signatures(request.POST, 1)
    actions.cancel_order(
        participant=me,
        order_id=row.order_id,
        signature=signature,
        on_chain=request.POST.get("on_chain") == "yes",
        now=now(),
    )
    messages.success(request, _("The order is out of the book. What was traded before goes on."))
    return redirect("order", row.order_id)


@require_safe
def acknowledgement(request: HttpRequest, order_id: str, *, me: Any) -> HttpResponse:
    """The exchange's signed word that it took the order, as `suan audit --ack FILE` reads it."""
    row = own_order(me, order_id)
    text = json.dumps(queries.order_view(row)["acknowledgement"], indent=1)
    response = HttpResponse(text + "\n", content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="{row.order_id}.acknowledgement.json"'
    return response


def _waits(row: Any) -> bool:
    """Whether something of the order did not trade, so that there is a reason to tell."""
    return row.order_status != "filled"


def _line(row: Any) -> dict[str, Any]:
    line = queries.order_view(row)
    line["why"] = clearing.explain(row, now=now()) if row.is_open else None
    return line
