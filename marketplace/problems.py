"""Errors are nouns with facts, and every one reaches a client as RFC 9457 problem+json.

Layout of the answer: `{type, title, status, detail, instance, code, errors: [{pointer, detail, code}], request_id}`.
`pointer` is a JSON pointer into the body (RFC 6901), or the name of a query parameter or header. Each sentence
names the limit that was hit and the next step.

Invariant: what a client sends is never answered with a 5xx; a 500 is our bug and carries the request id.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response

from ledger.errors import (
    BlockOrphaned,
    BlockUnknown,
    InsufficientFunds,
    KeyConflict,
    LedgerError,
    NotDeployed,
    NothingIndexed,
    SettlementHalted,
    TradingStopped,
)
from suan.core.problems import FieldError, Problem
from suan.core.units import format_tokens

CONTENT_TYPE = "application/problem+json"
ERRORS_MAX = 50
REQUEST_ID_HEADER = "X-Request-Id"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")

log = logging.getLogger(__name__)

TITLES = {
    400: "Malformed request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    409: "Conflict",
    410: "Gone",
    413: "Too large",
    415: "Unsupported media type",
    422: "Refused",
    429: "Too many requests",
    500: "Our error",
    503: "Not ready",
}


class DomainError(Exception):
    """Base of what a rule of the market answers to a request. Subclasses set `status` and `code`."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "refused"

    def __init__(self, detail: str, *, problems: Iterable[Problem] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.problems = tuple(problems)


class Refused(DomainError):
    """One or more fields are at fault; `problems` names each with its limit and the next step."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        problems = tuple(problems)
        super().__init__("; ".join(f"{p.field}: {p.message}" for p in problems[:3]), problems=problems)

    @classmethod
    def one(cls, field: str, code: str, message: str) -> Refused:
        return cls([Problem(field, code, message)])


class NotFound(DomainError):
    """There is no such thing, or it is not the caller's to see."""

    status = 404
    code = "not_found"


class Conflict(DomainError):
    """The thing is in a state that does not allow this."""

    status = 409
    code = "conflict"


class Forbidden(DomainError):
    """Signed in, but not allowed."""

    status = 403
    code = "forbidden"


class SignInFailed(DomainError):
    """The proof of identity does not hold."""

    status = 401
    code = "sign_in_failed"


class TooLarge(DomainError):
    """More bytes than the limit of this call."""

    status = 413
    code = "too_large"


class TooManyRequests(DomainError):
    """A limit per account or key was reached."""

    status = 429
    code = "too_many_requests"


class NotReady(DomainError):
    """A part that this call needs (the chain, the deployment) is not there yet; retry later."""

    status = 503
    code = "not_ready"


def problem_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER: None lets an unknown error rise, to be logged and answered as a 500 problem."""
    request = context.get("request")
    body = problem_of(error)
    if body is None:
        return None
    from django.db import connections

    for connection in connections.all(initialized_only=True):
        if connection.settings_dict["ATOMIC_REQUESTS"] and connection.in_atomic_block:
            connection.set_rollback(True)
    headers = {}
    if isinstance(error, exceptions.APIException):
        if getattr(error, "auth_header", None):
            headers["WWW-Authenticate"] = error.auth_header  # type: ignore[attr-defined]
        if getattr(error, "wait", None):
            headers["Retry-After"] = str(int(error.wait) + 1)  # type: ignore[attr-defined]
    response = Response(
        _complete(body, getattr(request, "_request", request)), status=body["status"], headers=headers
    )
    response.content_type = CONTENT_TYPE
    return response


def problem_of(error: Exception) -> dict[str, Any] | None:
    """The problem of an error that a client caused or can act on; None for anything else."""
    if isinstance(error, DomainError):
        return _problem(error.status, error.code, error.detail, error.problems)
    if isinstance(error, FieldError):
        return _problem(422, error.code, str(error), [error.problem])
    if isinstance(error, LedgerError):
        return _ledger_problem(error)
    if isinstance(error, exceptions.ValidationError):
        problems = list(_flatten(error.detail, ""))[:ERRORS_MAX]
        code = problems[0].code if len(problems) == 1 else "invalid"
        return _problem(
            422, code, "; ".join(f"{p.field or 'body'}: {p.message}" for p in problems[:3]), problems
        )
    if isinstance(error, exceptions.APIException):
        codes = error.get_codes()
        code = codes if isinstance(codes, str) else "invalid"
        return _problem(error.status_code, code, str(error.detail))
    if isinstance(error, Http404):
        return _problem(
            404, "not_found", "There is nothing at this address; see /api/schema for what there is."
        )
    if isinstance(error, PermissionDenied):
        return _problem(403, "forbidden", str(error) or "You may not do this.")
    if isinstance(error, RequestDataTooBig):
        return _problem(413, "too_large", "The body is larger than this call accepts; send less.")
    if isinstance(error, SuspiciousOperation):
        return _problem(
            400, "malformed", "The request is malformed; correct its address, headers or cookies."
        )
    return None


class ProblemMiddleware:
    """Gives every request an id, and turns errors outside DRF under /api/ into problems too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get(REQUEST_ID_HEADER, "")
        request.request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex  # type: ignore[attr-defined]
        response = self.get_response(request)
        response[REQUEST_ID_HEADER] = request.request_id  # type: ignore[attr-defined]
        is_error = response.status_code >= 400 and not response.get("Content-Type", "").startswith(
            CONTENT_TYPE
        )
        if is_error and request.path.startswith("/api/"):
            status = response.status_code
            code = {404: "not_found", 400: "malformed", 403: "forbidden"}.get(status, "error")
            plain = _plain_response(request, status, code)
            plain[REQUEST_ID_HEADER] = request.request_id  # type: ignore[attr-defined]
            return plain
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """A bug under /api/ is logged with its request id and answered as a problem, never as a page."""
        if not request.path.startswith("/api/"):
            return None
        body = problem_of(error)
        if body is None:
            log.exception("request %s failed", getattr(request, "request_id", "?"), exc_info=error)
            return _plain_response(request, 500, "internal")
        return JsonResponse(_complete(body, request), status=body["status"], content_type=CONTENT_TYPE)


def _ledger_problem(error: LedgerError) -> dict[str, Any] | None:
    if isinstance(error, InsufficientFunds):
        free, need = format_tokens(error.available), format_tokens(error.needed)
        missing = format_tokens(error.needed - error.available)
        text = f"{need} tokens must be held and {free} are free; deposit {missing} more or ask for less."
        return _problem(422, "insufficient_funds", text, [Problem("maker", "insufficient_funds", text)])
    if isinstance(error, BlockUnknown):
        return _problem(422, "block_unknown", str(error), [Problem("block", "block_unknown", str(error))])
    if isinstance(error, BlockOrphaned):
        return _problem(409, "block_orphaned", str(error), [Problem("block", "block_orphaned", str(error))])
    if isinstance(error, KeyConflict):
        return _problem(409, "key_conflict", str(error))
    if isinstance(error, TradingStopped):
        return _problem(503, "halted", f"{error}.")
    if isinstance(error, NotDeployed | NothingIndexed | SettlementHalted):
        return _problem(503, "not_ready", f"{error}. Retry later; /status shows when it is over.")
    return None


def _plain_response(request: HttpRequest, status: int, code: str) -> HttpResponse:
    details = {
        404: "There is nothing at this address; see /api/schema for what there is.",
        400: "The request is malformed; correct its address, headers or cookies.",
        403: "You may not do this; sign in, or send the CSRF token with the session.",
        500: "We failed, not you. Repeat the same call; with client_order_id a repeat is always safe.",
    }
    body = _problem(status, code, details.get(status, TITLES.get(status, "The request failed.")))
    return JsonResponse(_complete(body, request), status=status, content_type=CONTENT_TYPE)


def _problem(status: int, code: str, detail: str, problems: Iterable[Problem] = ()) -> dict[str, Any]:
    return {
        "type": f"urn:suan:problem:{code}",
        "title": TITLES.get(status, "Error"),
        "status": status,
        "detail": detail[:1000],
        "code": code,
        "errors": [
            {"pointer": _pointer(p.field), "detail": p.message[:500], "code": p.code} for p in problems
        ],
    }


def _complete(body: dict[str, Any], request: HttpRequest | None) -> dict[str, Any]:
    instance = getattr(request, "path", "")
    request_id = getattr(request, "request_id", None) or uuid.uuid4().hex
    return {**body, "instance": instance, "request_id": request_id}


def _pointer(field: str) -> str:
    """`terms.memory_bytes` -> `/terms/memory_bytes`; a list index in brackets becomes a part of its own."""
    if not field:
        return ""
    parts = re.sub(r"\[(\d+)\]", r".\1", field).split(".")
    return "/" + "/".join(part.replace("~", "~0").replace("/", "~1") for part in parts)


def _flatten(detail: Any, field: str) -> Iterable[Problem]:
    """DRF's tree of error details as a flat list of problems with dotted fields."""
    if isinstance(detail, Mapping):
        for name, part in detail.items():
            inner = field if name == "non_field_errors" else f"{field}.{name}" if field else str(name)
            yield from _flatten(part, inner)
    elif isinstance(detail, list | tuple):
        for position, part in enumerate(detail):
            nested = isinstance(part, Mapping | list | tuple)
            yield from _flatten(part, f"{field}[{position}]" if nested else field)
    else:
        yield Problem(field, getattr(detail, "code", "invalid"), str(detail))
