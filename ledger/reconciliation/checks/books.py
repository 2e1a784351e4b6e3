"""The journal against its own digests, against the events that it posts, and against the contract's storage."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from ledger.chain import NodeRefused
from ledger.journal import GENESIS, digest_of, keys
from ledger.models import Account, ChainEvent, Transfer
from ledger.reconciliation.finding import ChainView, Finding, SeenEvent
from suan.core.contract import decode_result, encode_call
from suan.core.settlement import (
    AVAILABLE,
    CUSTODY_REF,
    EXITING,
    LOCKED,
    MONEY_EVENTS,
    Books,
    BooksDisagree,
    Move,
    Ref,
)


def check_journal(view: ChainView) -> Iterator[Finding]:
    """Digests and links of every transfer, and the balances of every account as their fold."""
    heads: dict[int, str] = defaultdict(lambda: GENESIS)
    debits: dict[int, int] = defaultdict(int)
    credits: dict[int, int] = defaultdict(int)
    pending: dict[int, int] = defaultdict(int)
    rows = Transfer.objects.select_related("debit", "credit", "resolves", "event__block").order_by("id")
    for row in rows.iterator(chunk_size=500):
        view.checked["journal"] = view.checked.get("journal", 0) + 1
        expected = digest_of(row)
        if row.digest != expected:
            yield Finding("ledger_transfer", row.key, "digest", row.digest, expected)
        for column, account in (("debit_previous", row.debit_id), ("credit_previous", row.credit_id)):
            if getattr(row, column) != heads[account]:
                yield Finding("ledger_transfer", row.key, column, getattr(row, column), heads[account])
        heads[row.debit_id] = heads[row.credit_id] = row.digest
        if row.kind == Transfer.Kind.HOLD:
            pending[row.debit_id] += row.amount
        if row.resolves is not None:
            pending[row.debit_id] -= row.resolves.amount
            if row.amount > row.resolves.amount:
                yield Finding(
                    "ledger_transfer", row.key, "amount", str(row.amount), f"<= {row.resolves.amount}"
                )
        if row.kind in (Transfer.Kind.PLAIN, Transfer.Kind.POST):
            debits[row.debit_id] += row.amount
            credits[row.credit_id] += row.amount
    for account in Account.objects.order_by("id"):
        pairs = (
            ("debits_posted", account.debits_posted, debits[account.pk]),
            ("credits_posted", account.credits_posted, credits[account.pk]),
            ("debits_pending", account.debits_pending, pending[account.pk]),
            ("head", account.head, heads[account.pk]),
        )
        for column, stored, wanted in pairs:
            if stored != wanted:
                yield Finding("ledger_account", str(account), column, str(stored), str(wanted))


def check_postings(view: ChainView) -> Iterator[Finding]:
    """Every final event up to the posted height has exactly the transfers that it means, and no others exist."""
    generations = {
        (row.block.hash, row.log_index): row.postings
        for row in ChainEvent.objects.filter(postings__gt=0, block__canonical=True).select_related("block")
    }
    rows = Transfer.objects.filter(key__startswith=keys.EVENT_ROWS).select_related("debit", "credit")
    stored = {row.key: row for row in rows}
    reversals = Transfer.objects.filter(key__startswith=keys.EVENT_REVERSALS)
    undone = set(reversals.values_list("key", flat=True))
    for event, moves in _moves(view, Books(view.deployment), upto=view.final_number):
        where = event.block_hash, event.log_index
        for move in moves:
            key = keys.event_row(*where, move.part, postings=generations.get(where, 1) - 1)
            view.checked["postings"] = view.checked.get("postings", 0) + 1
            row = stored.pop(key, None)
            if row is None:
                if event.block_number <= view.posted_number:
                    yield Finding(
                        "ledger_transfer", key, "*", "no row", f"{move.debit} to {move.credit}: {move.amount}"
                    )
                continue
            for column, value, wanted in (
                ("amount", row.amount, move.amount),
                ("debit", str(row.debit), ":".join(move.debit)),
                ("credit", str(row.credit), ":".join(move.credit)),
            ):
                if value != wanted:
                    yield Finding("ledger_transfer", key, column, str(value), str(wanted))
    for key, row in stored.items():
        if keys.reversal(key) not in undone:
            yield Finding(
                "ledger_transfer", key, "*", f"{row.debit} to {row.credit}: {row.amount}", "no such event"
            )


def check_balances(view: ChainView) -> Iterator[Finding]:
    """Posted balances against the fold of the log at the posted height."""
    expected = fold(view, upto=view.posted_number)
    halfway = any(
        row.block.number > view.posted_number
        for row in ChainEvent.objects.filter(posted_at__isnull=False, block__canonical=True).select_related(
            "block"
        )
    )
    if halfway:  # The poster is between two events: the next run compares.
        return
    accounts = {Ref(row.address, row.kind): row for row in Account.objects.all()}
    for ref in sorted({*accounts, *expected}):
        view.checked["balances"] = view.checked.get("balances", 0) + 1
        stored = accounts[ref].posted if ref in accounts else 0
        if stored != expected.get(ref, 0):
            yield Finding("ledger_account", ":".join(ref), "posted", str(stored), str(expected.get(ref, 0)))


def check_contract(view: ChainView) -> Iterator[Finding]:
    """The contract's own storage at that height against the fold of its log, and its tokens against its custody."""
    if view.number < 0:
        return
    market, block = view.deployment.market, view.number
    expected = fold(view, upto=view.number)
    for address in sorted({ref.address for ref in expected if ref != CUSTODY_REF}):
        view.checked["contract"] = view.checked.get("contract", 0) + 1
        account = _ask(view, market, "accountOf", address, block=block)
        leaving = _ask(view, market, "exitOf", address, block=block)
        if account is None or leaving is None:
            return  # The node has no state of that block any more; the next run asks for a newer one.
        for kind, found in (
            (AVAILABLE, account["available"]),
            (LOCKED, account["locked"]),
            (EXITING, leaving["amount"]),
        ):
            folded = expected.get(Ref(address, kind), 0)
            if found != folded:
                yield Finding(
                    "chain", f"{address}:{kind}", f"Market at block {block}", str(found), str(folded)
                )
    custody = _ask(view, market, "custody", block=block)
    if custody is not None and custody["custody"] != -expected.get(CUSTODY_REF, 0):
        folded = -expected.get(CUSTODY_REF, 0)
        yield Finding("chain", market, f"custody at block {block}", str(custody["custody"]), str(folded))


def fold(view: ChainView, *, upto: int) -> dict[Ref, int]:
    """Balances of every account (credits minus debits) after the events at or below block `upto`."""
    books = Books(view.deployment)
    for _ in _moves(view, books, upto=upto):
        pass
    return dict(books.balances)


def _moves(view: ChainView, books: Books, *, upto: int) -> Iterator[tuple[SeenEvent, list[Move]]]:
    """What each money event moves, folded into `books` on the way."""
    for event in view.events:
        if (
            event.block_number > upto
            or event.name not in MONEY_EVENTS
            or event.address != view.deployment.market
        ):
            continue
        try:
            yield event, books.apply(event.name, event.subject, event.args)
        except BooksDisagree:
            yield event, []  # The contract check then names the accounts.


def _ask(view: ChainView, to: str, name: str, *arguments: object, block: int) -> dict[str, Any] | None:
    try:
        data = view.gateway.call(to=to, data=encode_call(name, *arguments), block=block)
    except NodeRefused:
        return None
    return decode_result(name, data)
