"""HTTP of clearing: the book, past auctions, and why an order did not trade. Public reads; nothing is
written here.
"""

from __future__ import annotations

import time

from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.accounts.models import Participant
from marketplace.book import queries as book
from marketplace.clearing import queries
from marketplace.problems import NotFound, Refused
from marketplace.rest import PAGE_PARAMETERS, ApiView, page, query_value
from suan.core.orders import PRODUCTS

OBJECT = OpenApiTypes.OBJECT
PRODUCT = OpenApiParameter("product", str, description="symbol of a product, as GET /market lists them")


class BookView(ApiView):
    @extend_schema(parameters=[PRODUCT], responses=OBJECT, operation_id="book")
    def get(self, request: Request) -> Response:
        """Bids and offers of one product by price, in tokens per GFLOPS·h and work units, with the last
        price.
        """
        return Response(queries.book_view(_product(request, required=True), now=int(time.time())))


class ClearingsView(ApiView):
    @extend_schema(parameters=[PRODUCT, *PAGE_PARAMETERS], responses=OBJECT, operation_id="clearings")
    def get(self, request: Request) -> Response:
        """Past auctions, newest first."""
        rows = queries.clearings(symbol=_product(request, required=False))
        return Response(page(request.query_params, rows, render=queries.clearing_view))


class ClearingView(ApiView):
    @extend_schema(responses=OBJECT, operation_id="clearing")
    def get(self, request: Request, clearing_id: str) -> Response:
        """One auction with its trades and the reason of every order that did not trade in full."""
        return Response(queries.clearing_detail(queries.clearing(clearing_id)))


class ExplainView(ApiView):
    scopes = {"GET": "read"}

    @extend_schema(responses=OBJECT, operation_id="explain_order")
    def get(self, request: Request, order_id: str) -> Response:
        """Why your order did not trade (further): a code, a sentence and the numbers behind it."""
        order = book.order_by_id(order_id)
        if not isinstance(request.user, Participant) or order.participant_id != request.user.pk:
            raise NotFound("There is no order with this id among yours; GET /orders lists them.")
        return Response(queries.explain(order, now=int(time.time())))


def _product(request: Request, *, required: bool) -> str | None:
    symbol = query_value(request.query_params, "product")
    if symbol is None and required:
        raise Refused.one(
            "product", "required", "Name a product, for example ?product=cpu.fp64:eu-north:recomputed."
        )
    if symbol is not None and symbol not in PRODUCTS:
        raise Refused.one(
            "product", "unknown_product", f"{symbol!r} is not traded; GET /market lists the products."
        )
    return symbol


urlpatterns = [
    path("book", BookView.as_view()),
    path("clearings", ClearingsView.as_view()),
    path("clearings/<str:clearing_id>", ClearingView.as_view()),
    path("orders/<str:order_id>/explain", ExplainView.as_view()),
]
