"""The books: hold, post, void, transfer. The only writer of Transfer.

Layout: a transfer is one row (debit account, credit account, positive amount), so that it balances by its shape. A
hold reserves free money of an `available` account for its own `locked` account and is resolved by exactly one later
row: post moves the money, void lets it go. Every row carries a digest over its content and over the last digest of
both accounts that it touches, so that each account is a hash chain whose newest link stands in Account.head.
Balances are moved by a trigger of the database when a transfer is inserted, and by nothing else; it refuses what
would break the books, whoever writes it (ledger/migrations).

Invariant: a hold never takes more than is free (posted minus pending); a post is never refused for lack of funds.
Locks: account rows, in sorted order, by `lock`. Whoever calls several verbs in one transaction calls `lock` first
with every address, or risks a deadlock that PostgreSQL resolves by failing one of the two.
Amounts are token base units. Keys of holds are names such as `order:0x…`; a name may be held again after it was
resolved (resize, split), each time as a new generation of its own row.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from django.db import transaction
from django.db.models.functions import Now

from ledger.errors import HoldResolved, InsufficientFunds, KeyConflict, UnknownHold
from ledger.models import Account, ChainEvent, Transfer

GENESIS = "0x" + "00" * 32
CUSTODY_ADDRESS = "0x" + "00" * 20
TRANSFER_KEY_CHARACTERS_MAX = 200

AVAILABLE, LOCKED, EXITING, CUSTODY = (
    Account.Kind.AVAILABLE.value,
    Account.Kind.LOCKED.value,
    Account.Kind.EXITING.value,
    Account.Kind.CUSTODY.value,
)


class Ref(NamedTuple):
    """Names an account: address in lower case and kind."""

    address: str
    kind: str


CUSTODY_REF = Ref(CUSTODY_ADDRESS, CUSTODY)


@dataclass
class _Page:
    """Account rows locked in this transaction, and the database's time of it."""

    accounts: dict[Ref, Account]
    now: datetime


def hold(*, account: str, amount: int, key: str, memo: str = "") -> Transfer:
    """Reserve `amount` base units of the available balance of address `account` under the name `key`.

    Idempotent: the same key with the same account and amount returns the hold that exists, whatever became of it.
    Raises InsufficientFunds(available, needed) or KeyConflict.
    """
    _positive(amount)
    address = account.lower()
    with transaction.atomic():
        page = _lock_refs([Ref(address, AVAILABLE), Ref(address, LOCKED)])
        generations = _generations(key)
        if generations:
            first = generations[0]
            if first.debit.address != address:
                raise KeyConflict(key=key, field="account", stored=first.debit.address, given=address)
            if first.amount != amount:
                raise KeyConflict(key=key, field="amount", stored=first.amount, given=amount)
            return generations[-1]
        return _new_hold(page, address=address, amount=amount, name=key, generation=1, memo=memo)


def post(
    *,
    key: str,
    amount: int | None = None,
    event: ChainEvent | None = None,
    transfer_key: str = "",
    batch: str = "",
    memo: str = "",
) -> Transfer:
    """Move the money of the pending hold `key` from available to locked; what `amount` leaves over is free again.

    Idempotent. Raises UnknownHold, or HoldResolved when the hold was voided.
    """
    with transaction.atomic():
        page, latest = _locked_hold(key)
        done = _resolution(latest)
        if done is not None:
            if done.kind == Transfer.Kind.POST:
                return done
            raise HoldResolved(key=key, resolution=done.kind)
        moved = latest.amount if amount is None else amount
        _positive(moved)
        if moved > latest.amount:
            raise KeyConflict(key=key, field="amount", stored=latest.amount, given=moved)
        debit = page.accounts[_ref(latest.debit)]
        debit.debits_pending -= latest.amount
        return _write(
            page,
            key=transfer_key or f"post:{latest.key}",
            kind=Transfer.Kind.POST,
            debit=_ref(latest.debit),
            credit=_ref(latest.credit),
            amount=moved,
            hold_name=key,
            resolves=latest,
            event=event,
            batch=batch,
            memo=memo,
        )


def void(*, key: str, memo: str = "") -> Transfer:
    """Let the pending hold `key` go. Idempotent. Raises UnknownHold, or HoldResolved when the hold was posted."""
    with transaction.atomic():
        page, latest = _locked_hold(key)
        done = _resolution(latest)
        if done is not None:
            if done.kind == Transfer.Kind.VOID:
                return done
            raise HoldResolved(key=key, resolution=done.kind)
        return _void(page, latest, memo=memo)


def resize(*, key: str, amount: int, memo: str = "") -> Transfer | None:
    """Make the hold `key` reserve exactly `amount`, 0 to let it go; works on a resolved name too (a new generation).

    Returns the pending hold, or None for amount 0. Idempotent. Raises UnknownHold if the name was never held,
    InsufficientFunds if the increase is not free.
    """
    with transaction.atomic():
        page, latest = _locked_hold(key)
        pending = _resolution(latest) is None
        if pending and latest.amount == amount:
            return latest
        if pending:
            _void(page, latest, memo=memo)
        if amount == 0:
            return None
        generation = len(_generations(key)) + 1
        address = latest.debit.address
        return _new_hold(page, address=address, amount=amount, name=key, generation=generation, memo=memo)


def split(*, key: str, parts: Mapping[str, int], rest: int, memo: str = "") -> list[Transfer]:
    """Turn the pending hold `key` into the holds `parts` (name -> amount) and leave `rest` under the old name.

    All in one: no other hold can take the money in between. Raises InsufficientFunds only if parts and rest together
    exceed the old hold by more than is free. Idempotent: if every part exists with its amount, nothing happens.
    """
    with transaction.atomic():
        page, latest = _locked_hold(key)
        existing = {name: _generations(name) for name in parts}
        if parts and all(existing.values()):
            for name, amount in parts.items():
                if existing[name][0].amount != amount:
                    raise KeyConflict(key=name, field="amount", stored=existing[name][0].amount, given=amount)
            return [existing[name][-1] for name in parts]
        taken = next((name for name, rows in existing.items() if rows), None)
        if taken is not None:
            raise KeyConflict(key=taken, field="parts", stored="another split", given=sorted(parts))
        if _resolution(latest) is None:
            _void(page, latest, memo=memo)
        address = latest.debit.address
        holds = []
        for name, amount in sorted(parts.items()):
            _positive(amount)
            holds.append(_new_hold(page, address=address, amount=amount, name=name, generation=1, memo=memo))
        if rest:
            generation = len(_generations(key)) + 1
            _new_hold(page, address=address, amount=rest, name=key, generation=generation, memo=memo)
        return holds


def transfer(
    *,
    debit: Ref,
    credit: Ref,
    amount: int,
    key: str,
    batch: str = "",
    memo: str = "",
    event: ChainEvent | None = None,
) -> Transfer:
    """Move `amount` base units from `debit` to `credit`. Idempotent on key; raises KeyConflict for other content."""
    _positive(amount)
    with transaction.atomic():
        page = _lock_refs([debit, credit])
        stored = Transfer.objects.filter(key=key).select_related("debit", "credit").first()
        if stored is not None:
            for field, old, new in (
                ("amount", stored.amount, amount),
                ("debit", _ref(stored.debit), debit),
                ("credit", _ref(stored.credit), credit),
            ):
                if old != new:
                    raise KeyConflict(key=key, field=field, stored=old, given=new)
            return stored
        return _write(
            page,
            key=key,
            kind=Transfer.Kind.PLAIN,
            debit=debit,
            credit=credit,
            amount=amount,
            batch=batch,
            memo=memo,
            event=event,
        )


def lock(*, addresses: Iterable[str]) -> None:
    """Lock every account of these addresses in sorted order; once per transaction, before several verbs."""
    wanted: list[Ref] = []
    for address in {address.lower() for address in addresses}:
        kinds = (CUSTODY,) if address == CUSTODY_ADDRESS else (AVAILABLE, LOCKED, EXITING)
        wanted += [Ref(address, kind) for kind in kinds]
    if wanted:
        _lock_refs(wanted)


def pending_hold(*, key: str) -> Transfer | None:
    """The pending hold of this name, or None when there is none or it was resolved."""
    generations = _generations(key)
    return generations[-1] if generations and _resolution(generations[-1]) is None else None


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


def _positive(amount: int) -> None:
    if isinstance(amount, bool) or not isinstance(amount, int) or amount <= 0:
        raise ValueError(f"an amount is a positive whole number of base units, not {amount!r}")


def _ref(account: Account) -> Ref:
    return Ref(account.address, account.kind)


def _lock_refs(refs: Iterable[Ref]) -> _Page:
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
    return _Page(accounts=rows, now=now)


def _select(addresses: list[str]) -> dict[Ref, Account]:
    rows = (
        Account.objects.select_for_update()
        .filter(address__in=addresses)
        .annotate(now=Now())
        .order_by("address", "kind")
    )
    return {_ref(row): row for row in rows}


def _generations(name: str) -> list[Transfer]:
    rows = Transfer.objects.filter(kind=Transfer.Kind.HOLD, hold_name=name)
    return list(rows.select_related("debit", "credit").order_by("id"))


def _resolution(row: Transfer) -> Transfer | None:
    return Transfer.objects.filter(resolves=row).select_related("debit", "credit").first()


def _locked_hold(name: str) -> tuple[_Page, Transfer]:
    generations = _generations(name)
    if not generations:
        raise UnknownHold(key=name)
    page = _lock_refs([_ref(generations[-1].debit), _ref(generations[-1].credit)])
    return page, _generations(name)[-1]


def _new_hold(page: _Page, *, address: str, amount: int, name: str, generation: int, memo: str) -> Transfer:
    _positive(amount)
    account = page.accounts[Ref(address, AVAILABLE)]
    if account.free < amount:
        raise InsufficientFunds(account=address, available=account.free, needed=amount)
    account.debits_pending += amount
    return _write(
        page,
        key=f"hold:{name}" if generation == 1 else f"hold:{name}~{generation}",
        kind=Transfer.Kind.HOLD,
        debit=Ref(address, AVAILABLE),
        credit=Ref(address, LOCKED),
        amount=amount,
        hold_name=name,
        memo=memo,
    )


def _void(page: _Page, latest: Transfer, *, memo: str) -> Transfer:
    page.accounts[_ref(latest.debit)].debits_pending -= latest.amount
    return _write(
        page,
        key=f"void:{latest.key}",
        kind=Transfer.Kind.VOID,
        debit=_ref(latest.debit),
        credit=_ref(latest.credit),
        amount=latest.amount,
        hold_name=latest.hold_name,
        resolves=latest,
        memo=memo,
    )


def _write(
    page: _Page,
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
    row.save(force_insert=True)
    # The database moved the stored balances with the insert; these are our copies, for the next verb of this page.
    if kind in (Transfer.Kind.PLAIN, Transfer.Kind.POST):
        payer.debits_posted += amount
        payee.credits_posted += amount
    payer.head = payee.head = row.digest
    return row
