"""manage.py grant_roles: a database role for each kind of process, with the rights that ledger/control/roles.py names."""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from psycopg import sql

from ledger.control import ROLES, Role, rights

ATTRIBUTES = sql.SQL("LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION NOBYPASSRLS")
POLICIES = """
DROP POLICY IF EXISTS everybody_reads ON ledger_transfer;
DROP POLICY IF EXISTS reserves_and_lets_go ON ledger_transfer;
CREATE POLICY everybody_reads ON ledger_transfer FOR SELECT USING (true);
CREATE POLICY reserves_and_lets_go ON ledger_transfer FOR INSERT WITH CHECK (kind IN ('hold', 'void'));
"""
"""Who may insert transfers makes holds and voids, and nothing that moves money; but for `writes_every_transfer`."""
POLICY = "writes_every_transfer"


class Command(BaseCommand):
    help = "Make the roles of web, worker, indexer, sender, auditor and miner and give each its rights; run as the owner."

    def handle(self, *args: Any, **options: Any) -> None:
        database = str(connection.settings_dict["NAME"])
        tables = {
            model._meta.db_table: model._meta.app_label
            for model in apps.get_models(include_auto_created=True)
        }
        with transaction.atomic():
            self._make_roles(database)
            _close_to_strangers(database)
            _execute(sql.SQL(POLICIES))
            for name, role in ROLES.items():
                _grant(f"{database}_{name}", role, tables, database)
        self.stdout.write(f"granted their rights to {', '.join(f'{database}_{name}' for name in ROLES)}")

    def _make_roles(self, database: str) -> None:
        """Roles with the passwords of the secrets folder. An owner who may not make roles finds them made."""
        existing = _column("SELECT rolname FROM pg_roles")
        if not _column("SELECT 1 FROM pg_roles WHERE rolname = current_user AND (rolsuper OR rolcreaterole)"):
            missing = [f"{database}_{name}" for name in ROLES if f"{database}_{name}" not in existing]
            if missing:
                statements = " ".join(f"CREATE ROLE \"{name}\" LOGIN PASSWORD '…';" for name in missing)
                raise CommandError(
                    f"The owner may not make roles. Let an administrator of the server run: {statements} "
                    "Then run grant_roles again."
                )
            self.stdout.write("the roles exist; their passwords are the administrator's")
            return
        connection.ensure_connection()
        for name in ROLES:
            role = f"{database}_{name}"
            password = settings.DATABASE_ROLE_PASSWORD(name)
            # Hashed here, so that the password itself never stands in a log of the server.
            hashed = connection.connection.pgconn.encrypt_password(
                password.encode(), role.encode(), b"scram-sha-256"
            )
            verb = sql.SQL("ALTER" if role in existing else "CREATE")
            _execute(
                sql.SQL("{} ROLE {} WITH {} PASSWORD {}").format(
                    verb, sql.Identifier(role), ATTRIBUTES, sql.Literal(hashed.decode())
                )
            )


def _close_to_strangers(database: str) -> None:
    _execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))
    _execute(sql.SQL("REVOKE CREATE ON SCHEMA public FROM PUBLIC"))


def _grant(name: str, role: Role, tables: dict[str, str], database: str) -> None:
    who = sql.Identifier(name)
    for kind in ("TABLES", "SEQUENCES", "FUNCTIONS"):
        _execute(sql.SQL("REVOKE ALL ON ALL {} IN SCHEMA public FROM {}").format(sql.SQL(kind), who))
    _execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(database), who))
    _execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(who))
    for table, given in sorted(rights(role, tables).items()):
        _execute(
            sql.SQL("GRANT {} ON {} TO {}").format(
                sql.SQL(", ").join(map(sql.SQL, given)), sql.Identifier(table), who
            )
        )
    for sequence in role.sequences:
        _execute(sql.SQL("GRANT USAGE ON SEQUENCE {} TO {}").format(sql.Identifier(sequence), who))
    _execute(
        sql.SQL("DROP POLICY IF EXISTS {} ON ledger_transfer").format(sql.Identifier(f"{POLICY}_{name}"))
    )
    if role.writes_every_transfer:
        _execute(
            sql.SQL("CREATE POLICY {} ON ledger_transfer FOR INSERT TO {} WITH CHECK (true)").format(
                sql.Identifier(f"{POLICY}_{name}"), who
            )
        )


def _execute(statement: sql.Composable) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _column(statement: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [row[0] for row in cursor.fetchall()]
