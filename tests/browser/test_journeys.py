"""A stranger's first minutes and an order's whole way, through the pages in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from marketplace.accounts.models import Participant
from tests.book.market import PASSWORD, PRODUCT, Person, custodial, register_node
from tests.browser.window import Window
from tests.settlement.exchange import Exchange

pytestmark = [pytest.mark.browser, pytest.mark.chain]
PUBLIC = ("/", "/markets", f"/markets/{PRODUCT}", "/trades", "/audit", "/status", "/sign-in", "/nowhere")


def look_at(window: Window, seen: list[str]) -> None:
    """The page fits on a phone, and its texts can be read in the light and in the dark."""
    seen.append(window.heading())
    assert window.overflow() <= 0, f"{window.page.url} is wider than a phone"
    for scheme in ("light", "dark"):
        assert window.pale_texts(scheme) == [], f"{window.page.url} in the {scheme}"


def test_a_stranger_registers_lists_capacity_changes_and_withdraws_it(window: Window, exchange: Exchange):
    seen: list[str] = []
    for path in PUBLIC:
        window.open(path)
        look_at(window, seen)

    window.open("/register")
    look_at(window, seen)
    window.fill(username="stranger", password="short")
    window.press("Open the account")
    assert "at least 10 characters" in window.text(".field-bad")
    window.fill(username="stranger", password=PASSWORD)
    window.press("Open the account")
    window.page.wait_for_url("**/account")
    assert "custodial" in window.text(".sub")
    look_at(window, seen)

    window.page.get_by_role("button", name="Get 1,000 TSUAN").click()
    assert "Test tokens are on their way" in window.text(".note-success")
    exchange.settle_chain(final=True)
    expect(window.page.locator("#available")).to_have_text("1,000 TSUAN")  # The page renews itself.

    window.open("/offers/new")
    assert "suan provider run" in window.text()
    look_at(window, seen)
    register_node(
        Person(Participant.objects.get(user__username="stranger")), label="stranger's node", rate=800
    )
    window.page.reload()
    window.fill(rate_mflops="801", units="0.01", price="0.9")
    window.press("Check the offer")
    assert "measured at 800 MFLOPS" in window.text(".field-bad")
    look_at(window, seen)
    window.fill(rate_mflops="800")
    window.press("Check the offer")
    assert "0.00225" in window.text("section:has(#money)"), "a quarter of the price as bond"
    look_at(window, seen)
    window.press("Place the offer")
    window.page.wait_for_url("**/orders/ord_*")
    look_at(window, seen)

    window.open(f"/markets/{PRODUCT}")
    assert "0.9" in window.text("table.ladder >> nth=1")
    window.open("/offers")
    look_at(window, seen)
    window.page.get_by_role("link", name="Edit").click()
    window.fill(price="0.75")
    window.press("Check the offer")
    window.press("Place the offer")
    assert "The offer was changed" in window.text(".note-success")
    window.open(f"/markets/{PRODUCT}")
    assert "0.75" in window.text("table.ladder >> nth=1") and "0.9" not in window.text(
        "table.ladder >> nth=1"
    )

    window.open("/offers")
    window.page.get_by_role("link", name="Withdraw").click()
    window.press("Withdraw the offer")
    assert "canceled" in window.text(".state-line")
    window.open(f"/markets/{PRODUCT}")
    assert "The book is empty" in window.text()
    window.press("Sign out")
    assert len(set(seen)) >= 12, seen


def test_a_bid_goes_from_the_form_to_its_output_and_the_audit(window: Window, exchange: Exchange):
    seen: list[str] = []
    exchange.offer(units=36_000)
    custodial("reader")
    window.sign_in("buyer", PASSWORD)
    window.open("/bids/new")
    look_at(window, seen)
    window.page.get_by_label("Mandelbrot").check()
    expect(window.page.get_by_label("Ceiling of one run")).to_have_value("544")
    window.page.get_by_label("Sun and giant planets").check()
    window.fill(price="1.25")
    expect(window.page.locator("[data-ticket-cost] output")).to_have_text("0.000022222222222224")
    window.press("Check cost and outcomes")
    assert "0.00002222" in window.text(".strong") and "trapped" in window.text("section:has(#outcomes)")
    look_at(window, seen)
    window.press("Place the bid")
    window.page.wait_for_url("**/orders/ord_*")
    order = window.page.url.rpartition("/")[2]
    assert "not_cleared_yet" in window.text("#live-order")

    exchange.lock()
    link = window.page.locator("#live-order a[href^='/trades/']").first
    link.wait_for()
    look_at(window, seen)
    link.click()
    assert "locked" in window.text(".state-line")
    look_at(window, seen)
    for lease in exchange.lease():
        exchange.deliver(lease)
    exchange.verify()
    exchange.close(final=True)
    expect(window.page.locator(".state-line")).to_contain_text("settled")
    expect(window.page.locator(".step-done")).to_have_count(7)
    look_at(window, seen)
    window.page.locator("details.preview").first.click()
    assert "saturn" in window.text("details.preview pre")
    with window.page.expect_download() as download:
        window.page.get_by_role("link", name="Download").first.click()
    assert download.value.suggested_filename == "run-0.txt"

    for path in (
        "/orders",
        f"/orders/{order}",
        "/trades?show=mine",
        "/account",
        "/status",
        f"/markets/{PRODUCT}",
    ):
        window.open(path)
        look_at(window, seen)
    window.page.locator("#auctions ~ .scroll a").first.click()
    look_at(window, seen)
    window.open("/audit")
    assert "conserved" in window.text(".state-line") and exchange.world.known.market in window.text(
        ".command"
    )
    assert " no" not in window.text("section:has(#accounts) tbody")
    look_at(window, seen)
