"""`suan proof receipt` and `suan verify proof` as an auditor meets them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from suan.cli import app
from suan.commands import common
from tests.client.exchange import Reply, exchange
from tests.core.evidence.test_proofs import ANCHOR, leaves_of
from tests.ports import free_port

RECEIPT = "rcp_0x" + "ab" * 32


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common.console, "width", 200)


@pytest.fixture
def file() -> bytes:
    from suan.core.evidence.proofs import receipt_proof

    return receipt_proof(leaves_of(6), 4, ANCHOR)


def suan(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_fetched_proof_is_checked_kept_and_checks_again_without_the_exchange(
    file: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "proof.json"
    with exchange(lambda _: Reply(body=file)) as server:
        done = suan("proof", "receipt", RECEIPT, "--out", path, "--url", server.url)
        printed = suan("proof", "receipt", RECEIPT, "--url", server.url)
    assert done.exit_code == 0 and path.read_bytes() == file and printed.stdout == file.decode()
    assert server.paths("GET")[0] == f"/api/v1/audit/receipts/{RECEIPT}/proof"
    shown = suan("verify", "proof", path)
    assert shown.exit_code == 0 and shown.output.count("✓") == 6
    found = json.loads(suan("verify", "proof", path, "--json").stdout)
    assert found["passed"] is True and [check["check"] for check in found["checks"]][-1] == "root"


def test_a_changed_proof_is_refused_with_the_step_and_both_values(file: bytes, tmp_path: Path) -> None:
    path = tmp_path / "proof.json"
    root = json.loads(file)["root"]
    path.write_bytes(file.replace(root.encode(), b"0x" + b"1" * 64))
    shown = suan("verify", "proof", path)
    assert (
        shown.exit_code == 1
        and "✗ root" in shown.output
        and "0x" + "1" * 64 in shown.output
        and root in shown.output
    )
    with exchange(lambda _: Reply(body=path.read_bytes())) as server:
        done = suan("proof", "receipt", RECEIPT, "--out", tmp_path / "other.json", "--url", server.url)
    assert done.exit_code == 2 and "does not hold" in done.output and not (tmp_path / "other.json").exists()


def test_no_file_no_proof_and_no_node_have_their_own_exit_codes(file: bytes, tmp_path: Path) -> None:
    assert suan("verify", "proof", tmp_path / "missing.json").exit_code == 2
    (tmp_path / "text.json").write_text("hello")
    wrong = suan("verify", "proof", tmp_path / "text.json")
    assert wrong.exit_code == 2 and "not JSON" in wrong.output
    path = tmp_path / "proof.json"
    path.write_bytes(file)
    assert suan("verify", "proof", path, "--rpc", f"http://127.0.0.1:{free_port()}").exit_code == 5
