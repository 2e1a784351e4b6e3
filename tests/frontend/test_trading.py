"""Listing, bidding and the account, through forms alone: pages work without any script for password accounts."""

from __future__ import annotations

import re
from typing import Any

import pytest

from suan.core.encoding import from_hex
from suan.core.ids import parse_id
from suan.core.signing.domains import market_domain
from suan.core.signing.recover import recover
from suan.core.signing.structs import Acknowledgement
from tests.book.market import PASSWORD, PRODUCT, wallet
from tests.receipts.programs import additions

OFFER = {"rate_mflops": "1000", "units": "0.01", "price": "0.9", "valid": "3600", "deliver": "86400"}
BID = {
    "job": "upload",
    "stdin": "",
    "product": PRODUCT,
    "runs": "4",
    "ceiling": "3600",
    "price": "1.25",
    "valid": "600",
    "deliver": "3600",
    "memory": "64",
    "wall_seconds": "30",
    "disclosure": "public",
}


def draft_of(answer: Any) -> str:
    """The hidden field of the page before signing."""
    found = re.search(r'name="draft" value="([^"]+)"', answer.content.decode())
    assert found, answer.content.decode()[:3_000]
    return found.group(1)


def offer_form(seller: Any, **changes: str) -> dict[str, str]:
    return OFFER | {"node": f"{seller.agent.address}|cpu.fp64"} | changes


def place_offer(seller: Any, **changes: str) -> str:
    """List through the pages; returns the order's id."""
    review = seller.browser.post("/offers/new", offer_form(seller, **changes))
    placed = seller.browser.post("/offers/place", {"draft": draft_of(review)})
    assert placed.status_code == 302, placed.content
    return placed["Location"].rpartition("/")[2]


def bid_form(**changes: Any) -> dict[str, Any]:
    from django.core.files.uploadedfile import SimpleUploadedFile

    return BID | {"module": SimpleUploadedFile("job.wasm", additions(10))} | changes


def test_an_offer_is_checked_placed_changed_and_withdrawn(seller):
    order = place_offer(seller)
    assert seller.get(f"/orders/{order}").json()["limit_price"] == "0.9"
    assert b"0.9" in seller.browser.get(f"/markets/{PRODUCT}").content

    edit = seller.browser.get(f"/offers/{order}/edit")
    assert edit.status_code == 200 and b'value="0.9"' in edit.content
    review = seller.browser.post(f"/offers/{order}/edit", offer_form(seller, price="0.8"))
    changed = seller.browser.post("/offers/place", {"draft": draft_of(review)})["Location"].rpartition("/")[2]
    assert seller.get(f"/orders/{order}").json()["order_status"] == "canceled"
    assert seller.get(f"/orders/{changed}").json()["limit_price"] == "0.8"
    again = seller.browser.post("/offers/place", {"draft": draft_of(review)})
    assert again["Location"].endswith(changed), "a repeat of the button is the same order"

    assert seller.browser.post(f"/orders/{changed}/cancel").status_code == 302
    assert seller.get("/account").json()["balances"] == {
        "available": "100",
        "held": "0",
        "locked": "0",
        "exiting": "0",
    }


def test_a_changed_offer_needs_no_second_bond(seller):
    """All the money is the old offer's bond: the new one takes it over."""
    order = place_offer(seller, units="400", price="1", rate_mflops="1000", valid="604800", deliver="2505600")
    assert seller.get("/account").json()["balances"]["available"] == "0"
    form = offer_form(seller, units="400", price="0.99", valid="604800", deliver="2505600")
    review = seller.browser.post(f"/offers/{order}/edit", form)
    placed = seller.browser.post("/offers/place", {"draft": draft_of(review)})
    assert placed.status_code == 302


def test_more_than_was_measured_is_refused_at_the_field(seller):
    answer = seller.browser.post("/offers/new", offer_form(seller, rate_mflops="1001"))
    assert answer.status_code == 422
    field = re.search(r'id="id_rate_mflops_error">(.*?)</ul>', answer.content.decode(), re.DOTALL)
    assert field and "measured at 1000 MFLOPS" in field.group(1)
    too_much = seller.browser.post("/offers/new", offer_form(seller, units="30", deliver="86400"))
    field = re.search(r'id="id_units_error">(.*?)</ul>', too_much.content.decode(), re.DOTALL)
    assert field and "offer no more" in field.group(1)


def test_a_provider_without_a_node_is_told_how_to_get_one(buyer):
    answer = buyer.browser.get("/offers/new")
    assert b"suan provider run" in answer.content and b"Check the offer" not in answer.content


def test_a_bid_shows_its_worst_case_before_it_is_placed(buyer):
    review = buyer.browser.post("/bids/new", bid_form())
    text = review.content.decode()
    assert 'value="0.005"' in text, "4 runs x 3,600 units x 1.25 / 3,600,000"
    assert "ran out of wall-clock time" in text and "false receipt" in text
    assert not buyer.get("/orders").json()["results"], "nothing is placed yet"
    placed = buyer.browser.post("/bids/place", {"draft": draft_of(review)})
    order = buyer.get("/orders").json()["results"][0]
    assert placed["Location"] == f"/orders/{order['order_id']}" and order["held"] == "0.005"
    page = buyer.browser.get(placed["Location"]).content.decode()
    assert "<code>not_cleared_yet</code>" in page, "it says why it waits"


def test_a_refused_bid_keeps_the_uploaded_file(buyer):
    refused = buyer.browser.post("/bids/new", bid_form(runs="1000", ceiling="1000000000"))
    text = refused.content.decode()
    assert refused.status_code == 422 and "must be held" in text
    kept = dict(re.findall(r'name="(kept_\w+)" value="(0x[0-9a-f]{64})"', text))
    assert set(kept) == {"kept_module", "kept_stdin"}
    again = {name: value for name, value in bid_form().items() if name != "module"} | kept
    assert b"Worst case" in buyer.browser.post("/bids/new", again).content


def test_what_is_no_module_is_refused_at_the_file(buyer):
    from django.core.files.uploadedfile import SimpleUploadedFile

    answer = buyer.browser.post("/bids/new", bid_form(module=SimpleUploadedFile("x.wasm", b"(module)")))
    assert answer.status_code == 422
    assert 'id="id_module_error"' in answer.content.decode()
    assert buyer.browser.post("/bids/new", BID).status_code == 422


def test_a_draft_is_good_for_its_account_only(seller, buyer):
    review = buyer.browser.post("/bids/new", bid_form())
    stolen = seller.browser.post("/bids/place", {"draft": draft_of(review)})
    assert stolen.status_code == 422 and b"this form was changed" in stolen.content
    assert not seller.get("/orders").json()["results"]


def test_a_wallet_without_its_signature_is_told_so(market):
    from django.test import Client

    owner = wallet("owner", 100)
    browser = Client()
    browser.force_login(owner.participant.user)
    review = browser.post("/bids/new", bid_form())
    assert b'"primaryType": "Bid"' in review.content
    answer = browser.post("/bids/place", {"draft": draft_of(review)})
    assert answer.status_code == 422 and b"the wallet signs" in answer.content
    wrong = browser.post("/bids/place", {"draft": draft_of(review), "signature_0": "0x" + "11" * 65})
    assert wrong.status_code == 422
    request = browser.post("/account/requests/withdrawal", {"amount": "5"})
    assert b'"primaryType": "WithdrawalRequest"' in request.content
    assert browser.post("/account/requests/withdrawal", {"amount": "500"}).status_code == 422


def test_the_acknowledgement_is_the_exchanges_signed_word(seller, var):
    from ledger.chain.signer import Signer
    from ledger.queries import deployment

    order = place_offer(seller)
    answer = seller.browser.get(f"/orders/{order}/acknowledgement")
    assert "attachment" in answer["Content-Disposition"]
    said = answer.json()
    struct = Acknowledgement(
        order=parse_id(said["order"], prefix="ord"),
        sequence=said["sequence"],
        accepted_at=said["accepted_at"],
    )
    chain = deployment()
    signer = recover(struct.digest(market_domain(chain.chain_id, chain.market)), from_hex(said["signature"]))
    assert signer == Signer(var / "secrets").address("acknowledger").lower()


def test_an_api_key_is_shown_once_and_revoked(seller):
    made = seller.browser.post("/account/keys", {"name": "laptop", "scopes": ["read"], "days": "7"})
    text = re.search(r"sk_[0-9a-f]{8}_[0-9a-f]+", made.content.decode())
    assert text and made["Cache-Control"] == "private, no-store"
    assert text.group(0) not in seller.browser.get("/account").content.decode()
    from rest_framework.test import APIClient

    program = APIClient()
    program.credentials(HTTP_AUTHORIZATION=f"Bearer {text.group(0)}")
    assert program.get("/api/v1/account").status_code == 200
    seller.browser.post(f"/account/keys/{text.group(0).split('_')[1]}/revoke")
    assert program.get("/api/v1/account").status_code == 401


def test_a_stranger_registers_and_signs_in_and_out(market, visitor):
    made = visitor.post("/register", {"username": "stranger", "password": PASSWORD, "next": "/bids/new"})
    assert made["Location"] == "/bids/new"
    assert b"stranger" in visitor.get("/account").content
    assert visitor.post("/sign-out")["Location"] == "/"
    wrong = visitor.post("/sign-in", {"username": "stranger", "password": "wrong"})
    assert wrong.status_code == 422 and b"Name or password is wrong" in wrong.content
    taken = visitor.post("/register", {"username": "stranger", "password": PASSWORD})
    assert taken.status_code == 422 and b"is taken" in taken.content
    inside = visitor.post(
        "/sign-in", {"username": "stranger", "password": PASSWORD, "next": "//evil.example/"}
    )
    assert inside["Location"] == "/account", "nobody is sent to another site"


def test_guessing_passwords_ends_soon(market, visitor, settings):
    from frontend.sessions.views import PasswordThrottle

    PasswordThrottle.THROTTLE_RATES = {"sign_in": "3/min"}
    try:
        answers = [visitor.post("/sign-in", {"username": "x", "password": "y"}).status_code for _ in range(5)]
    finally:
        del PasswordThrottle.THROTTLE_RATES
    assert answers == [422, 422, 422, 429, 429]


@pytest.mark.parametrize("resource_class", ["cpu.fp64", "cpu.fp32"])
def test_every_example_job_fits_the_ceiling_that_its_button_fills_in(resource_class):
    from frontend.bids import examples
    from suan.core.ids import run_seed
    from suan.runtime.wasm.run import run_job
    from tests.runtime import jobs

    assert len(examples.available()) == len(examples.ALL), "compile them: make examples"
    for example in examples.ALL:
        run = example.runs - 1  # The last tile of the picture is the dearest.
        result = run_job(
            jobs.request(
                example.path.read_bytes(),
                stdin=example.stdin.encode(),
                run=run,
                seed=run_seed(bytes(32), run),
                ceiling_units=example.ceiling_units,
                resource_class=resource_class,
                memory_bytes=64 << 20,
                wall_seconds=30,
            )
        )
        assert result.exit_reason.name == "OK" and result.output, (example.name, result)
        assert result.work_units * 3 > example.ceiling_units, "a ceiling far above the work makes a bid dear"
