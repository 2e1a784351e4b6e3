"""From final events to the books, and back when an operator rewinds a chain that was final.

Each event is posted once, in chain order, with its neighbours in one database transaction, under keys made of its
block hash and log index: `event:<block hash>:<log index>:<part>`, with `~<n>` after the n-th rewind. After the last final event was
posted, available, locked and exiting of every address equal accountOf and exitOf at the final block.

Invariant: the parts of a closed trade sum to its lock; else BooksDisagree stops the posting.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F

from ledger import queries
from ledger.journal import verbs
from ledger.journal.rows import AVAILABLE, CUSTODY_REF, EXITING, LOCKED, Ref
from ledger.journal.verbs import Movement
from ledger.models import ChainEvent, Cursor, Transfer
from suan.core.units import payment

MONEY_EVENTS = (
    "Deposited",
    "WithdrawalRequested",
    "Withdrawn",
    "Migrated",
    "TradeLocked",
    "TradeClosed",
    "DisputeOpened",
    "DisputeRuled",
    "SessionOpened",
    "VoucherRedeemed",
    "SessionClosed",
)
# What another event must have said first: the parties of a trade, or of a session.
_NEEDS = {"TradeClosed": "TradeLocked", "VoucherRedeemed": "SessionOpened", "SessionClosed": "SessionOpened"}
EVENTS_PER_CALL_MAX = 500
EVENTS_TOGETHER = 50
"""Of one database transaction, which holds the accounts of all their parties for some hundredths of a second."""
REFUNDED, SETTLED, SLASHED = 0, 1, 2

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Move:
    """One movement that an event means. `part` names it within the event; `hold` is posted if it is pending."""

    part: str
    debit: Ref
    credit: Ref
    amount: int
    hold: str = ""


@dataclass(frozen=True)
class Payees:
    """Who gets fees and slashed bonds."""

    treasury: str
    pool: str
    rerun_account: str


class BooksDisagree(Exception):
    """An event contradicts another one (a close without its lock, parts that are not the whole): posting stops."""


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
    rows = list(all_rows.exclude(key__startswith="reverse:").order_by("-id"))
    undone = set(all_rows.filter(key__startswith="reverse:").values_list("key", flat=True))
    # What was reversed before belongs to an earlier posting of the same event.
    verbs.move(
        [
            Movement(
                debit=Ref(row.credit.address, row.credit.kind),
                credit=Ref(row.debit.address, row.debit.kind),
                amount=row.amount,
                key=f"reverse:{row.key}",
                batch=row.batch,
                memo="the event left the chain",
                event=row.event,
            )
            for row in rows
            if f"reverse:{row.key}" not in undone
        ]
    )
    for event in events:
        event.posted_at = None
        event.save(update_fields=["posted_at"])
    log.warning("reversed the postings of %d events that left the chain at %s", len(events), now.isoformat())
    return len(events)


def moves_of(name: str, args: dict[str, Any], lock: dict[str, Any] | None, *, payees: Payees) -> list[Move]:
    """The movements that an event means. Pure. `lock`: arguments of the TradeLocked of a TradeClosed, or of the
    SessionOpened of what a session does later."""
    if name == "Deposited":
        return [Move("deposit", CUSTODY_REF, Ref(args["account"], AVAILABLE), int(args["amount"]))]
    if name == "WithdrawalRequested":
        account = args["account"]
        return [Move("exit", Ref(account, AVAILABLE), Ref(account, EXITING), int(args["amount"]))]
    if name in ("Withdrawn", "Migrated"):
        return [Move("withdrawn", Ref(args["account"], EXITING), CUSTODY_REF, int(args["amount"]))]
    if name == "TradeLocked":
        trade, buyer, provider = args["trade"], args["buyer"], args["provider"]
        moves = [
            Move("payment", Ref(buyer, AVAILABLE), Ref(buyer, LOCKED), int(args["payment"]),
                 f"trade:trd_{trade}:payment"),
            Move("bond", Ref(provider, AVAILABLE), Ref(provider, LOCKED), int(args["bond"]),
                 f"trade:trd_{trade}:bond"),
        ]  # fmt: skip
        return [move for move in moves if move.amount]
    if name in ("DisputeOpened", "DisputeRuled"):
        return [move for move in _dispute_moves(name, args) if move.amount]
    if name == "SessionOpened":
        buyer, ceiling = args["terms"]["buyer"], int(args["terms"]["ceiling"])
        return [Move("ceiling", Ref(buyer, AVAILABLE), Ref(buyer, LOCKED), ceiling)]
    if lock is None or name not in _NEEDS:
        raise BooksDisagree(f"{name} moves no money that we know of")
    if name == "TradeClosed":
        return split_close(args, lock, payees)
    return [move for move in _session_moves(name, args, lock["terms"], payees) if move.amount]


def _dispute_moves(name: str, args: dict[str, Any]) -> list[Move]:
    who, bond = args["challenger"], int(args["bond"])
    if name == "DisputeOpened":
        return [Move("bond", Ref(who, AVAILABLE), Ref(who, LOCKED), bond)]
    forfeited, opponent = int(args["forfeited"]), Ref(args["opponent"], AVAILABLE)
    return [
        Move("forfeited", Ref(who, LOCKED), opponent, forfeited),
        Move("bond", Ref(who, LOCKED), Ref(who, AVAILABLE), bond - forfeited),
        Move("reward", opponent, Ref(who, AVAILABLE), int(args["reward"])),
    ]


def _session_moves(name: str, args: dict[str, Any], terms: dict[str, Any], payees: Payees) -> list[Move]:
    buyer = Ref(terms["buyer"], LOCKED)
    if name == "SessionClosed":
        return [Move("released", buyer, Ref(terms["buyer"], AVAILABLE), int(args["released"]))]
    paid, fee = int(args["paid"]), int(args["fee"])
    return [
        Move("paid", buyer, Ref(terms["provider"], AVAILABLE), paid - fee),
        Move("fee", buyer, Ref(payees.treasury, AVAILABLE), fee),
    ]


def split_close(args: dict[str, Any], lock: dict[str, Any], payees: Payees) -> list[Move]:
    """Where the locked payment and the locked bond of a trade go (docs/protocol.md section 4)."""
    buyer, provider = Ref(lock["buyer"], LOCKED), Ref(lock["provider"], LOCKED)
    locked, bond = int(lock["payment"]), int(lock["bond"])
    kind, paid, fee, slashed = (int(args[key]) for key in ("kind", "paid", "fee", "slashed"))
    rerun = min(slashed, payment(int(lock["price"]), int(args["units"]))) if kind == SLASHED else 0
    moves = [
        Move("paid", buyer, Ref(lock["provider"], AVAILABLE), paid - fee),
        Move("fee", buyer, Ref(payees.treasury, AVAILABLE), fee),
        Move("returned", buyer, Ref(lock["buyer"], AVAILABLE), locked - paid),
        Move("rerun", provider, Ref(payees.rerun_account, AVAILABLE), rerun),
        Move("pool", provider, Ref(payees.pool, AVAILABLE), slashed - rerun),
        Move("bond", provider, Ref(lock["provider"], AVAILABLE), bond - slashed),
    ]
    if any(move.amount < 0 for move in moves) or sum(move.amount for move in moves) != locked + bond:
        raise BooksDisagree(f"the parts of trade {args['trade']} do not sum to its lock: {moves}")
    return [move for move in moves if move.amount]


def payees() -> Payees:
    """The payees of the deployment."""
    known = queries.deployment()
    return Payees(treasury=known.treasury, pool=known.pool, rerun_account=known.rerun_account)


def _post_events(event_ids: list[int], now: datetime) -> int:
    """Post these events, up to the first that contradicts another: then BooksDisagree, with those before it posted."""
    known, fault = payees(), None
    with transaction.atomic():
        rows = ChainEvent.objects.select_for_update(of=("self",)).filter(pk__in=event_ids, posted_at=None)
        events = list(rows.filter(block__canonical=True).select_related("block").order_by("position"))
        needed = _needed(events)
        movements: list[Movement] = []
        posted: list[int] = []
        for event in events:
            try:
                moves = moves_of(event.name, event.args, _lock_of(event, needed), payees=known)
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
    wanted = [event for event in events if event.name in _NEEDS]
    rows = ChainEvent.objects.filter(
        name__in={_NEEDS[event.name] for event in wanted},
        subject__in={event.subject for event in wanted},
        block__canonical=True,
    )
    for row in rows.order_by("position") if wanted else ():
        found.setdefault((row.name, row.subject), []).append(row)
    return found


def _lock_of(event: ChainEvent, needed: dict[tuple[str, str], list[ChainEvent]]) -> dict[str, Any] | None:
    name = _NEEDS.get(event.name)
    if name is None:
        return None
    before = [row for row in needed.get((name, event.subject), []) if row.position < event.position]
    if not before:
        raise BooksDisagree(f"{event.name} of {event.subject} in {event.tx_hash} without a {name}")
    args: dict[str, Any] = before[-1].args
    return args


def _movement(event: ChainEvent, move: Move) -> Movement:
    batch = f"event:{event.block.hash}:{event.log_index}"
    return Movement(
        debit=move.debit,
        credit=move.credit,
        amount=move.amount,
        key=f"{batch}:{move.part}{_generation(event.postings)}",
        batch=batch,
        memo=event.name,
        event=event,
        hold=move.hold,
    )


def _generation(postings: int) -> str:
    return f"~{postings}" if postings else ""
