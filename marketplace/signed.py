"""A signed struct as columns of a row: the struct's own layout is the list of its fields, written nowhere else.

A column has the name of its field, or the one that `renamed` (field -> column) gives it; bytes are hex there. So a field
that a struct gains needs a column, or nothing of that struct can be stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from django.db import models

from suan.core.encoding import from_hex, to_hex
from suan.core.signing import Struct, layout

Signed = TypeVar("Signed", bound=Struct)


def columns(struct: Struct, renamed: Mapping[str, str]) -> dict[str, Any]:
    """The values of a row's columns, by column."""
    values = {column: getattr(struct, field) for field, column, _ in _fields(type(struct), renamed)}
    return {column: to_hex(value) if isinstance(value, bytes) else value for column, value in values.items()}


def restored(kind: type[Signed], row: models.Model, renamed: Mapping[str, str]) -> Signed:
    """The struct that the columns of a row were made of. Raises FieldError when they hold no such struct."""
    values = {}
    for field, column, is_hex in _fields(kind, renamed):
        value = getattr(row, column)
        values[field] = from_hex(value, field=column) if is_hex else value
    return kind(**values)


def labels(kind: type[Struct], renamed: Mapping[str, str]) -> dict[str, str]:
    """Column -> the field's name in published JSON."""
    return {renamed.get(field, field): label for _, label, field in layout(kind.TYPE)}


def _fields(kind: type[Struct], renamed: Mapping[str, str]) -> Iterator[tuple[str, str, bool]]:
    """(field, column, whether the column is hex of bytes)."""
    for type_name, _, field in layout(kind.TYPE):
        yield field, renamed.get(field, field), type_name in ("bytes32", "bytes")
