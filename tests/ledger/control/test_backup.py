"""A backup restores into an empty database and folder, is indexed on from the chain, and gives the same view."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from django.db import connection
from django.test import override_settings

from ledger import evidence, journal
from ledger.models import Transfer
from ledger.reconciliation.dump import view
from operations.run import layout
from operations.run.layout import Refused
from operations.tools import backup
from tests.ledger.chain import TOKEN, World

pytestmark = [pytest.mark.chain, pytest.mark.slow]
COMMAND_SECONDS_MAX = 300


def url_of(name: str) -> str:
    known = connection.settings_dict
    login = f"{quote(known['USER'])}:{quote(known['PASSWORD'] or '')}"
    return f"postgresql://{login}@/{name}?host={quote(str(known['HOST']), safe='')}&port={known['PORT']}"


@pytest.fixture
def empty_database() -> Iterator[str]:
    """Address of a database without tables, which is dropped afterwards."""
    with psycopg.connect(url_of("postgres"), autocommit=True) as server:
        server.execute("CREATE DATABASE restored")
        yield url_of("restored")
        server.execute("DROP DATABASE restored WITH (FORCE)")


def manage(world: World, var: Path, database: str, *command: str) -> bytes:
    environment = os.environ | {
        "SUAN_VAR": str(var), "DATABASE_URL": database, "CHAIN_RPC_URL": world.anvil.url,
        "DJANGO_SETTINGS_MODULE": "marketplace.settings",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "manage.py", *command],
        env=environment,
        capture_output=True,
        timeout=COMMAND_SECONDS_MAX,
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    return done.stdout


def test_what_was_saved_is_restored_indexed_on_and_equal_to_what_went_on(
    open_world: World, var: Path, tmp_path: Path, empty_database: str
):
    world, file, other = open_world, tmp_path / "suan.tar", tmp_path / "other"
    alice = world.person("alice")
    world.deposit("alice", 5 * TOKEN)
    world.finalise()
    journal.hold(account=alice, amount=7, key="order:kept")
    evidence.publish("terms", "0x" + "ab" * 32, b'{"version":1}')
    backup.backup(file, var=var, url=url_of(connection.settings_dict["NAME"]))
    assert file.stat().st_mode & 0o777 == 0o600
    assert (
        b"PRIVATE" not in file.read_bytes()
        and (var / "secrets" / "operator.key").read_bytes() not in file.read_bytes()
    )
    with pytest.raises(Refused, match="never overwritten"):
        backup.backup(file, var=var, url=url_of(connection.settings_dict["NAME"]))
    world.deposit("alice", 3 * TOKEN)
    world.finalise()

    backup.restore(file, var=other, url=empty_database)
    for secret in (var / "secrets").iterdir():
        shutil.copy2(secret, other / "secrets" / secret.name)
    manage(world, other, empty_database, "index_chain", "--until-head")
    assert manage(world, other, empty_database, "export_view") == b"".join(view())
    assert b"no differences" in manage(world, other, empty_database, "verify_ledger")
    assert (other / "evidence" / "terms" / f"0x{'ab' * 32}.json").read_bytes() == b'{"version":1}'
    with psycopg.connect(empty_database) as restored:
        kept = restored.execute(
            "SELECT amount FROM ledger_transfer WHERE hold_name = 'order:kept'"
        ).fetchall()
        assert [int(amount) for (amount,) in kept] == [7]
        assert restored.execute("SELECT count(*) FROM ledger_transfer").fetchone() == (
            Transfer.objects.count(),
        )
        refused = "UPDATE ledger_transfer SET amount = 1"
        with pytest.raises(psycopg.errors.RestrictViolation):
            restored.execute(refused)
    with pytest.raises(Refused, match="has tables already"):
        backup.restore(file, var=tmp_path / "third", url=empty_database)


def test_a_damaged_backup_restores_nothing(open_world: World, var: Path, tmp_path: Path, empty_database: str):
    file = tmp_path / "suan.tar"
    evidence.publish("terms", "0x" + "ab" * 32, b'{"version":1}')
    backup.backup(file, var=var, url=url_of(connection.settings_dict["NAME"]))
    content = file.read_bytes()
    file.write_bytes(content.replace(b'{"version":1}', b'{"version":2}'))
    with pytest.raises(Refused, match="damaged: evidence/terms"):
        backup.restore(file, var=tmp_path / "other", url=empty_database)
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(Refused):
        backup.restore(file, var=tmp_path / "other", url=empty_database)
    assert not (tmp_path / "other" / "deployment.json").exists()
    backup.require_empty(empty_database)


def test_without_a_deployment_or_a_database_there_is_nothing_to_save(tmp_path: Path, monkeypatch, db):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("SUAN_VAR", str(tmp_path / "var"))
    with pytest.raises(Refused, match="No database"):
        backup.main("backup", [str(tmp_path / "x.tar")])
    layout.prepare(tmp_path / "var")
    with override_settings(SUAN_VAR=tmp_path / "var"), pytest.raises(Refused, match="nothing was deployed"):
        backup.backup(tmp_path / "x.tar", var=tmp_path / "var", url=url_of(connection.settings_dict["NAME"]))
    assert not (tmp_path / "x.tar").exists()
