"""HTTP of receipts: agents hand in what they signed; everybody may read what became of it."""

from __future__ import annotations

import time

from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.problems import Refused
from marketplace.receipts import actions, queries
from marketplace.rest import ApiView, HexField, StrictSerializer, parse
from suan.core.encoding import from_hex

OBJECT = OpenApiTypes.OBJECT


class ReceiptBody(StrictSerializer):
    receipt = serializers.DictField(help_text="the EIP-712 struct Receipt, fields as in docs/protocol.md")
    signature = HexField(
        length=65, help_text="by the agent key, over the struct's digest in the Market domain"
    )
    output = HexField(
        length=32, required=False, help_text="SHA-256 of the uploaded output; the receipt names it too"
    )


class ReceiptsView(ApiView):
    scopes = {"POST": "provide"}

    @extend_schema(request=ReceiptBody, responses={200: OBJECT, 201: OBJECT}, operation_id="submit_receipt")
    def post(self, request: Request) -> Response:
        """Deliver a run whose output was uploaded with POST /artifacts. A repeat is answered with the same receipt."""
        body = parse(ReceiptBody, request.data)
        if "output" in body and body["output"] != str(body["receipt"].get("output", "")).lower():
            raise Refused.one(
                "output", "differs", "it is not the output that the receipt names; send the same hash."
            )
        receipt, made = actions.submit_receipt(
            participant=request.user,
            body=body["receipt"],
            signature=from_hex(body["signature"]),
            now=int(time.time()),
        )
        return Response(queries.render(receipt), status=201 if made else 200)


class ReceiptView(ApiView):
    @extend_schema(responses=OBJECT, operation_id="receipt")
    def get(self, request: Request, receipt_id: str) -> Response:
        """One receipt with its verdict, our own count, and the engine that confirmed a rejection."""
        return Response(queries.render(queries.receipt_by_id(receipt_id)))


urlpatterns = [
    path("receipts", ReceiptsView.as_view()),
    path("receipts/<str:receipt_id>", ReceiptView.as_view()),
]
