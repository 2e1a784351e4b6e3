"""The books: hold, post, void, move. The only writer of Transfer.

Layout: a transfer is one row (debit account, credit account, positive amount), so that it balances by its shape. A
hold reserves free money of an `available` account for its own `locked` account and is resolved by exactly one later
row: post moves the money, void lets it go. How rows are chained says ledger.journal.rows. Balances are moved by a trigger of
the database when a transfer is inserted, and by nothing else; it refuses what would break the books, whoever writes it
(ledger/migrations/triggers.sql).

Invariant: a hold never takes more than is free (posted minus pending); a post is never refused for lack of funds.
Locks: account rows, in sorted order, by `lock`. Whoever calls several verbs in one transaction calls `lock` first
with every address, or risks a deadlock that PostgreSQL resolves by failing one of the two.
Amounts are token base units. Keys of holds are names such as `order:0x…`; a name may be held again after it was
resolved (resize, split), each time as a new generation of its own row.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from ledger.errors import HoldResolved, InsufficientFunds, KeyConflict, UnknownHold
from ledger.journal import keys
from ledger.journal.rows import Page, lock_refs, make_row, ref_of
from ledger.models import ChainEvent, Transfer
from suan.core.settlement import AVAILABLE, CUSTODY_REF, LOCKED, PARTY_KINDS, Ref

ROWS_PER_INSERT_MAX = 500


@dataclass(frozen=True)
class Movement:
    """One movement for `move`, unique by `key`. `hold` names a hold of the debited address: if it is pending it is posted,
    or, where the movement is larger than it, let go first."""

    debit: Ref
    credit: Ref
    amount: int
    key: str
    batch: str = ""
    memo: str = ""
    event: ChainEvent | None = None
    hold: str = ""


def hold(*, account: str, amount: int, key: str, memo: str = "") -> Transfer:
    """Reserve `amount` base units of the available balance of address `account` under the name `key`.

    Idempotent: the same key with the same account and amount returns the hold that exists, whatever became of it.
    Raises InsufficientFunds(available, needed) or KeyConflict.
    """
    _positive(amount)
    address = account.lower()
    with transaction.atomic():
        page = lock_refs([Ref(address, AVAILABLE), Ref(address, LOCKED)])
        generations = _generations(key)
        if generations:
            first = generations[0]
            if first.debit.address != address:
                raise KeyConflict(key=key, field="account", stored=first.debit.address, given=address)
            if first.amount != amount:
                raise KeyConflict(key=key, field="amount", stored=first.amount, given=amount)
            return generations[-1]
        return _new_hold(page, address=address, amount=amount, name=key, generation=1, memo=memo)


def post(*, key: str, amount: int | None = None, memo: str = "") -> Transfer:
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
        row = _posted(page, latest, key=keys.post_row(latest.key), amount=moved, memo=memo)
        row.save(force_insert=True)
        return row


def void(*, key: str, memo: str = "") -> Transfer:
    """Let the pending hold `key` go. Idempotent. Raises UnknownHold, or HoldResolved when the hold was posted."""
    with transaction.atomic():
        page, latest = _locked_hold(key)
        done = _resolution(latest)
        if done is not None:
            if done.kind == Transfer.Kind.VOID:
                return done
            raise HoldResolved(key=key, resolution=done.kind)
        row = _void(page, latest, memo=memo)
        row.save(force_insert=True)
        return row


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
            _void(page, latest, memo=memo).save(force_insert=True)
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
            _void(page, latest, memo=memo).save(force_insert=True)
        address = latest.debit.address
        holds = []
        for name, amount in sorted(parts.items()):
            _positive(amount)
            holds.append(_new_hold(page, address=address, amount=amount, name=name, generation=1, memo=memo))
        if rest:
            generation = len(_generations(key)) + 1
            _new_hold(page, address=address, amount=rest, name=key, generation=generation, memo=memo)
        return holds


def move(movements: Sequence[Movement]) -> int:
    """Write movements in their order, in one transaction, with one insert; returns how many were new.

    Idempotent on each key. Raises KeyConflict where a key stands with other content; then none is written.
    """
    for movement in movements:
        _positive(movement.amount)
    if not movements:
        return 0
    with transaction.atomic():
        page = lock_refs(ref for one in movements for ref in (one.debit, one.credit))
        stored = _stored([movement.key for movement in movements])
        holds = _pending_holds({movement.hold for movement in movements if movement.hold})
        rows: list[Transfer] = []
        for movement in movements:
            if movement.key in stored:
                _same(stored[movement.key], movement)
            else:
                rows += _moved(page, movement, holds.pop(movement.hold, None))
        Transfer.objects.bulk_create(rows, batch_size=ROWS_PER_INSERT_MAX)
    return len(rows)


def lock(*, addresses: Iterable[str]) -> None:
    """Lock every account of these addresses in sorted order; once per transaction, before several verbs."""
    wanted: list[Ref] = []
    for address in {address.lower() for address in addresses}:
        is_custody = address == CUSTODY_REF.address
        wanted += [CUSTODY_REF] if is_custody else [Ref(address, kind) for kind in PARTY_KINDS]
    if wanted:
        lock_refs(wanted)


def pending_hold(*, key: str) -> Transfer | None:
    """The pending hold of this name, or None when there is none or it was resolved."""
    generations = _generations(key)
    return generations[-1] if generations and _resolution(generations[-1]) is None else None


def _positive(amount: int) -> None:
    if isinstance(amount, bool) or not isinstance(amount, int) or amount <= 0:
        raise ValueError(f"an amount is a positive whole number of base units, not {amount!r}")


def _generations(name: str) -> list[Transfer]:
    rows = Transfer.objects.filter(kind=Transfer.Kind.HOLD, hold_name=name)
    return list(rows.select_related("debit", "credit").order_by("id"))


def _resolution(row: Transfer) -> Transfer | None:
    return Transfer.objects.filter(resolves=row).select_related("debit", "credit").first()


def _locked_hold(name: str) -> tuple[Page, Transfer]:
    generations = _generations(name)
    if not generations:
        raise UnknownHold(key=name)
    page = lock_refs([ref_of(generations[-1].debit), ref_of(generations[-1].credit)])
    return page, _generations(name)[-1]


def _new_hold(page: Page, *, address: str, amount: int, name: str, generation: int, memo: str) -> Transfer:
    _positive(amount)
    account = page.accounts[Ref(address, AVAILABLE)]
    if account.free < amount:
        raise InsufficientFunds(account=address, available=account.free, needed=amount)
    account.debits_pending += amount
    row = make_row(
        page,
        key=keys.hold_row(name, generation),
        kind=Transfer.Kind.HOLD,
        debit=Ref(address, AVAILABLE),
        credit=Ref(address, LOCKED),
        amount=amount,
        hold_name=name,
        memo=memo,
    )
    row.save(force_insert=True)
    return row


def _void(page: Page, latest: Transfer, *, memo: str) -> Transfer:
    page.accounts[ref_of(latest.debit)].debits_pending -= latest.amount
    return make_row(
        page,
        key=keys.void_row(latest.key),
        kind=Transfer.Kind.VOID,
        debit=ref_of(latest.debit),
        credit=ref_of(latest.credit),
        amount=latest.amount,
        hold_name=latest.hold_name,
        resolves=latest,
        memo=memo,
    )


def _posted(
    page: Page,
    latest: Transfer,
    *,
    key: str,
    amount: int,
    memo: str,
    event: ChainEvent | None = None,
    batch: str = "",
) -> Transfer:
    page.accounts[ref_of(latest.debit)].debits_pending -= latest.amount
    return make_row(
        page,
        key=key,
        kind=Transfer.Kind.POST,
        debit=ref_of(latest.debit),
        credit=ref_of(latest.credit),
        amount=amount,
        hold_name=latest.hold_name,
        resolves=latest,
        event=event,
        batch=batch,
        memo=memo,
    )


def _moved(page: Page, movement: Movement, held: Transfer | None) -> list[Transfer]:
    """Rows of one movement: its hold posted; or its hold let go, if it is too small, and the movement itself."""
    rows = []
    what: dict[str, Any] = {"event": movement.event, "batch": movement.batch, "memo": movement.memo}
    if held is not None and held.debit.address == movement.debit.address:
        if held.amount >= movement.amount:
            return [_posted(page, held, key=movement.key, amount=movement.amount, **what)]
        rows.append(_void(page, held, memo="the lock is larger than the hold"))
    plain = make_row(
        page,
        key=movement.key,
        kind=Transfer.Kind.PLAIN,
        debit=movement.debit,
        credit=movement.credit,
        amount=movement.amount,
        **what,
    )
    return [*rows, plain]


def _same(stored: Transfer, movement: Movement) -> None:
    for field, old, new in (
        ("amount", stored.amount, movement.amount),
        ("debit", ref_of(stored.debit), movement.debit),
        ("credit", ref_of(stored.credit), movement.credit),
    ):
        if old != new:
            raise KeyConflict(key=movement.key, field=field, stored=old, given=new)


def _stored(keys: list[str]) -> dict[str, Transfer]:
    rows = Transfer.objects.filter(key__in=keys).select_related("debit", "credit")
    return {row.key: row for row in rows}


def _pending_holds(names: Iterable[str]) -> dict[str, Transfer]:
    """The newest hold of each name, where it is not resolved."""
    rows = Transfer.objects.filter(kind=Transfer.Kind.HOLD, hold_name__in=list(names))
    newest = {
        row.hold_name: row for row in rows.select_related("debit", "credit", "resolution").order_by("id")
    }
    return {name: row for name, row in newest.items() if not hasattr(row, "resolution")}
