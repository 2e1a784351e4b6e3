"""How rows of the journal are named: the only place that writes or reads the grammars of their keys.

| key | of what |
|---|---|
| `order:<order hash>` | the hold for what is left of an order |
| `trade:<trade id>:payment`, `trade:<trade id>:bond` | the holds of a matched trade |
| `hold:<name>`, `hold:<name>~<n>` | the row of a hold; n is its generation, from the second on |
| `void:<key of the hold's row>`, `post:<key of the hold's row>` | how it was resolved, if by no event |
| `event:<block hash>:<log index>:<part>`, with `~<n>` | what an event moved; n counts the rewinds before it |
| `reverse:<key>` | what undoes a row whose event left the chain |

Keys are unique for ever and part of every row's digest: another grammar would be another journal.
"""

from typing import Final

ORDER_HOLDS: Final = "order:"
EVENT_ROWS: Final = "event:"
REVERSALS: Final = "reverse:"
EVENT_REVERSALS: Final = REVERSALS + EVENT_ROWS
"""Prefixes, to find the rows of a kind."""


def order_hold(order_hash: str) -> str:
    """The name of the hold for what is left of an order."""
    return f"{ORDER_HOLDS}{order_hash}"


def payment_hold(trade_id: str) -> str:
    """The name of the hold for the payment of a matched trade (`trd_0x…`)."""
    return f"trade:{trade_id}:payment"


def bond_hold(trade_id: str) -> str:
    """The name of the hold for the bond of a matched trade (`trd_0x…`)."""
    return f"trade:{trade_id}:bond"


def hold_row(name: str, generation: int) -> str:
    return f"hold:{name}{_counted(generation, first=1)}"


def void_row(held: str) -> str:
    return f"void:{held}"


def post_row(held: str) -> str:
    return f"post:{held}"


def event_batch(block_hash: str, log_index: int) -> str:
    """What all rows of one event begin with."""
    return f"{EVENT_ROWS}{block_hash}:{log_index}"


def event_row(block_hash: str, log_index: int, part: str, *, postings: int) -> str:
    """The row of one part of an event that was posted `postings` times before."""
    return f"{event_batch(block_hash, log_index)}:{part}{_counted(postings, first=0)}"


def reversal(key: str) -> str:
    return f"{REVERSALS}{key}"


def _counted(n: int, *, first: int) -> str:
    return "" if n == first else f"~{n}"
