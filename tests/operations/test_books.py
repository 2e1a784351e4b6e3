"""Trades against the chain's events: whatever is lost, doubled or paid twice is named."""

from typing import Any

import pytest

from operations.chaos.books import compare_trades, unexplained

TRADE, OTHER, BUYER = "0x" + "aa" * 32, "0x" + "bb" * 32, "0x" + "cc" * 20
REFUNDED, SETTLED, SLASHED = 0, 1, 2


def locked(trade: str = TRADE, *, first_run: int = 0, runs: int = 1) -> tuple[str, dict[str, Any]]:
    return "TradeLocked", {
        "trade": trade,
        "buyer": BUYER,
        "bid_nonce": 7,
        "first_run": first_run,
        "runs": runs,
    }


def closed(trade: str = TRADE, kind: int = SETTLED, *, runs: int = 1) -> tuple[str, dict[str, Any]]:
    return "TradeClosed", {"trade": trade, "kind": kind, "runs_delivered": runs}


def ours(trade: str = TRADE, status: str = "settled") -> dict[str, Any]:
    return {"trade_id": f"trd_{trade}", "status": status}


def test_trades_that_are_locked_and_closed_once_have_no_mismatch() -> None:
    events = [locked(), locked(OTHER, first_run=1), closed(OTHER, SLASHED, runs=0), closed()]
    assert list(compare_trades([ours(), ours(OTHER, "slashed")], events)) == []


def test_a_trade_that_the_chain_refused_has_no_event() -> None:
    assert list(compare_trades([ours(status="rejected")], [])) == []
    assert list(compare_trades([ours(status="rejected")], [locked()])) == [
        f"trade {TRADE} was locked 1 times on the chain; the exchange calls it rejected"
    ]


@pytest.mark.parametrize(
    ("trades", "events", "said"),
    [
        ([ours()], [locked(), closed(), closed()], "was closed 2 times"),
        ([ours()], [locked(), locked(), closed()], "was locked 2 times"),
        ([ours()], [locked()], "was closed 0 times"),
        ([ours()], [], "was locked 0 times"),
        ([], [locked(), closed()], "unknown to the exchange"),
        (
            [ours(status="refunded")],
            [locked(), closed()],
            "is settled on the chain; the exchange calls it refunded",
        ),
        ([ours(status="closing")], [locked(), closed(kind=REFUNDED)], "is refunded on the chain"),
    ],
)
def test_what_is_lost_or_doubled_is_named(trades: list, events: list, said: str) -> None:
    assert any(said in line for line in compare_trades(trades, events))


def test_a_run_that_two_trades_paid_for_is_named() -> None:
    events = [locked(), locked(OTHER), closed(), closed(OTHER)]
    assert list(compare_trades([ours(), ours(OTHER)], events)) == [
        f"2 runs of bid 7 of {BUYER} were paid; its settled trades hold 1 different ones"
    ]


def test_an_open_order_needs_a_reason() -> None:
    orders = [{"order_id": "ord_1", "order_status": "new"}, {"order_id": "ord_2", "order_status": "new"}]
    assert unexplained(orders, {"ord_1": {"code": "not_crossed"}, "ord_2": {"code": ""}}) == [
        "order ord_2 is new, and nothing says why"
    ]
