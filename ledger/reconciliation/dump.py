"""The view of the chain as text: what the database derived from blocks alone, one canonical JSON line a row.

Two databases that read the same chain give the same bytes, however they came there: block by block or by ranges,
through crashes, reorganisations and rewinds. Left out is what one history has and another has not: row numbers,
cursors' positions, times of seeing, orphaned branches, blocks without events, and how a posting was made (from a hold,
or plainly, once or again after a rewind).
Order: the head, events in chain order, accounts by address and kind. Money is in base units as decimal text.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from django.db import connection, transaction

from ledger import queries
from ledger.models import Account, ChainEvent
from suan.core.encoding import canonical_json

ROWS_PER_READ = 1_000
JSON_INTEGER_MAX = 2**53 - 1


def view() -> Iterator[bytes]:
    """Lines with their line ends, all read in one snapshot of the database."""
    with transaction.atomic():
        if not connection.savepoint_ids:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        for row in chain([_head()], _events(), _accounts()):
            yield canonical_json(row) + b"\n"


def _head() -> dict[str, Any]:
    newest = queries.head()
    if newest is None:
        return {"table": "head", "number": None, "hash": None, "final_number": -1}
    return {
        "table": "head",
        "number": newest.number,
        "hash": newest.hash,
        "final_number": newest.final_number,
    }


def _events() -> Iterator[dict[str, Any]]:
    rows = ChainEvent.objects.filter(block__canonical=True).select_related("block")
    for row in rows.order_by("block__number", "log_index").iterator(chunk_size=ROWS_PER_READ):
        yield {
            "table": "event",
            "block_number": row.block.number,
            "block_hash": row.block.hash,
            "block_parent": row.block.parent,
            "timestamp": row.block.timestamp,
            "log_index": row.log_index,
            "tx_hash": row.tx_hash,
            "address": row.address,
            "name": row.name,
            "subject": row.subject,
            "args": {key: _exact(value) for key, value in row.args.items()},
            "posted": row.posted_at is not None,
        }


def _accounts() -> Iterator[dict[str, Any]]:
    for row in Account.objects.order_by("address", "kind").iterator(chunk_size=ROWS_PER_READ):
        if row.posted:
            yield {
                "table": "account",
                "address": row.address,
                "kind": row.kind,
                "posted": str(row.posted),
            }


def _exact(value: Any) -> Any:
    """Integers beyond what every JSON reader holds exactly, as decimal text."""
    if isinstance(value, list):
        return [_exact(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > JSON_INTEGER_MAX:
        return str(value)
    return value
