"""Backup and restore of what the chain does not give back: the database, the published evidence, the deployment file.

    python -m operations backup FILE            # while the market runs
    python -m operations restore FILE           # into an empty database and an empty folder

A backup is one tar file of mode 600: `manifest.json` with the SHA-256 of every other member, `database.dump` (pg_dump,
custom format, one snapshot), `deployment.json`, `evidence/…`. The database goes first, and evidence is only ever added,
so that every row finds its file. Left out: `var/secrets`, which is kept apart (docs/runbook.md); the chain, which the
indexer reads again; the broker, whose wake-ups the database makes again; roles and rights, which grant_roles makes anew.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from operations.run import layout, postgres

MANIFEST, DUMP, DEPLOYMENT, EVIDENCE = "manifest.json", "database.dump", "deployment.json", "evidence"
FORMAT = "suan backup 1"
DUMP_SECONDS_MAX = 3_600
COMMAND_SECONDS_MAX = 900
PROGRESS_SECONDS = 2.0
CHUNK_BYTES = 1 << 20


def main(verb: str, arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog=f"python -m operations {verb}", description=__doc__)
    parser.add_argument("file", type=Path)
    options = parser.parse_args(arguments)
    var = layout.default_var()
    url = os.environ.get("DATABASE_URL") or layout.services(var).get("database_url")
    if not url:
        raise layout.Refused("No database: start the market once, or give its owner's DATABASE_URL.")
    if verb == "backup":
        backup(options.file, var=var, url=url)
    else:
        restore(options.file, var=var, url=url)
    return 0


def backup(file: Path, *, var: Path, url: str) -> None:
    """Write the backup file. Raises Refused when it exists, or when a part cannot be read."""
    if file.exists():
        raise layout.Refused(f"{file} exists already: a backup is never overwritten.")
    with tempfile.TemporaryDirectory(dir=file.resolve().parent, prefix=".backup-") as folder:
        dump, draft = Path(folder) / DUMP, Path(folder) / "draft.tar"
        say("dumping the database")
        run_client("pg_dump", ["--format=custom", *NEUTRAL, "--file", str(dump)], url)
        members = {DUMP: dump, DEPLOYMENT: var / DEPLOYMENT} | dict(evidence_files(var))
        if not members[DEPLOYMENT].exists():
            raise layout.Refused(
                f"{members[DEPLOYMENT]} is missing: nothing was deployed, so there is nothing to keep."
            )
        manifest = {
            "format": FORMAT,
            "made_at": int(time.time()),
            "files": {name: sha256(path) for name, path in told(members, "hashing")},
        }
        text = Path(folder) / MANIFEST
        text.write_text(json.dumps(manifest, indent=1))
        draft.touch(mode=0o600)
        with tarfile.open(draft, "w") as tar:
            for name, path in told({MANIFEST: text} | members, "writing"):
                tar.add(path, arcname=name, recursive=False)
        os.replace(draft, file)
    say(
        f"{file}: {len(members)} files, {file.stat().st_size} bytes. Keep var/secrets apart: it is not inside."
    )


def restore(file: Path, *, var: Path, url: str) -> None:
    """Fill an empty database and folder from a backup file, then migrate and grant. Nothing is written if it is damaged."""
    layout.prepare(var)
    with tempfile.TemporaryDirectory(dir=var, prefix=".restore-") as folder:
        files = unpack(file, Path(folder))
        require_empty(url)
        target = {name: var / name for name in files if name != DUMP}
        for name, path in target.items():
            if path.exists() and sha256(path) != files[name]:
                raise layout.Refused(f"{path} exists with other content: restore into an empty folder.")
        say("restoring the database")
        run_client(
            "pg_restore",
            ["--single-transaction", "--exit-on-error", *NEUTRAL, "--dbname", "", str(Path(folder) / DUMP)],
            url,
        )
        for name, path in told(target, "placing"):
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(Path(folder) / name, path)
            path.chmod(0o644)
    for command in (["migrate", "--no-input"], ["grant_roles"]):
        say(f"manage.py {command[0]}")
        environment = os.environ | {"SUAN_VAR": str(var), "DATABASE_URL": url}
        done = subprocess.run(  # noqa: S603
            [sys.executable, "manage.py", *command],
            cwd=layout.PROJECT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS_MAX,
        )
        if done.returncode != 0:
            raise layout.Refused(f"manage.py {command[0]} failed after the restore: {done.stderr[-2000:]}")
    say(
        "restored. Put var/secrets back, then: manage.py index_chain --until-head, then manage.py verify_ledger"
    )


NEUTRAL = ("--no-owner", "--no-privileges", "--no-policies")
"""Roles differ from server to server; grant_roles makes them, their rights and their policies."""


def unpack(file: Path, folder: Path) -> dict[str, str]:
    """Unpack and check every byte; returns hashes by name. Raises Refused, naming what is wrong."""
    try:
        with tarfile.open(file, "r") as tar:
            tar.extractall(folder, filter="data")
        manifest = json.loads((folder / MANIFEST).read_text())
    except (tarfile.TarError, OSError, ValueError, KeyError) as error:
        raise layout.Refused(f"{file} is no readable backup: {error}") from None
    if manifest.get("format") != FORMAT:
        raise layout.Refused(f"{file} is not of the form {FORMAT!r}.")
    files: dict[str, str] = manifest["files"]
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {MANIFEST}
    if found != set(files):
        raise layout.Refused(f"{file} is damaged: missing or foreign files {sorted(found ^ set(files))[:5]}.")
    for name, _ in told({name: folder / name for name in files}, "checking"):
        if sha256(folder / name) != files[name]:
            raise layout.Refused(f"{file} is damaged: {name} is not what the manifest says.")
    return files


def require_empty(url: str) -> None:
    import psycopg

    with psycopg.connect(url, connect_timeout=5) as connection:
        row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    if row is None or row[0]:
        raise layout.Refused(
            "The database has tables already: restore into an empty one (CREATE DATABASE …)."
        )


def run_client(name: str, arguments: list[str], url: str) -> None:
    """Run pg_dump or pg_restore of the embedded server's version, which also reads older servers. No password in `ps`."""
    from psycopg import conninfo

    parts = conninfo.conninfo_to_dict(url)
    names = {
        "host": "PGHOST",
        "port": "PGPORT",
        "user": "PGUSER",
        "password": "PGPASSWORD",
        "dbname": "PGDATABASE",
    }
    given = {names[key]: str(value) for key, value in parts.items() if key in names and value}
    arguments = [given["PGDATABASE"] if argument == "" else argument for argument in arguments]
    binary = postgres.find_binaries(layout.default_var(), None) / name
    try:
        done = subprocess.run(  # noqa: S603
            [binary, *arguments],
            env=os.environ | given,
            capture_output=True,
            text=True,
            timeout=DUMP_SECONDS_MAX,
        )
    except subprocess.TimeoutExpired:
        raise layout.Refused(f"{name} did not end within {DUMP_SECONDS_MAX} s.") from None
    if done.returncode != 0:
        raise layout.Refused(f"{name} failed: {done.stderr[-2000:]}")


def evidence_files(var: Path) -> Iterator[tuple[str, Path]]:
    """Published files by their name in the archive; drafts (`.new-…`) are not published."""
    for path in sorted((var / EVIDENCE).rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            yield str(path.relative_to(var)), path


def told(members: dict[str, Path], verb: str) -> Iterator[tuple[str, Path]]:
    """The members one by one, with a line on the way when it takes long."""
    began = time.monotonic()
    for number, item in enumerate(members.items(), start=1):
        yield item
        if time.monotonic() - began >= PROGRESS_SECONDS:
            began = time.monotonic()
            say(f"{verb} {number} of {len(members)} files")


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)
