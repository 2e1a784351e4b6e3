"""A wallet's way through the pages, and pages without any script, in a real browser."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect

from marketplace.accounts import actions as accounts
from marketplace.accounts.models import Participant
from tests.book.market import PASSWORD
from tests.browser.wallet import Wallet
from tests.browser.window import Window
from tests.core.signing.keys import Key
from tests.settlement.exchange import Exchange

pytestmark = [pytest.mark.browser, pytest.mark.chain]


def test_a_wallet_signs_in_deposits_bids_cancels_and_leaves(window: Window, exchange: Exchange):
    known = exchange.world.known
    wallet = Wallet(
        Key("browser wallet"),
        known.chain_id,
        lambda method, params: exchange.world.anvil.rpc(method, *params),
    )
    wallet.plug_into(window.page)
    page, state = window.page, ".wallet-state"

    window.open("/sign-in?next=/account")
    for code, words in ((4001, "declined"), (4100, "does not allow"), (-32002, "already asking")):
        wallet.refuse = {"personal_sign": code}
        page.get_by_role("button", name="Test Wallet").click()
        expect(page.locator(state)).to_contain_text(words)
    wallet.refuse, wallet.chain_id = {}, 1
    page.get_by_role("button", name="Test Wallet").click()
    expect(page.locator(state)).to_contain_text(f"does not know chain {known.chain_id}")
    wallet.chain_id = known.chain_id
    page.get_by_role("button", name="Test Wallet").click()
    page.wait_for_url("**/account")
    assert "your own wallet" in window.text(".sub") and wallet.key.address in window.text(".sub")

    page.get_by_role("button", name="Get 1,000 TSUAN").click()
    assert "Test tokens are on their way" in window.text(".note-success")
    exchange.settle_chain(final=True)
    page.locator("#deposit_amount").fill("250.5")
    window.press("Deposit")
    assert window.overflow() <= 0
    window.press("Sign with the wallet")
    page.wait_for_url("**/account")
    exchange.settle_chain(final=True)
    expect(page.locator("#available")).to_have_text("1,250.5 TSUAN")

    window.open("/bids/new")
    window.fill(price="0.5")
    window.press("Check cost and outcomes")
    wallet.refuse = {"eth_signTypedData_v4": 4001}
    window.press("Sign with the wallet and place")
    expect(page.locator(state)).to_contain_text("declined")
    wallet.refuse = {}
    window.press("Sign with the wallet and place")
    page.wait_for_url("**/orders/ord_*")
    order = Participant.objects.get(address=wallet.key.address).orders.get()
    assert order.signer == wallet.key.address
    window.press("Cancel the bid")
    expect(page.locator(".state-line")).to_contain_text("canceled")

    window.open("/account")
    page.locator("#withdrawal_amount").fill("50.5")
    window.press("Ask for it")
    window.press("Sign with the wallet")
    page.wait_for_url("**/account")
    exchange.settle_chain(final=True)
    expect(page.locator("#live-money")).to_contain_text("50.5 TSUAN")
    exchange.world.anvil.pass_time(known.withdrawal_delay + 1)
    exchange.world.finalise()
    later = int(time.time()) + known.withdrawal_delay + 10
    assert accounts.execute_ready_withdrawals(now=later) == 1
    exchange.settle_chain(final=True)
    expect(page.locator("#available")).to_have_text("1,200 TSUAN")
    assert wallet.asked.count("eth_signTypedData_v4") == 5

    page.evaluate("window.suanTestEmit('accountsChanged', ['0x' + '11'.repeat(20)])")
    page.wait_for_url(re.compile(r"^http://[^/]+/$"))
    assert "Register" in window.text(".session"), "another account in the wallet ends the session"


def test_pages_work_without_scripts(chromium, site: str, exchange: Exchange):
    context = chromium.new_context(base_url=site, java_script_enabled=False)
    window = Window(context.new_page())
    window.sign_in("provider", PASSWORD)
    window.open("/offers/new")
    window.fill(units="0.01", price="0.9")
    window.press("Check the offer")
    window.press("Place the offer")
    assert "new" in window.text(".state-line")
    window.press("Withdraw the offer")
    assert "canceled" in window.text(".state-line")
    context.close()
