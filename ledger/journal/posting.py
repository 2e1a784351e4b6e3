"""From final events to the books, and back when an operator rewinds a chain that was final.

What an event moves says the one money rule (suan.core.settlement); here its movements are written. Each event is posted
once, in chain order, with its neighbours in one database transaction, under keys made of its block hash and log index
(ledger.journal.keys). After the last final event was posted, available, locked and exiting of every address equal accountOf
and exitOf at the final block.

Invariant: the parts of a closed trade sum to its lock; else BooksDisagree stops the posting.
"""

import logging
from datetime import datetime

from django.db import transaction
from django.db.models import F

from ledger import queries
from ledger.journal import keys, verbs
from ledger.journal.rows import ref_of
from ledger.journal.verbs import Movement
from ledger.models import ChainEvent, Cursor, Transfer
from suan.core.encoding import from_hex
from suan.core.ids import trd_id
from suan.core.settlement import MONEY_EVENTS, OPENED_BY, BooksDisagree, Move, Parties, lock_of, moves_of

EVENTS_PER_CALL_MAX = 500
EVENTS_TOGETHER = 50
"""Of one database transaction, which holds the accounts of all their parties for some hundredths of a second."""

log = logging.getLogger(__name__)


def post_final_events(*, now: datetime) -> int:
    """Post every final event that is not posted yet, in chain order; returns how many. Nothing while halted."""
    if queries.is_halted():
        return 0
    final = queries.final_number()
    waiting = ChainEvent.objects.filter(
        posted_at=None, name__in=MONEY_EVENTS, block__canonical=True, block__number__lte=final
    )
    count = 0
    found = list(waiting.order_by("position").values_list("id", flat=True)[:EVENTS_PER_CALL_MAX])
    for start in range(0, len(found), EVENTS_TOGETHER):
        if queries.is_halted():
            return count
        count += _post_events(found[start : start + EVENTS_TOGETHER], now)
    if count < EVENTS_PER_CALL_MAX and not Cursor.objects.filter(name="posted", number=final).exists():
        Cursor.objects.update_or_create(name="posted", defaults={"number": final, "updated_at": now})
    return count


def reverse_orphaned_events(*, now: datetime) -> int:
    """Undo by compensating transfers what was posted for events that are not canonical any more, newest first.

    Runs in the caller's transaction (rewind). A hold that was posted is not pending again: its money is free.
    """
    orphaned = ChainEvent.objects.filter(posted_at__isnull=False, block__canonical=False)
    events = list(orphaned.order_by("-position").select_related("block"))
    all_rows = Transfer.objects.filter(event__in=events).select_related("debit", "credit", "event")
    rows = list(all_rows.exclude(key__startswith=keys.REVERSALS).order_by("-id"))
    undone = set(all_rows.filter(key__startswith=keys.REVERSALS).values_list("key", flat=True))
    # What was reversed before belongs to an earlier posting of the same event.
    verbs.move(
        [
            Movement(
                debit=ref_of(row.credit),
                credit=ref_of(row.debit),
                amount=row.amount,
                key=keys.reversal(row.key),
                batch=row.batch,
                memo="the event left the chain",
                event=row.event,
            )
            for row in rows
            if keys.reversal(row.key) not in undone
        ]
    )
    for event in events:
        event.posted_at = None
        event.save(update_fields=["posted_at"])
    log.warning("reversed the postings of %d events that left the chain at %s", len(events), now.isoformat())
    return len(events)


def _post_events(event_ids: list[int], now: datetime) -> int:
    """Post these events, up to the first that contradicts another: then BooksDisagree, with those before it posted."""
    deployment, fault = queries.deployment(), None
    with transaction.atomic():
        rows = ChainEvent.objects.select_for_update(of=("self",)).filter(pk__in=event_ids, posted_at=None)
        events = list(rows.filter(block__canonical=True).select_related("block").order_by("position"))
        needed = _needed(events)
        movements: list[Movement] = []
        posted: list[int] = []
        for event in events:
            try:
                moves = moves_of(event.name, event.args, _lock_of(event, needed), payees=deployment)
            except BooksDisagree as error:
                fault = error
                break
            movements += [_movement(event, one) for one in moves]
            posted.append(event.pk)
        verbs.move(movements)
        ChainEvent.objects.filter(pk__in=posted).update(posted_at=now, postings=F("postings") + 1)
    if fault is not None:
        raise fault
    return len(posted)


def _needed(events: list[ChainEvent]) -> dict[tuple[str, str], list[ChainEvent]]:
    """By name and subject, in chain order: the events that these ones build upon."""
    found: dict[tuple[str, str], list[ChainEvent]] = {}
    wanted = [event for event in events if event.name in OPENED_BY]
    rows = ChainEvent.objects.filter(
        name__in={OPENED_BY[event.name] for event in wanted},
        subject__in={event.subject for event in wanted},
        block__canonical=True,
    )
    for row in rows.order_by("position") if wanted else ():
        found.setdefault((row.name, row.subject), []).append(row)
    return found


def _lock_of(event: ChainEvent, needed: dict[tuple[str, str], list[ChainEvent]]) -> Parties | None:
    name = OPENED_BY.get(event.name)
    if name is None:
        return None
    before = [row for row in needed.get((name, event.subject), []) if row.position < event.position]
    if not before:
        raise BooksDisagree(f"{event.name} of {event.subject} in {event.tx_hash} without a {name}")
    return lock_of(name, before[-1].args)


def _movement(event: ChainEvent, move: Move) -> Movement:
    where = event.block.hash, event.log_index
    return Movement(
        debit=move.debit,
        credit=move.credit,
        amount=move.amount,
        key=keys.event_row(*where, move.part, postings=event.postings),
        batch=keys.event_batch(*where),
        memo=event.name,
        event=event,
        hold=_hold_of(event, move),
    )


def _hold_of(event: ChainEvent, move: Move) -> str:
    """The hold of ours that a movement takes up: a trade that we matched was held before it was locked."""
    if event.name != "TradeLocked":
        return ""
    trade_id = trd_id(from_hex(event.args["trade"]))
    return {"payment": keys.payment_hold, "bond": keys.bond_hold}[move.part](trade_id)
