"""Runs the real forge binary: the npm shim in node_modules/.bin hides a failing exit code."""

import fcntl
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "contracts"
FORGE_SECONDS_MAX = 540


def binary() -> Path:
    found = sorted((ROOT / "node_modules" / "@foundry-rs").glob("forge-*/bin/forge"))
    assert found, "forge is missing: run npm ci"
    return found[0]


def forge(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run forge in contracts/ with its own configuration and these FOUNDRY_ settings only, one run at a time."""
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("FOUNDRY_", "DAPP_"))
    }
    environment |= {"NO_COLOR": "1", **settings}
    lock = CONTRACTS / "cache" / "lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # forge's folders of output and cache are shared by all its runs
        return subprocess.run(
            [binary(), *arguments],
            cwd=CONTRACTS,
            env=environment,
            capture_output=True,
            text=True,
            timeout=FORGE_SECONDS_MAX,
        )
