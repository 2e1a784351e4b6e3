"""HTTP of settlement: one close with its outcomes, its signatures and where its evidence is; proofs of receipts."""

from __future__ import annotations

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ledger import exports
from ledger.lists import BLOCK, PublicView, identity, paths, read_path
from marketplace.rest import ApiView
from marketplace.settlement import checking, queries
from marketplace.settlement.audit_lists import RECEIPTS
from suan.core.proofs import passed


class SettlementView(ApiView):
    @extend_schema(responses=OpenApiTypes.OBJECT, operation_id="settlement")
    def get(self, request: Request, root: str) -> Response:
        """The settlement under a receipts root: what was signed, sent and made final."""
        return Response(queries.render(queries.settlement_by_root(root)))


class ReceiptProofView(ApiView):
    @extend_schema(
        responses={(200, "application/json"): OpenApiTypes.OBJECT}, operation_id="audit_receipt_proof"
    )
    def get(self, request: Request, receipt_id: str) -> HttpResponse:
        """The receipt's proof of inclusion as a file: canonical JSON that checks in Python, Solidity and JavaScript."""
        data = queries.proof_of(receipt_id)
        return exports.document(request, data, name=f"{receipt_id}.proof.json")


class TradeChecksView(PublicView):
    @extend_schema(
        operation_id="audit_trade_checks",
        parameters=[BLOCK],
        responses=OpenApiTypes.OBJECT,
        summary="A trade checked step by step from the chain's log and the published evidence",
    )
    def get(self, request: Request, trade_id: str) -> HttpResponseBase:
        trade = read_path("trade_id", identity("trd"), trade_id)
        at = exports.block_of(request.query_params)
        checks = checking.trade_checks(trade, at)
        body = {
            "trade_id": f"trd_{trade}",
            "passed": passed(checks),
            "checks": [check.to_json() for check in checks],
            "block_number": at.number,
            "block_hash": at.hash,
        }
        return exports.answer(request, body, at)


urlpatterns = [
    path("settlements/<str:root>", SettlementView.as_view()),
    path("audit/trades/<str:trade_id>/checks", TradeChecksView.as_view()),
    *paths(RECEIPTS),
    path("audit/receipts/<str:receipt_id>/proof", ReceiptProofView.as_view()),
]
