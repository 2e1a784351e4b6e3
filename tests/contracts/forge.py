"""Runs the real forge binary: the npm shim in node_modules/.bin hides a failing exit code."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "contracts"
FORGE_SECONDS_MAX = 300


def binary() -> Path:
    found = sorted((ROOT / "node_modules" / "@foundry-rs").glob("forge-*/bin/forge"))
    assert found, "forge is missing: run npm ci"
    return found[0]


def forge(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run forge in contracts/ with its own configuration only."""
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("FOUNDRY_", "DAPP_"))
    }
    return subprocess.run(
        [binary(), *arguments],
        cwd=CONTRACTS,
        env={**environment, "FOUNDRY_DISABLE_NIGHTLY_WARNING": "1", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=FORGE_SECONDS_MAX,
    )
