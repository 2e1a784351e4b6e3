"""The kill switch: one person stops, two persons resume, and every word of it stays in an append-only log.

Two switches: `trading` (no new orders, no auctions, no new locks; cancels work, the book is kept, what is locked goes on
to its end) and `contract` (the Market's own pause: whoever sends it, no batch opens on chain). The rows are the state:
a switch is stopped from its last `stop` until two different persons have asked to resume within RESUME_SECONDS_MAX.

Persons are users of the market with `is_staff` (manage.py createsuperuser); who resumes proves it with the password.
Locks: one advisory lock for each change, so that two persons who press at once are counted one after the other.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction

from ledger.errors import SecondPersonNeeded, SwitchNotStopped
from ledger.models import SwitchEntry

TRADING, CONTRACT = "trading", "contract"
RESUME_SECONDS_MAX = 1_800
"""Older wishes to resume do not count: the world has changed since."""
LOCK_KEY = 0x5375616E53776974
GENESIS = "0x" + "00" * 32
Verb = SwitchEntry.Verb


@dataclass(frozen=True)
class Stopped:
    """Who stopped a switch, when and why; `asked`: who has asked to resume since."""

    switch: str
    person: str
    reason: str
    since: datetime
    asked: tuple[str, ...]


def stopped(switch: str = TRADING) -> Stopped | None:
    """The stop that holds, or None. One indexed read while nothing is stopped."""
    last = SwitchEntry.objects.filter(switch=switch).exclude(verb=Verb.ASK).order_by("-id").first()
    if last is None or last.verb == Verb.RESUME:
        return None
    asked = SwitchEntry.objects.filter(switch=switch, verb=Verb.ASK, id__gt=last.pk).order_by("id")
    return Stopped(switch, last.person, last.reason, last.created_at, tuple(row.person for row in asked))


def is_resumed(switch: str) -> bool:
    """True when the last word about a switch is that two persons resumed it."""
    last = SwitchEntry.objects.filter(switch=switch).order_by("-id").first()
    return last is not None and last.verb == Verb.RESUME


def stop(*, switch: str, person: str, reason: str, now: datetime) -> SwitchEntry:
    """Stop at once. Another stop of a stopped switch is one more row, and wishes to resume before it do not count."""
    with transaction.atomic():
        _alone()
        return _write(switch, Verb.STOP, person, reason, now)


def resume(*, switch: str, person: str, reason: str, now: datetime) -> SwitchEntry:
    """Ask to resume; the second person's wish resumes. Returns the row `resume`.

    Raises SwitchNotStopped, or SecondPersonNeeded after the wish of a first person was written.
    """
    with transaction.atomic():
        _alone()
        holding = stopped(switch)
        if holding is None:
            raise SwitchNotStopped(switch=switch)
        since = max(holding.since, now - timedelta(seconds=RESUME_SECONDS_MAX))
        wishes = SwitchEntry.objects.filter(switch=switch, verb=Verb.ASK, created_at__gte=since)
        others = {row.person for row in wishes} - {person}
        _write(switch, Verb.ASK, person, reason, now)
        resumed = _write(switch, Verb.RESUME, person, reason, now) if others else None
    if resumed is None:
        raise SecondPersonNeeded(switch=switch, person=person, seconds=RESUME_SECONDS_MAX)
    return resumed


def digest_of(row: SwitchEntry) -> str:
    """The digest that this row must carry: SHA-256 over its content and the digest of the row before."""
    content = {
        "created_at": row.created_at.isoformat(),
        "person": row.person,
        "previous": row.previous,
        "reason": row.reason,
        "switch": row.switch,
        "verb": row.verb,
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "0x" + hashlib.sha256(b"suan switch 1\n" + canonical.encode()).hexdigest()


def _alone() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_KEY])


def _write(switch: str, verb: str, person: str, reason: str, now: datetime) -> SwitchEntry:
    if switch not in (TRADING, CONTRACT):
        raise ValueError(f"a switch is {TRADING} or {CONTRACT}, not {switch!r}")
    last = SwitchEntry.objects.order_by("-id").first()
    row = SwitchEntry(
        switch=switch,
        verb=verb,
        person=person[:150],
        reason=reason[:500],
        created_at=now,
        previous=last.digest if last else GENESIS,
    )
    row.digest = digest_of(row)
    row.save(force_insert=True)
    return row
