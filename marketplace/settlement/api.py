"""HTTP of settlement: one close with its outcomes, its signatures and where its evidence is; proofs of receipts."""

from __future__ import annotations

import time

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ledger.explorer import BLOCK, PublicView, identity, paths, read_path, streams, word
from marketplace.rest import ApiView, HexField, StrictSerializer, TextField, UintField, parse
from marketplace.settlement import actions, checking, queries
from marketplace.settlement.audit_lists import RECEIPTS
from suan.core.evidence import passed


class SettlementView(ApiView):
    @extend_schema(responses=OpenApiTypes.OBJECT, operation_id="settlement")
    def get(self, request: Request, root: str) -> Response:
        """The settlement under a receipts root: what was signed, sent and made final."""
        return Response(queries.render(queries.settlement_by_root(root)))


class OutcomeBody(StrictSerializer):
    trade = HexField(length=32)
    kind = UintField(most=2)
    runs_delivered = UintField(most=2**32 - 1)
    units = UintField(most=2**64 - 1)


class AnswerBody(StrictSerializer):
    signature = HexField(
        length=65,
        help_text="of a member of the verifier set: over the proposal's digest, or over the dissent",
    )
    reason = TextField(required=False, max_length=300, help_text="why you do not sign; makes it a dissent")
    outcomes = OutcomeBody(
        many=True, required=False, allow_null=True, help_text="what you came to instead, if anything"
    )


class ProposalsView(ApiView):
    @extend_schema(responses=OpenApiTypes.OBJECT, operation_id="proposals")
    def get(self, request: Request) -> Response:
        """Verdicts and deliveries that wait for signatures of the verifier set, with who has answered what."""
        return Response({"results": queries.proposals()})


class AnswersView(ApiView):
    @extend_schema(
        request=AnswerBody,
        responses={200: OpenApiTypes.OBJECT, 201: OpenApiTypes.OBJECT},
        operation_id="answer_proposal",
    )
    def post(self, request: Request, digest: str) -> Response:
        """A verifier's signature under a proposal, or its dissent. The signature says whose it is; a repeat is harmless."""
        body = parse(AnswerBody, request.data)
        rows = body.get("outcomes")
        outcomes = None if rows is None else [dict(row) | {"units": str(row["units"])} for row in rows]
        answer, new = actions.submit_answer(
            digest=read_path("digest", word, digest),
            signature=body["signature"],
            reason=body.get("reason", "").strip(),
            outcomes=outcomes,
            now=int(time.time()),
        )
        return Response(
            {
                "digest": answer.digest,
                "member": answer.member,
                "agrees": answer.agrees,
                "reason": answer.reason,
            },
            status=201 if new else 200,
        )


class ReceiptProofView(ApiView):
    @extend_schema(
        responses={(200, "application/json"): OpenApiTypes.OBJECT}, operation_id="audit_receipt_proof"
    )
    def get(self, request: Request, receipt_id: str) -> HttpResponse:
        """The receipt's proof of inclusion as a file: canonical JSON that checks in Python, Solidity and JavaScript."""
        data = queries.proof_of(receipt_id)
        return streams.document(request, data, name=f"{receipt_id}.proof.json")


class TradeChecksView(PublicView):
    @extend_schema(
        operation_id="audit_trade_checks",
        parameters=[BLOCK],
        responses=OpenApiTypes.OBJECT,
        summary="A trade checked step by step from the chain's log and the published evidence",
    )
    def get(self, request: Request, trade_id: str) -> HttpResponseBase:
        trade = read_path("trade_id", identity("trd"), trade_id)
        at = streams.block_of(request.query_params)
        checks = checking.trade_checks(trade, at)
        body = {
            "trade_id": f"trd_{trade}",
            "passed": passed(checks),
            "checks": [check.to_json() for check in checks],
            "block_number": at.number,
            "block_hash": at.hash,
        }
        return streams.answer(request, body, at)


urlpatterns = [
    path("proposals", ProposalsView.as_view()),
    path("proposals/<str:digest>/answers", AnswersView.as_view()),
    path("settlements/<str:root>", SettlementView.as_view()),
    path("audit/trades/<str:trade_id>/checks", TradeChecksView.as_view()),
    *paths(RECEIPTS),
    path("audit/receipts/<str:receipt_id>/proof", ReceiptProofView.as_view()),
]
