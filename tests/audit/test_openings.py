"""Openings that the contract takes in part: an audit reads what it refused, too."""

import pytest

from suan.core.contract import abi
from suan.core.contract.records import Fill
from tests.audit.test_endings import agrees, decided, market
from tests.audit.traded_market import TradedMarket

__all__ = ["market"]
pytestmark = [pytest.mark.slow, pytest.mark.chain]


def test_a_fill_whose_orders_name_a_missing_clearing_is_refused_alone(market: TradedMarket) -> None:
    market.refused = [Fill(0, 0, 7, 0, 1)]
    batch = decided(market)
    batch.settle()
    assert agrees(market).trades_open == 0
    wanted = {"fromBlock": "0x0", "topics": [abi.event_topics("FillRejected")]}
    refusals = [
        abi.decode_event(log["topics"], log["data"]) for log in market.node.rpc("eth_getLogs", wanted)
    ]
    assert [arguments["code"] for _, arguments in refusals] == [13]
