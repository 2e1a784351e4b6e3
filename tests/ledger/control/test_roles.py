"""Each process reaches its own tables and no other, with the credentials that it has."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from psycopg.errors import InsufficientPrivilege

from ledger.control.roles import ROLES, rights

pytestmark = (
    pytest.mark.django_db
)  # So that the database is made; the statements go over connections of their own.

FORBIDDEN_TO_WEB = (
    "UPDATE ledger_transfer SET amount = 1",
    "DELETE FROM ledger_transfer",
    "TRUNCATE ledger_transfer CASCADE",
    "UPDATE ledger_account SET credits_posted = 1",
    "UPDATE ledger_account SET address = '0x' || repeat('1', 40)",
    "DELETE FROM ledger_account",
    "TRUNCATE ledger_account CASCADE",
    "INSERT INTO ledger_block (number, hash, parent, timestamp, canonical, seen_at) VALUES (1, 'a', 'b', 1, true, now())",
    "UPDATE ledger_block SET canonical = false",
    "DELETE FROM ledger_block",
    "UPDATE ledger_chainevent SET posted_at = now()",
    "INSERT INTO ledger_chainevent SELECT * FROM ledger_chainevent",
    "UPDATE ledger_cursor SET number = 1000000",
    "INSERT INTO ledger_halt (reason, from_number, created_at, resolved_by) VALUES ('x', 1, now(), '')",
    "UPDATE ledger_halt SET resolved_at = now()",
    "UPDATE ledger_outgoingtx SET status = 'final'",
    "DELETE FROM ledger_outgoingtx",
    "SELECT raw FROM ledger_attempt",
    "INSERT INTO ledger_attempt SELECT * FROM ledger_attempt",
    "UPDATE ledger_attempt SET sent_at = NULL",
    "SELECT next_nonce FROM ledger_signernonce",
    "UPDATE ledger_signernonce SET next_nonce = 0",
    "UPDATE ledger_difference SET resolved_at = now()",
    "DELETE FROM ledger_reconciliation",
    "UPDATE ledger_evidencefile SET sha256 = 'x'",
    "DELETE FROM ledger_custodialkey",
    "UPDATE ledger_custodialkey SET ciphertext = ''",
    "UPDATE settlement_settlementbatch SET status = 'final'",
    "DELETE FROM book_order",
    "ALTER TABLE ledger_transfer DISABLE TRIGGER ALL",
    "ALTER TABLE ledger_transfer DISABLE ROW LEVEL SECURITY",
    "DROP TABLE ledger_transfer",
    "CREATE TABLE mine (id int)",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "SET session_replication_role = replica",
    "CREATE ROLE friend SUPERUSER",
    "SELECT pg_read_file('/etc/passwd')",
    "COPY ledger_transfer TO PROGRAM 'cat'",
    "UPDATE django_migrations SET name = 'x'",
)
FORBIDDEN_TO_INDEXER = (
    "UPDATE ledger_transfer SET amount = 1",
    "DELETE FROM ledger_transfer",
    "TRUNCATE ledger_transfer CASCADE",
    "UPDATE ledger_account SET credits_posted = 1",
    "DELETE FROM ledger_block",
    "DELETE FROM ledger_chainevent",
    "TRUNCATE ledger_chainevent CASCADE",
    "DELETE FROM ledger_reorg",
    "UPDATE ledger_halt SET resolved_at = now(), resolved_by = 'me'",
    "SELECT ciphertext FROM ledger_custodialkey",
    "SELECT raw FROM ledger_attempt",
    "INSERT INTO ledger_outgoingtx (key) VALUES ('mine')",
    "SELECT calldata FROM ledger_outgoingtx",
    "UPDATE ledger_signernonce SET next_nonce = 0",
    "SELECT password FROM auth_user",
    "SELECT session_data FROM django_session",
    "SELECT * FROM book_order",
    "UPDATE clearing_trade SET status = 'settled'",
    "UPDATE ledger_difference SET resolved_at = now()",
    "ALTER TABLE ledger_transfer DISABLE TRIGGER ALL",
    "SET session_replication_role = replica",
    "CREATE ROLE friend SUPERUSER",
)
FORBIDDEN_TO_SENDER = (
    "INSERT INTO ledger_transfer SELECT * FROM ledger_transfer",
    "SELECT * FROM ledger_transfer",
    "SELECT credits_posted FROM ledger_account",
    "UPDATE ledger_account SET credits_posted = 1",
    "UPDATE ledger_block SET canonical = false",
    "INSERT INTO ledger_chainevent SELECT * FROM ledger_chainevent",
    "SELECT args FROM ledger_chainevent",
    "UPDATE ledger_cursor SET number = 1000000",
    "UPDATE ledger_halt SET resolved_at = now()",
    "DELETE FROM ledger_attempt",
    "TRUNCATE ledger_attempt",
    "DELETE FROM ledger_outgoingtx",
    "DELETE FROM ledger_signernonce",
    "SELECT ciphertext FROM ledger_custodialkey",
    "SELECT password FROM auth_user",
    "SELECT session_data FROM django_session",
    "SELECT * FROM accounts_apikey",
    "UPDATE book_order SET order_status = 'filled'",
    "UPDATE clearing_trade SET status = 'settled'",
    "INSERT INTO ledger_evidencefile (kind, name, size, sha256) VALUES ('terms', 'x', 1, 'y')",
    "ALTER TABLE ledger_attempt DISABLE TRIGGER ALL",
    "SET session_replication_role = replica",
)
FORBIDDEN_TO_OTHERS = {
    "worker": (
        "SELECT ciphertext FROM ledger_custodialkey",
        "SELECT password FROM auth_user",
        "SELECT session_data FROM django_session",
        "SELECT raw FROM ledger_attempt",
        "UPDATE ledger_transfer SET amount = 1",
        "UPDATE ledger_block SET canonical = false",
        "UPDATE ledger_outgoingtx SET status = 'final'",
        "UPDATE ledger_difference SET resolved_at = now()",
        "DELETE FROM clearing_trade",
    ),
    "auditor": (
        "SELECT ciphertext FROM ledger_custodialkey",
        "SELECT password FROM auth_user",
        "INSERT INTO ledger_transfer SELECT * FROM ledger_transfer",
        "UPDATE ledger_account SET head = 'x'",
        "UPDATE book_order SET order_status = 'filled'",
        "DELETE FROM ledger_difference",
    ),
    "miner": (
        "SELECT * FROM ledger_block",
        "SELECT * FROM ledger_cursor",
        "INSERT INTO ledger_halt (reason) VALUES ('x')",
    ),
}
CASES = [
    *(("web", statement) for statement in FORBIDDEN_TO_WEB),
    *(("indexer", statement) for statement in FORBIDDEN_TO_INDEXER),
    *(("sender", statement) for statement in FORBIDDEN_TO_SENDER),
    *((role, statement) for role, statements in FORBIDDEN_TO_OTHERS.items() for statement in statements),
]
FORGED = (
    "INSERT INTO ledger_transfer (key, kind, hold_name, debit_id, credit_id, amount, batch, memo, debit_previous,"
    " credit_previous, digest, created_at) VALUES ('forged', 'plain', '', 1, 2, 5, '', '', 'x', 'x', 'x', now())"
)

Login = Callable[[str], psycopg.Connection]


@pytest.fixture(scope="module")
def login(django_db_setup, django_db_blocker) -> Iterator[Login]:
    """Opens a connection with the name and the password of a role."""
    with django_db_blocker.unblock():
        call_command("grant_roles", verbosity=0)
        call_command("grant_roles", verbosity=0)  # A second time changes nothing.
        known = connection.settings_dict
    opened: dict[str, psycopg.Connection] = {}

    def connect(role: str) -> psycopg.Connection:
        if role not in opened:
            opened[role] = psycopg.connect(
                host=known["HOST"],
                port=known["PORT"] or None,
                dbname=known["NAME"],
                user=f"{known['NAME']}_{role}",
                password=settings.DATABASE_ROLE_PASSWORD(role),
                autocommit=True,
            )
        return opened[role]

    yield connect
    for link in opened.values():
        link.close()


@pytest.mark.parametrize(("role", "statement"), CASES)
def test_what_is_not_a_process_s_own_is_refused_with_its_credentials(login: Login, role: str, statement: str):
    with pytest.raises(InsufficientPrivilege):
        login(role).execute(statement)


@pytest.mark.parametrize("role", ["web", "worker"])
def test_a_role_that_reserves_money_cannot_move_it(login: Login, role: str):
    with pytest.raises(InsufficientPrivilege, match="row-level security"):
        login(role).execute(FORGED)


def test_the_indexer_may_insert_a_movement_and_the_trigger_still_judges_it(login: Login):
    with pytest.raises(psycopg.errors.CheckViolation, match="names an account that does not exist"):
        login("indexer").execute(FORGED)


def test_locking_an_account_is_all_that_the_right_to_change_its_head_gives(login: Login):
    link = login("web")
    zeros = "0x" + "0" * 64
    with pytest.raises(psycopg.errors.RestrictViolation, match="is refused"), link.transaction():
        link.execute(
            "INSERT INTO ledger_account (address, kind, debits_posted, credits_posted, debits_pending, head)"
            " VALUES ('0x' || repeat('9', 40), 'available', 0, 0, 0, %s)",
            [zeros],
        )
        assert link.execute("SELECT head FROM ledger_account FOR UPDATE").fetchone() == (zeros,)
        link.execute("UPDATE ledger_account SET head = '0x' || repeat('8', 64)")


def test_a_stranger_without_a_role_of_the_market_cannot_even_connect(login: Login):
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_database_privilege('public', current_database(), 'CONNECT')")
        assert cursor.fetchone() == (False,)


def test_every_table_of_the_books_is_somebody_s_and_every_right_names_a_table():
    tables = {
        model._meta.db_table: model._meta.app_label for model in apps.get_models(include_auto_created=True)
    }
    named = {table for role in ROLES.values() for table in role.tables}
    assert named <= set(tables), "a right on a table that does not exist"
    books = {table for table, app in tables.items() if app == "ledger"}
    assert books <= named, "say in ledger/control/roles.py who reads and writes the new table"
    assert set(ROLES) == set(settings.DATABASE_ROLES)
    assert rights(ROLES["miner"], tables) == {}
