"""How a row of the books is made: accounts locked as a page, one digest that chains both of them.

Every row carries a digest over its content and over the last digest of both accounts that it touches, so that each
account is a hash chain whose newest link stands in Account.head. Rows are made here and written by ledger.journal alone.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models.functions import Now

from ledger.models import Account, ChainEvent, Transfer
from suan.core.settlement import Ref

GENESIS = "0x" + "00" * 32
TRANSFER_KEY_CHARACTERS_MAX = 200
ROWS_PER_INSERT_MAX = 500


@dataclass
class Page:
    """Account rows locked in this transaction, and the database's time of it."""

    accounts: dict[Ref, Account]
    now: datetime


def ref_of(account: Account) -> Ref:
    return Ref(account.address, account.kind)


def lock_refs(refs: Iterable[Ref]) -> Page:
    wanted = sorted(set(refs))
    addresses = sorted({ref.address for ref in wanted})
    rows = _select(addresses)
    missing = [ref for ref in wanted if ref not in rows]
    if missing:
        Account.objects.bulk_create(
            [Account(address=ref.address, kind=ref.kind, head=GENESIS) for ref in missing],
            ignore_conflicts=True,
        )
        rows = _select(addresses)
    now = next(iter(rows.values())).now  # type: ignore[attr-defined]
    return Page(accounts=rows, now=now)


def _select(addresses: list[str]) -> dict[Ref, Account]:
    rows = (
        Account.objects.select_for_update()
        .filter(address__in=addresses)
        .annotate(now=Now())
        .order_by("address", "kind")
    )
    return {ref_of(row): row for row in rows}


def make_row(
    page: Page,
    *,
    key: str,
    kind: str,
    debit: Ref,
    credit: Ref,
    amount: int,
    hold_name: str = "",
    resolves: Transfer | None = None,
    event: ChainEvent | None = None,
    batch: str = "",
    memo: str = "",
) -> Transfer:
    if len(key) > TRANSFER_KEY_CHARACTERS_MAX:
        raise ValueError(f"a transfer key has at most {TRANSFER_KEY_CHARACTERS_MAX} characters")
    payer, payee = page.accounts[debit], page.accounts[credit]
    row = Transfer(
        key=key,
        kind=kind,
        hold_name=hold_name,
        debit=payer,
        credit=payee,
        amount=amount,
        resolves=resolves,
        event=event,
        batch=batch,
        memo=memo[:200],
        debit_previous=payer.head,
        credit_previous=payee.head,
        created_at=page.now,
    )
    row.digest = digest_of(row)
    # The database moves the stored balances with the insert; these are our copies, for the next row of this page.
    if kind in (Transfer.Kind.PLAIN, Transfer.Kind.POST):
        payer.debits_posted += amount
        payee.credits_posted += amount
    payer.head = payee.head = row.digest
    return row


def digest_of(row: Transfer) -> str:
    """The digest that this row must carry, from its content and from the two links it stores."""
    content = {
        "amount": str(row.amount),
        "batch": row.batch,
        "created_at": row.created_at.astimezone(UTC).isoformat(),
        "credit": str(row.credit),
        "credit_previous": row.credit_previous,
        "debit": str(row.debit),
        "debit_previous": row.debit_previous,
        "event": f"{row.event.block.hash}:{row.event.log_index}" if row.event else None,
        "hold_name": row.hold_name,
        "key": row.key,
        "kind": row.kind,
        "memo": row.memo,
        "resolves": row.resolves.digest if row.resolves else None,
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "0x" + hashlib.sha256(b"suan transfer 1\n" + canonical.encode()).hexdigest()
