"""Orders of the client on a live market: the same wish is one order, however often it is sent."""

import json

import pytest

from suan.client.api import Suan
from suan.client.errors import Rejected
from suan.commands import common
from tests.journey.live import Live
from tests.journey.people import bid_for_nbody
from tests.journey.story import STEPS, Traded

pytestmark = [pytest.mark.slow, pytest.mark.chain]


def test_a_repeated_bid_is_the_first_one_though_it_was_asked_for_later(live: Live, traded: Traded) -> None:
    again = bid_for_nbody(
        traded.buyer,
        traded.product,
        STEPS,
        runs=2,
        ceiling=traded.ceiling,
        price="1.0",
        client_order_id="the-one",
    )
    assert again["order_id"] == traded.bid["order_id"]
    assert again["acknowledgement"] == traded.bid["acknowledgement"]
    mine = [order for order in traded.buyer.orders() if order["client_order_id"] == "the-one"]
    assert len(mine) == 1


def test_another_wish_under_the_same_client_order_id_is_refused(live: Live, traded: Traded) -> None:
    with pytest.raises(Rejected) as caught:
        bid_for_nbody(
            traded.buyer,
            traded.product,
            STEPS,
            runs=1,
            ceiling=traded.ceiling,
            price="1.00",
            client_order_id="the-one",
        )
    assert (caught.value.status, caught.value.code) == (422, "client_order_id_reused")


def test_a_stranger_cannot_read_an_output_or_an_order(live: Live, traded: Traded) -> None:
    stranger = Suan(live.base_url)
    with pytest.raises(Rejected):
        stranger.order(traded.bid["order_id"])
    for output in traded.buyer.outputs(traded.bid["order_id"]):
        assert output.exit_reason == "ok"


def test_a_stranger_recomputes_a_run_and_finds_it_right(live: Live, traded: Traded) -> None:
    trade = traded.trades[0]
    result = live.suan("verify", "run", trade["trade_id"], str(trade["first_run"]), "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["judgement"] == "accepted" and found["recount"]["engine"]
    nobody = live.suan("verify", "run", trade["trade_id"], "999")
    assert nobody.exit_code == 2 and "no receipt for run 999" in nobody.output


def test_the_commands_show_a_finished_trade_in_words(
    live: Live, traded: Traded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common.console, "width", 250)
    environment = {"SUAN_API_KEY": traded.buyer_key}
    trade = live.suan("trade", traded.trades[0]["trade_id"], environment=environment)
    assert trade.exit_code == 0, trade.output
    assert "settled" in trade.output and " ok " in trade.output
    market = live.suan("market", environment=environment)
    assert market.exit_code == 0 and traded.product in market.output
    account = live.suan("account", "show", "--json", environment=environment)
    assert json.loads(account.stdout)["address"] == traded.wallet.address
    why = live.suan("order", "explain", traded.resting["order_id"], environment=environment)
    assert why.exit_code == 0 and why.output.strip()
    waited = live.suan("order", "wait", traded.bid["order_id"], "--json", environment=environment)
    assert json.loads(waited.stdout)["order_status"] == "filled"
