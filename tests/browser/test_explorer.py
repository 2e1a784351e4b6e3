"""The explorer and the verify page in a real browser: every page on a phone and in both schemes, by keyboard, by drop."""

from __future__ import annotations

import json

import pytest

from tests.browser.test_journeys import look_at
from tests.browser.window import Window
from tests.receipts.programs import additions
from tests.settlement.exchange import Exchange

pytestmark = [pytest.mark.browser, pytest.mark.chain]


def test_an_auditor_finds_everything_from_the_search_box_and_verifies_it(window: Window, exchange: Exchange):
    seen: list[str] = []
    trade = exchange.trade(additions(1_000), runs=2)
    for lease in exchange.lease():
        exchange.deliver(lease)
    exchange.verify()
    exchange.close(final=True)
    view = exchange.seen(trade)
    receipt = view["runs_detail"][0]["receipt_id"]
    batch, opening, block = view["lock"]["batch_id"], view["lock"]["tx_hash"], view["lock"]["block_number"]

    window.open("/explorer")
    look_at(window, seen)
    assert "Operator locked 1 trade of 1 offer and 1 bid." in window.text()
    for path in ("blocks", "blocks?canonical=false", "transactions", "batches", "receipts", "parties"):
        window.open(f"/explorer/{path}")
        look_at(window, seen)

    places = {
        trade.trade_id: "/trades/trd_", trade.trade_id[4:]: "/trades/trd_", receipt: "/explorer/receipts/",
        batch: "/explorer/batches/", opening: "/explorer/transactions/", str(block): "/explorer/blocks/",
        trade.buyer: "/explorer/parties/", view["bid_id"]: "/explorer/orders/", view["clearing_id"]: "/auctions/",
        f"  {opening.upper().replace('0X', '0x')} ": "/explorer/transactions/",
    }  # fmt: skip
    for asked, place in places.items():
        window.open("/explorer")
        window.page.get_by_role("searchbox").fill(asked)
        window.page.keyboard.press("Enter")
        window.page.wait_for_url(f"**{place}*")
        look_at(window, seen)
    window.open("/explorer")
    window.page.get_by_role("searchbox").fill("no such thing")
    window.page.keyboard.press("Enter")
    window.page.wait_for_url("**/explorer/search*")
    assert window.heading() == "Nothing found"
    look_at(window, seen)

    window.open(f"/explorer/transactions/{opening}")
    assert "Operator locked 1 trade of 1 offer and 1 bid." in window.text(".lead")
    assert "open" in window.text("dl.rows") and "offers (1)" in window.text("section:has(#arguments)")
    window.page.get_by_role("link", name="JSON").click()
    assert json.loads(window.text("body"))["function"] == "open"

    window.open(f"/trades/{trade.trade_id}")
    window.page.get_by_role("link", name="Verify this trade step by step").click()
    assert "Everything holds." in window.text(".note-success")
    assert window.page.locator(".check-good").count() >= 24 and not window.page.locator(".check-bad").count()
    look_at(window, seen)
    assert len(set(seen)) >= 12, seen


def test_anybody_drops_a_proof_and_sees_which_step_fails(window: Window, exchange: Exchange, tmp_path):
    seen: list[str] = []
    trade = exchange.trade(additions(1_000), runs=2)
    for lease in exchange.lease():
        exchange.deliver(lease)
    exchange.verify()
    window.open(f"/verify?id={trade.trade_id}")
    assert "some steps cannot be made yet" in window.text(".note-warning")
    look_at(window, seen)
    exchange.close(final=True)
    receipt = exchange.seen(trade)["runs_detail"][1]["receipt_id"]
    window.open(f"/explorer/receipts/{receipt}")
    look_at(window, seen)
    with window.page.expect_download() as download:
        window.page.get_by_role("link", name="Download the proof").click()
    file = tmp_path / "proof.json"
    download.value.save_as(file)

    window.open("/verify")
    look_at(window, seen)
    window.page.get_by_label("Proof file").set_input_files(file)
    window.press("Verify the file")
    assert "Everything holds." in window.text(".note-success")
    assert window.page.locator(".check-good").count() == 12
    look_at(window, seen)

    data = file.read_text()
    root = json.loads(data)["root"]
    forged = data.replace(root, "0x" + "1" * 64)
    window.open("/verify")
    window.page.evaluate(DROP, forged)
    window.page.wait_for_selector(".check-bad")
    failed = window.page.locator(".check-bad h3").all_inner_texts()
    assert any("path leads from the leaf to the root" in text for text in failed)
    assert "It does not hold." in window.text(".note-error") and "0x1111" in window.text(".checks")
    look_at(window, seen)

    window.open(f"/verify?id={receipt}")
    assert "Everything holds." in window.text(".note-success")
    (tmp_path / "other.json").write_text('{"kind": "recipe"}')
    window.open("/verify")
    window.page.get_by_label("Proof file").set_input_files(tmp_path / "other.json")
    window.press("Verify the file")
    assert "it is no proof" in window.text(".note-error")
    look_at(window, seen)


DROP = """
(text) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([text], "proof.json", { type: "application/json" }));
  document.querySelector("form[data-drop]").dispatchEvent(
    new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
}
"""
