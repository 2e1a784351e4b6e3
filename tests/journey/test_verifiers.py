"""Two verifiers with keys and programs of their own beside the exchange's: two of three decide, and what if some lie."""

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from operations.demo.people import wait_until
from operations.run import child, layout
from operations.run.market import AGENTS, start_market
from suan.client import keystore
from suan.client.api import Suan
from suan.client.keystore import LocalKey
from suan.client.session import Session
from suan.core import units
from suan.core.contract import abi
from suan.core.signing.recover import recover
from tests.compiled import share
from tests.journey.liars import FALSE_REASON
from tests.journey.live import OWN_SERVICES, Live
from tests.journey.people import (
    bid_for_nbody,
    deposit_from_faucet,
    list_capacity,
    measured_ceiling,
    open_custodial,
    sign_in_with_wallet,
    wait_for_node,
)

pytestmark = [pytest.mark.slow, pytest.mark.chain]
STEPS = b"3000"
PRODUCT = "cpu.fp64:us-east:recomputed"
NAMES = ("ines", "otto")
WINDOW_SECONDS = 20
LYING_WORKER = (
    "-m", "tests.journey.liars", "worker", "worker", "-n", "verifier@%h", "-Q", "verification", "-c", "1", "-l", "warning",
    "--without-gossip", "--without-mingle", "--without-heartbeat",
)  # fmt: skip


@dataclass(frozen=True)
class Three(Live):
    """A live market whose set is the exchange, Ines and Otto; the exchange's own verifier finds everything true."""

    running: dict[str, Any] = field(default_factory=dict)

    def folder(self, name: str) -> Path:
        return self.var.parent / name

    def key(self, name: str) -> LocalKey:
        return keystore.load(self.folder(name) / "verifier-key.json")

    def start(self, name: str, *program: str) -> None:
        """Start this verifier's program in place of the one that it runs; the honest one if none is named."""
        self.stop(name)
        honest = (
            "-m",
            "suan.cli",
            "verifier",
            "run",
            "--rpc",
            self.rpc_url,
            "--json",
            "--folder",
            str(self.folder(name)),
        )
        command = [
            sys.executable,
            *(("-m", "tests.journey.liars", *program, str(self.folder(name))) if program else honest),
        ]
        environment = self.environment | {"SUAN_URL": self.base_url}
        with (self.folder(name) / "log").open("ab") as log:
            self.running[name] = child.spawn(command, environment=environment, output=log)

    def stop(self, name: str) -> None:
        if name in self.running:
            child.stop(self.running.pop(name))

    def answers(self, name: str) -> list[dict[str, Any]]:
        """What this verifier said of each settlement and open proposal that the exchange knows."""
        rows = Suan(self.base_url).get("/proposals")["results"]
        return [said for row in rows for said in row["answers"] if said["member"] == self.key(name).address]

    def decided(self, trade: dict[str, Any]) -> dict[str, Any] | None:
        """The decide() call that named a trade's lock batch, with the members who signed it, from the chain alone."""
        query = {
            "address": self.deployment["market"], "fromBlock": "0x0", "toBlock": "latest",
            "topics": [abi.event_topics("BatchDecided"), trade["lock"]["batch_id"].removeprefix("bat_")],
        }  # fmt: skip
        for log in self.rpc().call("eth_getLogs", query):
            _, call = abi.decode_call(self.rpc().transaction(log["transactionHash"])["input"])
            return call
        return None


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Three]:
    home = tmp_path_factory.mktemp("three")
    home.chmod(0o755)
    keys = [keystore.create(home / name / "verifier-key.json") for name in NAMES]
    settings = OWN_SERVICES | {
        "VERIFIERS": ",".join(key.address for key in keys),
        "DISPUTE_WINDOW_SECONDS": str(WINDOW_SECONDS),
        "WITHDRAWAL_DELAY_SECONDS": str(WINDOW_SECONDS),
        "MATCH_WINDOW_SECONDS": str(WINDOW_SECONDS),
    }
    share(home / "var")
    with ExitStack() as stack:
        stack.callback(layout.remove, home / "var")
        market = stack.enter_context(
            start_market(
                var=home / "var",
                profile="demo",
                without=(*AGENTS, "verifier"),
                environment=settings,
                report=print,
            )
        )
        market.add(
            "bribed", [sys.executable, *LYING_WORKER], {"SUAN_ROLE": "worker", "CELERY_SKIP_CHECKS": "1"}
        )
        found = Three(market.var, market.base_url, market.rpc_url, market.environment)
        stack.callback(lambda: [found.stop(name) for name in NAMES])
        yield found


@contextmanager
def provider(three: Three, folder: Path, name: str, *, honest: bool) -> Iterator[tuple[Suan, LocalKey]]:
    """A provider with money and an agent that tells the truth, or does not."""
    account, api_key = open_custodial(three, name)
    deposit_from_faucet(account)
    folder.mkdir(parents=True, exist_ok=True)
    keystore.create(folder / "agent-key.json")
    program = ("suan.cli", "provider", "run") if honest else ("operations.demo.dishonest",)
    resource_class, region, _ = PRODUCT.split(":")
    command = [
        sys.executable,
        "-m",
        *program,
        "--folder",
        str(folder),
        "--class",
        resource_class,
        "--region",
        region,
    ]
    process = child.spawn(command, environment=three.environment | {"SUAN_API_KEY": api_key})
    try:
        yield account, keystore.load(folder / "agent-key.json")
    finally:
        child.stop(process)


def trade_of(buyer: Suan, seller: Suan, agent: LocalKey, ceiling: int) -> str:
    """Sell one run to the buyer; the id of the trade once it is locked."""
    rate = wait_for_node(seller, agent)
    offer = list_capacity(seller, PRODUCT, agent, rate, units=ceiling, price="1.00")
    bid = bid_for_nbody(buyer, PRODUCT, STEPS, runs=1, ceiling=ceiling, price="1.50")
    wait_until(
        "the trade to be locked",
        lambda: (
            bool(buyer.trades(bid["order_id"])[:1])
            and bool(buyer.trades(bid["order_id"])[0]["lock"]["batch_id"])
        ),
    )
    (trade,) = buyer.trades(bid["order_id"])
    assert trade["offer_id"] == offer["order_id"]
    return str(trade["trade_id"])


def test_one_liar_changes_nothing_and_when_all_lie_a_stranger_disputes_and_wins(
    three: Three, tmp_path: Path
) -> None:
    (buyer, _, _), (victim, _, _) = sign_in_with_wallet(three), sign_in_with_wallet(three)
    wallet = keystore.create(tmp_path / "stranger.json")
    with Session(three.base_url) as session:
        session.sign_in(wallet)
        stranger = Suan(three.base_url, api_key=session.create_api_key("stranger"), key=wallet)
    deposit_from_faucet(buyer, victim, stranger)
    ceiling = measured_ceiling(STEPS)

    # Ines recomputes; Otto refuses whatever comes. Exchange and Ines are two of three: the outcome stands, Otto is seen.
    three.start("ines")
    three.start("otto", "no")
    with provider(three, tmp_path / "vera", "vera", honest=True) as (vera, agent):
        first = trade_of(buyer, vera, agent, ceiling)
        signed_by(three, buyer, first, "ines")
        said = settlement_of(three, buyer, first)["answers"]
        assert [row["reason"] for row in said if row["member"] == three.key("otto").address] in (
            [FALSE_REASON],
            [],
        )

        # Otto is gone: two of three are still there.
        three.stop("otto")
        second = trade_of(buyer, vera, agent, ceiling)
        signed_by(three, buyer, second, "ines")
        a_receipt_that_is_asked_for_is_shown_by_the_exchange(three, second, tmp_path / "stranger.json")

    # A lying agent, believed by the exchange alone: Ines and Otto recompute, refuse, and nothing is decided.
    three.start("otto")
    with provider(three, tmp_path / "cirrus", "cirrus", honest=False) as (cirrus, agent):
        third = trade_of(victim, cirrus, agent, ceiling)
        wait_until("both to refuse", lambda: len(three.answers("ines")) == len(three.answers("otto")) == 1)
    for name in NAMES:
        (said,) = three.answers(name)
        assert not said["agrees"] and "false receipt" in said["reason"] and said["outcomes"][0]["kind"] == 2
    assert three.decided(victim.get(f"/trades/{third}")) is None

    # Now all lie: both sign what they refused, and the false outcome is on the chain.
    for name in NAMES:
        three.start(name, "yes")
    signed_by(three, victim, third)
    for name in NAMES:
        three.stop(name)

    a_stranger_disputes_and_wins(three, third, wallet, tmp_path / "stranger.json", victim, cirrus)

    # The honest trades were paid meanwhile, and the books of all of it balance: what was false has been put right.
    for trade in (first, second):
        wait_until(
            "the honest trades to settle", lambda t=trade: buyer.get(f"/trades/{t}")["status"] == "settled"
        )
    final = three.audit("--json")
    assert final.exit_code == 0, final.output


def a_receipt_that_is_asked_for_is_shown_by_the_exchange(three: Three, trade: str, key_file: Path) -> None:
    """A stranger who claims that an honest trade has no receipt pays a tenth of the bond to hear that it has."""
    flags = ("--rpc", three.rpc_url, "--json")
    opened = three.suan(
        "dispute", "open", trade, "--claim", "no-receipt", "--run", "0", "--key", str(key_file), *flags
    )
    assert opened.exit_code == 0, opened.output
    assert json.loads(opened.stdout)["ends_as"] == "refunded"

    def claim() -> dict[str, Any]:
        (found,) = json.loads(three.suan("dispute", "show", trade, *flags).stdout)["claims"]
        return dict(found)

    wait_until("the exchange to show the receipt", lambda: claim()["state"] == "ended")
    lost, bond = units.parse_tokens(claim()["forfeited"]), units.parse_tokens(claim()["bond"])
    assert lost == bond // 10


def a_stranger_disputes_and_wins(
    three: Three, third: str, wallet: LocalKey, key_file: Path, victim: Suan, cirrus: Suan
) -> None:
    """From an audit that finds the false verdict to the ruling, and who has which money then."""
    # A stranger audits, finds it, and disputes inside the window with a bond of their own, from the command line.
    audited = three.audit("--rerun", "1", "--json")
    assert audited.exit_code == 1
    named = [row["field"] for row in json.loads(audited.stdout)["differences"]]
    assert "recomputation" in named, named
    before = {who: balance(three, who) for who in (wallet.address, party(victim), party(cirrus))}
    flags = ("--rpc", three.rpc_url, "--key", str(key_file), "--json")
    opened = three.suan("dispute", "open", third, "--claim", "false-receipt", "--run", "0", *flags)
    assert opened.exit_code == 0, opened.output
    shown = json.loads(opened.stdout)
    (claim,) = shown["claims"]
    assert (shown["state"], shown["disputed"]) == ("open", "settled")
    assert (claim["claim"], claim["run"], claim["challenger"]) == ("false receipt", 0, wallet.address)

    # The arbiter recomputes and rules; who was right has the bond back and a reward, who lied pays, the buyer is whole.
    ruled = three.manage("manage.py", "rule_dispute", third, "slashed")
    assert ruled.returncode == 0, ruled.stdout + ruled.stderr
    wait_until("the ruling", lambda: victim.get(f"/trades/{third}")["status"] == "slashed")
    again = three.suan("dispute", "show", third, "--rpc", three.rpc_url, "--json")
    ended = json.loads(again.stdout)
    assert (ended["state"], ended["because"], ended["ended_as"]) == ("ended", "arbiters ruled", "slashed")
    (claim,) = ended["claims"]
    reward = units.parse_tokens(claim["reward"])
    assert reward > 0 and units.parse_tokens(claim["forfeited"]) == 0
    after = {who: balance(three, who) for who in before}
    trade = victim.get(f"/trades/{third}")
    locked, bond, slashed = map(
        units.parse_tokens, (trade["lock"]["payment"], trade["lock"]["bond"], trade["close"]["slashed"])
    )
    assert after[wallet.address] == before[wallet.address] + reward
    assert after[party(victim)] == before[party(victim)] + locked
    assert slashed == bond and after[party(cirrus)] == before[party(cirrus)], (
        "the reward is of the slashed bond"
    )
    assert reward <= slashed


def signed_by(three: Three, buyer: Suan, trade_id: str, *names: str) -> None:
    """Wait for the verdict of a trade on the chain; it must carry exactly two signatures of the set, these among them."""
    wait_until("a verdict on the chain", lambda: three.decided(buyer.get(f"/trades/{trade_id}")) is not None)
    call = three.decided(buyer.get(f"/trades/{trade_id}"))
    assert call is not None and len(call["signatures"]) == 2
    digest = bytes.fromhex(settlement_of(three, buyer, trade_id)["verdict_digest"][2:])
    signers = {recover(digest, bytes.fromhex(one[2:])) for one in call["signatures"]}
    assert signers <= set(three.deployment["verifier_set"]["members"])
    assert {three.key(name).address for name in names} <= signers


def settlement_of(three: Three, buyer: Suan, trade_id: str) -> dict[str, Any]:
    call = three.decided(buyer.get(f"/trades/{trade_id}"))
    assert call is not None
    return dict(buyer.get(f"/settlements/{call['receipts_root']}"))


def party(account: Suan) -> str:
    return str(account.account()["address"])


def balance(three: Three, address: str) -> int:
    """What the Market itself owes an address: available and locked, bonds of disputes among it."""
    rpc = three.rpc()
    data = abi.encode_call("accountOf", address)
    found = abi.decode_result("accountOf", rpc.read(three.deployment["market"], data, rpc.block_number()))
    return int(found["available"])
