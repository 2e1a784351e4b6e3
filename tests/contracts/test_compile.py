"""The contracts that are deployed are the contracts that forge tests."""

import json
import subprocess
from pathlib import Path

import pytest

from ledger.deployment import compile as compiler
from tests.contracts.forge import forge


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("var")


def test_py_solc_x_and_forge_make_the_same_bytecode(var: Path) -> None:
    built = forge("build")
    assert built.returncode == 0, built.stdout + built.stderr
    ours = compiler.artifacts(var)
    for name in compiler.DEPLOYED:
        theirs = json.loads((compiler.CONTRACTS / "out" / f"{name}.sol" / f"{name}.json").read_text())
        assert ours[name]["bytecode"] == theirs["bytecode"]["object"]
        assert ours[name]["deployed_bytecode"] == theirs["deployedBytecode"]["object"]
        assert sorted(map(canonical, ours[name]["abi"])) == sorted(map(canonical, theirs["abi"]))


def test_every_contract_fits_the_size_limit_of_a_chain(var: Path) -> None:
    sizes = {name: len(code["deployed_bytecode"]) // 2 - 1 for name, code in compiler.artifacts(var).items()}
    assert sizes["Market"] > 0
    assert max(sizes.values()) <= 24_576  # EIP-170


def test_the_input_names_no_folder_of_this_machine() -> None:
    source = compiler.standard_json()
    assert "src/Market.sol" in source["sources"]
    assert all(not name.startswith(("/", "..")) for name in source["sources"])
    assert str(compiler.CONTRACTS.parent) not in json.dumps(source)


def test_a_second_call_reads_the_cache_and_an_unfinished_file_is_never_there(
    var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = compiler.artifacts(var)
    files = list((var / "contracts").iterdir())
    assert [file.suffix for file in files] == [".json"]
    monkeypatch.setattr(
        compiler, "CONTRACTS", _contracts_with_broken_compiler(var)
    )  # it would fail if it compiled
    assert compiler.artifacts(var) == first


def test_the_compiler_wrapper_refuses_what_it_does_not_know() -> None:
    done = subprocess.run([compiler.CONTRACTS / "solc", "--ast"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "--standard-json" in done.stderr


def test_a_source_that_does_not_compile_is_a_named_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = compiler.standard_json()
    source["sources"]["src/Market.sol"]["content"] += "\ncontract Broken { uint256 x = true; }"
    monkeypatch.setattr(compiler, "standard_json", lambda: source)
    with pytest.raises(compiler.CompileError, match="not implicitly convertible"):
        compiler.artifacts(tmp_path)


def canonical(entry: object) -> str:
    return json.dumps(entry, sort_keys=True)


def _contracts_with_broken_compiler(var: Path) -> Path:
    """The same folder, seen through links, with a compiler that only knows its version."""
    copy = var / "copy"
    copy.mkdir()
    for name in ("src", "lib", "foundry.toml"):
        (copy / name).symlink_to(compiler.CONTRACTS / name)
    return copy
