"""The books: hold, post, void, move, and what final events post to them."""

from ledger.journal.posting import (
    MONEY_EVENTS,
    BooksDisagree,
    Move,
    Payees,
    moves_of,
    payees,
    post_final_events,
    reverse_orphaned_events,
)
from ledger.journal.rows import AVAILABLE, CUSTODY_REF, EXITING, GENESIS, LOCKED, Ref, digest_of
from ledger.journal.verbs import Movement, hold, lock, move, pending_hold, post, resize, split, void

__all__ = [
    "AVAILABLE",
    "BooksDisagree",
    "CUSTODY_REF",
    "EXITING",
    "GENESIS",
    "LOCKED",
    "MONEY_EVENTS",
    "Move",
    "Movement",
    "Payees",
    "Ref",
    "digest_of",
    "hold",
    "lock",
    "move",
    "moves_of",
    "payees",
    "pending_hold",
    "post",
    "post_final_events",
    "resize",
    "reverse_orphaned_events",
    "split",
    "void",
]
