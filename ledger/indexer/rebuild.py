"""Every derived table made again from what it is derived from, one `rebuild` each; repeating it changes nothing.

    accounts  balances and heads            from the transfers
    events    blocks and decoded events     from the node, from a block on
    <rooms>   what a room registers with register_rebuild

Not derived, and so never rebuilt: transfers (the journal's own facts, holds among them), wishes and attempts of the
outbox, orders and signatures, evidence. Run it as the owner of the tables: it takes the guards off inside one
transaction, in which nobody else writes these tables, and puts them back before it commits.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import connection, transaction

from ledger import queries
from ledger.chain import Gateway, NodeUnavailable
from ledger.indexer.blocks import decoded, lock_cursor, next_positions
from ledger.models import Block, ChainEvent

RANGE_BLOCKS = 2_000
Say = Callable[[str], object]
Rebuild = Callable[[Say], int]
_registered: dict[str, Rebuild] = {}

FOLD = """
WITH moved AS (
    SELECT debit_id AS id, amount AS debits, 0 AS credits, 0 AS pending FROM ledger_transfer
        WHERE kind IN ('plain', 'post')
    UNION ALL SELECT credit_id, 0, amount, 0 FROM ledger_transfer WHERE kind IN ('plain', 'post')
    UNION ALL SELECT debit_id, 0, 0, amount FROM ledger_transfer WHERE kind = 'hold'
    UNION ALL SELECT held.debit_id, 0, 0, -held.amount
        FROM ledger_transfer done JOIN ledger_transfer held ON held.id = done.resolves_id
), touched AS (
    SELECT debit_id AS id, max(id) AS last FROM ledger_transfer GROUP BY 1
    UNION ALL SELECT credit_id, max(id) FROM ledger_transfer GROUP BY 1
), wanted AS (
    SELECT account.id, coalesce(sums.debits, 0) AS debits, coalesce(sums.credits, 0) AS credits,
        coalesce(sums.pending, 0) AS pending, coalesce(newest.digest, '0x' || repeat('0', 64)) AS head
    FROM ledger_account account
    LEFT JOIN (SELECT id, sum(debits) AS debits, sum(credits) AS credits, sum(pending) AS pending
               FROM moved GROUP BY id) sums USING (id)
    LEFT JOIN (SELECT id, max(last) AS last FROM touched GROUP BY id) tip USING (id)
    LEFT JOIN ledger_transfer newest ON newest.id = tip.last
)
UPDATE ledger_account account SET debits_posted = debits, credits_posted = credits, debits_pending = pending,
    head = wanted.head
FROM wanted WHERE wanted.id = account.id
    AND (debits_posted, credits_posted, debits_pending, account.head)
        IS DISTINCT FROM (debits, credits, pending, wanted.head)
"""


def register_rebuild(name: str, rebuild: Rebuild) -> None:
    """Add the rebuild of a room's table; it says its progress and returns how many rows changed."""
    _registered[name] = rebuild


def rooms() -> dict[str, Rebuild]:
    """What the rooms registered, by name."""
    return dict(_registered)


def rebuild_accounts(say: Say) -> int:
    """Balances and heads of every account as the fold of the transfers; returns how many rows were wrong."""
    say("accounts: folding all transfers")
    with _unguarded("ledger_account", "ledger_account_guarded"), connection.cursor() as cursor:
        cursor.execute(FOLD)
        return int(cursor.rowcount)


def rebuild_events(*, gateway: Gateway, from_block: int, now: datetime, say: Say) -> int:
    """Canonical blocks and events from `from_block` to the indexed head, as the node tells them; returns changed rows.

    What is missing is added, what is different is set right, an event that the chain does not have is removed. Whether
    an event was posted stays. Raises NodeUnavailable when the node's chain is not the indexed one: then the indexer
    must follow it first.
    """
    known, tip = queries.deployment(), queries.head()
    if tip is None:
        return 0
    header = gateway.header(tip.number)
    if header is None or header.hash != tip.hash:
        raise NodeUnavailable(
            f"block {tip.number} of the node is not the indexed one: let index_chain follow it first"
        )
    changed = 0
    for first in range(max(from_block, known.block), tip.number + 1, RANGE_BLOCKS):
        last = min(first + RANGE_BLOCKS - 1, tip.number)
        say(f"events: blocks {first} to {last} of {tip.number}")
        logs = gateway.logs_between(first, last, list(known.contracts))
        headers = {entry.block_hash: gateway.header_by_hash(entry.block_hash) for entry in logs}
        with (
            _unguarded("ledger_block", "ledger_block_facts"),
            _unguarded("ledger_chainevent", "ledger_chainevent_facts"),
            _unguarded("ledger_chainevent", "ledger_chainevent_kept"),
        ):
            lock_cursor("indexed", now)
            changed += _set_blocks(gateway, {h.hash: h for h in headers.values() if h}, first, last, now)
            changed += _set_events(logs, first, last)
    return changed


def _set_blocks(gateway: Gateway, headers: dict, first: int, last: int, now: datetime) -> int:
    changed = 0
    for row in Block.objects.filter(canonical=True, number__range=(first, last)).exclude(hash__in=headers):
        header = gateway.header(row.number)
        if header is not None:
            headers[header.hash] = header
    for header in sorted(headers.values(), key=lambda found: found.number):
        wanted = {
            "number": header.number,
            "parent": header.parent,
            "timestamp": header.timestamp,
            "canonical": True,
        }
        row = Block.objects.filter(hash=header.hash).first()
        if row is None:
            # A row of that number under another hash is that row with its hash changed, if the node has no such block.
            twin = Block.objects.filter(canonical=True, number=header.number).first()
            if twin is not None and gateway.header_by_hash(twin.hash) is None:
                row = twin
        if row is None:
            Block.objects.create(hash=header.hash, seen_at=now, **wanted)
            changed += 1
            continue
        wanted |= {"hash": header.hash, "orphaned_at": None}
        if any(getattr(row, column) != value for column, value in wanted.items()):
            Block.objects.filter(pk=row.pk).update(**wanted)
            changed += 1
    return changed


def _set_events(logs: list, first: int, last: int) -> int:
    changed, seen = 0, set()
    blocks = dict(
        Block.objects.filter(hash__in={entry.block_hash for entry in logs}).values_list("hash", "id")
    )
    for entry in logs:
        wanted = decoded(entry)
        if wanted is None:
            continue
        row = ChainEvent.objects.filter(block_id=blocks[entry.block_hash], log_index=entry.log_index).first()
        if row is None:
            (position,) = next_positions(1)
            row = ChainEvent.objects.create(
                id=position, position=position, block_id=blocks[entry.block_hash], **wanted
            )
            changed += 1
        elif any(getattr(row, column) != value for column, value in wanted.items()):
            ChainEvent.objects.filter(pk=row.pk).update(**wanted)
            changed += 1
        seen.add(row.pk)
    invented = ChainEvent.objects.filter(block__canonical=True, block__number__range=(first, last)).exclude(
        pk__in=seen
    )
    return changed + invented.filter(transfers=None).delete()[0]


@contextmanager
def _unguarded(table: str, trigger: str) -> Iterator[None]:
    """One transaction without a guard of a table that nobody else may write meanwhile. For the owner of the table."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
        yield
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER {trigger}")
