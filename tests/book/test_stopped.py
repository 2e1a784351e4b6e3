"""The kill switch: one person stops trading at once, the book is kept, cancels work, and two persons resume."""

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client

from ledger.control import kill_switch
from ledger.models import SwitchEntry
from marketplace.clearing import actions as clearing
from tests.book.market import PRODUCT, bid_body, custodial, now, offer_body, register_node


@pytest.fixture
def staff(market, monkeypatch) -> None:
    """Anna and Ben are of the staff, Cleo is not."""
    users = get_user_model().objects
    for name in ("anna", "ben"):
        users.create_user(username=name, password=f"{name}'s long password", is_staff=True)
    users.create_user(username="cleo", password="cleo's long password")


def as_person(monkeypatch, name: str) -> str:
    monkeypatch.setenv("SUAN_OPERATOR_PASSWORD", f"{name}'s long password")
    return name


def test_a_stop_refuses_the_very_next_order_keeps_the_book_and_lets_people_cancel(staff, monkeypatch):
    buyer, seller = custodial("buyer", tokens=100), custodial("seller", tokens=100)
    agent = register_node(seller)
    kept, gone = bid_body(buyer), bid_body(buyer, client_order_id="bid-2")
    placed = buyer.post("/bids", kept).json()["order_id"]
    cancelled = buyer.post("/bids", gone).json()["order_id"]

    call_command("stop", "trading", person="anna", reason="prices look wrong")
    answer = buyer.post("/bids", bid_body(buyer, client_order_id="bid-3"))
    assert answer.status_code == 503 and answer.json()["code"] == "halted"
    assert "prices look wrong" in answer.json()["detail"] and "cancels work" in answer.json()["detail"]
    assert seller.post("/offers", offer_body(agent.address)).json()["code"] == "halted"
    assert buyer.post("/bids", kept).status_code == 200, "a repeat is still the same order"
    assert buyer.post(f"/orders/{cancelled}/cancel").json()["order_status"] == "canceled"
    assert buyer.get(f"/orders/{placed}").json()["order_status"] == "new"
    assert clearing.clear_product(symbol=PRODUCT, now=now()) is None
    page = Client().get("/status").content.decode()
    assert "prices look wrong" in page and "0 of 2 persons" in page
    assert Client().get("/api/v1/status").json()["healthy"] is False

    with pytest.raises(CommandError, match="second person"):
        call_command("resume", "trading", person=as_person(monkeypatch, "anna"))
    with pytest.raises(CommandError, match="second person"):
        call_command("resume", "trading", person=as_person(monkeypatch, "anna"))
    assert buyer.post("/bids", bid_body(buyer, client_order_id="bid-3")).status_code == 503
    call_command("resume", "trading", person=as_person(monkeypatch, "ben"))
    assert buyer.post("/bids", bid_body(buyer, client_order_id="bid-3")).status_code == 201
    assert seller.post("/offers", offer_body(agent.address)).status_code == 201
    assert [(row.verb, row.person) for row in SwitchEntry.objects.order_by("id")] == [
        ("stop", "anna"), ("ask", "anna"), ("ask", "anna"), ("ask", "ben"), ("resume", "ben"),
    ]  # fmt: skip


def test_only_the_staff_stops_and_only_a_password_resumes(staff, monkeypatch):
    for person in ("cleo", "nobody"):
        with pytest.raises(CommandError, match="createsuperuser"):
            call_command("stop", "trading", person=person, reason="x")
    with pytest.raises(CommandError, match="not stopped"):
        call_command("resume", "trading", person=as_person(monkeypatch, "anna"))
    call_command("stop", "trading", person="anna", reason="x")
    as_person(monkeypatch, "ben")
    with pytest.raises(CommandError, match="not the password of anna"):
        call_command("resume", "trading", person="anna")
    assert kill_switch.stopped() is not None and SwitchEntry.objects.count() == 1


def test_a_wish_to_resume_from_before_another_stop_or_too_long_ago_does_not_count(staff):
    from datetime import UTC, datetime, timedelta

    from ledger.errors import SecondPersonNeeded

    at = datetime(2026, 11, 25, tzinfo=UTC)
    kill_switch.stop(switch="trading", person="anna", reason="one", now=at)
    with pytest.raises(SecondPersonNeeded):
        kill_switch.resume(switch="trading", person="anna", reason="", now=at + timedelta(seconds=1))
    kill_switch.stop(switch="trading", person="ben", reason="two", now=at + timedelta(seconds=2))
    with pytest.raises(SecondPersonNeeded):
        kill_switch.resume(switch="trading", person="ben", reason="", now=at + timedelta(seconds=3))
    late = at + timedelta(seconds=4 + kill_switch.RESUME_SECONDS_MAX)
    with pytest.raises(SecondPersonNeeded):
        kill_switch.resume(switch="trading", person="anna", reason="", now=late)
    assert kill_switch.stopped().reason == "two"
    kill_switch.resume(switch="trading", person="ben", reason="", now=late + timedelta(seconds=1))
    assert kill_switch.stopped() is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_switchentry SET person = 'x'",
        "DELETE FROM ledger_switchentry",
        "TRUNCATE ledger_switchentry",
    ],
)
def test_the_log_of_the_switch_is_never_rewritten(staff, statement: str):
    call_command("stop", "trading", person="anna", reason="x")
    with (
        pytest.raises(DatabaseError, match="is refused"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    (row,) = SwitchEntry.objects.all()
    assert row.digest == kill_switch.digest_of(row)
