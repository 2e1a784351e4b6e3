"""Where a copy of the project keeps what it writes, and which addresses it remembers.

Everything lies under `var/`, except sockets: their paths must be short, so they live in a run directory in the
system's temporary folder, named by a hash of the path of `var/` and recorded in `var/run/directory`.
"""

import fcntl
import hashlib
import importlib.util
import json
import os
import secrets
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PORTS_TRIED_MAX = 200


class Refused(Exception):
    """The machine is not in the state that a start needs; the text says what to do."""


def default_var() -> Path:
    return Path(os.environ.get("SUAN_VAR") or PROJECT / "var").resolve()


def prepare(var: Path) -> None:
    """Make the folders of `var/`. Others may pass through `var/` itself, but not look into it."""
    var.mkdir(parents=True, exist_ok=True)
    var.chmod(0o711)
    for name, mode in (("run", 0o700), ("log", 0o700), ("secrets", 0o700), ("evidence", 0o755)):
        folder = var / name
        if not folder.exists():
            folder.mkdir()
            folder.chmod(mode)


def digest(var: Path) -> str:
    return hashlib.sha256(str(var.resolve()).encode()).hexdigest()


def run_directory(var: Path) -> Path:
    """The run directory of this copy, made when missing. A folder that somebody else put there is refused."""
    record = var / "run" / "directory"
    if record.exists():
        path = Path(record.read_text())
    else:
        path = Path(tempfile.gettempdir()) / f"suan-{os.getuid()}-{digest(var)[:10]}"
        record.parent.mkdir(parents=True, exist_ok=True)
        write(record, str(path))
    with suppress(FileExistsError):
        path.mkdir(mode=0o711)
        path.chmod(0o711)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise Refused(f"{path} is not a folder of this user: remove it, or set TMPDIR to another folder.")
    return path


def remove(var: Path) -> None:
    """Delete everything that this copy wrote: `var/` and the run directory."""
    record = var / "run" / "directory"
    if record.exists():
        path = Path(record.read_text())
        if path.name.startswith("suan-") and path.exists() and path.lstat().st_uid == os.getuid():
            shutil.rmtree(path)
    if var.exists():
        shutil.rmtree(var)


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace a file at once: a reader sees the old text or the new one, never a part."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    os.replace(draft, path)


def secret(var: Path, name: str) -> str:
    """A password of this copy, made on first use."""
    path = var / "secrets" / name
    if not path.exists():
        prepare(var)
        write(path, secrets.token_hex(24))
    return path.read_text()


def package(name: str) -> Path:
    """Folder of an installed package that carries a server's binaries."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise Refused(f"The package {name} is missing: run `make` or install requirements.txt.")
    return Path(spec.submodule_search_locations[0])


def services(var: Path) -> dict[str, str]:
    """Addresses of the embedded services, as last written by `record_services`."""
    path = var / "run" / "services.json"
    return json.loads(path.read_text()) if path.exists() else {}


def record_services(var: Path) -> dict[str, str]:
    """Choose and write the addresses of the embedded services; those of an earlier start are kept."""
    prepare(var)
    run = run_directory(var)
    password = secret(var, "postgres")
    addresses = {
        "database_url": f"postgresql://suan:{password}@/suan?host={run}/postgres",
        "redis_url": f"unix://{run}/valkey.sock",
        "chain_rpc_url": f"http://127.0.0.1:{port(var, 'chain', base=18_000)}",
    }
    write(var / "run" / "services.json", json.dumps(addresses, indent=1))
    return addresses


def port(var: Path, name: str, *, base: int) -> int:
    """A free loopback port, remembered so that addresses survive a restart.

    The first choice depends on the folder, so two copies started at the same moment choose different ones.
    """
    path = var / "run" / "ports.json"
    with locked(var / "run" / "ports.lock"):
        ports: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
        wished = ports.get(name) or base + int(digest(var), 16) % 900
        for candidate in range(wished, wished + PORTS_TRIED_MAX):
            if candidate not in (ports[other] for other in ports if other != name) and is_free(candidate):
                ports[name] = candidate
                write(path, json.dumps(ports))
                return candidate
    raise Refused(
        f"No free port for {name} between {wished} and {wished + PORTS_TRIED_MAX}: stop what listens there."
    )


def is_free(number: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return False
    return True


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a file's lock; it ends with the process, however that ends."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise Refused(
                "This market runs already: stop it (Ctrl-C in its terminal) or use another SUAN_VAR."
            ) from None
        yield
