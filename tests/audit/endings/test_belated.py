"""Makers who draw back between match and lock, on a real chain: an honest audit agrees, and a lie about it is named."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from suan.core.contract import abi
from suan.core.contract.proving import prove_records
from suan.core.contract.records import Session
from suan.core.signing.structs import SIDE_BUY, SIDE_SELL
from tests.audit.endings.locked import agrees, lock, names
from tests.audit.recorded import said
from tests.audit.traded_market import TOKEN, Placed, TradedMarket
from tests.core.signing.keys import Key

pytestmark = [pytest.mark.slow, pytest.mark.chain]
EVERYTHING = 2 * 10**6 * TOKEN


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory, compiled: Path) -> Iterator[TradedMarket]:
    made = TradedMarket(
        tmp_path_factory.mktemp("belated"),
        random.Random(13),
        compiled.parent,
        buyers=[Key(f"buyer {number}") for number in range(2)],
    )
    yield made
    made.stop()


def test_a_session_takes_what_no_trade_can_take_back_any_more(market: TradedMarket) -> None:
    buyer = market.buyers[1]
    market.send(market.market, buyer.address, abi.encode_call("requestWithdrawal", 3 * TOKEN))
    market.wait(market.made["match_window"])
    market.send(market.market, buyer.address, abi.encode_call("requestWithdrawal", TOKEN))
    now = int(market.node.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    session = Session(buyer.address, 2 * TOKEN, market.providers[0].address, now + 3600, 7)
    market.send(market.market, buyer.address, abi.encode_call("openSession", session))
    agrees(market)
    names(market, (said("WithdrawalRequested", "amount", lambda value: value // 4), "ceiling"))


def test_what_is_asked_out_or_cancelled_after_the_match_is_locked_all_the_same(market: TradedMarket) -> None:
    seller, buyer = market.providers[0], market.buyers[0]

    def drawn_back(now: int) -> tuple[list[Placed], list[Placed]]:
        offers, bids = market.orders(now)
        for key, side, placed in ((seller, SIDE_SELL, offers[0]), (buyer, SIDE_BUY, bids[0])):
            market.send(market.market, key.address, abi.encode_call("requestWithdrawal", EVERYTHING))
            for nonce in (placed.order.nonce, placed.order.nonce + 256):
                market.send(market.market, key.address, abi.encode_call("cancel", side, nonce))
        return offers[:1], bids[:1]

    batch = lock(market, drawn_back)
    assert len(batch.records) == 1
    agrees(market)
    names(
        market,
        (said("WithdrawalReduced", "amount", lambda value: value + 1), "taken back from exits"),
        (said("OrderCancelled", "nonce", lambda nonce: nonce + 1), "what it was before"),
    )
    market.wait(3600 + market.made["verification_grace"])
    batch.send(abi.encode_refund(head=batch.said["head"], proven=prove_records(batch.records, range(1))))
    agrees(market)
