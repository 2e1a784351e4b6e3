"""`suan dispute` on a chain: what anybody with a key, a node and the exchange's address can do without the exchange's help."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ledger import conf
from marketplace.clearing.models import Trade
from marketplace.settlement import actions
from suan.cli import app
from suan.client import keystore
from suan.client.keystore import LocalKey
from suan.provider.diary import Diary
from tests.settlement.exchange import Exchange
from tests.settlement.stages import cut, head_time, observe, statuses

TOKEN = 10**18
DEPOSIT = 5 * TOKEN
WINDOW_SECONDS = 600


@pytest.fixture(autouse=True)
def slow(settings) -> None:
    """A window that does not end by itself while a test runs: for a market deployed after this."""
    settings.DISPUTE_WINDOW_SECONDS = settings.WITHDRAWAL_DELAY_SECONDS = WINDOW_SECONDS


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, LocalKey]:
    return {name: keystore.create(tmp_path / f"{name}.json") for name in ("stranger", "friend")}


@pytest.fixture
def hand(exchange, keys, live_server, tmp_path, monkeypatch):
    """Runs a command with a key in a file, whose owner has gas and money in the market; its blocks come by themselves."""
    world, anvil = exchange.world, exchange.world.anvil
    patron = world.person("patron")
    for key in keys.values():
        anvil.rpc("anvil_setBalance", key.address, hex(10**20))
        world.send("patron", world.known.token, "faucet", patron, DEPOSIT)
        world.send("patron", world.known.token, "approve", world.known.market, DEPOSIT)
        world.send("patron", world.known.market, "deposit", key.address, DEPOSIT)
    exchange.settle_chain()
    monkeypatch.setenv("SUAN_URL", live_server.url)
    monkeypatch.setenv("SUAN_RPC", anvil.url)

    def run(*words: str, key: str = "stranger") -> dict:
        signed = () if words[0] == "show" else ("--key", str(tmp_path / f"{key}.json"))
        anvil.rpc("evm_setAutomine", True)
        found = CliRunner().invoke(app, ["dispute", *words, *signed, "--json"])
        anvil.rpc("evm_setAutomine", False)
        world.follow()
        assert found.exit_code == 0, found.output
        return json.loads(found.stdout)

    return run


def decided(exchange: Exchange) -> Trade:
    trade = exchange.trade(runs=2)
    for lease in exchange.lease():
        exchange.deliver(lease)
    exchange.verify()
    cut(exchange)
    return trade


def opponents(shown: dict) -> list[tuple[int | None, str, str | None]]:
    return [(claim["run"], claim["state"], claim["opponent"]) for claim in shown["claims"]]


def test_a_challenger_asks_and_others_answer_from_evidence_and_by_acknowledgement(
    exchange, hand, keys, tmp_path: Path
):
    trade = decided(exchange)
    friend = keys["friend"].address
    assert hand("show", trade.trade_id)["state"] == "not disputed"
    hand("open", trade.trade_id, "--claim", "no-receipt", "--run", "0")
    opened = hand("open", trade.trade_id, "--claim", "no-receipt", "--run", "1")
    assert opponents(opened) == [(0, "open", None), (1, "open", None)]
    assert (opened["ends_as"], opened["ends_at"]) == ("refunded", opened["reveal_by"])
    assert "receipts asked for: 0, 1" in opened["follows"][0]

    first = hand("reveal", trade.trade_id, "0", key="friend")
    assert opponents(first) == [(0, "ended", friend), (1, "open", None)]

    (settlement,) = (conf.evidence_dir() / "settlements").iterdir()
    settlement.unlink()
    kept = exchange.provider.get(f"/receipts/{exchange.seen(trade)['runs_detail'][1]['receipt_id']}").json()
    diary = Diary(tmp_path / "agent")
    diary.ran(trade.trade_id, 1, {name: kept[name] for name in ("receipt", "signature")}, b"")
    diary.closed(trade.trade_id, 1, acknowledgement=kept["acknowledgement"])
    both = hand(
        "reveal", trade.trade_id, "1", "--acknowledged", "--kept", str(tmp_path / "agent"), key="friend"
    )
    assert opponents(both) == [(0, "ended", friend), (1, "ended", friend)]
    assert both["ends_as"] == "settled" and both["ends_at"] == both["claim_by"]
    assert both["receipts_revealed"] == [0, 1]


def test_the_exchanges_api_gives_the_acknowledgement_too(exchange, hand, keys):
    trade = decided(exchange)
    hand("open", trade.trade_id, "--claim", "no-receipt", "--run", "1")
    shown = hand("reveal", trade.trade_id, "1", "--acknowledged", key="friend")
    assert opponents(shown) == [(1, "ended", keys["friend"].address)]


def test_what_was_open_is_reclaimed_by_anybody_and_what_happened_is_told(exchange, hand, keys):
    trade = decided(exchange)
    hand("open", trade.trade_id, "--claim", "no-receipt", "--run", "0")
    opened = hand("open", trade.trade_id, "--claim", "wrong-count")
    assert [claim["claim"] for claim in opened["claims"]] == ["no receipt", "wrong count"]
    when = opened["reveal_by"]
    exchange.world.anvil.pass_time(max(0, when - head_time(exchange)))
    assert actions.time_out_disputed(now=when + 2) == 1
    observe(exchange)
    assert statuses() == ["refunded"]
    left = hand("show", trade.trade_id)
    assert (left["state"], left["ended_as"]) == ("ended", "refunded")
    assert left["because"] == "a receipt that was asked for was not shown"
    assert [claim["state"] for claim in left["claims"]] == ["open", "ended"]
    done = hand("reclaim", trade.trade_id, key="friend")
    assert [claim["state"] for claim in done["claims"]] == ["ended", "ended"]
    assert exchange.world.chain_balances(keys["stranger"].address) == (DEPOSIT, 0, 0)
