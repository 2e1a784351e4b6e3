"""The books: hold, post, void, move, and what final events post to them."""

from ledger.journal import keys
from ledger.journal.posting import post_final_events, reverse_orphaned_events
from ledger.journal.rows import GENESIS, digest_of
from ledger.journal.verbs import Movement, hold, lock, move, pending_hold, post, resize, split, void

__all__ = [
    "GENESIS",
    "Movement",
    "digest_of",
    "hold",
    "keys",
    "lock",
    "move",
    "pending_hold",
    "post",
    "post_final_events",
    "resize",
    "reverse_orphaned_events",
    "split",
    "void",
]
