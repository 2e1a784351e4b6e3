"""The way out of a halt: forget what was final and is no more, undo its postings, and go on.

Only an operator does this (manage.py rewind_chain), after looking at the node. Transactions of ours that the orphaned
blocks held are broadcast again by the sender, with the same bytes; their events are indexed and posted anew. What the
rooms derived from a vanished event is theirs to pull again: the same facts come back under other block hashes.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from ledger import queries
from ledger.chain import NodeUnavailable
from ledger.errors import LedgerError
from ledger.indexer.blocks import Indexer, lock_cursor, store_reorg
from ledger.journal import reverse_orphaned_events
from ledger.models import Block, Halt


@dataclass(frozen=True)
class Rewound:
    """`depth` orphaned blocks above `ancestor_number`, `events` whose postings were reversed, `halts` resolved."""

    ancestor_number: int
    depth: int
    events: int
    halts: int


def rewind(*, indexer: Indexer, operator: str, now: datetime, dry_run: bool = False) -> Rewound:
    """Go back to the newest block that the node shares with us, in one database transaction.

    `operator` is the name of the person who decided. With dry_run nothing is written. Raises LedgerError if there is
    nothing to rewind.
    """
    tip = Block.objects.filter(canonical=True).order_by("-number").first()
    if tip is None:
        raise LedgerError("nothing is indexed, so there is nothing to rewind")
    remote = indexer.gateway.header("latest")
    if remote is None:
        raise NodeUnavailable("the node has no latest block")
    ancestor = indexer.ancestor(tip, remote)
    lowest = ancestor.number if ancestor else -1
    orphaned = Block.objects.filter(canonical=True, number__gt=lowest)
    if dry_run:
        return Rewound(lowest, orphaned.count(), 0, queries.halts().count())
    with transaction.atomic():
        lock_cursor("indexed", now)
        depth = store_reorg(ancestor, tip, remote.hash, now) if orphaned.exists() else 0
        final = lock_cursor("final", now)
        if final.number > lowest:
            final.number, final.hash, final.updated_at = lowest, ancestor.hash if ancestor else "", now
            final.save()
        events = reverse_orphaned_events(now=now)
        halts = Halt.objects.filter(resolved_at=None).update(resolved_at=now, resolved_by=operator[:100])
    return Rewound(lowest, depth, events, halts)
