"""HTTP of delivery: trades with their way to payout, outputs, leases for agents, and job bytes by their hash."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpResponse
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import permissions
from rest_framework.request import Request
from rest_framework.response import Response

from ledger import queries as ledger
from marketplace.accounts.models import Participant
from marketplace.book import queries as book
from marketplace.clearing import queries as clearing
from marketplace.clearing.models import Trade
from marketplace.delivery import actions, queries
from marketplace.delivery.windows import lease_rules
from marketplace.problems import NotFound, Refused
from marketplace.rest import (
    PAGE_PARAMETERS,
    AddressField,
    ApiView,
    HasScope,
    StrictSerializer,
    UintField,
    page_rows,
    parse,
    query_value,
)
from suan.core.encoding import from_hex, to_hex
from suan.core.problems import FieldError

OBJECT = OpenApiTypes.OBJECT


class LeaseBody(StrictSerializer):
    agent = AddressField(help_text="the agent key that the offers name")
    max = UintField(
        least=1, most=settings.LEASES_PER_CALL_MAX, required=False, help_text="runs to lease at most"
    )


class LeasesView(ApiView):
    scopes = {"POST": "provide"}

    @extend_schema(request=LeaseBody, responses=OBJECT, operation_id="lease_runs")
    def post(self, request: Request) -> Response:
        """Runs for this agent to execute: those that it holds already first, then waiting ones by deadline."""
        body = parse(LeaseBody, request.data)
        leases = actions.lease_runs(
            participant=request.user,
            agent=body["agent"],
            most=body.get("max", 1),
            now=int(time.time()),
            rules=lease_rules(),
        )
        return Response({"leases": [queries.lease_view(lease) for lease in leases]})


def _trades_page(request: Request, rows: QuerySet[Trade]) -> Response:
    found, following = page_rows(request.query_params, rows)
    return Response({"results": queries.trade_views(found, head=ledger.head()), "next": following})


class HasAnyScope(permissions.BasePermission):
    """Signed in by session, or by an API key with one of the scopes: buyers read outputs, agents read jobs."""

    def has_permission(self, request: Request, view: Any) -> bool:
        key = request.auth
        scope = "provide" if key is not None and "provide" in key.scopes else "read"
        return HasScope(scope).has_permission(request, view)


class ArtifactView(ApiView):
    def get_permissions(self) -> Any:
        return [HasAnyScope()]

    @extend_schema(
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY}, operation_id="artifact"
    )
    def get(self, request: Request, sha256: str) -> HttpResponse:
        """Job bytes by SHA-256: your own uploads, outputs that you bought, code and input of runs that you lease."""
        try:
            sha256 = to_hex(from_hex(sha256, field="sha256", length=32))
        except FieldError as error:
            raise NotFound(f"There are no such bytes: {error.problem.message}") from None
        data = None
        if queries.may_read_artifact(request.user, sha256, now=int(time.time())):
            data = book.read_artifact(sha256)
        if data is None:
            raise NotFound(
                "There are no bytes of this hash for you: uploads are read by their owner, outputs by their buyer, "
                "code and input by the provider while it holds a lease. Lease the run again if yours ran out."
            )
        return HttpResponse(
            data,
            content_type="application/octet-stream",
            headers={
                "ETag": f'"{sha256}"',
                "Cache-Control": "private, immutable, max-age=86400",
                "Content-Disposition": "attachment",
                "X-Content-Type-Options": "nosniff",
            },
        )


class TradesView(ApiView):
    @extend_schema(
        parameters=[
            OpenApiParameter("product", str),
            OpenApiParameter("status", str),
            OpenApiParameter("mine", bool, description="only trades of the caller"),
            *PAGE_PARAMETERS,
        ],
        responses=OBJECT,
        operation_id="trades",
    )
    def get(self, request: Request) -> Response:
        """Trades, newest first: all of them are public on chain; `mine=true` needs a sign-in."""
        status = query_value(request.query_params, "status", most=20)
        if status is not None and not queries.is_status(status):
            raise Refused.one(
                "status", "unknown_value", f"{status!r} is no status of a trade; leave it out for all."
            )
        rows = queries.trades(
            participant=self._mine(request),
            symbol=query_value(request.query_params, "product"),
            status=status,
        )
        return _trades_page(request, rows)

    def _mine(self, request: Request) -> Participant | None:
        mine = query_value(request.query_params, "mine", most=5)
        if mine not in (None, "true", "false"):
            raise Refused.one("mine", "unknown_value", "write true or false, or leave it out.")
        if mine != "true":
            return None
        HasScope("read").has_permission(request, self)
        return request.user


class OrderTradesView(ApiView):
    @extend_schema(parameters=PAGE_PARAMETERS, responses=OBJECT, operation_id="order_trades")
    def get(self, request: Request, order_id: str) -> Response:
        """Trades of one order, newest first, with their way to payout."""
        rows = queries.trades(order=book.order_by_id(order_id))
        return _trades_page(request, rows)


class TradeView(ApiView):
    @extend_schema(responses=OBJECT, operation_id="trade")
    def get(self, request: Request, trade_id: str) -> Response:
        """One trade from its orders to its payout, with the finality of each step."""
        return Response(queries.trade_view(clearing.trade(trade_id)))


class OutputsView(ApiView):
    scopes = {"GET": "read"}

    @extend_schema(responses=OBJECT, operation_id="trade_outputs")
    def get(self, request: Request, trade_id: str) -> Response:
        """Outputs of the delivered runs of a trade, for its buyer; fetch the bytes with GET /artifacts/{sha256}."""
        trade = clearing.trade(trade_id)
        if trade.buyer != request.user.address:
            raise NotFound("You have not bought a trade with this id; GET /trades?mine=true lists yours.")
        return Response({"results": queries.outputs(trade), "next": None})


urlpatterns = [
    path("leases", LeasesView.as_view()),
    path("artifacts/<str:sha256>", ArtifactView.as_view()),
    path("orders/<str:order_id>/trades", OrderTradesView.as_view()),
    path("trades", TradesView.as_view()),
    path("trades/<str:trade_id>", TradeView.as_view()),
    path("trades/<str:trade_id>/outputs", OutputsView.as_view()),
]
