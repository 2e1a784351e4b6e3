"""One auction in the database: what it writes, holds and publishes, and that doing it twice is harmless."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from ledger import evidence
from ledger.queries import balances
from marketplace.book.models import Order
from marketplace.clearing import actions, queries
from marketplace.clearing.models import MATCHED, Clearing, Trade
from suan.core.clearing import read_document, replay
from suan.core.encoding import keccak, to_hex
from suan.core.units import bid_hold, lock_payment, offer_hold
from tests.book.market import (
    HOUR,
    PRODUCT,
    TOKEN,
    Person,
    bid_body,
    custodial,
    now,
    offer_body,
    register_node,
)

HALF = TOKEN // 2


def seller(name: str = "seller", *, tokens: int = 10, rate: int = 1_000, **offer: Any) -> Person:
    person = custodial(name, tokens)
    agent = register_node(person, label=name, rate=rate)
    place(person, "/offers", offer_body(agent.address, **offer))
    return person


def buyer(name: str = "buyer", *, tokens: int = 10, **bid: Any) -> Person:
    person = custodial(name, tokens)
    place(person, "/bids", bid_body(person, **bid))
    return person


def place(person: Person, path: str, body: dict[str, Any]) -> None:
    answer = person.post(path, body)
    assert answer.status_code == 201, answer.content


def order_of(person: Person) -> Order:
    return Order.objects.filter(maker=person.address).latest("id")


def clear(at: int | None = None) -> Clearing | None:
    return actions.clear_product(symbol=PRODUCT, now=at or now())


def test_a_clearing_writes_trades_fills_orders_and_moves_the_holds(market: Any) -> None:
    """36,000 units at 0.5 against four runs of 3,600 at 1: demand is smaller, so the offer's price holds."""
    sold, bought = seller(), buyer()
    row = clear()
    assert row is not None and row.price == HALF
    trade = Trade.objects.get()
    assert (trade.status, trade.first_run, trade.runs, trade.units) == (MATCHED, 0, 4, 14_400)
    assert (trade.provider, trade.buyer) == (sold.address, bought.address)

    offer, bid = order_of(sold), order_of(bought)
    assert (bid.order_status, bid.cum_quantity, bid.leaves_quantity, bid.free_runs) == ("filled", 4, 0, [])
    assert (offer.order_status, offer.cum_quantity, offer.leaves_quantity) == (
        "partially_filled",
        14_400,
        21_600,
    )

    payment = lock_payment(HALF, 14_400)
    assert trade.payment == payment
    assert balances(bought.address).held == payment
    assert payment < bid_hold(TOKEN, 4, 3_600)
    left = offer_hold(HALF, 21_600, market.bond_bps, market.bond_floor_price)
    assert balances(sold.address).held == trade.bond + left


def test_a_clearing_is_published_and_replays_from_its_file(
    market: Any, django_capture_on_commit_callbacks: Any
) -> None:
    seller()
    buyer()
    with django_capture_on_commit_callbacks(execute=True):
        row = clear()
    assert row is not None
    data = evidence.read("clearings", row.clearing_id)
    assert data is not None and to_hex(keccak(data)) == row.document_hash
    document = read_document(data)
    assert replay(document) == []
    assert to_hex(document.clearing_id) == row.clearing_hash
    assert to_hex(document.order_set_root) == row.order_set_root
    (trade,) = document.result.trades
    assert to_hex(document.trade_id(trade)) == Trade.objects.get().trade_hash
    row.refresh_from_db()
    assert row.document is None


def test_a_crash_before_publication_is_made_good_by_the_sweep(market: Any) -> None:
    seller()
    row = clear()
    assert row is not None and evidence.read("clearings", row.clearing_id) is None
    assert queries.document(row).number == 1
    assert actions.publish_missing() == 1
    assert evidence.read("clearings", row.clearing_id) is not None
    assert actions.publish_missing() == 0


def test_a_book_that_did_not_change_is_not_cleared_again(market: Any) -> None:
    seller()
    buyer(limit_price="0.2")
    first = clear()
    assert first is not None and (first.number, first.trade_count) == (1, 0)
    assert clear(now() + 5) is None
    late = buyer("late")
    second = clear()
    assert second is not None and (second.number, second.trade_count) == (2, 1)
    assert order_of(late).order_status == "filled"
    assert Clearing.objects.count() == 2


def test_an_empty_book_writes_nothing(market: Any) -> None:
    assert clear() is None
    assert not Clearing.objects.exists()


def test_what_a_node_still_owes_is_published_as_its_backlog(market: Any) -> None:
    seller()
    buyer()
    clear()
    row = clear()
    assert row is not None
    (offer,) = queries.document(row).book.offers
    assert (offer.units, offer.backlog_units) == (21_600, 14_400)


def test_backlog_and_rate_keep_an_offer_from_promising_too_much(market: Any) -> None:
    """A node of 10 MFLOPS does 36,000 units in an hour; a run due within that hour must wait behind the backlog."""
    seller(rate=10, terms={"rate_mflops": 10}, units=36_000)
    buyer("first", runs=9, ceiling_units=3_600, deliver_by=now() + 2 * HOUR)
    clear()
    hurried = buyer(
        "hurried", runs=1, ceiling_units=3_600, valid_until=now() + 60, deliver_by=now() + HOUR // 2
    )
    clear()
    assert order_of(hurried).order_status == "new"
    told = hurried.get(f"/orders/{order_of(hurried).order_id}/explain").json()
    assert told["code"] == "rate_limited", told


def test_an_order_learns_why_it_did_not_trade(market: Any) -> None:
    seller()
    poor = buyer(limit_price="0.2")
    path = f"/orders/{order_of(poor).order_id}/explain"
    assert poor.get(path).json()["code"] == "not_cleared_yet"
    row = clear()
    assert row is not None
    told = poor.get(path).json()
    assert told["code"] == "limit_below_price"
    assert told["sentence"] == "Your limit of 0.2 is 0.3 below the lowest offer of 0.5."
    assert (told["gap"], told["limit_price"], told["clearing_id"]) == ("0.3", "0.2", row.clearing_id)
    other = custodial("curious")
    assert other.get(path).status_code == 404
    assert other.client.get("/api/v1/orders/ord_0xzz/explain").status_code == 404


def test_a_canceled_order_says_so(market: Any) -> None:
    lonely = buyer()
    order = order_of(lonely)
    assert lonely.post(f"/orders/{order.order_id}/cancel").status_code == 200
    assert lonely.get(f"/orders/{order.order_id}/explain").json()["code"] == "canceled"


def test_the_book_and_past_clearings_are_public(market: Any, client: Any) -> None:
    seller()
    buyer(runs=12)
    before = client.get("/api/v1/book", {"product": PRODUCT}).json()
    assert before["offers"] == [{"price": "0.5", "units": "36000", "orders": 1}]
    assert before["bids"] == [{"price": "1", "units": "43200", "orders": 1}]
    row = clear()
    assert row is not None
    after = client.get("/api/v1/book", {"product": PRODUCT}).json()
    assert (after["offers"], after["bids"][0]["units"]) == ([], "7200")
    assert (after["last_price"], after["last_clearing_id"]) == ("1", row.clearing_id)
    (listed,) = client.get("/api/v1/clearings", {"product": PRODUCT}).json()["results"]
    assert (listed["number"], listed["trades"], listed["executed_units"]) == (1, 1, "36000")
    detail = client.get(f"/api/v1/clearings/{row.clearing_id}").json()
    assert detail["trade_list"][0]["runs"] == 10
    assert [entry["code"] for entry in detail["unfilled"]] == ["tie_later_arrival"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/book", 422),
        ("/api/v1/book?product=gold", 422),
        ("/api/v1/clearings?product=%00", 422),
        ("/api/v1/clearings?limit=9999999", 422),
        ("/api/v1/clearings/clr_0x12", 404),
        ("/api/v1/clearings/" + "clr_0x" + "00" * 32, 404),
        ("/api/v1/orders/ord_0x" + "00" * 32 + "/explain", 401),
    ],
)
def test_bad_input_is_refused_with_a_problem(market: Any, client: Any, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"


def test_two_workers_at_once_clear_a_book_once(open_market: Any) -> None:
    seller()
    buyer()

    def work(_: int) -> str | None:
        try:
            row = clear()
            return row.clearing_id if row else None
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(8)))
    assert Trade.objects.count() == 1
    # The first clearing trades, the second records what is left with its backlog, the others find nothing new.
    assert [row.trade_count for row in Clearing.objects.order_by("number")] == [1, 0]
