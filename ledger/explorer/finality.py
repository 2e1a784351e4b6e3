"""The five states of anything on chain in words that a person understands: what it means, what comes next, and when.

One function, `explain`, which pages and API call. The words are those of ledger.queries.finality:

    pending -> included -> safe -> final
    included, safe -> orphaned -> pending  (the same transaction is sent again)
"""

from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from ledger import queries
from ledger.models import Block
from ledger.queries import Head

WORDS = ("pending", "included", "safe", "final", "orphaned")
BLOCKS_AVERAGED = 20
SECONDS_PER_BLOCK_MAX = 3_600


def explain(word: str, *, block_number: int | None = None, head: Head | None = None) -> dict[str, Any]:
    """{finality, meaning, next, blocks_left, seconds_left} of one of WORDS.

    blocks_left: blocks until the next state of the way to final; seconds_left: their time at the present pace. Both are
    None where no number is known: at the end of the way, without `block_number` or `head`, or while settlement is
    halted.
    """
    confirmations = queries.deployment().confirmations
    left = None
    if word in ("included", "safe") and block_number is not None and head is not None:
        wanted = 1 if word == "included" else confirmations
        left = max(wanted - (head.number - block_number), 1)
    elif word == "pending":
        left = 1
    meaning, following = _sentences(word, confirmations)
    if word in ("pending", "included", "safe", "orphaned") and queries.is_halted():
        following, left = (
            _("Settlement is halted: nothing moves until an operator has looked at the chain."),
            None,
        )
    return {
        "finality": word,
        "meaning": meaning,
        "next": following,
        "blocks_left": left,
        "seconds_left": None if left is None else -(-left * seconds_per_block_milli() // 1_000),
    }


def legend() -> list[dict[str, str]]:
    """All five states with meaning and what comes next, in order, for the status page and its JSON."""
    confirmations = queries.deployment().confirmations
    return [
        dict(zip(("finality", "meaning", "next"), (word, *_sentences(word, confirmations)), strict=True))
        for word in WORDS
    ]


def seconds_per_block_milli() -> int:
    """Milliseconds from block to block: the pace of a chain of our own, else the mean of the newest blocks."""
    if settings.LOCAL_CHAIN:
        return int(settings.BLOCK_SECONDS * 1_000)
    rows = list(
        Block.objects.filter(canonical=True)
        .order_by("-number")
        .values_list("number", "timestamp")[:BLOCKS_AVERAGED]
    )
    if len(rows) < 2 or rows[0][0] == rows[-1][0]:
        return 0
    mean = 1_000 * (rows[0][1] - rows[-1][1]) // (rows[0][0] - rows[-1][0])
    return min(max(mean, 0), SECONDS_PER_BLOCK_MAX * 1_000)


def _sentences(word: str, confirmations: int) -> tuple[str, str]:
    """What a state means, and what happens next."""
    sentences = {
        "pending": (
            _("It is on its way to the chain and in no block yet; no money has moved."),
            _(
                "Next: it is included in a block. If it waits long, the exchange sends it again with a higher fee."
            ),
        ),
        "included": (
            _("It is in the newest block; the chain may still replace that block."),
            _("Next: one more block on top makes it safe."),
        ),
        "safe": (
            _("At least one block is on top of it; that it is replaced is unlikely and would be followed."),
            _("Next: it is final with %(n)s blocks on top; then the books move the money.")
            % {"n": confirmations},
        ),
        "final": (
            _("%(n)s blocks are on top of it: it stands, and the books have taken it over.")
            % {"n": confirmations},
            _("Nothing is left to happen."),
        ),
        "orphaned": (
            _("The chain has replaced the block that it was in; it counts as not happened."),
            _(
                "Next: the exchange sends the same transaction again; it is pending until a new block includes it."
            ),
        ),
    }
    return sentences[word]
