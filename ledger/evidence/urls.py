"""The evidence folder over HTTP: `/evidence/<kind>/<name>`, bytes that never change, and listings to find them."""

from typing import Any

from django.db.models import Count
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.http import require_safe

from ledger.errors import BadEvidenceName
from ledger.evidence import files
from ledger.models import EvidenceFile

PAGE_ROWS_MAX = 1000
FOREVER = "public, max-age=31536000, immutable"


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """How much there is of each kind."""
    counts = {
        row["kind"]: row["count"] for row in EvidenceFile.objects.values("kind").annotate(count=Count("id"))
    }
    return JsonResponse({"kinds": {kind: counts.get(kind, 0) for kind in files.KINDS}})


@require_safe
def listing(request: HttpRequest, kind: str) -> HttpResponse:
    """Names of one kind in order of publication, PAGE_ROWS_MAX a page; `next` is the next `?cursor=`."""
    if kind not in files.KINDS:
        return _problem(request, 404, "not_found", f"kinds are {', '.join(files.KINDS)}")
    cursor = request.GET.get("cursor", "0")
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        return _problem(request, 400, "bad_cursor", "cursor is the `next` of the page before")
    rows = list(
        EvidenceFile.objects.filter(kind=kind, id__gt=int(cursor)).order_by("id")[: PAGE_ROWS_MAX + 1]
    )
    results = [{"name": row.name, "size": row.size, "sha256": row.sha256} for row in rows[:PAGE_ROWS_MAX]]
    following = str(rows[PAGE_ROWS_MAX - 1].pk) if len(rows) > PAGE_ROWS_MAX else None
    return JsonResponse({"results": results, "next": following})


@require_safe
def file(request: HttpRequest, kind: str, name: str) -> HttpResponse:
    """The bytes as published."""
    try:
        payload = files.read(kind, name)
    except BadEvidenceName as error:
        return _problem(request, 404, "not_found", str(error))
    if payload is None:
        return _problem(request, 404, "not_found", f"nothing was published as {kind}/{name}")
    response = HttpResponse(payload, content_type=_content_type(kind))
    response["Cache-Control"] = FOREVER
    response["Access-Control-Allow-Origin"] = "*"
    if kind == "objects":
        response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _content_type(kind: str) -> str:
    return "application/octet-stream" if kind == "objects" else "application/json"


def _problem(request: HttpRequest, status: int, code: str, detail: str) -> HttpResponse:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": "Not found" if status == 404 else "Malformed request",
        "status": status,
        "code": code,
        "detail": detail,
        "instance": request.path,
    }
    return JsonResponse(body, status=status, content_type="application/problem+json")


urlpatterns = [
    path("evidence/", index, name="evidence-index"),
    path("evidence/<str:kind>/", listing, name="evidence-listing"),
    path("evidence/<str:kind>/<str:name>", file, name="evidence-file"),
]
