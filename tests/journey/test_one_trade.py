"""One trade from listing to audit, through the doors that strangers use: the story that the rest of the house serves."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from operations.demo.people import available, wait_until
from suan.client.api import Suan
from suan.client.keystore import LocalKey
from suan.core import units
from suan.core.units import BaseUnits, Price, WorkUnits
from tests.journey.live import Live
from tests.journey.people import (
    bid_for_nbody,
    deposit_from_faucet,
    head_time,
    list_capacity,
    measured_ceiling,
    open_custodial,
    pages_about,
    sign_in_with_wallet,
    tokens_of,
    wait_for_node,
    wait_for_trades,
)

pytestmark = [pytest.mark.slow, pytest.mark.chain]
STEPS = b"20000"
WITHDRAWN = "2.5"


def test_a_trade_goes_from_listing_to_payout_and_stands_up_to_an_audit(live: Live, tmp_path: Path) -> None:
    # Vera sells. The platform keeps her key; Berta buys with a wallet of her own.
    vera, vera_key = open_custodial(live, "vera")
    berta, berta_key, wallet = sign_in_with_wallet(live)
    deposit_from_faucet(vera, berta)
    vera_before, berta_before = available(vera), available(berta)

    # Vera's agent measures her machine and registers it; she lists capacity for two runs, and sees it in the book.
    ceiling = measured_ceiling(STEPS)
    with (
        live.product("cpu.fp64:us-east:recomputed") as product,
        live.agent(tmp_path / "vera", vera_key, product) as agent,
    ):
        rate = wait_for_node(vera, agent)
        offer = list_capacity(vera, product, agent, rate, units=2 * ceiling, price="0.90")
        assert offer["order_status"] == "new"
        assert "0.9" in [level["price"] for level in vera.get("/book", product=product)["offers"]]

        # Berta wants three runs. Two fit into the offer: a partial fill at the one seller's price or above, below her limit.
        bid = bid_for_nbody(berta, product, STEPS, runs=3, ceiling=ceiling, price="1.20")
        trades = wait_for_trades(berta, bid["order_id"], lambda found: sum(t["runs"] for t in found) >= 2)

    assert [trade["status"] for trade in trades] == ["settled"] * len(trades)
    assert sum(trade["runs"] for trade in trades) == 2
    filled = berta.order(bid["order_id"])
    assert (filled["order_status"], filled["cum_quantity"], filled["leaves_quantity"]) == (
        "partially_filled",
        2,
        1,
    )
    assert berta.explain(bid["order_id"])

    # She takes the third run back, signed with her own key, and fetches what two runs computed.
    assert berta.cancel(bid["order_id"])["order_status"] == "canceled"
    outputs = berta.outputs(bid["order_id"])
    assert [(output.run, output.exit_reason) for output in outputs] == [(0, "ok"), (1, "ok")]
    assert all(output.data for output in outputs)

    # She paid for what was counted, at the clearing price; Vera got it less the fee, and her bond back.
    paid = fees = 0
    for trade in trades:
        price, counted = Price(units.parse_tokens(trade["price"])), WorkUnits(int(trade["close"]["units"]))
        assert Price(units.parse_tokens("0.90")) <= price <= Price(units.parse_tokens("1.20"))
        assert counted == sum(int(run["units"]) for run in trade["runs_detail"])
        due = units.payment(price, counted)
        assert units.parse_tokens(trade["close"]["paid"]) == due > 0
        paid += due
        fees += units.fee(BaseUnits(due), live.deployment["fee_bps"])
    wait_until("Berta's money to be free again", lambda: available(berta) == berta_before - paid)
    # What the runs did not use is in her offer again once the close is final; she takes it out of the book.
    wait_until(
        "the unused units to return", lambda: int(vera.order(offer["order_id"])["leaves_quantity"]) > 0
    )
    vera.cancel(offer["order_id"])
    wait_until("Vera's money to be free again", lambda: available(vera) == vera_before + paid - fees)

    # Berta leaves with a part of it: asked for, delayed, then paid to her own address on chain.
    withdraw(live, berta, berta_key, wallet, tmp_path)
    left = berta_before - paid - units.parse_tokens(WITHDRAWN)
    wait_until("Berta's books to say so", lambda: available(berta) == left)

    # A stranger recomputes all of it from the chain and the published evidence, both runs included.
    acknowledgement = tmp_path / "bid.json"
    acknowledgement.write_text(json.dumps(bid))
    with live.alone():
        audited = live.audit("--ack", str(acknowledgement), "--rerun", "1", "--json")
        assert audited.exit_code == 0, audited.output
        verified = live.manage("manage.py", "verify_ledger")
    report = json.loads(audited.stdout)
    assert report["money_conserved"] and report["differences"] == []
    assert report["trades_checked"] >= len(trades) and report["runs_recomputed"] >= 2

    # Everybody may look at it, with no more rights in the database than the web process has.
    for page in pages_about(trades[0]):
        assert httpx.get(live.base_url + page, follow_redirects=True).status_code == 200, page

    # And the operator's books say the same, row by row.
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "no differences" in verified.stdout


def withdraw(live: Live, person: Suan, api_key: str, wallet: LocalKey, folder: Path) -> None:
    """Take WITHDRAWN out of the market, on the command line, and see it wait for its delay before it arrives."""
    amount, asked_by = units.parse_tokens(WITHDRAWN), head_time(live)
    owned = tokens_of(live, wallet.address)
    assert person.account()["exits"] == []
    key_file = folder / "wallet.json"
    key_file.write_text(json.dumps({"secret": wallet._secret.hex()}))
    key_file.chmod(0o600)
    left = live.suan(
        "account", "withdraw", WITHDRAWN, "--key", str(key_file), environment={"SUAN_API_KEY": api_key}
    )
    assert left.exit_code == 0, left.output
    exits: list[dict[str, Any]] = []
    wait_until(
        "the exit to wait for its delay", lambda: exits.extend(person.account()["exits"]) or bool(exits)
    )
    wait_until("the payout", lambda: tokens_of(live, wallet.address) == owned + amount)
    assert head_time(live) >= exits[0]["ready_at"] >= asked_by + live.deployment["withdrawal_delay"]
    wait_until("the exit to be final", lambda: not person.account()["exits"])
