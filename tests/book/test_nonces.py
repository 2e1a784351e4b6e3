"""Nonces: counted up under the client's own id, and never one that would end an order that still trades."""

from concurrent.futures import ThreadPoolExecutor

from django.db import connections

from suan.core.encoding import to_hex
from suan.core.signing.domains import market_domain
from suan.core.signing.structs import Cancel
from tests.book.market import bid_body, custodial, problem, signed, wallet


def test_nonces_of_a_side_count_up_and_a_name_keeps_its_own(market):
    buyer = custodial("ada", tokens=10)
    ask = lambda side, name: buyer.post("/orders/nonces", {"side": side, "client_order_id": name}).json()  # noqa: E731
    assert [ask("buy", name)["nonce"] for name in ("a", "b", "a")] == [0, 1, 0]
    assert ask("sell", "a")["nonce"] == 0
    assert buyer.post("/bids", bid_body(buyer, client_order_id="b")).json()["nonce"] == "1"
    answer = buyer.post("/orders/nonces", {"side": "both", "client_order_id": "c"})
    assert answer.status_code == 422


def test_an_order_that_would_end_one_that_still_trades_is_refused_and_so_is_one_whose_place_is_taken(market):
    buyer = wallet("ada", tokens=50)
    domain = market_domain(market.chain_id, market.market)

    def place(nonce: int, name: str):
        return buyer.post("/bids", signed(bid_body(buyer, client_order_id=name), buyer.key, nonce=nonce))

    old = place(3, "old").json()
    problem(place(259, "young"), 422, "too_many_orders", "/nonce")
    assert place(258, "neighbour").status_code == 201
    buyer.post(
        f"/orders/{old['order_id']}/cancel",
        {"signature": to_hex(buyer.key.sign(Cancel(buyer.address, 1, 3).digest(domain)))},
    )
    assert place(259, "young").status_code == 201
    problem(place(2, "late"), 422, "nonce_too_old", "/nonce")


def test_a_nonce_that_is_kept_for_one_order_is_not_taken_by_another(market):
    buyer = wallet("ada", tokens=50)
    kept = buyer.post("/orders/nonces", {"side": "buy", "client_order_id": "mine"}).json()["nonce"]

    def place(name: str):
        return buyer.post("/bids", signed(bid_body(buyer, client_order_id=name), buyer.key, nonce=kept))

    problem(place("other"), 422, "nonce_used", "/nonce")
    assert place("mine").status_code == 201


def test_many_names_at_once_get_a_nonce_each_and_one_name_always_its_own(open_market):
    buyer = custodial("ada", tokens=10)

    def ask(name: str) -> tuple[str, int]:
        try:
            answer = buyer.post("/orders/nonces", {"side": "buy", "client_order_id": name})
            return name, answer.json()["nonce"]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        kept = set(pool.map(ask, [f"order-{number % 6}" for number in range(24)]))
    assert sorted(nonce for _, nonce in kept) == list(range(6))
