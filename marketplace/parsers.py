"""Bodies: strict JSON and raw bytes, both of limited size. Apart from rest.py, since DRF's views import the parsers."""

from __future__ import annotations

import json
from typing import Any

from rest_framework import exceptions
from rest_framework.parsers import BaseParser

from marketplace.problems import TooLarge

JSON_BYTES_MAX = 64 * 1024
JSON_DEPTH_MAX = 16


class StrictJSONParser(BaseParser):
    """JSON of at most 64 KiB and 16 levels; NaN, duplicate keys and broken UTF-8 are malformed (400)."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, context: Any = None) -> Any:
        data = read_limited(stream, context, JSON_BYTES_MAX)
        if not data:
            return {}
        try:
            text = data.decode("utf-8")
            value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique_keys)
        except (ValueError, RecursionError) as error:
            reason = "nested too deep" if isinstance(error, RecursionError) else str(error)[:200]
            raise exceptions.ParseError(
                f"The body is not valid JSON: {reason}. Correct it.", "malformed"
            ) from None
        if _depth(value) > JSON_DEPTH_MAX:
            raise exceptions.ParseError(
                f"The body nests deeper than {JSON_DEPTH_MAX} levels; flatten it.", "too_deep"
            )
        return value


class RawParser(BaseParser):
    """Any bytes; the view reads the limited stream itself."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: str | None = None, context: Any = None) -> Any:
        return stream


def read_limited(stream: Any, context: Any, limit_bytes: int) -> bytes:
    """The body, or TooLarge; the length that the client declares is checked before anything is read."""
    request = (context or {}).get("request")
    declared = request.META.get("CONTENT_LENGTH", "") if request is not None else ""
    if str(declared).isdigit() and len(str(declared)) < 20 and int(declared) > limit_bytes:
        raise TooLarge(f"The body has {declared} bytes; this call takes at most {limit_bytes}. Send less.")
    data: bytes = stream.read(limit_bytes + 1) if stream is not None else b""
    if len(data) > limit_bytes:
        raise TooLarge(f"The body has more than {limit_bytes} bytes, the limit of this call. Send less.")
    return data


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key occurs twice")
    return result


def _depth(value: Any) -> int:
    deepest, stack = 0, [(value, 1)]
    while stack:
        item, depth = stack.pop()
        deepest = max(deepest, depth)
        children = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        stack.extend((child, depth + 1) for child in children)
    return deepest
