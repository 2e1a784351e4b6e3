"""The derived columns of orders are what their execution reports and holds say: rebuilt, they are the same."""

import io

import pytest
from django.core.management import call_command
from django.db import connection

from ledger import journal
from marketplace.book import actions
from marketplace.book.models import Order
from tests.book.market import bid_body, custodial, offer_body, register_node

COLUMNS = ("order_status", "cum_quantity", "leaves_quantity", "free_runs", "held")


def derived() -> list[tuple]:
    return list(Order.objects.order_by("id").values_list(*COLUMNS))


def rebuild() -> int:
    said = io.StringIO()
    call_command("rebuild", "orders", stdout=said)
    return int(said.getvalue().split("orders: ")[-1].split(" ")[0])


@pytest.fixture
def orders(market) -> list[Order]:
    """Two bids, one of them cancelled, and an offer."""
    buyer, seller = custodial("buyer", tokens=100), custodial("seller", tokens=100)
    agent = register_node(seller)
    buyer.post("/bids", bid_body(buyer))
    second = buyer.post("/bids", bid_body(buyer, client_order_id="bid-2")).json()["order_id"]
    seller.post("/offers", offer_body(agent.address))
    buyer.post(f"/orders/{second}/cancel")
    return list(Order.objects.order_by("id"))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE book_order SET cum_quantity = cum_quantity + 1, leaves_quantity = leaves_quantity - 1"
        " WHERE leaves_quantity > 0",
        "UPDATE book_order SET order_status = 'filled'",
        "UPDATE book_order SET held = held + 1",
        "UPDATE book_order SET free_runs = '[[1, 1]]' WHERE side = 1",
    ],
)
def test_spoilt_orders_are_rebuilt_from_their_reports(orders, statement: str):
    before = derived()
    assert rebuild() == 0
    with connection.cursor() as cursor:
        cursor.execute(statement)
    assert derived() != before
    assert rebuild() > 0
    assert derived() == before
    assert rebuild() == 0


def test_held_is_what_the_journal_holds(orders):
    order = orders[0]
    journal.resize(key=order.hold_key, amount=order.held - 5)
    assert actions.rebuild_orders(print) == 1
    assert Order.objects.get(pk=order.pk).held == order.held - 5
