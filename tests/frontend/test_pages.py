"""Every address answers: to visitors, to people with an account, and to whatever stands in its place of an id."""

from __future__ import annotations

import re

import pytest

from tests.book.market import PRODUCT, offer_body

PUBLIC = ["/", "/markets", f"/markets/{PRODUCT}", "/sign-in", "/register", "/trades", "/audit", "/status"]
PRIVATE = [
    "/account",
    "/offers",
    "/offers/new",
    "/bids/new",
    "/orders",
    "/orders?show=open",
    "/trades?show=mine",
]
WITH_ID = [
    "/markets/{}",
    "/auctions/{}",
    "/trades/{}",
    "/trades/{}/runs/0/output",
    "/orders/{}",
    "/orders/{}/acknowledgement",
    "/offers/{}/edit",
]
STRANGE = [
    "x",
    "%00",
    "ord_0x" + "f" * 64,
    "trd_0x" + "f" * 64,
    "clr_0x" + "0" * 64,
    "ord_0x" + "F" * 64,
    "trd_0x" + "f" * 63,
    "0x" + "f" * 64,
    "ord_",
    "%F0%9F%92%A5",
    "%ff%fe",
    "..",
    "'%20OR%201=1",
    "a" * 2_000,
    "cpu.fp64:mars:recomputed",
]
POSTS = [
    "/sign-in",
    "/register",
    "/account/faucet",
    "/account/keys",
    "/account/keys/deadbeef/revoke",
    "/account/requests/withdrawal",
    "/account/requests/deposit",
    "/account/requests/delegate",
    "/account/requests/agent",
    "/account/requests/nonsense",
    "/offers/new",
    "/offers/place",
    "/bids/new",
    "/bids/place",
    "/orders/ord_0x" + "f" * 64 + "/cancel",
]
BODIES = [
    {},
    {"draft": "x", "signature_0": "0x00"},
    {"username": "a\0b", "password": "\0"},
    {"amount": "-1", "key": "0x12", "price": "1e5", "units": "NaN", "runs": "9" * 400, "ceiling": "0"},
    {"amount": "9" * 60, "key": "\0", "price": "٣", "node": "x|y", "job": "upload", "product": "x"},
]


@pytest.mark.parametrize("path", PUBLIC)
def test_a_visitor_sees_every_public_page(market, visitor, path):
    answer = visitor.get(path)
    assert answer.status_code == 200, path
    assert visitor.head(path).status_code == 200


@pytest.mark.parametrize("path", [path for path in PRIVATE if "trades" not in path])
def test_a_visitor_is_asked_to_sign_in_and_comes_back(market, visitor, path):
    answer = visitor.get(path)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/sign-in?next=%2F")


@pytest.mark.parametrize("path", [*PUBLIC, *PRIVATE])
def test_an_account_sees_every_page(seller, path):
    answer = seller.browser.get(path)
    assert answer.status_code == (302 if path in ("/sign-in", "/register") else 200), path


@pytest.mark.parametrize("path", WITH_ID)
def test_a_strange_id_is_not_found(seller, visitor, path):
    for strange in STRANGE:
        for browser in (seller.browser, visitor):
            answer = browser.get(path.format(strange))
            assert answer.status_code in (302, 400, 404), (path.format(strange), answer.status_code)


def test_a_strange_page_number_or_filter_is_the_first_page(seller):
    for query in ("page=0", "page=-1", "page=9999999", "page=%00", "page=x", "show=%00", "show=nothing"):
        for path in ("/orders", "/trades"):
            assert seller.browser.get(f"{path}?{query}").status_code == 200


@pytest.mark.parametrize("path", POSTS)
def test_a_strange_form_is_refused_and_never_our_error(seller, visitor, path):
    for body in BODIES:
        for browser in (seller.browser, visitor):
            answer = browser.post(path, body)
            assert answer.status_code < 500, (path, body, answer.status_code)
        seller.browser.force_login(seller.participant.user)


def test_other_peoples_orders_are_not_found(seller, buyer):
    order = seller.post("/offers", offer_body(seller.agent.address)).json()["order_id"]
    assert seller.browser.get(f"/orders/{order}").status_code == 200
    for path in (f"/orders/{order}", f"/offers/{order}/edit", f"/orders/{order}/acknowledgement"):
        assert buyer.browser.get(path).status_code == 404
    assert buyer.browser.post(f"/orders/{order}/cancel").status_code == 404


def test_pages_carry_no_script_and_no_style_of_their_own(seller):
    """The content security policy allows files of this site only, so anything inline would be dead."""
    for path in (*PUBLIC, *PRIVATE):
        answer = seller.browser.get(path)
        if answer.status_code != 200:
            continue
        html = answer.content.decode()
        scripts = re.findall(r"<script(?![^>]*(?:src=|application/json))[^>]*>", html)
        assert not scripts and "<style" not in html, path
        assert not re.search(r"\s(style|on[a-z]+)=\"", html), path
        policy = answer["Content-Security-Policy"]
        assert "script-src 'self'" in policy and "unsafe" not in policy


@pytest.mark.parametrize("path", ["/sign-in", "/register", "/account", "/offers/new", "/bids/new"])
def test_every_field_has_its_label_and_every_id_is_one(seller, visitor, path):
    answer = (visitor if path in ("/sign-in", "/register") else seller.browser).get(path)
    html = answer.content.decode()
    fields = re.findall(r"<(?:input|select|textarea)(?![^>]*type=\"hidden\")[^>]*\bid=\"([^\"]+)\"", html)
    labels = re.findall(r"<label for=\"([^\"]+)\"", html)
    assert fields and set(fields) == set(labels)
    ids = re.findall(r"\sid=\"([^\"]+)\"", html)
    assert len(ids) == len(set(ids))


def test_without_contracts_pages_say_that_they_are_not_ready(db, var, visitor):
    for path in ("/", "/audit", "/status", "/sign-in"):
        answer = visitor.get(path)
        assert answer.status_code == 503 and b"not on its chain yet" in answer.content
    assert visitor.get("/nothing").status_code == 404


def test_a_stale_form_gets_a_page_that_says_so(market):
    from django.test import Client

    answer = Client(enforce_csrf_checks=True).post("/sign-in", {"username": "x", "password": "y"})
    assert answer.status_code == 403
    assert b"This form is stale" in answer.content and b"/markets" in answer.content


def test_a_failure_of_ours_is_a_page_in_the_same_look(market, visitor, monkeypatch):
    from frontend.markets import board

    def broken(**_: object) -> None:
        raise RuntimeError("our bug")

    monkeypatch.setattr(board, "lines", broken)
    visitor.raise_request_exception = False
    answer = visitor.get("/markets")
    assert answer.status_code == 500 and b"We failed, not you" in answer.content
