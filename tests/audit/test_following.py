"""As of which block an audit reads, and what it says of blocks that come, and of blocks that go again."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from operations.run import child, layout
from suan.client.audit.follow import Follow
from suan.client.audit.replay.parameters import GETTERS
from suan.client.audit.run import Audit, Wish
from suan.client.audit.source.anchor import Reorganised
from suan.client.audit.storage.layout import account_slot
from suan.client.errors import UsageError
from suan.client.rpc import Rpc

pytestmark = [pytest.mark.slow, pytest.mark.chain]
TOKENS = 7 * 10**18


class Interrupted(Rpc):
    """A node to which something happens just before a certain question is asked for the n-th time."""

    def __init__(self, url: str, method: str, nth: int, happen) -> None:
        super().__init__(url)
        self.method, self.left, self.happen = method, nth, happen

    def call(self, method: str, *params: Any) -> Any:
        if method == self.method:
            self.left -= 1
            if self.left == 0:
                self.happen()
        return super().call(method, *params)


def wish(own, tmp_path: Path, **options: Any) -> Wish:
    (tmp_path / "evidence").mkdir(exist_ok=True)
    return Wish(own.known.market, str(tmp_path / "evidence"), **options)


@pytest.fixture
def own(own):
    """With people who have gas already: the node changes the state of its newest block when it gives it."""
    for name in ("ada", "bo", "cy"):
        own.person(name)
    own.anvil.mine()
    return own


def deposit(own, name: str, amount: int = TOKENS) -> str:
    own.deposit(name, amount)
    own.anvil.mine()
    return own.keys.address(name)


def audited(own, wish: Wish, rpc: Rpc | None = None, state: Path | None = None):
    once = Audit(rpc or Rpc(own.anvil.url), wish, state=state, commit_seconds=0)
    try:
        return once.run()
    finally:
        once.close()


def test_an_audit_reads_as_of_the_block_that_was_asked_for(own, tmp_path: Path) -> None:
    deposit(own, "ada")
    first = own.anvil.head()
    first_hash = own.anvil.rpc("eth_getBlockByNumber", hex(first), False)["hash"]
    deposit(own, "bo")
    own.anvil.mine(20)
    for as_of, block, custody in (
        (str(first), first, TOKENS),
        (first_hash, first, TOKENS),
        ("latest", first + 21, 2 * TOKENS),
        ("final", first + 9, 2 * TOKENS),
    ):
        report = audited(own, wish(own, tmp_path, as_of=as_of))
        assert (report.block, report.custody, report.differences) == (block, custody, []), as_of
        assert report.money_conserved and report.words_proven
    for as_of in ("99999", "0x" + "12" * 32, "yesterday", "-1"):
        with pytest.raises(UsageError):
            audited(own, wish(own, tmp_path, as_of=as_of))


def test_a_balance_that_no_event_explains_is_named_with_its_account(own, tmp_path: Path) -> None:
    ada = deposit(own, "ada")
    slot = f"0x{account_slot(ada):064x}"
    own.anvil.rpc("anvil_setStorageAt", own.known.market, slot, f"0x{TOKENS + 1:064x}")
    own.anvil.mine()
    (difference,) = audited(own, wish(own, tmp_path)).differences
    assert (difference.subject, difference.field) == (ada, "account in the contract's storage")
    assert str(TOKENS + 1) in difference.found and str(TOKENS) in difference.expected


def test_a_reorganisation_during_the_audit_is_said_and_nothing_is_proved(own, tmp_path: Path) -> None:
    deposit(own, "ada")
    for method, nth in (("eth_getLogs", 2), ("eth_getProof", 1), ("eth_call", len(GETTERS) + 1)):
        deposit(own, "bo")
        node = Interrupted(own.anvil.url, method, nth, lambda: own.anvil.reorg(2))
        with pytest.raises(Reorganised, match="was replaced"):
            audited(own, wish(own, tmp_path), node)
        assert node.left <= 0, f"{method} was not asked so often"
        assert audited(own, wish(own, tmp_path)).differences == []


def test_a_state_goes_back_over_blocks_that_were_replaced(own, tmp_path: Path) -> None:
    state = tmp_path / "state"
    deposit(own, "ada")
    node = Interrupted(own.anvil.url, "eth_getProof", 1, lambda: own.anvil.reorg(2))
    deposit(own, "bo")
    with pytest.raises(Reorganised):
        audited(own, wish(own, tmp_path), node, state)
    deposit(own, "cy", 3 * TOKENS)
    report = audited(own, wish(own, tmp_path), None, state)
    assert report.differences == []
    assert report == audited(own, wish(own, tmp_path))
    own.anvil.reorg(4)  # Below what a finished audit was made of: it begins again.
    report = audited(own, wish(own, tmp_path), None, state)
    assert report.differences == [] and report == audited(own, wish(own, tmp_path))


def test_a_state_is_of_one_market_and_one_set_of_questions(own, tmp_path: Path) -> None:
    state = tmp_path / "state"
    deposit(own, "ada")
    audited(own, wish(own, tmp_path), None, state)
    with pytest.raises(UsageError, match="re-run share"):
        audited(own, wish(own, tmp_path, rerun_ppm=5), None, state)
    with pytest.raises(UsageError, match="after block"):
        audited(own, wish(own, tmp_path, as_of=str(own.anvil.head() - 1)), None, state)
    (tmp_path / "text").write_text("no database")
    with pytest.raises(UsageError, match="state file"):
        audited(own, wish(own, tmp_path), None, tmp_path / "text")
    holder = Audit(Rpc(own.anvil.url), wish(own, tmp_path), state=state)
    with pytest.raises(UsageError, match="another audit"):
        audited(own, wish(own, tmp_path), None, state)
    holder.close()


def test_each_new_block_gets_its_verdict_and_a_replaced_one_is_undone(own, tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    deposit(own, "ada")
    audit = Audit(Rpc(own.anvil.url), wish(own, tmp_path))
    audit.run()
    follow = Follow(audit, told.append)
    assert follow.step() == 0 and told == []

    bo = deposit(own, "bo")
    assert follow.step() == 1
    (block,) = told
    assert (block["verdict"], block["events"], block["block"]) == ("no difference", 1, own.anvil.head())
    assert audit.books.accounts[bo].available == TOKENS

    own.anvil.reorg(1)
    own.anvil.mine()
    while follow.step():
        pass
    assert told[1] == {"kind": "reorganised", "back_to": block["block"] - 1, "blocks_replaced": 1}
    assert audit.books.accounts[bo].available == 0 and audit.report.custody == TOKENS

    slot = f"0x{account_slot(bo):064x}"
    own.anvil.rpc("anvil_setStorageAt", own.known.market, slot, f"0x{5:064x}")
    deposit(own, "bo")
    while follow.step():
        pass
    assert told[-1]["verdict"] == "differs"
    assert bo in [difference["subject"] for difference in told[-1]["differences"]]

    own.anvil.reorg(own.anvil.head() - block["block"] + 3)
    own.anvil.mine(4)
    while follow.step():
        pass
    kinds = [document["kind"] for document in told]
    assert kinds[-2:] == ["reorganised", "audit"] or "audit" in kinds
    assert audit.report.differences == [] and audit.report.money_conserved
    audit.close()


def test_following_ends_cleanly_with_ctrl_c_and_one_if_a_difference_was_found(own, tmp_path: Path) -> None:
    ada = deposit(own, "ada")
    folder = tmp_path / "evidence"
    folder.mkdir()
    command = [
        sys.executable,
        "-m",
        "suan.cli",
        "audit",
        "--rpc",
        own.anvil.url,
        "--market",
        own.known.market,
    ]
    command += ["--evidence", str(folder), "--follow", "--json"]
    for lie, code in ((False, 0), (True, 1)):
        out = (tmp_path / f"out{code}").open("w+")
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE, cwd=layout.PROJECT, text=True)

        def lines(file=out.name) -> list[dict[str, Any]]:
            return [json.loads(line) for line in Path(file).read_text().splitlines() if line.endswith("}")]

        assert child.wait_until(lambda: bool(lines()), seconds=60), "no first report"
        if lie:
            slot = f"0x{account_slot(ada):064x}"
            own.anvil.rpc("anvil_setStorageAt", own.known.market, slot, f"0x{5:064x}")
        deposit(own, "ada")
        assert child.wait_until(lambda: len(lines()) > 1, seconds=60), "no verdict"
        os.kill(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == code, said
        assert "stopped after block" in said and "Traceback" not in said
        assert [document["kind"] for document in lines()[:2]] == ["audit", "block"]
        out.close()
