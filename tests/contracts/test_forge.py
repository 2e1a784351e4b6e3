"""The Solidity suite, run by the real forge, and the proof that its failure is a failure here."""

import json
import shutil
from pathlib import Path

import pytest

from tests.contracts.forge import CONTRACTS, forge

TESTS_MIN = 220
SUITES = ("market/", "registry/", "evidence/", "token/", "libraries/", "invariant/", "gas/")


def test_every_solidity_test_passes() -> None:
    done = forge("test", "--json")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    results = {
        f"{suite}:{name}": result["status"]
        for suite, report in json.loads(done.stdout).items()
        for name, result in report["test_results"].items()
    }
    assert set(results.values()) == {"Success"}
    assert len(results) >= TESTS_MIN
    for folder in SUITES:
        assert any(name.startswith(f"test/{folder}") for name in results), folder


def test_a_failing_forge_test_makes_the_runner_fail(tmp_path: Path) -> None:
    folders = {"FOUNDRY_OUT": str(tmp_path / "out"), "FOUNDRY_CACHE_PATH": str(tmp_path / "cache")}
    done = forge("test", FOUNDRY_SRC="canary", FOUNDRY_TEST="canary", **folders)
    assert done.returncode != 0
    assert "the canary sang" in done.stdout


def test_a_call_that_costs_other_gas_than_written_down_fails(tmp_path: Path) -> None:
    snapshots = tmp_path / "snapshots"
    shutil.copytree(CONTRACTS / "snapshots", snapshots)
    only = ("test", "--match-path", "test/gas/*")
    assert forge(*only, FOUNDRY_SNAPSHOTS=str(snapshots)).returncode == 0
    numbers = json.loads((snapshots / "market.json").read_text())
    (snapshots / "market.json").write_text(json.dumps(numbers | {"settle 100": "1"}))
    done = forge(*only, FOUNDRY_SNAPSHOTS=str(snapshots))
    assert done.returncode != 0 and "settle 100" in done.stdout + done.stderr


def test_the_sources_are_formatted() -> None:
    done = forge("fmt", "--check")
    assert done.returncode == 0, done.stdout[-4000:]


def behaviours() -> list[Path]:
    return sorted(path for path in (CONTRACTS / "test").rglob("*.t.sol") if path.parent.name != "invariant")


@pytest.mark.parametrize("path", behaviours(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_behaviour_has_its_tree_beside_it(path: Path) -> None:
    tree = path.with_name(path.name.replace(".t.sol", ".tree"))
    assert tree.exists(), f"write {tree.name}: what is given, when, and what it does"
    assert "──" in tree.read_text()


def test_the_contract_that_holds_money_stays_readable() -> None:
    lines = {path.name: len(path.read_text().splitlines()) for path in (CONTRACTS / "src").rglob("*.sol")}
    market = ("Market.sol", "Custody.sol", "SignedOrders.sol", "Openings.sol")
    assert sum(lines[name] for name in market) <= 900
    assert max(lines.values()) <= 400
