"""Who took part, and what each address has in the contract as of a block: the fold of the stored money events.

This is the contract's accountOf and exitOf at that block, not the books (which know holds, and final facts only).
Folds at final blocks are kept, so that a later block folds on from there. Memory: one entry per address and open trade.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Any

from ledger import queries
from ledger.explorer.facts import AsOf, Row, events_at
from ledger.models import Block, ChainEvent
from suan.core.settlement import CUSTODY_REF, MONEY_EVENTS, PARTY_KINDS, Books, BooksDisagree

FOLDS_KEPT = 4


@dataclass
class Party:
    """In how many trades an address bought and sold, and in which blocks its money moved first and last."""

    bought: int = 0
    sold: int = 0
    first_block: int = 0
    last_block: int = 0


@dataclass
class Fold:
    """Parties and books after all money events up to block `number`."""

    books: Books
    number: int = -1
    parties: dict[str, Party] = field(default_factory=dict)

    def copy(self) -> Fold:
        parties = {address: replace(party) for address, party in self.parties.items()}
        return Fold(self.books.copy(), self.number, parties)


_kept: OrderedDict[str, Fold] = OrderedDict()
_guard = threading.Lock()


@dataclass(frozen=True)
class Parties:
    """As facts.Facts, in the order of addresses."""

    at: AsOf
    fold: Fold
    roles: dict[str, list[str]]

    def slice(self, *, after: str | None, limit: int, newest_first: bool) -> list[tuple[str, Row]]:
        """Up to `limit` (address, row) behind the address `after`; newest_first: from the highest address down."""
        names = sorted(self.fold.parties, reverse=newest_first)
        if after is not None:
            names = [name for name in names if (name < after if newest_first else name > after)]
        return [(name, self.row(name)) for name in names[:limit]]

    def row(self, address: str) -> Row:
        """The row of any address; all zero for one that never had money here."""
        party = self.fold.parties.get(address, Party())
        return {
            "address": address,
            "roles": self.roles_of(address, party),
            **{kind: str(self.fold.books.balance(address, kind)) for kind in PARTY_KINDS},
            "trades_bought": party.bought,
            "trades_sold": party.sold,
            "first_block_number": party.first_block or None,
            "last_block_number": party.last_block or None,
        }

    def roles_of(self, address: str, party: Party) -> list[str]:
        traded = [name for name, count in (("buyer", party.bought), ("provider", party.sold)) if count]
        return [*self.roles.get(address, []), *traded]


def parties(at: AsOf) -> Parties:
    """All addresses that ever had money in the contract, as of the block."""
    return Parties(at, _folded(at), deployment_roles())


def deployment_roles() -> dict[str, list[str]]:
    """The market's own addresses and what each of them is."""
    known = queries.deployment()
    names = (
        "market",
        "registry",
        "token",
        "operator",
        "relayer",
        "treasury",
        "pool",
        "rerun_account",
        "admin",
    )
    roles: dict[str, list[str]] = {}
    for name in names:
        roles.setdefault(getattr(known, name), []).append(name)
    for member in known.verifier_set.members:
        roles.setdefault(member, []).append("verifier")
    return roles


def keys_of(at: AsOf, address: str) -> list[Row]:
    """What an address is in the Registry: whose agent or delegate key it is, and which keys it gave itself."""
    rows = events_at(at, "AgentSet", "DelegateSet").order_by("position")
    latest: dict[tuple[Any, ...], Row] = {}
    for name in ("owner", "key"):
        for event in rows.filter(args__contains={name: address}):
            args = event.args
            kind = "agent" if event.name == "AgentSet" else "delegate"
            latest[kind, args["owner"], args["key"], args.get("side")] = {
                "kind": kind,
                "owner": args["owner"],
                "key": args["key"],
                "side": args.get("side"),
                "valid_until": args["valid_until"],
                "tx_hash": event.tx_hash,
            }
    return list(latest.values())


def _folded(at: AsOf) -> Fold:
    with _guard:
        start = _nearest(at).copy()
        rows = events_at(at, *MONEY_EVENTS).filter(block__number__gt=start.number).order_by("position")
        for event in rows.iterator(chunk_size=1_000):
            _apply(start, event)
        start.number = at.number
        if at.is_final:
            _kept[at.hash] = start.copy()
            while len(_kept) > FOLDS_KEPT:
                _kept.popitem(last=False)
    return start


def _nearest(at: AsOf) -> Fold:
    """The newest kept fold that is part of this history."""
    block = Block.objects.filter(hash__in=list(_kept), canonical=True, number__lte=at.number)
    found = block.order_by("-number").first()
    return _kept[found.hash] if found else Fold(Books(queries.deployment()))


def _apply(fold: Fold, event: ChainEvent) -> None:
    try:
        moves = fold.books.apply(event.name, event.subject, event.args)
    except BooksDisagree:
        return  # Its accounts then differ from the contract's, which the audit names.
    for ref in (ref for move in moves for ref in (move.debit, move.credit) if ref != CUSTODY_REF):
        party = fold.parties.setdefault(ref.address, Party(first_block=event.block.number))
        party.last_block = event.block.number
    if event.name == "TradeLocked":
        fold.parties.setdefault(event.args["buyer"], Party(first_block=event.block.number)).bought += 1
        fold.parties.setdefault(event.args["provider"], Party(first_block=event.block.number)).sold += 1
