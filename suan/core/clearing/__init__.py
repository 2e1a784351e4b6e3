"""The auction of the market: a snapshot of the book in, one price, trades and reasons out. Changes nothing.

Start with auction.py (the rule), then book.py (what it sees), evidence.py (what is published) and
explain.py (why not).
"""

from suan.core.clearing.auction import (
    ClearingResult,
    Exclusion,
    ProposedTrade,
    clear,
)
from suan.core.clearing.book import BadBook, BidEntry, ClearingBook, OfferEntry
from suan.core.clearing.capacity import START_ALLOWANCE_SECONDS, seconds_to_work
from suan.core.clearing.evidence import ClearingDocument, clear_document, read_document, replay
from suan.core.clearing.explain import (
    HALTED,
    NOT_CLEARED_YET,
    REFUSED,
    SUSPENDED,
    UNFUNDED,
    Explanation,
    Reasons,
    explain,
    kept_out,
)

__all__ = [
    "BadBook",
    "BidEntry",
    "ClearingBook",
    "ClearingDocument",
    "ClearingResult",
    "Exclusion",
    "Explanation",
    "HALTED",
    "NOT_CLEARED_YET",
    "OfferEntry",
    "ProposedTrade",
    "REFUSED",
    "Reasons",
    "START_ALLOWANCE_SECONDS",
    "SUSPENDED",
    "UNFUNDED",
    "clear",
    "clear_document",
    "explain",
    "kept_out",
    "read_document",
    "replay",
    "seconds_to_work",
]
