"""What everybody may look at as of a block: rows, parties, transactions, lists, status, the books beside the log."""

from ledger.explorer import comparison, facts, parties, status, streams, transactions
from ledger.explorer.facts import AsOf, Facts, Row, events_at
from ledger.explorer.finality import explain
from ledger.explorer.listing import (
    BLOCK,
    Filter,
    Listing,
    PublicView,
    address,
    choice,
    identity,
    paths,
    read_path,
    word,
)
from ledger.explorer.lists import BATCHES, BLOCKS, LISTINGS, PARTIES, PLACE, TRANSACTIONS
from ledger.explorer.streams import plain

__all__ = [
    "AsOf",
    "BATCHES",
    "BLOCK",
    "BLOCKS",
    "Facts",
    "Filter",
    "LISTINGS",
    "Listing",
    "PARTIES",
    "PLACE",
    "PublicView",
    "Row",
    "TRANSACTIONS",
    "address",
    "choice",
    "comparison",
    "events_at",
    "explain",
    "facts",
    "identity",
    "parties",
    "paths",
    "plain",
    "read_path",
    "status",
    "streams",
    "transactions",
    "word",
]
