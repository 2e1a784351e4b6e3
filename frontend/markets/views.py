"""Markets: all products, one product with its book, one auction. Open to everybody."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from frontend.markets import board, charts
from frontend.pages import now
from marketplace.clearing import queries as clearing
from marketplace.delivery import queries as delivery
from suan.core.orders import PRODUCTS

AUCTIONS_SHOWN = 12
PRICES_SHOWN = 60
TRADES_SHOWN = 12


@require_safe
def markets(request: HttpRequest) -> HttpResponse:
    return render(request, "markets/markets.html", {"lines": board.lines(now=now())})


@require_safe
def product(request: HttpRequest, symbol: str) -> HttpResponse:
    if symbol not in PRODUCTS:
        raise Http404(_("This product is not traded here; the markets page lists what is."))
    at = now()
    book = clearing.book_view(symbol, now=at)
    priced = clearing.priced_clearings(symbol, limit=PRICES_SHOWN)
    auctions = clearing.clearings(symbol=symbol).order_by("-number")[:AUCTIONS_SHOWN]
    context = {
        "line": board.line_of(book, now=at),
        "bids": charts.ladder(book["bids"]),
        "offers": charts.ladder(book["offers"]),
        "depth": charts.depth(book),
        "prices": charts.prices(priced),
        "auctions": auctions,
        "trades": delivery.trades(symbol=symbol)[:TRADES_SHOWN],
    }
    return render(request, "markets/product.html", context)


@require_safe
def auction(request: HttpRequest, clearing_id: str) -> HttpResponse:
    detail = clearing.clearing_detail(clearing.clearing(clearing_id))
    return render(request, "markets/auction.html", {"auction": detail})
