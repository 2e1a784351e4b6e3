"""Listing capacity: one's own offers, the form, the page before signing, and what the button does."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from frontend import drafts
from frontend.markets import board
from frontend.offers.forms import NAMES, OfferForm
from frontend.pages import REFUSALS, add_refusal, now
from marketplace.accounts import queries as accounts
from marketplace.book import actions, queries
from marketplace.problems import Conflict, NotFound

SIDE_SELL = 2
OFFERS_SHOWN = 100


@require_safe
def offers(request: HttpRequest, *, me: Any) -> HttpResponse:
    rows = queries.orders_of(me, side=SIDE_SELL).order_by("-sequence")[:OFFERS_SHOWN]
    context = {
        "me": me,
        "offers": [queries.order_view(row) for row in rows],
        "nodes": nodes_of(me),
        "lines": board.lines(now=now()),
    }
    return render(request, "offers/offers.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest, *, me: Any) -> HttpResponse:
    nodes = list(accounts.nodes(me))
    form = OfferForm(request.POST if request.method == "POST" else None, nodes=nodes)
    return _asked(request, me, form, None)


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, order_id: str, *, me: Any) -> HttpResponse:
    """The form of a new offer in place of an open one; the old one goes out when the new one comes in."""
    old = own_order(me, order_id)
    queries.require_replaceable(me, old, old.symbol)
    nodes = [
        node for node in accounts.nodes(me) if old.symbol.startswith(f"{node.resource_class}:{node.region}:")
    ]
    chosen = next((node for node in nodes if node.agent == old.terms["agent"]), None)
    if chosen is None:
        raise Conflict(_("The node of this offer is not registered any more; withdraw the offer instead."))
    initial = {
        "node": f"{chosen.agent}|{chosen.resource_class}",
        "rate_mflops": old.terms["rate_mflops"],
        "units": int(old.leaves_quantity),
        "price": int(old.price),
    }
    form = OfferForm(request.POST if request.method == "POST" else None, nodes=nodes, initial=initial)
    return _asked(request, me, form, old)


@require_POST
def place(request: HttpRequest, *, me: Any) -> HttpResponse:
    """The button of the page before signing."""
    kept = drafts.use(me, "offer", request.POST.get("draft", ""))
    body, replaces = kept["body"], kept["replaces"]
    signature, cancel_signature = drafts.signatures(request.POST, 2)
    if signature:
        body["nonce"] = drafts.nonce(request.POST)
    at, limits = now(), queries.limits()
    if replaces is None:
        order, _made = actions.place_offer(
            participant=me, body=body, signature=signature, limits=limits, now=at
        )
    else:
        order = actions.replace_offer(
            participant=me,
            order_id=replaces,
            body=body,
            signature=signature,
            cancel_signature=cancel_signature,
            limits=limits,
            now=at,
        )
    said = _("The offer is in the book.") if replaces is None else _("The offer was changed.")
    messages.success(request, said)
    return redirect("order", order.order_id)


def own_order(me: Any, order_id: str) -> Any:
    """An order of this account. Raises NotFound, the same for other people's and for none."""
    order = queries.order_by_id(order_id)
    if order.participant_id != me.pk:
        raise NotFound(_("You have no order with this id; the orders page lists yours."))
    return order


def nodes_of(me: Any) -> list[dict[str, Any]]:
    """Own nodes with whether they were heard lately."""
    return [
        {
            "agent": row.agent,
            "region": row.region,
            "resource_class": row.resource_class,
            "rate_mflops": row.rate_mflops,
            "measured_at": int(row.measured_at.timestamp()),
            "last_seen": int(row.last_seen.timestamp()),
            "alive": accounts.is_alive(row, now=now(), silence_seconds=settings.NODE_SILENCE_SECONDS),
        }
        for row in accounts.nodes(me)
    ]


def _asked(request: HttpRequest, me: Any, form: OfferForm, old: Any) -> HttpResponse:
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            body = form.body(now=now())
            try:
                review = queries.review_offer(
                    participant=me, body=body, limits=queries.limits(), now=now(), replaces=old
                )
            except REFUSALS as error:
                add_refusal(form, error, NAMES)
            else:
                return _review(request, me, review, old)
    context = {"me": me, "form": form, "old": old, "nodes": nodes_of(me), "lines": board.lines(now=now())}
    return render(request, "offers/form.html", context, status=status)


def _review(request: HttpRequest, me: Any, review: Any, old: Any) -> HttpResponse:
    body = review.body
    kept = {"body": body, "replaces": old.order_id if old else None}
    context = {
        "me": me,
        "body": body,
        "nonce": review.nonce,
        "old": old,
        "preview": queries.preview(side="sell", body=body, maker=me.address, now=now()),
        "draft": drafts.keep(me, "offer", kept),
        "typed_data": review.typed_data,
    }
    return render(request, "offers/review.html", context)
