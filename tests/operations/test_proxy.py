"""The fault proxy misbehaves in exactly the way that was asked for, in front of a real node."""

from collections.abc import Iterator

import httpx
import pytest

from operations.chaos.proxy import (
    CutAfter,
    CutBefore,
    Delay,
    FaultProxy,
    Garbage,
    LoseAnswer,
    Result,
    already_known,
    underpriced,
)
from tests.nodes import AnvilNode

pytestmark = pytest.mark.chain


@pytest.fixture
def proxy(anvil: AnvilNode) -> Iterator[FaultProxy]:
    with FaultProxy(anvil.url) as running:
        yield running


def call(proxy: FaultProxy, method: str, *parameters, seconds: float = 5) -> dict:
    body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": list(parameters)}
    return httpx.post(proxy.url, json=body, timeout=seconds).json()


def test_without_a_rule_it_is_the_node(proxy: FaultProxy, anvil: AnvilNode) -> None:
    anvil.mine(3)
    assert call(proxy, "eth_blockNumber") == {"jsonrpc": "2.0", "id": 7, "result": "0x3"}
    assert list(proxy.calls) == [("eth_blockNumber", [])]
    assert not proxy.met


def test_a_lost_answer_comes_after_the_node_has_acted(proxy: FaultProxy, anvil: AnvilNode) -> None:
    proxy.on("evm_mine", LoseAnswer())
    with pytest.raises(httpx.ReadTimeout):
        call(proxy, "evm_mine", seconds=0.5)
    assert anvil.head() == 1


def test_a_cut_before_leaves_the_node_untouched_and_a_cut_after_does_not(
    proxy: FaultProxy, anvil: AnvilNode
) -> None:
    proxy.on("evm_mine", CutBefore())
    proxy.on("evm_mine", CutAfter())
    for head_afterwards in (0, 1):
        with pytest.raises(httpx.TransportError):
            call(proxy, "evm_mine")
        assert anvil.head() == head_afterwards


def test_a_known_transaction_may_be_accepted_or_not(proxy: FaultProxy, anvil: AnvilNode) -> None:
    proxy.on("evm_mine", already_known())
    proxy.on("evm_mine", already_known(accepted=True))
    assert call(proxy, "evm_mine")["error"] == {"code": -32_000, "message": "already known"}
    assert anvil.head() == 0
    assert call(proxy, "evm_mine")["error"]["message"] == "already known"
    assert anvil.head() == 1


def test_a_rule_begins_after_so_many_calls_and_ends_after_so_many(proxy: FaultProxy) -> None:
    proxy.on("eth_chainId", underpriced(), times=2, after=1)
    answers = [call(proxy, "eth_chainId") for _ in range(4)]
    assert ["error" in answer for answer in answers] == [False, True, True, False]
    assert proxy.met == {("eth_chainId", "RpcFault"): 2}


def test_a_lagging_node_answers_with_silence_and_an_overloaded_one_with_a_page(proxy: FaultProxy) -> None:
    proxy.on("eth_getLogs", Result([]))
    assert call(proxy, "eth_getLogs", {})["result"] == []
    proxy.on("*", Garbage())
    with pytest.raises(ValueError, match="Expecting value"):
        call(proxy, "eth_blockNumber")
    proxy.heal()
    assert call(proxy, "eth_blockNumber")["result"] == "0x0"


def test_a_late_answer_is_the_right_one(proxy: FaultProxy) -> None:
    proxy.on("eth_chainId", Delay(seconds=0.3))
    with pytest.raises(httpx.ReadTimeout):
        call(proxy, "eth_chainId", seconds=0.1)
    proxy.on("eth_chainId", Delay(seconds=0.1))
    assert call(proxy, "eth_chainId")["result"] == "0x7a69"
