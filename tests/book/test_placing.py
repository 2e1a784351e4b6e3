"""Orders come in: custodial and signed, once for ever, with the money held and an acknowledgement."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections, transaction

from ledger import custodial, evidence
from ledger.queries import balances
from marketplace.book import queries
from marketplace.book.models import ExecutionReport, Order
from suan.core.encoding import from_hex
from suan.core.ids import parse_id
from suan.core.signing.domains import market_domain
from suan.core.signing.recover import recover
from suan.core.signing.structs import Acknowledgement
from suan.core.units import bid_hold
from tests.book.market import (
    TOKEN,
    bid_body,
    offer_body,
    register_node,
    signed,
    wallet,
)
from tests.book.market import (
    custodial as custodial_person,
)


def test_a_custodial_bid_is_signed_by_the_platform_held_acknowledged_and_published(
    market, django_capture_on_commit_callbacks
):
    buyer = custodial_person("buyer", tokens=10)
    with django_capture_on_commit_callbacks(execute=True):
        answer = buyer.post("/bids", bid_body(buyer))
    assert answer.status_code == 201, answer.content
    seen = answer.json()
    assert seen["order_status"] == "new"
    assert (seen["quantity"], seen["cum_quantity"], seen["leaves_quantity"]) == (4, 0, 4)
    order = queries.order_by_id(seen["order_id"])
    domain = market_domain(market.chain_id, market.market)
    digest = queries.struct_of(order).digest(domain)
    assert digest == parse_id(seen["order_id"])
    assert recover(digest, from_hex(order.signature)) == buyer.address

    held = bid_hold(TOKEN, 4, 3_600)
    assert (balances(buyer.address).held, balances(buyer.address).available) == (held, 10 * TOKEN - held)
    said = seen["acknowledgement"]
    digest = Acknowledgement(digest, said["sequence"], said["accepted_at"]).digest(domain)
    assert recover(digest, from_hex(said["signature"])) == custodial.address_of("acknowledger")

    for kind in ("orders", "acknowledgements"):
        assert evidence.read(kind, seen["order_id"]) is not None
    assert evidence.read("terms", order.terms_hash) is not None
    assert evidence.read("objects", order.terms["module"]) is not None
    assert [report.exec_type for report in order.execution_reports.all()] == ["new"]


def test_private_job_bytes_are_never_published(market, django_capture_on_commit_callbacks):
    buyer = custodial_person("buyer", tokens=10)
    with django_capture_on_commit_callbacks(execute=True):
        answer = buyer.post("/bids", bid_body(buyer, terms={"disclosure": "private"}))
    assert answer.status_code == 201
    assert evidence.read("objects", answer.json()["terms"]["module"]) is None


def test_a_wallet_signs_its_own_bid(market):
    buyer = wallet("ada", tokens=10)
    answer = buyer.post("/bids", signed(bid_body(buyer), buyer.key))
    assert answer.status_code == 201, answer.content
    assert answer.json()["maker"] == buyer.address


def test_an_offer_holds_the_bond_of_all_its_units(market):
    seller = custodial_person("seller", tokens=10)
    agent = register_node(seller)
    answer = seller.post("/offers", offer_body(agent.address))
    assert answer.status_code == 201, answer.content
    # 25 % of 0.5 tokens per GFLOPS·h, for a hundredth of a GFLOPS·h.
    assert balances(seller.address).held == TOKEN // 8 // 100


def test_a_repeat_of_the_same_body_is_the_same_order(market):
    buyer = custodial_person("buyer", tokens=10)
    body = bid_body(buyer)
    first, again = buyer.post("/bids", body), buyer.post("/bids", body | {"limit_price": "1.000"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert balances(buyer.address).held == bid_hold(TOKEN, 4, 3_600)


def test_twenty_posts_of_one_bid_at_once_are_one_order(open_market):
    buyer = custodial_person("buyer", tokens=10)
    body = bid_body(buyer)

    def post(_: int) -> tuple[int, str]:
        try:
            answer = type(buyer).post(buyer, "/bids", body)
            return answer.status_code, answer.json().get("order_id", str(answer.content))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(post, range(20)))
    assert sorted(status for status, _ in answers) == [200] * 19 + [201]
    assert len({order_id for _, order_id in answers}) == 1
    assert Order.objects.count() == 1
    assert balances(buyer.address).held == bid_hold(TOKEN, 4, 3_600)


def test_orders_of_many_buyers_at_once_get_sequences_in_the_order_of_their_commits(open_market):
    buyers = [custodial_person(f"buyer{number}", tokens=10) for number in range(6)]
    bodies = [bid_body(buyer) for buyer in buyers]

    def post(place: int) -> int:
        try:
            return buyers[place].post("/bids", bodies[place]).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(post, range(6))) == [201] * 6
    sequences = list(Order.objects.order_by("id").values_list("sequence", flat=True))
    assert sequences == sorted(sequences)
    assert queries.last_sequence() == sequences[-1]


def test_the_database_refuses_quantities_that_do_not_add_up(market):
    buyer = custodial_person("buyer", tokens=10)
    buyer.post("/bids", bid_body(buyer))
    with pytest.raises(Exception, match="order_quantity_adds_up"), transaction.atomic():
        Order.objects.update(cum_quantity=1)


def test_the_database_refuses_to_change_an_execution_report(market):
    buyer = custodial_person("buyer", tokens=10)
    buyer.post("/bids", bid_body(buyer))
    with pytest.raises(Exception, match="written once"), transaction.atomic():
        ExecutionReport.objects.update(text="changed")
    with pytest.raises(Exception, match="written once"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM book_executionreport")


def test_a_preview_shows_cost_fill_and_outcomes_and_changes_nothing(market):
    seller, buyer = custodial_person("seller", tokens=10), custodial_person("buyer", tokens=1)
    seller.post("/offers", offer_body(register_node(seller).address, units=2 * 3_600))
    body = {
        "side": "buy",
        "product": "cpu.fp64:eu-north:recomputed",
        "limit_price": "1",
        "runs": 4,
        "ceiling_units": 3_600,
    }
    seen = buyer.post("/orders/preview", body).json()
    assert (seen["would_fill"], seen["estimated_price"]) == (2, "0.5")
    assert (seen["worst_cost"], seen["held"], seen["missing"]) == ("0.004", "0.004", "0")
    outcomes = {entry["case"]: entry["billed"] for entry in seen["money_outcomes"]}
    assert outcomes["finished"] and not outcomes["ran out of wall-clock time"]
    assert Order.objects.count() == 1
    assert balances(buyer.address).held == 0


def test_own_orders_are_listed_in_pages_and_found_by_client_id(market):
    buyer, other = custodial_person("buyer", tokens=10), custodial_person("other", tokens=10)
    body = bid_body(buyer)
    for number in range(3):
        assert buyer.post("/bids", body | {"client_order_id": f"n{number}"}).status_code == 201
    first = buyer.get("/orders", limit=2).json()
    second = buyer.get("/orders", limit=2, cursor=first["next"]).json()
    names = [row["client_order_id"] for row in first["results"] + second["results"]]
    assert (names, second["next"]) == (["n2", "n1", "n0"], None)
    found = buyer.get("/orders", client_order_id="n1").json()["results"]
    assert [row["client_order_id"] for row in found] == ["n1"]
    assert other.get("/orders").json()["results"] == []
    assert other.get(f"/orders/{found[0]['order_id']}").status_code == 404
    assert buyer.get(f"/orders/{found[0]['order_id']}").json()["executions"][0]["exec_type"] == "new"


def test_the_market_is_described_without_a_key(market, client):
    seen = client.get("/api/v1/market").json()
    assert seen["market"] == market.market
    assert seen["verifier_set"]["id"] == market.verifier_set.id
    assert seen["domains"]["market"]["chainId"] == market.chain_id
    assert {product["symbol"] for product in seen["products"]} >= {"cpu.fp64:eu-north:recomputed"}
    assert seen["metering"]["weights"]["cpu.fp64"]["fp64"] == 100
