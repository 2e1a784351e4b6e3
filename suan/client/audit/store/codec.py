"""Values of the books as text and back: JSON with marks for bytes, tuples, enumerations and our own dataclasses.

Only the classes named by the caller come back, so a state file can hold facts and never code.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

BYTES, TUPLE, ENUM, DATACLASS, MAP = "b", "t", "e", "c", "m"


class Codec:
    """Encodes plain values, and the given dataclasses and enumerations by their names."""

    def __init__(self, classes: Iterable[type]) -> None:
        self._classes = {kind.__name__: kind for kind in classes}

    def encode(self, value: Any) -> str:
        """Text of a value; equal values give equal text. Raises TypeError for a class that was not named."""
        return json.dumps(self._plain(value), separators=(",", ":"))

    def decode(self, text: str) -> Any:
        """The value of such text. Raises ValueError when it is none."""
        try:
            return self._value(json.loads(text))
        except (AttributeError, KeyError, IndexError, TypeError) as error:
            raise ValueError(f"not a value of the books: {text[:80]}") from error

    def _plain(self, value: Any) -> Any:
        kind = type(value)
        if value is None or kind in (str, int, bool):
            return value
        if kind is bytes:
            return [BYTES, value.hex()]
        if kind is list:
            return [[self._plain(item) for item in value]]
        if kind is tuple:
            return [TUPLE, *[self._plain(item) for item in value]]
        if isinstance(value, dict):
            return [MAP, *[[self._plain(key), self._plain(item)] for key, item in value.items()]]
        if kind.__name__ not in self._classes:
            raise TypeError(f"{kind.__name__} is no value of the books")
        if isinstance(value, Enum):
            return [ENUM, kind.__name__, value.value]
        if not is_dataclass(value):
            raise TypeError(f"{kind.__name__} is no value of the books")
        return [DATACLASS, kind.__name__, *[self._plain(getattr(value, part.name)) for part in fields(value)]]

    def _value(self, plain: Any) -> Any:
        if not isinstance(plain, list):
            return plain
        mark = plain[0]
        if isinstance(mark, list):
            return [self._value(item) for item in mark]
        if mark == BYTES:
            return bytes.fromhex(plain[1])
        if mark == TUPLE:
            return tuple(self._value(item) for item in plain[1:])
        if mark == MAP:
            return {self._value(key): self._value(item) for key, item in plain[1:]}
        kind = self._classes[plain[1]] if mark in (ENUM, DATACLASS) else None
        if kind is not None and issubclass(kind, Enum) == (mark == ENUM):
            return kind(*[self._value(item) for item in plain[2:]])
        raise ValueError(f"no such mark: {mark}")
