"""The books beside the contract's own log, for the audit page: both folds by address, totals, and what is published.

Reads only. The log's side is the fold of the canonical money events that the books have posted, so a poster between
two events is no difference. That the stored log is the chain's log is what reconciliation checks (ledger/reconciliation/run.py).

Known limit: the fold reads every posted money event; it is kept until another one is posted.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Max, Sum

from ledger import evidence, queries
from ledger.models import Account, ChainEvent, EvidenceFile
from suan.core.settlement import CUSTODY_REF, MONEY_EVENTS, PARTY_KINDS, Books, BooksDisagree, Ref

ACCOUNTS_SHOWN_MAX = 200
FINGERPRINT = {"count": Count("id"), "sum": Sum("id"), "last": Max("id"), "postings": Sum("postings")}
"""Of the posted events: rows are never deleted and never change but by another posting."""


@dataclass(frozen=True)
class Compared:
    """One address in base units: what the books say, and what the contract's events add up to. `available` is posted,
    held money included, since the contract knows no holds.
    """

    address: str
    books: Mapping[str, int]
    chain: Mapping[str, int]

    @property
    def equal(self) -> bool:
        return dict(self.books) == dict(self.chain)


@dataclass(frozen=True)
class Comparison:
    """accounts: at most ACCOUNTS_SHOWN_MAX of `accounts_total`, unequal ones first. totals: of all, by kind.

    custody: tokens that the contract owes everybody; money is conserved when the totals sum to it in both folds.
    """

    accounts: list[Compared]
    accounts_total: int
    unequal_total: int
    totals: Mapping[str, int]
    custody_books: int
    custody_chain: int
    deposited: int
    withdrawn: int

    @property
    def conserved(self) -> bool:
        return sum(self.totals.values()) == self.custody_books == self.custody_chain


def compare() -> Comparison:
    """Books and log in one snapshot of the database."""
    with transaction.atomic():
        _one_snapshot()
        rows = {Ref(row.address, row.kind): row.posted for row in Account.objects.all()}
        folded, deposited, withdrawn = _fold(**_posted().aggregate(**FINGERPRINT))
    addresses = sorted({ref.address for ref in (*rows, *folded) if ref != CUSTODY_REF})
    compared = [
        Compared(
            address,
            {kind: rows.get(Ref(address, kind), 0) for kind in PARTY_KINDS},
            {kind: folded.get(Ref(address, kind), 0) for kind in PARTY_KINDS},
        )
        for address in addresses
    ]
    unequal = [row for row in compared if not row.equal]
    shown = [*unequal, *(row for row in compared if row.equal and (any(row.books.values())))]
    return Comparison(
        accounts=shown[:ACCOUNTS_SHOWN_MAX],
        accounts_total=len(compared),
        unequal_total=len(unequal),
        totals={kind: sum(row.books[kind] for row in compared) for kind in PARTY_KINDS},
        custody_books=-rows.get(CUSTODY_REF, 0),
        custody_chain=-folded.get(CUSTODY_REF, 0),
        deposited=deposited,
        withdrawn=withdrawn,
    )


def published() -> dict[str, int]:
    """How many files of evidence there are of each kind."""
    counts = {
        row["kind"]: row["count"] for row in EvidenceFile.objects.values("kind").annotate(count=Count("id"))
    }
    return {kind: counts.get(kind, 0) for kind in evidence.KINDS}


def _one_snapshot() -> None:
    """All reads of this transaction see one moment; inside a caller's transaction the caller has decided."""
    if not connection.savepoint_ids:
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def _posted() -> Any:
    return ChainEvent.objects.filter(
        name__in=MONEY_EVENTS, posted_at__isnull=False, block__canonical=True
    ).order_by("position")


@lru_cache(maxsize=2)
def _fold(**_fingerprint: int | None) -> tuple[Mapping[Ref, int], int, int]:
    """Balances, and the sums of deposits and withdrawals. The arguments tell one set of events from another."""
    books = Books(queries.deployment())
    sums: dict[str, int] = defaultdict(int)
    for event in _posted().iterator(chunk_size=1_000):
        try:
            moves = books.apply(event.name, event.subject, event.args)
        except BooksDisagree:
            continue  # Its accounts then differ from the books, which is what the page is for.
        sums[event.name] += sum(move.amount for move in moves)
    left = sums["Withdrawn"] + sums["Migrated"]
    return MappingProxyType(dict(books.balances)), sums["Deposited"], left
