"""A list for auditors as three addresses: `<name>` in pages, `<name>.csv` and `<name>.jsonl` as streams.

A `Listing` says what the list is; the views, the checks of its parameters and its part of the OpenAPI file follow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from ledger.explorer import streams
from suan.core.encoding import from_hex, normalise_address, to_hex
from suan.core.ids import parse_id
from suan.core.problems import FieldError

BLOCK = OpenApiParameter(
    "block", str, description="as of this block, by number or hash; the newest indexed one without it"
)
SORT = OpenApiParameter("sort", str, enum=["oldest", "newest"], description="`oldest` first by default")
PAGE = [
    OpenApiParameter("cursor", str, description="`next` of the page before; all pages speak of one block"),
    OpenApiParameter(
        "limit",
        int,
        description=f"rows, 1 to {streams.PAGE_ROWS_MAX}, {streams.PAGE_ROWS_DEFAULT} by default",
    ),
]
COMMON = frozenset({"block", "sort", "cursor", "limit"})


@dataclass(frozen=True)
class Filter:
    """A query parameter: `read` makes the value, or raises ValueError with what is needed."""

    read: Callable[[str], Any]
    description: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Listing:
    """name: also the last part of the address. columns: name -> meaning with unit; the same in all three forms."""

    name: str
    summary: str
    columns: dict[str, str]
    source: Callable[..., streams.Source]
    filters: dict[str, Filter] = field(default_factory=dict)

    def values(self, query: Mapping[str, str], *, paged: bool) -> dict[str, Any]:
        """Arguments of `source` that the parameters ask for. Raises ValidationError that names each one at fault."""
        known = {*self.filters, *(COMMON if paged else COMMON - {"cursor", "limit"})}
        faults: dict[str, list[str]] = {}
        values: dict[str, Any] = {}
        for name, text in query.items():
            if name not in known:
                faults[name[:80]] = [f"There is no such parameter; known are {', '.join(sorted(known))}."]
            elif name in self.filters and text:
                try:
                    values[name] = self.filters[name].read(text)
                except ValueError as error:
                    faults[name] = [str(error)]
        if faults:
            raise ValidationError(faults, "bad_filter")
        return values


class PublicView(APIView):
    """Open to everybody, without a session; whatever `Accept` says, an address has one form."""

    authentication_classes: list[type] = []
    permission_classes = [AllowAny]

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        renderer = self.get_renderers()[0]
        return renderer, renderer.media_type


def paths(listing: Listing, *, prefix: str = "audit/") -> list[URLPattern]:
    """The three addresses of a list."""
    return [
        path(f"{prefix}{listing.name}", _page_view(listing).as_view(), name=f"audit-{listing.name}"),
        *(
            path(f"{prefix}{listing.name}.{form}", _export_view(listing, form).as_view())
            for form in streams.FORMATS
        ),
    ]


def _page_view(listing: Listing) -> type[PublicView]:
    class PageView(PublicView):
        @extend_schema(
            operation_id=f"audit_{listing.name}",
            summary=listing.summary,
            parameters=[BLOCK, SORT, *PAGE, *_parameters(listing)],
            responses={200: _schema(listing)},
        )
        def get(self, request: Request) -> HttpResponseBase:
            values = listing.values(request.query_params, paged=True)
            streams.asked(
                request.query_params, listing.name
            )  # What is malformed is refused before anything is read.
            at = streams.started(request.query_params, listing.name)
            return streams.page(request, listing.name, at, listing.source(at, **values))

    return PageView


def _export_view(listing: Listing, form: str) -> type[PublicView]:
    media = streams.FORMATS[form].partition(";")[0]

    class ExportView(PublicView):
        @extend_schema(
            operation_id=f"audit_{listing.name}_{form}",
            summary=f"{listing.summary}: the whole list as {'CSV' if form == 'csv' else 'JSON Lines'}",
            parameters=[BLOCK, SORT, *_parameters(listing)],
            responses={
                (200, media): OpenApiResponse(
                    OpenApiTypes.STR,
                    description="streamed; `Suan-Block-Number` and `Suan-Block-Hash` name its block",
                )
            },
        )
        def get(self, request: Request) -> HttpResponseBase:
            values = listing.values(request.query_params, paged=False)
            streams.descending(request.query_params, listing.name)
            at = streams.block_of(request.query_params)
            source = listing.source(at, **values)
            return streams.export(request, listing.name, form, at, source, list(listing.columns))

    return ExportView


def _parameters(listing: Listing) -> list[OpenApiParameter]:
    return [
        OpenApiParameter(name, str, description=item.description, enum=item.choices or None)
        for name, item in listing.filters.items()
    ]


def _schema(listing: Listing) -> dict[str, Any]:
    row = {
        "type": "object",
        "properties": {name: {"description": text} for name, text in listing.columns.items()},
    }
    return {
        "type": "object",
        "required": ["results", "next", "block_number", "block_hash"],
        "properties": {
            "results": {"type": "array", "items": row},
            "next": {"type": ["string", "null"], "description": "cursor of the next page"},
            "block_number": {"type": "integer", "description": "the block that the rows speak of"},
            "block_hash": {"type": "string"},
        },
    }


# ------------------------------------------------------------------------------------------ readers of parameters


def read_path(name: str, read: Callable[[str], str], text: str) -> str:
    """A part of the address, or ValidationError that says what it must be."""
    try:
        return read(text)
    except ValueError as error:
        raise ValidationError({name: [str(error)]}, "bad_id") from None


def word(text: str) -> str:
    """A 32-byte value in lower-case hex."""
    return _hex(text, "0x and 64 hex digits")


def identity(prefix: str) -> Callable[[str], str]:
    """Reads ids of one kind, such as trd_0x…, to their bare hash."""

    def read(text: str) -> str:
        try:
            return to_hex(parse_id(text, prefix=prefix))
        except FieldError:
            raise ValueError(f"It is {prefix}_0x and 64 hex digits, not {text[:80]!r}.") from None

    return read


def address(text: str) -> str:
    """An address in lower case."""
    try:
        return normalise_address(text)
    except FieldError as error:
        raise ValueError(error.problem.message) from None


def anything(text: str) -> str:
    """An address, a 32-byte value or an id with its prefix, as it stands in the arguments of events."""
    if len(text) == 42:
        return address(text)
    return _hex(text[4:] if text[3:4] == "_" else text, "an address, a hash, or an id such as trd_0x…")


def choice(*names: str) -> Filter:
    """One of these words."""

    def read(text: str) -> str:
        if text not in names:
            raise ValueError(f"It is one of {', '.join(names)}, not {text[:40]!r}.")
        return text

    return Filter(read, "one of: " + ", ".join(names), names)


def flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"It is true or false, not {text[:40]!r}.")
    return text == "true"


def _hex(text: str, wanted: str) -> str:
    try:
        return to_hex(from_hex(text, length=32))
    except FieldError:
        raise ValueError(f"It is {wanted}, not {text[:80]!r}.") from None
