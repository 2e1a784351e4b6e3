"""THE PAGE TO READ FIRST: every state of the market's things, who must act, until when, and where the money is.

One table says which transitions are allowed; everything that changes a state asks `advance`. docs/lifecycle.md
is rendered from it. States that only a reorg can undo count as ended: money moves on final facts alone.
Who gets what at each end is in `suan.core.settlement.money_outcomes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """The things that have a life."""

    ORDER = "order"
    TRADE = "trade"
    RUN = "run"
    RECEIPT = "receipt"
    BATCH = "batch"
    TRANSACTION = "transaction"
    FINALITY = "finality"


class Money(StrEnum):
    """Where the money of a thing is while it is in a state."""

    NOTHING = "no money depends on it"
    HELD = "held in the journal, still the owner's"
    LOCKED = "locked on chain"
    RELEASED = "released to its owner"
    PAID = "paid for counted work; rest of the lock and bond returned"
    RETURNED = "lock and bond returned"
    SLASHED = "lock returned to the buyer, bond slashed"
    FOLLOWS = "follows its trades"


@dataclass(frozen=True, slots=True)
class State:
    """One state. owner: who must act next. deadline: until when, or what happens then. next: allowed states.

    reorg: states to which only a chain reorganisation leads back.
    """

    name: str
    meaning: str
    owner: str
    deadline: str
    money: Money
    next: tuple[str, ...] = ()
    reorg: tuple[str, ...] = ()

    @property
    def is_end(self) -> bool:
        return not self.next


class ForbiddenTransition(ValueError):
    """A change of state that the table does not allow."""

    def __init__(self, kind: Kind, before: str, after: str) -> None:
        allowed = ", ".join(sorted(allowed_from(kind, before))) or "nothing, it has ended"
        super().__init__(f"a {kind} that is {before} cannot become {after}; allowed: {allowed}")
        self.kind, self.before, self.after = kind, before, after


def advance(kind: str, before: str, after: str) -> str:
    """The new state, when the table allows it; ForbiddenTransition otherwise. Unknown names are a KeyError.

    A repeat (before == after) is forbidden too: the caller's conditional UPDATE must have found the old state.
    """
    state(kind, after)
    if after not in allowed_from(kind, before):
        raise ForbiddenTransition(Kind(kind), before, after)
    return after


def allowed_from(kind: str, before: str) -> frozenset[str]:
    """All states that may follow, those by a reorg included."""
    entry = state(kind, before)
    return frozenset(entry.next + entry.reorg)


def is_end(kind: str, name: str) -> bool:
    """Whether nothing but a reorg can change this state any more."""
    return state(kind, name).is_end


def state(kind: str, name: str) -> State:
    """The entry of the table; KeyError names what is unknown."""
    for entry in LIFECYCLE[Kind(kind)]:
        if entry.name == name:
            return entry
    raise KeyError(f"a {kind} has no state {name!r}")


def states(kind: str) -> tuple[str, ...]:
    """The names of all states of a kind, in the order of their life."""
    return tuple(entry.name for entry in LIFECYCLE[Kind(kind)])


def render_markdown() -> str:
    """docs/lifecycle.md."""
    parts = [_HEAD]
    for kind, entries in LIFECYCLE.items():
        parts.append(f"## {kind.capitalize()}\n\n{_INTRODUCTION[kind]}\n")
        parts.append(
            "| state | meaning | who acts next | deadline | money | may become |\n|---|---|---|---|---|---|"
        )
        parts.extend(_row(entry) for entry in entries)
        parts.append("")
    return "\n".join([*parts, _TAIL])


def _row(entry: State) -> str:
    following = [f"`{name}`" for name in entry.next] + [f"`{name}` (reorg)" for name in entry.reorg]
    cells = (
        f"`{entry.name}`",
        entry.meaning,
        entry.owner,
        entry.deadline,
        entry.money.value,
        ", ".join(following) or "-",
    )
    return "| " + " | ".join(cells) + " |"


_HEAD: Final = """# Lifecycle

Rendered from `suan/core/lifecycle.py`; a test compares. Change the table there, then run
`python -m tests.vectors.generate`.

Each state has one owner who must act next, a deadline, and a place where its money is. *reorg* marks a
change that only a reorganisation of the chain can cause; a state with no other change has ended.
"""
_TAIL: Final = """## Known limits

- The table says which changes are allowed, not who may ask for them; that is checked where the request arrives.
- A state that a reorg could still undo is shown with its *finality*; money in the journal waits for `final`.
"""
_INTRODUCTION: Final = {
    Kind.ORDER: "A signed Offer or Bid in the book. Status names are those of FIX.",
    Kind.TRADE: "k runs of one bid at one offer: one lock, one end. Its run's outcomes decide how it ends.",
    Kind.RUN: "One run of a job under one trade. A failed run returns to its bid and comes back under a new trade.",
    Kind.RECEIPT: "What an agent signed about one run.",
    Kind.BATCH: "A lock batch: the trades that one transaction opens together.",
    Kind.TRANSACTION: "Any transaction that the exchange sends; its bytes are stored before they are sent.",
    Kind.FINALITY: "How sure anything on chain is. *Final* is N confirmations, a setting of the deployment.",
}
_CHAIN_DUE: Final = "until included; replaced at a higher fee when it takes too long"
_REFUND: Final = "`refund_after` = deliver by + verification grace"

LIFECYCLE: Final[dict[Kind, tuple[State, ...]]] = {
    Kind.ORDER: (
        State("new", "accepted, nothing traded", "the exchange", "`valid_until`", Money.HELD,
              ("partially_filled", "filled", "canceled", "expired", "rejected")),
        State("partially_filled", "part of it traded", "the exchange",
              "`valid_until`; what came back: `deliver_by`", Money.HELD,
              ("new", "filled", "canceled", "expired", "rejected")),
        State("filled", "all of it traded; quantity that comes back at a close reopens it", "nobody",
              "`deliver_by`", Money.FOLLOWS,
              ("new", "partially_filled", "canceled", "expired", "rejected")),
        State("canceled", "stopped by its maker; its open trades go on", "nobody", "-", Money.RELEASED),
        State("expired", "its time passed; its open trades go on", "nobody", "-", Money.RELEASED),
        State("rejected", "the chain refused its fills for good", "nobody", "-", Money.RELEASED),
    ),
    Kind.TRADE: (
        State("matched", "proposed by a clearing", "the exchange", "the pace of lock batches", Money.HELD,
              ("locking", "rejected")),
        State("locking", "in a lock batch that is not yet safe on chain", "the exchange", _CHAIN_DUE,
              Money.HELD, ("matched", "locked", "rejected")),
        State("locked", "payment and bond are locked; runs may start", "the provider", "`deliver_by`",
              Money.LOCKED, ("delivered", "closing", "settled", "refunded", "slashed"), ("locking",)),
        State("delivered", "no run is open any more", "the verifiers", _REFUND, Money.LOCKED,
              ("verified", "closing", "settled", "refunded", "slashed"), ("locking",)),
        State("verified", "every run has its verdict", "the exchange", _REFUND, Money.LOCKED,
              ("closing", "settled", "refunded", "slashed"), ("locking",)),
        State("closing", "its verdict is planned, sent, waiting for the end of its dispute window, or disputed",
              "the exchange; whoever disputes", "end of the dispute window, or of the dispute", Money.LOCKED,
              ("verified", "settled", "refunded", "slashed"), ("locking",)),
        State("settled", "closed with payment", "nobody", "-", Money.PAID, (),
              ("locked", "delivered", "verified", "closing")),
        State("refunded", "closed without payment", "nobody", "-", Money.RETURNED, (),
              ("locked", "delivered", "verified", "closing")),
        State("slashed", "closed for a false receipt", "nobody", "-", Money.SLASHED, (),
              ("locked", "delivered", "verified", "closing")),
        State("rejected", "its fill was refused, with a code", "nobody", "-", Money.RELEASED, (),
              ("locking",)),
    ),
    Kind.RUN: (
        State("waiting", "may be leased by the agent of its offer", "the agent", "`deliver_by`",
              Money.FOLLOWS, ("leased", "delivered", "failed")),
        State("leased", "an agent executes it", "the agent", "end of the lease, at most `deliver_by`",
              Money.FOLLOWS, ("waiting", "delivered", "failed")),
        State("delivered", "output uploaded and its hash checked, receipt signed", "the verifiers", _REFUND,
              Money.FOLLOWS, ("verified", "failed")),
        State("verified", "recomputed with the same result; billed", "nobody", "-", Money.FOLLOWS),
        State("failed", "timed out, lost, refused, false or undecided; unpaid", "nobody", "-",
              Money.FOLLOWS),
    ),
    Kind.RECEIPT: (
        State("submitted", "signed and well-formed; waits for its verdict", "the verifiers", _REFUND,
              Money.FOLLOWS, ("accepted", "rejected")),
        State("accepted", "recomputed with the same result", "nobody", "-", Money.FOLLOWS),
        State("rejected", "false, confirmed by a second engine", "nobody", "-", Money.FOLLOWS),
    ),
    Kind.BATCH: (
        State("planned", "its trades are chosen, its transaction is planned", "the exchange",
              "the pace of lock batches", Money.FOLLOWS, ("sent", "included", "failed")),
        State("sent", "its transaction was broadcast", "the chain", _CHAIN_DUE, Money.FOLLOWS,
              ("included", "failed")),
        State("included", "its transaction is in a block", "the chain", "N confirmations", Money.FOLLOWS,
              ("final", "failed"), ("sent",)),
        State("final", "N confirmations", "nobody", "-", Money.FOLLOWS, (), ("sent",)),
        State("failed", "its transaction failed; its trades are planned again or rejected", "nobody", "-",
              Money.FOLLOWS),
    ),
    Kind.TRANSACTION: (
        State("planned", "stored with the business change", "the sender", "the sender's next turn",
              Money.NOTHING, ("signed", "failed")),
        State("signed", "nonce taken, bytes stored", "the sender", "at once", Money.NOTHING,
              ("sent", "included", "failed")),
        State("sent", "broadcast at least once", "the chain", _CHAIN_DUE, Money.NOTHING,
              ("signed", "included", "failed")),
        State("included", "in a block", "the chain", "N confirmations", Money.NOTHING, ("final", "failed"),
              ("sent",)),
        State("final", "N confirmations", "nobody", "-", Money.NOTHING),
        State("failed", "reverted or can never be included", "the room that planned it",
              "its own next sweep", Money.NOTHING),
    ),
    Kind.FINALITY: (
        State("pending", "not in a block", "the sender", _CHAIN_DUE, Money.NOTHING, ("included",)),
        State("included", "in a block", "the chain", "one more block", Money.NOTHING, ("safe", "final"),
              ("orphaned",)),
        State("safe", "one block on top", "the chain", "N confirmations", Money.NOTHING, ("final",),
              ("orphaned",)),
        State("final", "N confirmations; the journal posts it", "nobody", "-", Money.NOTHING),
        State("orphaned", "its block left the chain", "the sender", "sent again with the same bytes",
              Money.NOTHING, ("pending", "included")),
    ),
}  # fmt: skip
"""The table. A reorg deeper than N confirmations halts settlement; no transition leads out of `final`."""
