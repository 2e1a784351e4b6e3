"""What auditors and the status page ask the ledger. Read-only, open to everybody, never a call to the node."""

from typing import Any

from django.urls import path
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ledger import queries, status

PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX = 100, 500
JSON_INTEGER_MAX = 2**53
PAGE = [
    OpenApiParameter("cursor", str, description="`next` of the page before"),
    OpenApiParameter("limit", int, description=f"rows, 1 to {PAGE_ROWS_MAX}, {PAGE_ROWS_DEFAULT} by default"),
]


class PublicView(APIView):
    """Open to everybody, without a session."""

    authentication_classes: list[type] = []
    permission_classes = [AllowAny]


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


class AuditChainView(PublicView):
    @extend_schema(
        operation_id="audit_chain",
        responses=OpenApiTypes.OBJECT,
        parameters=[*PAGE, OpenApiParameter("name", str, description="only events of this name")],
        summary="Events of the contracts, in chain order, orphaned ones left out",
    )
    def get(self, request: Request) -> Response:
        after, limit = page_of(request)
        name = request.query_params.get("name", "")
        if name and not (name.isascii() and name.isalpha() and len(name) <= 40):
            raise ValidationError({"name": ["is the name of an event, such as TradeLocked"]})
        rows = status.events_page(after=after, limit=limit + 1, name=name)
        following = str(rows[limit - 1]["position"]) if len(rows) > limit else None
        return Response({"results": plain(rows[:limit]), "next": following})


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


def plain(value: Any) -> Any:
    """JSON in which integers above 2^53 are decimal strings."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > JSON_INTEGER_MAX:
        return str(value)
    return value


def _account(row: dict[str, Any]) -> dict[str, Any]:
    return {"address": row["address"]} | {
        key: str(row[key]) for key in ("available", "held", "locked", "exiting")
    }


urlpatterns = [
    path("status", StatusView.as_view(), name="status-json"),
    path("audit/summary", AuditSummaryView.as_view(), name="audit-summary"),
    path("audit/differences", AuditDifferencesView.as_view(), name="audit-differences"),
    path("audit/chain", AuditChainView.as_view(), name="audit-chain"),
    path("audit/accounts", AuditAccountsView.as_view(), name="audit-accounts"),
]
