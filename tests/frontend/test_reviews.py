"""A page that shows an order before it is placed writes nothing, and two of them open at once do each other no harm."""

from __future__ import annotations

import json
import re
from typing import Any

from django.db import connection
from django.test import Client

from marketplace.book.models import NonceReservation
from suan.core.encoding import to_hex
from suan.core.signing.domains import market_domain
from suan.core.signing.structs import Bid
from tests.book.market import bid_body, custodial, problem, wallet
from tests.frontend.test_trading import BID, bid_form, draft_of, offer_form, place_offer
from tests.receipts.programs import additions

KEY_USE = "accounts_apikey"
"""The one table that a call with an API key touches whatever it asks for: when the key was used last."""


def contents() -> dict[str, str]:
    """A digest of the rows of every table but KEY_USE."""
    found = {}
    with connection.cursor() as cursor:
        for table in sorted(connection.introspection.table_names(cursor)):
            if table != KEY_USE:
                cursor.execute(
                    f"SELECT count(*) || md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '')) FROM \"{table}\" t"
                )
                found[table] = cursor.fetchone()[0]
    assert {"book_order", "book_noncereservation", "book_artifact", "ledger_transfer"} <= set(found)
    return found


def signed_in(person: Any) -> Client:
    browser = Client()
    browser.force_login(person.participant.user)
    return browser


def uploaded(person: Any) -> dict[str, str]:
    """The bid's form with job bytes that were uploaded before."""
    return BID | {"kept_module": person.upload(additions(10)), "kept_stdin": person.upload(b"input")}


def signed_post(person: Any, browser: Client, review: Any, market: Any) -> dict[str, str]:
    """What the page's script sends: it has a nonce kept for the order's name, puts it in, and lets the wallet sign."""
    text = review.content.decode()
    side, name = re.findall(r'data-order-side="(\w+)" data-order-name="([^"]+)"', text)[0]
    asked = browser.post(
        "/api/v1/orders/nonces",
        json.dumps({"side": side, "client_order_id": name}),
        content_type="application/json",
    )
    (typed,) = json.loads(re.findall(r'<script type="application/json">(.*?)</script>', text)[0])
    bid = Bid.from_json(typed["message"] | {"nonce": asked.json()["nonce"]})
    signature = person.key.sign(bid.digest(market_domain(market.chain_id, market.market)))
    return {"draft": draft_of(review), "nonce": str(bid.nonce), "signature_0": to_hex(signature)}


def nonce_shown(review: Any) -> int:
    return int(re.findall(r"<dd data-nonce>(\d+)</dd>", review.content.decode())[0])


def test_looking_at_a_bid_twice_writes_nothing(market):
    for person in (custodial("ada", 100), wallet("bob", 100)):
        browser, form = signed_in(person), uploaded(person)
        before = contents()
        reviews = [browser.post("/bids/new", form) for _ in range(2)]
        assert [review.status_code for review in reviews] == [200, 200]
        assert contents() == before
        assert [nonce_shown(review) for review in reviews] == [0, 0]


def test_looking_at_an_offer_or_a_changed_one_twice_writes_nothing(seller):
    order = place_offer(seller)
    before = contents()
    for path in ("/offers/new", f"/offers/{order}/edit") * 2:
        assert seller.browser.post(path, offer_form(seller, price="0.8")).status_code == 200
    assert contents() == before


def test_a_preview_through_the_api_writes_nothing(market):
    buyer = custodial("ada", 100)
    body = {
        "side": "buy",
        "product": BID["product"],
        "limit_price": "1",
        "runs": 4,
        "ceiling_units": 3_600,
    }
    before = contents()
    assert [buyer.post("/orders/preview", body).status_code for _ in range(2)] == [200, 200]
    assert contents() == before


def test_two_pages_that_show_one_nonce_give_a_wallet_two_orders(market):
    owner = wallet("ada", 100)
    browser, form = signed_in(owner), uploaded(owner)
    first, second = (browser.post("/bids/new", form) for _ in range(2))
    assert nonce_shown(first) == nonce_shown(second) == 0
    sent = [signed_post(owner, browser, review, market) for review in (second, first)]
    for post in sent:
        assert browser.post("/bids/place", post)["Location"].startswith("/orders/ord_")
    orders = owner.get("/orders").json()["results"]
    assert sorted(order["nonce"] for order in orders) == ["0", "1"]
    again = browser.post("/bids/place", sent[0])
    assert again["Location"] == f"/orders/{orders[1]['order_id']}", "a repeat of the button is the same order"
    assert NonceReservation.objects.count() == 2
    assert nonce_shown(browser.post("/bids/new", form)) == 2


def test_two_pages_that_show_one_nonce_give_a_custodial_account_two_orders(buyer):
    reviews = [buyer.browser.post("/bids/new", bid_form()) for _ in range(2)]
    for review in reviews:
        assert buyer.browser.post("/bids/place", {"draft": draft_of(review)}).status_code == 302
    assert sorted(order["nonce"] for order in buyer.get("/orders").json()["results"]) == ["0", "1"]


def test_a_signature_without_the_nonce_that_it_covers_is_refused_and_the_page_still_works(market):
    owner = wallet("ada", 100)
    browser = signed_in(owner)
    review = browser.post("/bids/new", uploaded(owner))
    sent = signed_post(owner, browser, review, market)
    refused = browser.post("/bids/place", {name: sent[name] for name in ("draft", "signature_0")})
    assert refused.status_code == 422 and b"load it again and sign anew" in refused.content
    assert browser.post("/bids/place", sent).status_code == 302


def test_a_refused_order_keeps_no_nonce(market):
    poor = custodial("ada")
    problem(poor.post("/bids", bid_body(poor)), 422, "insufficient_funds", "/maker")
    assert not NonceReservation.objects.exists()
