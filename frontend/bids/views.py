"""Bidding: the form with its uploads, what it costs at worst and what happens to the money, and the button."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from frontend import drafts
from frontend.bids import examples
from frontend.bids.forms import NAMES, BidForm
from frontend.markets import board
from frontend.pages import REFUSALS, add_refusal, now
from ledger import queries as ledger
from marketplace.book import actions, queries
from suan.core.orders import PRODUCTS
from suan.core.settlement import TRADE_ENDS


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest, *, me: Any) -> HttpResponse:
    if request.method != "POST":
        return _form(request, me, BidForm(initial=_first_values(request)), 200)
    form = BidForm(request.POST, request.FILES)
    if not form.is_valid():
        return _form(request, me, form, 422)
    try:
        module, stdin = _store_job(me, form)
    except REFUSALS as error:
        add_refusal(form, error, {"body": "module"})
        return _form(request, me, form, 422)
    body = form.body(module=module, stdin=stdin, now=now())
    try:
        review = queries.review_bid(participant=me, body=body, limits=queries.limits(), now=now())
    except REFUSALS as error:
        add_refusal(form, error, NAMES)
        return _form(request, me, _remembering(form, module, stdin), 422)
    return _review(request, me, review)


@require_POST
def place(request: HttpRequest, *, me: Any) -> HttpResponse:
    """The button of the page before signing. A refusal shows that page's numbers as they are now, or says why not."""
    body = drafts.use(me, "bid", request.POST.get("draft", ""))["body"]
    (signature,) = drafts.signatures(request.POST, 1)
    if signature:
        body["nonce"] = drafts.nonce(request.POST)
    order, made = actions.place_bid(
        participant=me, body=body, signature=signature, limits=queries.limits(), now=now()
    )
    if made:
        messages.success(request, _("The bid is in the book."))
    return redirect("order", order.order_id)


def _first_values(request: HttpRequest) -> dict[str, Any]:
    """Product of the link that was followed, and numbers that fit the first example and the best offer."""
    symbol = request.GET.get("product", "")
    symbol = symbol if symbol in PRODUCTS else next(iter(PRODUCTS))
    values: dict[str, Any] = {"product": symbol}
    line = board.line(symbol, now=now())
    if line.best_offer or line.last_price:
        values["price"] = line.best_offer or line.last_price
    chosen = examples.by_name(request.GET.get("job", "")) or next(iter(examples.available()), None)
    if chosen:
        values |= {"job": chosen.name, "runs": chosen.runs, "ceiling": chosen.ceiling_units}
    return values


def _store_job(me: Any, form: BidForm) -> tuple[str, str]:
    """Hashes of module and input, uploaded now or by an earlier try of the form."""
    module, stdin = form.job_bytes()
    kept = form.cleaned_data
    return (
        kept["kept_module"] if module is None else _store(me, module),
        kept["kept_stdin"] if stdin is None else _store(me, stdin),
    )


def _store(me: Any, data: bytes) -> str:
    artifact = actions.store_artifact(
        owner=me,
        data=data,
        bytes_max=settings.ARTIFACT_BYTES_MAX,
        account_bytes_max=settings.ARTIFACT_BYTES_PER_ACCOUNT_MAX,
        now=now(),
    )
    return str(artifact.sha256)


def _remembering(form: BidForm, module: str, stdin: str) -> BidForm:
    """The form with the uploads in hidden fields, since a browser never fills a file field again."""
    data = form.data.copy()
    if form.cleaned_data["job"] == "upload":
        data["kept_module"], data["kept_stdin"] = module, stdin
    form.data = data
    return form


def _form(request: HttpRequest, me: Any, form: BidForm, status: int) -> HttpResponse:
    context = {
        "me": me,
        "form": form,
        "lines": board.lines(now=now()),
        "examples": examples.available(),
        "example_numbers": {
            example.name: {"ceiling": example.ceiling_units, "runs": example.runs}
            for example in examples.available()
        },
        "available": ledger.balances(me.address).available,
    }
    return render(request, "bids/form.html", context, status=status)


def _review(request: HttpRequest, me: Any, review: Any) -> HttpResponse:
    body = review.body
    context = {
        "me": me,
        "body": body,
        "nonce": review.nonce,
        "preview": queries.preview(side="buy", body=body, maker=me.address, now=now()),
        "trade_ends": TRADE_ENDS,
        "draft": drafts.keep(me, "bid", {"body": body}),
        "typed_data": review.typed_data,
    }
    return render(request, "bids/review.html", context)
