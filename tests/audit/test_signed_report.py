"""A signed report says who answers for what, and every changed part of it shows."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from typer.testing import CliRunner, Result

from suan.cli import app
from suan.client import keystore
from suan.client.audit import signed_report
from suan.client.audit.progress import Progress
from suan.client.audit.report import Report
from suan.client.audit.run import Wish
from suan.client.errors import UsageError
from suan.core import encoding

MARKET = "0x" + "ab" * 20


@pytest.fixture
def key(tmp_path: Path) -> keystore.LocalKey:
    return keystore.create(tmp_path / "auditor.json")


def document(key: keystore.LocalKey, differences: int = 0) -> dict[str, Any]:
    report = Report(chain_id=31337, market=MARKET, block=9, block_hash="0x" + "12" * 32, custody=10**30)
    for number in range(differences):
        report.differ("ord_0x", f"field {number}", 1, 2)
    wish = Wish(MARKET, "./mirror", rerun_ppm=50_000)
    return signed_report.sign(
        signed_report.statement(
            report, wish, began_at=1_800_000_000, ended_at=1_800_000_060, version="0.1.0"
        ),
        key,
    )


def verify(path: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["audit", "verify-report", str(path), *options])


def test_a_report_names_its_signer_its_sources_and_its_methods(
    key: keystore.LocalKey, tmp_path: Path
) -> None:
    path = tmp_path / "report.json"
    signed_report.write(path, document(key))
    checked = signed_report.read(path)
    assert checked.genuine and checked.auditor == key.address
    assert checked.statement["sources"] == {
        "evidence": "./mirror", "from_block": 0, "acknowledgements": 0, "rerun_ppm": 50_000,
    }  # fmt: skip
    assert checked.statement["report"]["custody"] == str(10**30)
    counted = {name for name in signed_report.METHODS if name in Report.__dataclass_fields__}
    assert len(counted) >= 8
    result = verify(path)
    assert result.exit_code == 0 and key.address in result.output and "no differences" in result.output


def test_another_wallets_library_recovers_the_same_signer(key: keystore.LocalKey) -> None:
    made = document(key)
    text = signed_report._text(made["statement"], key.address)
    signature = bytes.fromhex(made["signature"][2:])
    assert Account.recover_message(encode_defunct(text=text), signature=signature).lower() == key.address
    assert "Found: no difference" in text and encoding.checksum(MARKET) in text


def places(value: Any, path: tuple = ()) -> list[tuple]:
    if isinstance(value, dict):
        return [place for name, item in value.items() for place in places(item, (*path, name))]
    return [path]


def test_any_changed_part_of_a_statement_is_no_longer_the_auditors(
    key: keystore.LocalKey, tmp_path: Path
) -> None:
    made, path = document(key), tmp_path / "report.json"
    for place in places(made["statement"]):
        lie = copy.deepcopy(made)
        inner = lie["statement"]
        for name in place[:-1]:
            inner = inner[name]
        value = inner[place[-1]]
        inner[place[-1]] = (
            not value
            if isinstance(value, bool)
            else value + (1 if isinstance(value, int) else type(value)("0"))
        )
        signed_report.write(path, lie)
        try:
            genuine = signed_report.read(path).genuine
        except UsageError:
            continue  # An address that is none any more.
        assert not genuine, place


def test_another_auditor_and_a_report_with_differences_end_with_one(
    key: keystore.LocalKey, tmp_path: Path
) -> None:
    path = tmp_path / "report.json"
    signed_report.write(path, document(key))
    assert verify(path, "--auditor", key.address).exit_code == 0
    other = verify(path, "--auditor", "0x" + "99" * 20)
    assert other.exit_code == 1 and "NOT genuine" in other.output
    signed_report.write(path, document(key, differences=3))
    found = verify(path, "--json")
    assert found.exit_code == 1
    said = json.loads(found.stdout)
    assert said["genuine"] and said["report"]["differences_total"] == 3


@pytest.mark.parametrize(
    "text", ("", "{}", "[]", '{"statement":1,"auditor":"0x","signature":"0x"}', "nonsense")
)
def test_a_file_that_is_no_report_is_wrong_usage(tmp_path: Path, text: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(text)
    assert verify(path).exit_code == 2
    assert verify(tmp_path / "missing.json").exit_code == 2


def test_an_audit_says_what_is_missing_before_it_begins(tmp_path: Path) -> None:
    def audit(*options: str) -> Result:
        return CliRunner().invoke(app, ["audit", *options])

    assert "--rpc" in audit().output and audit().exit_code == 2
    given = ["--rpc", "http://127.0.0.1:1", "--market", MARKET, "--evidence", str(tmp_path)]
    unsigned = audit(*given, "--report", str(tmp_path / "report.json"))
    assert unsigned.exit_code == 2 and "--key" in unsigned.output
    assert audit(*given, "--follow", "--as-of", "17").exit_code == 2


def test_progress_is_silent_for_two_seconds_then_tells_rate_and_rest() -> None:
    now, said = [100.0], []
    progress = Progress(said.append, clock=lambda: now[0])
    progress.phase("replaying", "blocks", 4_000)
    for second in range(5):
        progress.at(500 * second)
        now[0] += 0.9
    assert said == ["replaying 1,500 of 4,000 blocks, 556 blocks/s, about 5 s left"]
    now[0] += 5
    progress.phase("clearing again", "auctions")
    assert said[1:] == ["clearing again auctions"]
    progress.note("block 7 was replaced")
    assert said[-1] == "block 7 was replaced"
