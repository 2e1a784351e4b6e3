"""What every API module shares: strict bodies, exact numbers, cursor pages, scopes.

Limits: a JSON body has at most 64 KiB and 16 levels (marketplace/parsers.py), a page at most 500 rows.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema_field
from rest_framework import exceptions, permissions, serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from marketplace.parsers import JSON_BYTES_MAX, RawParser, StrictJSONParser, read_limited
from suan.core.encoding import from_hex, normalise_address
from suan.core.problems import FieldError
from suan.core.units import parse_tokens

__all__ = ["JSON_BYTES_MAX", "RawParser", "StrictJSONParser", "read_limited"]
PAGE_ROWS_DEFAULT = 100
PAGE_ROWS_MAX = 500
M = TypeVar("M", bound=Model)
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,77}")

PAGE_PARAMETERS = [
    OpenApiParameter("cursor", str, description="`next` of the page before"),
    OpenApiParameter("limit", int, description=f"rows, 1 to {PAGE_ROWS_MAX}, {PAGE_ROWS_DEFAULT} by default"),
]


class StrictSerializer(serializers.Serializer):
    """A serializer that refuses fields which it does not know, by name."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = [str(name)[:80] for name in data if name not in self.fields]
            if unknown:
                known = ", ".join(self.fields)
                raise serializers.ValidationError(
                    {
                        name: [
                            serializers.ErrorDetail(
                                f"There is no such field; remove it. Known: {known}.", "unknown_field"
                            )
                        ]
                        for name in unknown[:10]
                    }
                )
        return super().to_internal_value(data)


@extend_schema_field(
    {"type": "string", "pattern": "^(0|[1-9][0-9]*)$", "description": "whole number, as text or number"}
)
class UintField(serializers.Field):
    """A whole number within limits, from a JSON integer or a decimal string; never from a float or a bool."""

    def __init__(self, *, least: int = 0, most: int = 2**256 - 1, **kwargs: Any) -> None:
        self.least, self.most = least, most
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, str) and _DECIMAL.fullmatch(data):
            data = int(data)
        if isinstance(data, bool) or not isinstance(data, int):
            raise serializers.ValidationError(
                "A whole number is needed, as a number or as decimal text.", "not_an_integer"
            )
        if data < self.least:
            raise serializers.ValidationError(f"It must be at least {self.least}.", "too_low")
        if data > self.most:
            raise serializers.ValidationError(f"It must be at most {self.most}.", "too_high")
        return data

    def to_representation(self, value: int) -> str:
        return str(value)


@extend_schema_field({"type": "string", "pattern": "^[0-9]+(\\.[0-9]{1,18})?$", "example": "0.85"})
class TokensField(serializers.Field):
    """A token amount as decimal text ("0.85"), exact to 18 decimals; base units inside."""

    def __init__(self, *, most: int = 2**96 - 1, **kwargs: Any) -> None:
        self.most = most
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, str):
            raise serializers.ValidationError(
                'Write the amount as text, like "0.85": numbers lose digits.', "not_text"
            )
        amount = _from_core(lambda: parse_tokens(data))
        if amount > self.most:
            raise serializers.ValidationError(f"It must be at most {self.most} base units.", "too_high")
        return int(amount)

    def to_representation(self, value: int) -> str:
        return str(value)


@extend_schema_field({"type": "string", "pattern": "^0x([0-9a-fA-F]{2})*$"})
class HexField(serializers.Field):
    """0x hex of exactly `length` bytes, lower-cased."""

    def __init__(self, *, length: int, **kwargs: Any) -> None:
        self.length = length
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        return "0x" + _from_core(lambda: from_hex(data, length=self.length)).hex()

    def to_representation(self, value: str) -> str:
        return value


@extend_schema_field({"type": "string", "pattern": "^0x[0-9a-fA-F]{40}$"})
class AddressField(serializers.Field):
    """An address, lower-cased; mixed case only with a right checksum."""

    def to_internal_value(self, data: Any) -> str:
        return str(_from_core(lambda: normalise_address(data)))

    def to_representation(self, value: str) -> str:
        return value


class TextField(serializers.CharField):
    """Text only: a number or a list is not silently made into text."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError("Text is needed.", "not_text")
        return str(super().to_internal_value(data))


def _from_core(parse: Callable[[], Any]) -> Any:
    try:
        return parse()
    except FieldError as error:
        raise serializers.ValidationError(error.problem.message, error.code) from None


class ApiView(APIView):
    """Base of the JSON views. `scopes` maps a method to the scope that an API key needs; none means public."""

    parser_classes = [StrictJSONParser]
    scopes: dict[str, str] = {}

    def get_permissions(self) -> Any:
        scope = self.scopes.get(self.request.method or "")
        return [HasScope(scope)] if scope else [permissions.AllowAny()]


class HasScope(permissions.BasePermission):
    """Signed in by session, or by an API key that carries the scope, or one of several parted by spaces."""

    def __init__(self, scope: str) -> None:
        self.scope = scope

    def has_permission(self, request: Request, view: Any) -> bool:
        if not getattr(request.user, "is_authenticated", False):
            raise exceptions.NotAuthenticated(
                "Sign in, or send an API key as 'Authorization: Bearer sk_…'.", "not_signed_in"
            )
        key = request.auth
        wanted = self.scope.split()
        if key is not None and not set(wanted) & set(key.scopes):
            raise exceptions.PermissionDenied(
                f"This call needs a key with the scope {' or '.join(wanted)}; this one has {', '.join(key.scopes)}.",
                "scope_missing",
            )
        return True


def parse(serializer_class: type[serializers.Serializer], data: Any, **context: Any) -> dict[str, Any]:
    """The validated values of a body, or a 422 that names each field at fault."""
    serializer = serializer_class(data=data, context=context)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def page(
    query: Mapping[str, str], rows: QuerySet[M], *, key: str = "id", render: Callable[[M], Any]
) -> dict[str, Any]:
    """One page, newest first by the unique integer column `key`: {"results": […], "next": cursor or null}."""
    found, following = page_rows(query, rows, key=key)
    return {"results": [render(row) for row in found], "next": following}


def page_rows(query: Mapping[str, str], rows: QuerySet[M], *, key: str = "id") -> tuple[list[M], str | None]:
    """The rows of one page and the cursor of the next, for lists that render their rows together."""
    raw = query.get("limit", str(PAGE_ROWS_DEFAULT))
    if not re.fullmatch(r"[0-9]{1,6}", raw) or not 1 <= int(raw) <= PAGE_ROWS_MAX:
        raise exceptions.ValidationError(
            {"limit": [f"It must be a number from 1 to {PAGE_ROWS_MAX}."]}, "out_of_range"
        )
    limit = int(raw)
    if cursor := query.get("cursor"):
        rows = rows.filter(**{f"{key}__lt": _position(cursor)})
    found = list(rows.order_by(f"-{key}")[: limit + 1])
    more = len(found) > limit
    found = found[:limit]
    return found, _cursor(getattr(found[-1], key)) if more else None


def query_value(query: Mapping[str, str], name: str, *, most: int = 128) -> str | None:
    """A query parameter as short printable text, or None; NUL and control characters are refused."""
    value = query.get(name)
    if value is None:
        return None
    if len(value) > most or not value.isprintable():
        raise exceptions.ValidationError(
            {name: [f"Printable text of at most {most} characters is needed."]}, "not_text"
        )
    return value


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(str(position).encode()).decode().rstrip("=")


def _position(cursor: str) -> int:
    try:
        text = base64.urlsafe_b64decode(cursor[:64] + "=" * (-len(cursor[:64]) % 4)).decode("ascii")
        position = int(text) if re.fullmatch(r"[0-9]{1,18}", text) else -1
    except (ValueError, binascii.Error):
        position = -1
    if position < 0:
        raise exceptions.ValidationError(
            {"cursor": ["It is not a cursor; send the `next` of a page, or none for the first page."]},
            "bad_cursor",
        )
    return position
