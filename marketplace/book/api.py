"""HTTP of the book: the market's facts, uploads, orders. Parse, one action, render."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from ledger.queries import deployment
from marketplace.book import actions, queries, serializers
from marketplace.book.models import SIDE_BUY, SIDE_SELL, STATUSES
from marketplace.problems import NotFound
from marketplace.rest import PAGE_PARAMETERS, ApiView, RawParser, page, parse, query_value, read_limited
from suan.core.delivery import SCHEDULE, weights
from suan.core.encoding import from_hex
from suan.core.orders import PRODUCTS, RESOURCE_CLASSES, product_by_symbol
from suan.core.signing import market_domain, registry_domain
from suan.core.units import UNITS_PER_GFLOPS_HOUR, format_tokens

OBJECT = OpenApiTypes.OBJECT
SIDES = {"buy": SIDE_BUY, "sell": SIDE_SELL}


def now() -> int:
    return int(time.time())


class MarketView(ApiView):
    @extend_schema(responses=OBJECT, operation_id="market")
    def get(self, request: Request) -> Response:
        """Addresses, EIP-712 domains, products with last prices, metering weights, limits, faucet yes or no."""
        chain = deployment()
        return Response(
            {
                **{name: value for name, value in chain.raw.items() if not name.startswith("_")},
                "domains": {
                    "market": market_domain(chain.chain_id, chain.market).to_json(),
                    "registry": registry_domain(chain.chain_id, chain.registry).to_json(),
                },
                "products": [_product(symbol) for symbol in PRODUCTS],
                "metering": {
                    "schedule": SCHEDULE,
                    "weights": {name: _weights(name) for name in RESOURCE_CLASSES},
                    "work_units_per_gflops_hour": UNITS_PER_GFLOPS_HOUR,
                },
                "limits": {
                    **queries.limits().to_json(),
                    "artifact_bytes_max": settings.ARTIFACT_BYTES_MAX,
                    "module_bytes_max": settings.MODULE_BYTES_MAX,
                },
                "faucet": settings.FAUCET,
                "time": now(),
            }
        )


class ArtifactsView(ApiView):
    parser_classes = [RawParser]
    scopes = {"POST": "trade provide"}

    @extend_schema(
        request={"application/octet-stream": OpenApiTypes.BINARY},
        responses={201: OBJECT},
        operation_id="upload",
    )
    def post(self, request: Request) -> Response:
        """Upload job code, an input or an output as a raw body; it is addressed by its SHA-256."""
        data = read_limited(request._request, {"request": request._request}, settings.ARTIFACT_BYTES_MAX)
        artifact = actions.store_artifact(
            owner=request.user,
            data=data,
            bytes_max=settings.ARTIFACT_BYTES_MAX,
            account_bytes_max=settings.ARTIFACT_BYTES_PER_ACCOUNT_MAX,
            now=now(),
        )
        return Response({"sha256": artifact.sha256, "size": artifact.size_bytes}, status=201)


class BidsView(ApiView):
    scopes = {"POST": "trade"}

    @extend_schema(
        request=serializers.BidBody, responses={201: OBJECT, 200: OBJECT}, operation_id="place_bid"
    )
    def post(self, request: Request) -> Response:
        """Place a bid. 201 for a new one; the same body again is the same order (200)."""
        body = parse(serializers.BidBody, request.data)
        signature = body.pop("signature", None)
        order, made = actions.place_bid(
            participant=request.user,
            body=body,
            signature=None if signature is None else from_hex(signature),
            limits=queries.limits(),
            now=now(),
        )
        return Response(queries.order_view(order), status=201 if made else 200)


class OffersView(ApiView):
    scopes = {"POST": "trade"}

    @extend_schema(
        request=serializers.OfferBody, responses={201: OBJECT, 200: OBJECT}, operation_id="place_offer"
    )
    def post(self, request: Request) -> Response:
        """Place an offer of a node's work. 201 for a new one; the same body again is the same order (200)."""
        body = parse(serializers.OfferBody, request.data)
        signature = body.pop("signature", None)
        order, made = actions.place_offer(
            participant=request.user,
            body=body,
            signature=None if signature is None else from_hex(signature),
            limits=queries.limits(),
            now=now(),
        )
        return Response(queries.order_view(order), status=201 if made else 200)


class NoncesView(ApiView):
    scopes = {"POST": "trade"}

    @extend_schema(request=serializers.NonceBody, responses=OBJECT, operation_id="reserve_nonce")
    def post(self, request: Request) -> Response:
        """The nonce to sign into an order of this name; asked again, the same. Nonces of a side count up."""
        body = parse(serializers.NonceBody, request.data)
        nonce = actions.reserve_nonce(
            participant=request.user, side=SIDES[body["side"]], client_order_id=body["client_order_id"]
        )
        return Response({"side": body["side"], "client_order_id": body["client_order_id"], "nonce": nonce})


class PreviewView(ApiView):
    scopes = {"POST": "read"}

    @extend_schema(request=serializers.PreviewBody, responses=OBJECT, operation_id="preview_order")
    def post(self, request: Request) -> Response:
        """Cost, worst case, what the book would fill now, and the money outcomes. Changes nothing."""
        body = parse(serializers.PreviewBody, request.data)
        product_by_symbol(body["product"])
        return Response(queries.preview(side=body["side"], body=body, maker=request.user.address, now=now()))


class OrdersView(ApiView):
    scopes = {"GET": "read"}

    @extend_schema(
        parameters=[
            *PAGE_PARAMETERS,
            OpenApiParameter("status", str, description="a status, or open"),
            OpenApiParameter("product", str),
            OpenApiParameter("side", str, enum=["buy", "sell"]),
            OpenApiParameter("client_order_id", str, description="authoritative after any timeout"),
        ],
        responses=OBJECT,
        operation_id="list_orders",
    )
    def get(self, request: Request) -> Response:
        """Your orders, newest first."""
        query = request.query_params
        status, side = query_value(query, "status"), query_value(query, "side")
        known = ["open", *(name for name, _ in STATUSES)]
        if status is not None and status not in known:
            raise exceptions.ValidationError(
                {"status": [f"Choose one of {', '.join(known)}."]}, "unknown_value"
            )
        if side is not None and side not in SIDES:
            raise exceptions.ValidationError({"side": ["Choose buy or sell."]}, "unknown_value")
        rows = queries.orders_of(
            request.user,
            status=status,
            symbol=query_value(query, "product"),
            side=None if side is None else SIDES[side],
            client_order_id=query_value(query, "client_order_id"),
        )
        return Response(page(query, rows, key="sequence", render=queries.order_view))


class OrderView(ApiView):
    scopes = {"GET": "read"}

    @extend_schema(responses=OBJECT, operation_id="get_order")
    def get(self, request: Request, order_id: str) -> Response:
        """One of your orders with its execution reports."""
        order = queries.order_by_id(order_id)
        if order.participant_id != request.user.pk:
            raise NotFound("There is no order of yours with this id; GET /orders lists yours.")
        return Response({**queries.order_view(order), "executions": queries.executions(order)})


class CancelView(ApiView):
    scopes = {"POST": "trade"}

    @extend_schema(request=serializers.CancelBody, responses=OBJECT, operation_id="cancel_order")
    def post(self, request: Request, order_id: str) -> Response:
        """Take what is left of an order out of the book; on_chain makes the contract refuse it too."""
        body = parse(serializers.CancelBody, request.data)
        order = actions.cancel_order(
            participant=request.user,
            order_id=order_id,
            signature=None if body["signature"] is None else from_hex(body["signature"]),
            on_chain=body["on_chain"],
            now=now(),
        )
        return Response(queries.order_view(order))


def _product(symbol: str) -> dict[str, Any]:
    product = PRODUCTS[symbol]
    price = queries.last_price(symbol)
    return {
        "symbol": symbol,
        "id": product.id_hex,
        "class": product.resource_class,
        "region": product.region,
        "verification": product.verification,
        "last_price": None if price is None else format_tokens(price),
    }


def _weights(resource_class: str) -> dict[str, int]:
    return asdict(weights(resource_class))


urlpatterns = [
    path("market", MarketView.as_view()),
    path("artifacts", ArtifactsView.as_view()),
    path("bids", BidsView.as_view()),
    path("offers", OffersView.as_view()),
    path("orders", OrdersView.as_view()),
    path("orders/nonces", NoncesView.as_view()),
    path("orders/preview", PreviewView.as_view()),
    path("orders/<str:order_id>", OrderView.as_view()),
    path("orders/<str:order_id>/cancel", CancelView.as_view()),
]
