"""What the database itself refuses, to the owner of the tables too: the journal's verbs are the only way to move money."""

import random
from collections import defaultdict

import pytest
from django.db import DatabaseError, connection, transaction

from ledger import journal
from ledger.errors import HoldResolved, InsufficientFunds, KeyConflict, UnknownHold
from ledger.models import Account, Transfer
from ledger.reconciliation.checks.database import TRIGGERS
from suan.core.settlement.bookkeeping import AVAILABLE, CUSTODY_REF, LOCKED, Ref

ALICE, BOB = "0x" + "a1" * 20, "0x" + "b0" * 20
SEED, OPERATIONS = 20_261_125, 2_000

CHANGES = (
    "UPDATE ledger_transfer SET amount = amount + 1",
    "UPDATE ledger_transfer SET memo = 'x' WHERE kind = 'hold'",
    "DELETE FROM ledger_transfer",
    "TRUNCATE ledger_transfer CASCADE",
    "UPDATE ledger_account SET credits_posted = credits_posted + 1",
    "UPDATE ledger_account SET debits_pending = 0",
    "UPDATE ledger_account SET head = '0x' || repeat('1', 64)",
    "UPDATE ledger_account SET address = '0x' || repeat('2', 40)",
    "DELETE FROM ledger_account",
    "TRUNCATE ledger_account CASCADE",
    "INSERT INTO ledger_account (address, kind, debits_posted, credits_posted, debits_pending, head)"
    " VALUES ('0x' || repeat('3', 40), 'available', 0, 5, 0, '0x' || repeat('0', 64))",
    "TRUNCATE ledger_block CASCADE",
    "TRUNCATE ledger_chainevent CASCADE",
    "TRUNCATE ledger_outgoingtx CASCADE",
    "TRUNCATE ledger_attempt",
)
INSERT = (
    "INSERT INTO ledger_transfer (key, kind, hold_name, debit_id, credit_id, amount, resolves_id, batch, memo,"
    " debit_previous, credit_previous, digest, created_at)"
    " SELECT 'forged', {kind}, {name}, debit.id, credit.id, {amount}, {resolves}, '', '', {debit_head}, credit.head,"
    " '0x' || repeat('7', 64), now() FROM ledger_account debit, ledger_account credit"
    " WHERE debit.address = '{debit}' AND debit.kind = '{debit_kind}' AND credit.address = '{credit}'"
    " AND credit.kind = '{credit_kind}'"
)
HONEST = {
    "kind": "'hold'", "name": "'order:forged'", "amount": "10", "resolves": "NULL", "debit_head": "debit.head",
    "debit": ALICE, "debit_kind": "available", "credit": ALICE, "credit_kind": "locked",
}  # fmt: skip
A_HOLD = "(SELECT id FROM ledger_transfer WHERE key = 'hold:order:1')"
FORGERIES = {
    "holds more than is free": {"amount": "41"},
    "does not follow": {"debit_head": "'0x' || repeat('4', 64)"},
    "reserves money of one address": {"credit": BOB, "credit_kind": "available"},
    "reserves money": {"name": "''"},
    "is no hold and names one": {"kind": "'plain'"},
    "posts more than was held": {"kind": "'post'", "name": "'order:1'", "resolves": A_HOLD, "amount": "61"},
    "voids another amount": {"kind": "'void'", "name": "'order:1'", "resolves": A_HOLD, "amount": "59"},
    "not a hold of the same accounts": {"kind": "'post'", "resolves": A_HOLD},
    "transfer_resolves_a_hold": {"kind": "'post'", "name": "'order:1'"},
    "transfer_amount_positive": {"amount": "0"},
    "transfer_two_accounts": {"credit_kind": "available"},
}


def fund(address: str, amount: int, key: str = "deposit") -> None:
    journal.move(
        [
            journal.Movement(
                debit=CUSTODY_REF, credit=Ref(address, AVAILABLE), amount=amount, key=f"{key}:{address}"
            )
        ]
    )


def execute(statement: str) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.rowcount


@pytest.fixture
def books(db) -> None:
    """Alice has 100 and holds 60 of it under `order:1`; Bob has 7."""
    fund(ALICE, 100)
    fund(BOB, 7)
    journal.hold(account=ALICE, amount=60, key="order:1")
    execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_the_guards_of_the_database_are_those_that_the_law_names_and_reconciliation_looks_for(db):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O'"
            " AND tgrelid::regclass::text LIKE 'ledger_%'"
        )
        stored = {name for (name,) in cursor.fetchall()}
    assert stored == set(TRIGGERS) and len(TRIGGERS) == 19


@pytest.mark.parametrize("statement", CHANGES)
def test_no_fact_and_no_balance_is_changed_even_by_the_owner(books, statement: str):
    before = list(Account.objects.order_by("id").values())
    with pytest.raises(DatabaseError, match="is refused"):
        execute(statement)
    assert list(Account.objects.order_by("id").values()) == before
    assert Transfer.objects.count() == 3


@pytest.mark.parametrize("reason", FORGERIES)
def test_a_transfer_that_would_break_the_books_is_refused_by_name(books, reason: str):
    with pytest.raises(DatabaseError, match=reason):
        execute(INSERT.format(**(HONEST | FORGERIES[reason])))
    assert Transfer.objects.count() == 3


def test_an_honest_insert_moves_the_balance_by_itself(books):
    assert execute(INSERT.format(**HONEST)) == 1
    account = Account.objects.get(address=ALICE, kind="available")
    assert (account.debits_pending, account.free, account.head) == (70, 30, "0x" + "7" * 64)


FOLD = """
WITH moved AS (
    SELECT debit_id AS id, amount AS debits, 0 AS credits, 0 AS pending FROM ledger_transfer
        WHERE kind IN ('plain', 'post')
    UNION ALL SELECT credit_id, 0, amount, 0 FROM ledger_transfer WHERE kind IN ('plain', 'post')
    UNION ALL SELECT debit_id, 0, 0, amount FROM ledger_transfer WHERE kind = 'hold'
    UNION ALL SELECT held.debit_id, 0, 0, -held.amount
        FROM ledger_transfer done JOIN ledger_transfer held ON held.id = done.resolves_id
)
SELECT account.id, debits_posted - coalesce(sum(debits), 0), credits_posted - coalesce(sum(credits), 0),
    debits_pending - coalesce(sum(pending), 0)
FROM ledger_account account LEFT JOIN moved USING (id) GROUP BY account.id
"""


class Oracle:
    """The books in a dozen lines: free and locked money by address, and what each name holds."""

    def __init__(self) -> None:
        self.free: dict[str, int] = defaultdict(int)
        self.locked: dict[str, int] = defaultdict(int)
        self.held: dict[tuple[str, str], int] = {}

    def let_go(self, address: str, name: str) -> int:
        amount = self.held.pop((address, name), 0)
        self.free[address] += amount
        return amount

    def take(self, address: str, name: str, amount: int) -> bool:
        if self.free[address] < amount:
            return False
        self.free[address] -= amount
        self.held[address, name] = amount
        return True


@pytest.mark.slow
def test_after_each_of_thousands_of_random_operations_the_stored_balances_are_the_fold(db):
    chance, oracle, refused = random.Random(SEED), Oracle(), 0
    with connection.cursor() as cursor:
        cursor.execute(
            "SET LOCAL enable_nestloop = off"
        )  # the planner takes a table filled since its last look for empty
    names: dict[str, list[str]] = {ALICE: ["order:never"], BOB: ["order:never"]}
    for step in range(OPERATIONS):
        address = chance.choice((ALICE, BOB))
        verb, amount = chance.choice(("deposit", "hold", "post", "void", "resize")), chance.randrange(1, 60)
        name = chance.choice(names[address][-6:])
        try:
            if verb == "deposit":
                fund(address, amount, key=str(step))
                oracle.free[address] += amount
            elif verb == "hold":
                name = f"order:{address}:{step}"
                journal.hold(account=address, amount=amount, key=name)
                names[address].append(name)
                assert oracle.take(address, name, amount)
            elif verb == "post":
                journal.post(key=name)
                oracle.locked[address] += oracle.held.pop((address, name), 0)
            elif verb == "void":
                journal.void(key=name)
                oracle.let_go(address, name)
            else:
                journal.resize(key=name, amount=amount)
                oracle.let_go(address, name)
                assert oracle.take(address, name, amount)
        except (InsufficientFunds, KeyConflict, UnknownHold, HoldResolved):
            refused += 1
        with connection.cursor() as cursor:
            cursor.execute(FOLD)
            assert all(row[1:] == (0, 0, 0) for row in cursor.fetchall()), step
        rows = {Ref(row.address, row.kind): row for row in Account.objects.all()}
        assert sum(row.posted for row in rows.values()) == 0
        for person in {ref.address for ref in rows if ref != CUSTODY_REF}:
            assert rows[Ref(person, AVAILABLE)].free == oracle.free[person] >= 0, step
            assert (
                Ref(person, LOCKED) not in rows or rows[Ref(person, LOCKED)].posted == oracle.locked[person]
            )
    assert OPERATIONS // 20 < refused < OPERATIONS // 2, "both ways were taken"
