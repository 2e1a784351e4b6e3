"""The one fold of contract events into movements of money.

Layout: an account is an address and a kind; what the contract holds for everybody is one account, whose balance is
negative. `moves_of` says what one event moves; `Books` folds events in chain order. The arguments of events are as decoded
(`suan.core.contract.decode_event`) or as stored from it.

Invariants: after every event the balances sum to zero; the parts of a close sum to its lock, else BooksDisagree. Known limits:
that a dispute or a session moves no more than it locked is the contract's word here (comparison and audit hold the sums
against its storage). A new event that moves money is one branch of `moves_of`, one name in MONEY_EVENTS and, if it
builds on an earlier event, one line in OPENED_BY.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol

from suan.core.contract import Record, Session, record_of
from suan.core.encoding import ZERO_ADDRESS, to_hex
from suan.core.settlement.split import Payout, divided

Args = Mapping[str, Any]

AVAILABLE: Final = "available"
LOCKED: Final = "locked"
EXITING: Final = "exiting"
CUSTODY: Final = "custody"
PARTY_KINDS: Final = (AVAILABLE, LOCKED, EXITING)
"""Kinds of account that an address can have in the contract."""

MONEY_EVENTS: Final = (
    "Deposited",
    "WithdrawalRequested",
    "WithdrawalReduced",
    "Withdrawn",
    "Migrated",
    "TradeLocked",
    "TradeClosed",
    "DisputeOpened",
    "ClaimEnded",
    "SessionOpened",
    "VoucherRedeemed",
    "SessionClosed",
)
OPENED_BY: Final = {
    "TradeClosed": "TradeLocked",
    "VoucherRedeemed": "SessionOpened",
    "SessionClosed": "SessionOpened",
}
"""What an event builds upon: the earlier event of the same subject that locked the money."""
ENDS: Final = frozenset({"TradeClosed", "SessionClosed"})
"""Events after which nothing of a lock is left."""


class Ref(NamedTuple):
    """Names an account: address in lower case and kind."""

    address: str
    kind: str


CUSTODY_REF: Final = Ref(ZERO_ADDRESS, CUSTODY)


class Move(NamedTuple):
    """One movement that an event means, in base units, never negative. `part` names it within the event."""

    part: str
    debit: Ref
    credit: Ref
    amount: int


class Payees(Protocol):
    """Who gets fees and slashed bonds: a deployment, or the figures of a contract."""

    @property
    def treasury(self) -> str: ...
    @property
    def pool(self) -> str: ...
    @property
    def rerun_account(self) -> str: ...


class Parties(Protocol):
    """Between whom money is locked: a trade's record, or a session."""

    @property
    def buyer(self) -> str: ...
    @property
    def provider(self) -> str: ...


class BooksDisagree(Exception):
    """An event contradicts another one: a close without its lock, parts that exceed what was locked."""


def lock_of(name: str, args: Args) -> Record | Session | None:
    """What an event locks for later ones to build upon; None where it locks nothing of the kind."""
    if name == "TradeLocked":
        return record_of(dict(args))
    if name == "SessionOpened":
        return Session(**args["terms"])
    return None


def moves_of(name: str, args: Args, lock: Parties | None, *, payees: Payees) -> list[Move]:
    """The movements that an event means, those of nothing left out. `lock`: what its OPENED_BY locked, where it has one.

    Raises BooksDisagree where a part is negative, its lock is missing, or the event moves no money that we know of.
    """
    if name in OPENED_BY:
        moves = _moves_from_lock(name, args, lock, payees)
    elif name in ("DisputeOpened", "ClaimEnded"):
        moves = _dispute_moves(name, args)
    else:
        moves = _plain_moves(name, args)
    return _whole(moves, name, args)


def close_moves(record: Record, payout: Payout, payees: Payees) -> list[Move]:
    """The movements of a close that divides the lock so. Raises BooksDisagree where a part is negative."""
    buyer, provider = Ref(record.buyer, LOCKED), Ref(record.provider, LOCKED)
    moves = [
        Move("paid", buyer, Ref(record.provider, AVAILABLE), payout.to_provider),
        Move("fee", buyer, Ref(payees.treasury, AVAILABLE), payout.fee),
        Move("returned", buyer, Ref(record.buyer, AVAILABLE), payout.to_buyer),
        Move("rerun", provider, Ref(payees.rerun_account, AVAILABLE), payout.rerun),
        Move("pool", provider, Ref(payees.pool, AVAILABLE), payout.pool),
        Move("bond", provider, Ref(record.provider, AVAILABLE), payout.bond_back),
    ]
    return _whole(moves, "TradeClosed", {"trade": to_hex(record.trade)})


class Books:
    """Balances and open locks after the events that were applied, in chain order.

    Memory: one balance per account, one lock per open trade and session. An id that was locked twice is two locks.
    """

    def __init__(self, payees: Payees) -> None:
        self.payees = payees
        self.balances: dict[Ref, int] = defaultdict(int)
        self._locks: dict[str, tuple[Record | Session, ...]] = {}

    def apply(self, name: str, subject: str, args: Args) -> list[Move]:
        """Fold one event of a trade or session `subject` and return its movements. On BooksDisagree nothing has changed."""
        locks = self._locks.get(subject, ())
        moves = moves_of(name, args, locks[-1] if locks else None, payees=self.payees)
        try:
            opened = lock_of(name, args)
        except (LookupError, TypeError, ValueError) as error:
            raise BooksDisagree(f"{name} {dict(args)} locks what cannot be: {error}") from error
        for move in moves:
            self.balances[move.debit] -= move.amount
            self.balances[move.credit] += move.amount
        if opened is not None:
            self._locks[subject] = (*locks, opened)
        elif name in ENDS and len(locks) > 1:
            self._locks[subject] = locks[:-1]
        elif name in ENDS:
            del self._locks[subject]
        return moves

    def balance(self, address: str, kind: str) -> int:
        """Base units, without making an account."""
        return self.balances.get(Ref(address, kind), 0)

    def copy(self) -> Books:
        """Books that go on from here without changing these."""
        other = Books(self.payees)
        other.balances.update(self.balances)
        other._locks.update(self._locks)
        return other


def _plain_moves(name: str, args: Args) -> list[Move]:
    """Deposits, exits, and what is locked at the start of a trade or a session."""
    if name == "TradeLocked":
        buyer, provider = args["buyer"], args["provider"]
        return [
            Move("payment", Ref(buyer, AVAILABLE), Ref(buyer, LOCKED), int(args["payment"])),
            Move("bond", Ref(provider, AVAILABLE), Ref(provider, LOCKED), int(args["bond"])),
        ]
    if name == "SessionOpened":
        buyer, ceiling = args["terms"]["buyer"], int(args["terms"]["ceiling"])
        return [Move("ceiling", Ref(buyer, EXITING), Ref(buyer, LOCKED), ceiling)]
    if name not in MONEY_EVENTS:
        raise BooksDisagree(f"{name} moves no money that we know of")
    account, amount = args["account"], int(args["amount"])
    if name == "Deposited":
        return [Move("deposit", CUSTODY_REF, Ref(account, AVAILABLE), amount)]
    if name == "WithdrawalRequested":
        return [Move("exit", Ref(account, AVAILABLE), Ref(account, EXITING), amount)]
    if name == "WithdrawalReduced":
        return [Move("back", Ref(account, EXITING), Ref(account, AVAILABLE), amount)]
    return [Move("withdrawn", Ref(account, EXITING), CUSTODY_REF, amount)]  # Withdrawn, Migrated


def _dispute_moves(name: str, args: Args) -> list[Move]:
    who, bond = args["challenger"], int(args["bond"])
    if name == "DisputeOpened":
        return [Move("bond", Ref(who, AVAILABLE), Ref(who, LOCKED), bond)]
    forfeited, opponent = int(args["forfeited"]), Ref(args["opponent"], AVAILABLE)
    return [
        Move("forfeited", Ref(who, LOCKED), opponent, forfeited),
        Move("bond", Ref(who, LOCKED), Ref(who, AVAILABLE), bond - forfeited),
        Move("reward", opponent, Ref(who, AVAILABLE), int(args["reward"])),
    ]


def _moves_from_lock(name: str, args: Args, lock: Parties | None, payees: Payees) -> list[Move]:
    if lock is None or (name == "TradeClosed") != isinstance(lock, Record):
        raise BooksDisagree(f"{name} without a {OPENED_BY[name]}: {dict(args)}")
    if isinstance(lock, Record):
        paid, charged, slashed = (int(args[key]) for key in ("paid", "fee", "slashed"))
        payout = divided(lock, int(args["units"]), paid=paid, charged=charged, slashed=slashed)
        return close_moves(lock, payout, payees)
    buyer = Ref(lock.buyer, LOCKED)
    if name == "SessionClosed":
        return [Move("released", buyer, Ref(lock.buyer, AVAILABLE), int(args["released"]))]
    paid, charged = int(args["paid"]), int(args["fee"])
    return [
        Move("paid", buyer, Ref(lock.provider, AVAILABLE), paid - charged),
        Move("fee", buyer, Ref(payees.treasury, AVAILABLE), charged),
    ]


def _whole(moves: list[Move], name: str, args: Args) -> list[Move]:
    if any(move.amount < 0 for move in moves):
        raise BooksDisagree(f"the parts of {name} {dict(args)} do not sum to what was locked: {moves}")
    return [move for move in moves if move.amount]
