"""Where an audit keeps its books: every part of them that grows becomes a table of its store, whatever parts there are."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from suan.client.audit import report, state
from suan.client.audit.published import acknowledged, orders, receipts
from suan.client.audit.report import Report
from suan.client.audit.state import Books
from suan.client.audit.store.codec import Codec
from suan.client.audit.store.tables import Rows, Store
from suan.core.contract import records
from suan.core.delivery import receipts as receipt_rules
from suan.core.orders import terms
from suan.core.signing import structs

_MODULES = (
    state,
    report,
    acknowledged,
    orders,
    receipts,
    records,
    structs,
    terms,
    receipt_rules,
)


def codec() -> Codec:
    """Knows every dataclass and enumeration that stands in the books of an audit."""
    found = {
        kind
        for module in _MODULES
        for kind in vars(module).values()
        if isinstance(kind, type) and (is_dataclass(kind) or issubclass(kind, Enum))
    }
    return Codec(found)


def open_store(path: Path | None) -> Store:
    """The store of an audit: a state file, or a temporary one that ends with the process."""
    return Store(path, codec())


def books_in(store: Store) -> Books:
    """Books whose dicts and lists are tables of the store, and whose single values are pinned to it."""
    books = Books()
    single = []
    for part in fields(Books):
        value: Any = getattr(books, part.name)
        if isinstance(value, defaultdict):
            setattr(books, part.name, store.table(part.name, value.default_factory))
        elif isinstance(value, dict):
            setattr(books, part.name, store.table(part.name))
        elif isinstance(value, list):
            setattr(books, part.name, Rows(store, part.name))
        else:
            single.append(part.name)

    def put(values: list[Any]) -> None:
        for name, value in zip(single, values, strict=True):
            setattr(books, name, value)

    store.pin("books", lambda: [getattr(books, name) for name in single], put)
    return books


def report_in(store: Store) -> Report:
    """A report that the store keeps and takes back with the blocks that it is about."""
    report = Report()
    store.pin("report", lambda: report, lambda found: report.__dict__.update(found.__dict__))
    return report
