"""Changes one cell of a market's database behind the application's back, asks the ledger what it finds, and puts it back.

Run with a market's environment: `python -m tests.audit.rows < wishes.json`. A wish is [table, where, columns]; the columns
of one row are changed in turn, all of them when none are named. Writes what was named after each change, as
{table: {column: null (not changeable) | [[table, row, column], …]}}, and a last look after everything was put back.
"""

import json
import sys
from typing import Any

import django
import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

KEYS = ("id",)
"""Not changed: they only tie rows together, and a change is refused by the database or moves the row itself."""


def other(value: Any) -> Any:
    """The same value with one byte or bit of it changed; None when there is nothing to change."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return value[:-1] + ("1" if value[-1] != "1" else "2") if value else None
    if isinstance(value, bytes | memoryview):
        data = bytearray(value)
        return bytes([*data[:-1], data[-1] ^ 1]) if data else None
    if isinstance(value, dict | list):
        return changed_document(value)
    if hasattr(value, "microsecond"):
        return value.replace(microsecond=(value.microsecond + 1) % 1_000_000)
    return value + 1 if value is not None else None


def changed_document(value: Any) -> Any:
    """A JSON document with its first changeable leaf changed."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            changed = changed_document(item)
            if changed is not None:
                copy = dict(value) if isinstance(value, dict) else list(value)
                copy[key] = changed
                return copy
        return None
    return other(value)


def adapted(value: Any) -> Any:
    return Jsonb(value) if isinstance(value, dict | list) else value


class Vandal:
    """A superuser's connection on which no trigger and no foreign key is asked."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True)
        self.connection.execute("SET session_replication_role = replica")

    def row(self, table: str, where: str) -> dict[str, Any]:
        query = sql.SQL("SELECT * FROM {} WHERE " + where + " ORDER BY id DESC LIMIT 1").format(
            sql.Identifier(table)
        )
        cursor = self.connection.execute(query)
        found = cursor.fetchone()
        if found is None:
            raise SystemExit(f"{table} has no row where {where}")
        return dict(zip([column.name for column in cursor.description], found, strict=True))

    def write(self, table: str, key: Any, column: str, value: Any) -> bool:
        """Whether the database took the value: its own constraints forbid some."""
        query = sql.SQL("UPDATE {} SET {} = %s WHERE id = %s").format(
            sql.Identifier(table), sql.Identifier(column)
        )
        try:
            self.connection.execute(query, [adapted(value), key])
        except psycopg.Error:
            return False
        return True


def findings() -> list[list[str]]:
    """What `verify_ledger` would name now."""
    from ledger import reconciliation
    from ledger.control import node

    report = reconciliation.compare(gateway=node.gateway(), deep=False)
    return [[finding.table, finding.row, finding.column] for _, finding in report.findings]


def look(vandal: Vandal, table: str, where: str, columns: list[str]) -> dict[str, list[list[str]] | None]:
    row = vandal.row(table, where)
    named: dict[str, list[list[str]] | None] = {}
    for column in columns or row:
        value = row[column]
        changed = other(value)
        if column in KEYS or changed is None or not vandal.write(table, row["id"], column, changed):
            named[column] = None
            continue
        try:
            named[column] = findings()
        finally:
            assert vandal.write(table, row["id"], column, value), f"{table}.{column} could not be put back"
    return named


def main() -> None:
    django.setup()
    from django.conf import settings

    from operations.run import layout

    wishes = json.load(sys.stdin)
    vandal = Vandal(layout.services(settings.SUAN_VAR)["database_url"])
    answer = {table: look(vandal, table, where, columns) for table, where, columns in wishes}
    json.dump({"named": answer, "afterwards": findings()}, sys.stdout)


if __name__ == "__main__":
    main()
