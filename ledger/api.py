"""What auditors and the status page ask the ledger. Read-only and open to everybody."""

from typing import Any

from django.http.response import HttpResponseBase
from django.urls import path
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from ledger import queries
from ledger.explorer import (
    BLOCK,
    LISTINGS,
    PublicView,
    parties,
    paths,
    plain,
    read_path,
    status,
    streams,
    transactions,
    word,
)
from ledger.explorer import address as read_address

PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX = 100, 500
PAGE = [
    OpenApiParameter("cursor", str, description="`next` of the page before"),
    OpenApiParameter("limit", int, description=f"rows, 1 to {PAGE_ROWS_MAX}, {PAGE_ROWS_DEFAULT} by default"),
]


class StatusView(PublicView):
    @extend_schema(operation_id="status", responses=OpenApiTypes.OBJECT, summary="Is the market well?")
    def get(self, request: Request) -> Response:
        return Response(plain(status.status(now=timezone.now())))


class AuditSummaryView(PublicView):
    @extend_schema(
        operation_id="audit_summary", responses=OpenApiTypes.OBJECT, summary="The last reconciliation"
    )
    def get(self, request: Request) -> Response:
        return Response(plain(status.audit_summary()))


class AuditDifferencesView(PublicView):
    @extend_schema(
        operation_id="audit_differences",
        responses=OpenApiTypes.OBJECT,
        parameters=PAGE,
        summary="Rows that do not say what the chain says",
    )
    def get(self, request: Request) -> Response:
        after, limit = page_of(request)
        rows = list(queries.differences().filter(id__gt=after)[: limit + 1])
        results = [
            {
                "id": row.id,
                "check": row.check_name,
                "table": row.table,
                "row": row.row,
                "column": row.column,
                "stored": row.stored,
                "expected": row.expected,
                "found_at": row.found_at,
                "seen_at": row.seen_at,
            }
            for row in rows[:limit]
        ]
        return Response({"results": results, "next": str(rows[limit - 1].id) if len(rows) > limit else None})


class AuditAccountsView(PublicView):
    @extend_schema(
        operation_id="audit_accounts",
        responses=OpenApiTypes.OBJECT,
        parameters=PAGE,
        summary="Balances of every address in base units",
    )
    def get(self, request: Request) -> Response:
        after, limit = page_of(request)
        rows = status.accounts_page(after=after, limit=limit + 1)
        following = str(rows[limit - 1].pop("id")) if len(rows) > limit else None
        return Response({"results": [_account(row) for row in rows[:limit]], "next": following})


class AuditTransactionView(PublicView):
    @extend_schema(
        operation_id="audit_transaction",
        responses=OpenApiTypes.OBJECT,
        parameters=[BLOCK],
        summary="One transaction with its decoded call and its events",
    )
    def get(self, request: Request, tx_hash: str) -> HttpResponseBase:
        at = streams.block_of(request.query_params)
        found = transactions.transaction(at, read_path("tx_hash", word, tx_hash))
        return streams.answer(request, plain(found), at)


class AuditPartyView(PublicView):
    @extend_schema(
        operation_id="audit_party",
        responses=OpenApiTypes.OBJECT,
        parameters=[BLOCK],
        summary="One address: roles, money in the contract, keys",
    )
    def get(self, request: Request, address: str) -> HttpResponseBase:
        at = streams.block_of(request.query_params)
        found = read_path("address", read_address, address)
        body = parties.parties(at).row(found) | {"keys": parties.keys_of(at, found)}
        return streams.answer(request, plain(body), at)


def page_of(request: Request) -> tuple[int, int]:
    """(cursor, limit) of the query, or ValidationError that names the parameter."""
    numbers = {"cursor": 0, "limit": PAGE_ROWS_DEFAULT}
    for name in numbers:
        text = request.query_params.get(name, "")
        if text and not (text.isascii() and text.isdigit() and len(text) <= 18):
            raise ValidationError(
                {name: [f"is a whole number as the page before gave it, not {text[:40]!r}"]}
            )
        numbers[name] = int(text) if text else numbers[name]
    if not 1 <= numbers["limit"] <= PAGE_ROWS_MAX:
        raise ValidationError({"limit": [f"is 1 to {PAGE_ROWS_MAX}"]})
    return numbers["cursor"], numbers["limit"]


def _account(row: dict[str, Any]) -> dict[str, Any]:
    return {"address": row["address"]} | {
        key: str(row[key]) for key in ("available", "held", "locked", "exiting")
    }


urlpatterns = [
    path("status", StatusView.as_view(), name="status-json"),
    path("audit/summary", AuditSummaryView.as_view(), name="audit-summary"),
    path("audit/differences", AuditDifferencesView.as_view(), name="audit-differences"),
    path("audit/accounts", AuditAccountsView.as_view(), name="audit-accounts"),
    path("audit/transactions/<str:tx_hash>", AuditTransactionView.as_view()),
    path("audit/parties/<str:address>", AuditPartyView.as_view()),
    *(address for listing in LISTINGS for address in paths(listing)),
]
