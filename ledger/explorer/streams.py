"""Lists for auditors over HTTP: the block they speak of, cursor pages, CSV and JSON Lines, ETags.

Every answer names its block in `Suan-Block-Number` and `Suan-Block-Hash`. A cursor carries the block of its first page,
so all pages of a list are one snapshot; a block that left the chain in between ends it with 409. Exports are streamed in
chunks of CHUNK_ROWS, so memory does not grow with the list; one whose block is orphaned under way is broken off.
"""

from __future__ import annotations

import base64
import binascii
import csv
import hashlib
import io
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Protocol

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from ledger.explorer.facts import AsOf, Row, as_of
from suan.core.encoding import from_hex
from suan.core.problems import FieldError

PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX, CHUNK_ROWS = 100, 500, 500
JSON_INTEGER_MAX = 2**53 - 1
BLOCK_NUMBER_MAX = 2**53
OLDEST, NEWEST = "oldest", "newest"
FORMATS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
_CURSOR = re.compile(r"([a-z]{1,20})\.(0x[0-9a-f]{64})\.([ad])\.([0-9]{1,18}|0x[0-9a-f]{40})")
_NUMBER = re.compile(r"[0-9]{1,16}")


class Source(Protocol):
    """Rows in a stable order; facts.Facts and parties.Parties."""

    def slice(self, *, after: Any, limit: int, newest_first: bool) -> list[tuple[Any, Row]]: ...


class ExportBroken(RuntimeError):
    """The block of an export left the chain while it was written: the client sees a broken transfer, not a wrong file."""


def block_of(query: Mapping[str, str]) -> AsOf:
    """The block that `?block=` names by number or hash; the newest without it. Raises ValidationError, LedgerError."""
    text = query.get("block", "")
    if not text:
        return as_of(None)
    if _NUMBER.fullmatch(text) and int(text) < BLOCK_NUMBER_MAX:
        return as_of(int(text))
    try:
        return as_of("0x" + from_hex(text, length=32).hex())
    except FieldError:
        raise ValidationError(
            {"block": [f"It is a block number or a block hash (0x and 64 hex digits), not {text[:80]!r}."]},
            "bad_block",
        ) from None


def page(request: Request, name: str, at: AsOf, source: Source) -> HttpResponseBase:
    """One page: `{"results": […], "next": cursor or null, "block_number", "block_hash"}`, with its ETag.

    `at` must be the block of `started(request.query_params, name)`.
    """
    rows, following = cut(request.query_params, name, at, source)
    body = {
        "results": [plain(row) for row in rows],
        "next": following,
        "block_number": at.number,
        "block_hash": at.hash,
    }
    return answer(request, body, at)


def cut(
    query: Mapping[str, str], name: str, at: AsOf, source: Source, *, sort: str = OLDEST
) -> tuple[list[Row], str | None]:
    """(rows, cursor of the next page or None) that a query asks for; `sort` is used when it names none."""
    newest_first, limit, after = asked(query, name, sort=sort)
    found = source.slice(after=after, limit=limit + 1, newest_first=newest_first)
    more = len(found) > limit
    return [row for _, row in found[:limit]], _cursor(
        name, at, newest_first, found[limit - 1][0]
    ) if more else None


def asked(query: Mapping[str, str], name: str, *, sort: str = OLDEST) -> tuple[bool, int, int | str | None]:
    """(newest first, rows, key of the last row before) of a page. Raises ValidationError that names the parameter."""
    cursor = query.get("cursor", "")
    after = _parts(cursor, name)[2] if cursor else None
    return descending(query, name, sort=sort), _limit(query), after


def started(query: Mapping[str, str], name: str) -> AsOf:
    """The block of this page of the list `name`: that of the cursor, else that of `?block=`."""
    cursor = query.get("cursor", "")
    return as_of(_parts(cursor, name)[0]) if cursor else block_of(query)


def answer(request: Request, body: Any, at: AsOf) -> HttpResponseBase:
    """A JSON document as of a block, with its ETag; 304 when the caller has it."""
    data = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    response = HttpResponse(data, content_type="application/json")
    return _conditional(request, _stamped(response, at), hashlib.sha256(data).hexdigest())


def document(request: Request, data: bytes, *, name: str) -> HttpResponseBase:
    """A file to keep, with its ETag."""
    response = HttpResponse(data, content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return _conditional(request, response, hashlib.sha256(data).hexdigest())


def export(
    request: Request, name: str, form: str, at: AsOf, source: Source, columns: list[str]
) -> HttpResponseBase:
    """The whole list as a stream. The file's name carries the block, since headers are lost when it is saved."""
    newest_first = descending(request.query_params, name)
    key = json.dumps([name, form, at.hash, sorted(request.query_params.items()), columns])
    lines = (
        _csv(at, source, newest_first, columns) if form == "csv" else _json_lines(at, source, newest_first)
    )
    django_request = request._request
    content = _threaded(lines) if isinstance(django_request, ASGIRequest) else lines
    response = StreamingHttpResponse(content, content_type=FORMATS[form])
    response["Content-Disposition"] = f'attachment; filename="suan-{name}-{at.number}-{at.hash}.{form}"'
    # The block decides every row, so its hash stands for the bytes; weak, since no byte was hashed.
    return _conditional(request, _stamped(response, at), hashlib.sha256(key.encode()).hexdigest(), weak=True)


def descending(query: Mapping[str, str], name: str, *, sort: str = OLDEST) -> bool:
    """`?sort=newest` or `oldest` (the default: the order of the chain). A cursor keeps the order of its list."""
    if cursor := query.get("cursor", ""):
        return _parts(cursor, name)[1]
    sort = query.get("sort") or sort
    if sort not in (OLDEST, NEWEST):
        raise ValidationError({"sort": [f"It is `oldest` or `newest`, not {sort[:40]!r}."]}, "unknown_sort")
    return sort == NEWEST


def plain(value: Any) -> Any:
    """JSON in which integers above 2^53 - 1 are decimal strings."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > JSON_INTEGER_MAX:
        return str(value)
    return value


def _rows(at: AsOf, source: Source, newest_first: bool) -> Iterator[list[Row]]:
    after = None
    while True:
        if not at.still_stands():
            raise ExportBroken(f"block {at.number} {at.hash} left the chain")
        found = source.slice(after=after, limit=CHUNK_ROWS, newest_first=newest_first)
        yield [plain(row) for _, row in found]
        if len(found) < CHUNK_ROWS:
            return
        after = found[-1][0]


def _json_lines(at: AsOf, source: Source, newest_first: bool) -> Iterator[bytes]:
    for rows in _rows(at, source, newest_first):
        lines = [json.dumps(row, separators=(",", ":"), ensure_ascii=False) + "\n" for row in rows]
        yield "".join(lines).encode()


def _csv(at: AsOf, source: Source, newest_first: bool, columns: list[str]) -> Iterator[bytes]:
    """RFC 4180, with a line of column names; nested values are JSON texts, missing ones empty."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    for rows in _rows(at, source, newest_first):
        writer.writerows([[_cell(row[column]) for column in columns] for row in rows])
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return "" if value is None else value


async def _threaded(lines: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The same chunks under ASGI, each made in the request's thread: Django would else collect the whole list first."""
    step = sync_to_async(lambda: next(lines, None))
    while (chunk := await step()) is not None:
        yield chunk


def _stamped(response: Any, at: AsOf) -> Any:
    response["Suan-Block-Number"] = str(at.number)
    response["Suan-Block-Hash"] = at.hash
    return response


def _conditional(request: Request, response: Any, digest: str, *, weak: bool = False) -> HttpResponseBase:
    response["ETag"] = f'W/"{digest}"' if weak else f'"{digest}"'
    response["Cache-Control"] = "public, no-cache"  # Keep it, and ask every time whether it still holds.
    response["Access-Control-Allow-Origin"] = "*"
    kept = {name: response[name] for name in response.headers if name.startswith(("Suan-", "Access-"))}
    final = get_conditional_response(request._request, etag=response["ETag"], response=response)
    for name, value in kept.items():
        final[name] = value
    return final


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", str(PAGE_ROWS_DEFAULT))
    if not re.fullmatch(r"[0-9]{1,6}", text) or not 1 <= int(text) <= PAGE_ROWS_MAX:
        raise ValidationError({"limit": [f"It must be a number from 1 to {PAGE_ROWS_MAX}."]}, "out_of_range")
    return int(text)


def _cursor(name: str, at: AsOf, newest_first: bool, key: int | str) -> str:
    text = f"{name}.{at.hash}.{'d' if newest_first else 'a'}.{key}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _parts(cursor: str, name: str) -> tuple[str, bool, int | str]:
    """(block hash, newest first, key) of a cursor of the list `name`. Raises ValidationError."""
    try:
        text = base64.urlsafe_b64decode(cursor[:240] + "=" * (-len(cursor[:240]) % 4)).decode("ascii")
        match = _CURSOR.fullmatch(text)
    except (ValueError, binascii.Error):
        match = None
    if match is None or match[1] != name or match[4].startswith("0x") != (name == "parties"):
        raise ValidationError(
            {
                "cursor": [
                    "It is no cursor of this list; send the `next` of a page, or none for the first page."
                ]
            },
            "bad_cursor",
        )
    return match[2], match[3] == "d", match[4] if name == "parties" else int(match[4])
