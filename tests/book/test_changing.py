"""An order's life after it was taken in: fills, returns, cancellation, expiry, and the money at each step."""

import json

import pytest

from ledger import evidence, journal
from ledger.queries import balances
from marketplace.book import actions, queries
from marketplace.book.actions import Fill
from marketplace.book.models import Order
from suan.core.encoding import from_hex, to_hex
from suan.core.settlement import bookkeeping
from suan.core.signing.domains import market_domain
from suan.core.signing.recover import recover
from suan.core.signing.structs import Cancel
from suan.core.units import bid_hold, lock_payment
from tests.book.market import (
    HOUR,
    PRODUCT,
    TOKEN,
    bid_body,
    custodial,
    now,
    offer_body,
    problem,
    register_node,
    signed,
    wallet,
)
from tests.core.signing.keys import Key

CEILING = 3_600
TRADE_A, TRADE_B = "trd_0x" + "aa" * 32, "trd_0x" + "bb" * 32


def placed_bid(runs: int = 10, **changes) -> tuple:
    buyer = custodial("buyer", tokens=10)
    answer = buyer.post("/bids", bid_body(buyer, runs=runs, **changes))
    assert answer.status_code == 201, answer.content
    return buyer, Order.objects.get()


def fill(order: Order, *, first: int, runs: int, trade: str = TRADE_A) -> Fill:
    """A fill at half the bid's limit price."""
    price = TOKEN // 2
    lock = lock_payment(price, runs * CEILING)
    return Fill(order.order_hash, runs, price, trade, lock, ((first, runs),))


def test_a_fill_moves_its_money_to_the_trade_and_frees_the_better_price(market):
    buyer, order = placed_bid()
    actions.record_fills(fills=[fill(order, first=0, runs=4)], now=now())
    order.refresh_from_db()
    assert (order.order_status, order.cum_quantity, order.leaves_quantity) == ("partially_filled", 4, 6)
    assert order.free_runs == [[4, 6]]
    rest, paid = bid_hold(TOKEN, 6, CEILING), lock_payment(TOKEN // 2, 4 * CEILING)
    assert journal.pending_hold(key=order.hold_key).amount == rest
    assert journal.pending_hold(key=f"trade:{TRADE_A}:payment").amount == paid
    assert balances(buyer.address).held == rest + paid


def test_a_fill_that_is_recorded_twice_counts_once(market):
    _, order = placed_bid()
    for _ in range(2):
        actions.record_fills(fills=[fill(order, first=0, runs=4)], now=now())
    order.refresh_from_db()
    assert (order.cum_quantity, order.execution_reports.count()) == (4, 2)


def test_two_trades_in_one_clearing_fill_the_order(market):
    _, order = placed_bid()
    fills = [fill(order, first=0, runs=4), fill(order, first=4, runs=6, trade=TRADE_B)]
    actions.record_fills(fills=fills, now=now())
    order.refresh_from_db()
    assert (order.order_status, order.leaves_quantity, order.held) == ("filled", 0, 0)
    assert queries.open_orders(PRODUCT, now=now()) == []


@pytest.mark.parametrize("change", [{"quantity": 11}, {"quantity": 3}, {"runs": ((8, 4),)}])
def test_a_fill_that_the_order_cannot_bear_is_the_callers_bug_and_changes_nothing(market, change):
    from dataclasses import replace

    _, order = placed_bid()
    with pytest.raises(ValueError):
        actions.record_fills(fills=[replace(fill(order, first=0, runs=4), **change)], now=now())
    order.refresh_from_db()
    assert (order.order_status, order.cum_quantity, order.free_runs) == ("new", 0, [[0, 10]])


def test_runs_that_come_back_trade_again_and_their_money_is_held_again(market):
    buyer, order = placed_bid()
    actions.record_fills(fills=[fill(order, first=0, runs=10)], now=now())
    journal.void(key=f"trade:{TRADE_A}:payment")
    for _ in range(2):
        actions.return_quantity(
            order_hash=order.order_hash, quantity=3, run_ranges=[(2, 2), (7, 1)], trade_id=TRADE_A, now=now()
        )
    order.refresh_from_db()
    assert (order.order_status, order.cum_quantity, order.leaves_quantity) == ("partially_filled", 7, 3)
    assert order.free_runs == [[2, 2], [7, 1]]
    assert balances(buyer.address).held == bid_hold(TOKEN, 3, CEILING)
    entry = queries.open_orders(PRODUCT, now=now())[0]
    assert (entry.quantity, entry.runs) == (3, [[2, 2], [7, 1]])


def test_an_order_whose_money_is_gone_when_its_runs_come_back_is_canceled_with_the_reason(market):
    buyer, order = placed_bid()
    actions.record_fills(fills=[fill(order, first=0, runs=10)], now=now())
    journal.void(key=f"trade:{TRADE_A}:payment")
    journal.hold(account=buyer.address, amount=balances(buyer.address).available, key="something else")
    actions.return_quantity(
        order_hash=order.order_hash, quantity=10, run_ranges=[(0, 10)], trade_id=TRADE_A, now=now()
    )
    order.refresh_from_db()
    assert (order.order_status, order.held) == ("canceled", 0)
    assert "not free any more" in order.reject_reason


def test_after_valid_until_only_what_came_back_from_a_closed_trade_may_trade(market):
    buyer, order = placed_bid()
    actions.record_fills(fills=[fill(order, first=0, runs=4)], now=now())
    journal.void(key=f"trade:{TRADE_A}:payment")
    actions.return_quantity(
        order_hash=order.order_hash, quantity=3, run_ranges=[(1, 3)], trade_id=TRADE_A, now=now()
    )
    later = now() + HOUR + 1
    entry = queries.open_orders(PRODUCT, now=later)[0]
    assert (entry.quantity, entry.runs) == (3, [[1, 3]])
    assert actions.expire_orders(now=later) == 1
    assert actions.expire_orders(now=later) == 0
    order.refresh_from_db()
    assert order.order_status == "partially_filled"
    assert balances(buyer.address).held == bid_hold(TOKEN, 3, CEILING)
    assert actions.expire_orders(now=now() + 2 * HOUR + 1) == 1
    order.refresh_from_db()
    assert (order.order_status, balances(buyer.address).held) == ("expired", 0)


def test_what_the_chain_never_accepted_does_not_trade_after_valid_until(market):
    _, order = placed_bid()
    actions.record_fills(fills=[fill(order, first=0, runs=10)], now=now())
    journal.void(key=f"trade:{TRADE_A}:payment")
    actions.return_quantity(
        order_hash=order.order_hash,
        quantity=10,
        run_ranges=[(0, 10)],
        trade_id=TRADE_A,
        now=now() + HOUR + 1,
        locked=False,
    )
    order.refresh_from_db()
    assert (order.order_status, order.held) == ("expired", 0)


def test_an_order_that_never_traded_expires_and_frees_its_money(market):
    buyer, order = placed_bid()
    assert actions.expire_orders(now=now()) == 0
    assert actions.expire_orders(now=now() + HOUR + 1) == 1
    order.refresh_from_db()
    assert order.order_status == "expired"
    assert balances(buyer.address).held == 0
    assert [report.exec_type for report in order.execution_reports.order_by("id")] == ["new", "expired"]
    problem_answer = buyer.post(f"/orders/{order.order_id}/cancel")
    assert (problem_answer.status_code, problem_answer.json()["code"]) == (409, "conflict")


def test_a_cancelled_bid_leaves_the_book_its_money_is_free_and_the_evidence_is_signed(
    market, django_capture_on_commit_callbacks
):
    buyer, order = placed_bid()
    with django_capture_on_commit_callbacks(execute=True):
        answer = buyer.post(f"/orders/{order.order_id}/cancel")
    assert (answer.status_code, answer.json()["order_status"]) == (200, "canceled")
    assert buyer.post(f"/orders/{order.order_id}/cancel").status_code == 200
    assert balances(buyer.address).held == 0
    document = json.loads(evidence.read("cancels", order.order_id))
    wish = Cancel(buyer.address, order.side, order.nonce)
    digest = wish.digest(market_domain(market.chain_id, market.market))
    assert recover(digest, from_hex(document["signature"])) == buyer.address


def test_a_wallet_signs_its_own_cancel_and_nobody_else_does(market):
    buyer = wallet("ada", tokens=10)
    placed = buyer.post("/bids", signed(bid_body(buyer), buyer.key)).json()
    order_id = placed["order_id"]
    path = f"/orders/{order_id}/cancel"
    problem(buyer.post(path), 422, "missing", "/signature")
    digest = Cancel(buyer.address, 1, int(placed["nonce"])).digest(
        market_domain(market.chain_id, market.market)
    )
    problem(
        buyer.post(path, {"signature": to_hex(Key("eve").sign(digest))}), 422, "wrong_signer", "/signature"
    )
    other = custodial("other")
    assert other.post(path).status_code == 403
    answer = buyer.post(path, {"signature": to_hex(buyer.key.sign(digest)), "on_chain": True})
    assert answer.json()["order_status"] == "canceled"
    from ledger.models import OutgoingTx

    assert OutgoingTx.objects.get(key__startswith="cancel:").to == market.market


def test_quantity_that_comes_back_to_a_canceled_order_stays_out_of_the_book(market):
    buyer, order = placed_bid()
    actions.record_fills(fills=[fill(order, first=0, runs=4)], now=now())
    buyer.post(f"/orders/{order.order_id}/cancel")
    journal.void(key=f"trade:{TRADE_A}:payment")
    actions.return_quantity(
        order_hash=order.order_hash, quantity=4, run_ranges=[(0, 4)], trade_id=TRADE_A, now=now()
    )
    order.refresh_from_db()
    assert (order.order_status, order.leaves_quantity, order.held) == ("canceled", 10, 0)
    assert queries.open_orders(PRODUCT, now=now()) == []


def test_an_offer_fills_and_returns_by_work_units(market):
    seller = custodial("seller", tokens=10)
    seller.post("/offers", offer_body(register_node(seller).address, units=36_000))
    order = Order.objects.get()
    full = balances(seller.address).held
    actions.record_fills(fills=[Fill(order.order_hash, 18_000, TOKEN, TRADE_A, full // 2)], now=now())
    assert journal.pending_hold(key=f"trade:{TRADE_A}:bond").amount == full // 2
    assert balances(seller.address).held == full
    journal.void(key=f"trade:{TRADE_A}:bond")
    actions.return_quantity(
        order_hash=order.order_hash, quantity=10_000, run_ranges=[], trade_id=TRADE_A, now=now()
    )
    order.refresh_from_db()
    assert (order.cum_quantity, order.leaves_quantity, order.order_status) == (
        8_000,
        28_000,
        "partially_filled",
    )


def test_orders_of_an_account_whose_money_left_by_the_chain_are_canceled_newest_first(market):
    buyer = custodial("buyer", tokens=10)
    body = bid_body(buyer, runs=1, ceiling_units=4 * 3_600_000)
    for name in ("old", "new"):
        assert buyer.post("/bids", body | {"client_order_id": name}).status_code == 201
    journal.move(
        [
            journal.Movement(
                debit=bookkeeping.Ref(buyer.address, bookkeeping.AVAILABLE),
                credit=bookkeeping.Ref(buyer.address, bookkeeping.EXITING),
                amount=5 * TOKEN,
                key="a withdrawal that the wallet sent itself",
            )
        ]
    )
    assert actions.cancel_uncovered(now=now()) == 1
    statuses = dict(Order.objects.values_list("client_order_id", "order_status"))
    assert statuses == {"old": "new", "new": "canceled"}
    assert balances(buyer.address).available == TOKEN


def test_evidence_that_a_crash_left_unpublished_is_published_by_the_sweep(market):
    buyer, order = placed_bid()
    assert evidence.read("orders", order.order_id) is None
    assert actions.publish_missing() == 1
    assert evidence.read("acknowledgements", order.order_id) is not None
    assert actions.publish_missing() == 0
    buyer.post(f"/orders/{order.order_id}/cancel")
    assert evidence.read("cancels", order.order_id) is None
    assert actions.publish_missing() == 1
    assert evidence.read("cancels", order.order_id) is not None
