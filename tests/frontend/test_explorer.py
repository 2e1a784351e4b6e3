"""Explorer and verify pages without a browser: strange ids, strange files, and a market that has no block yet."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tests.frontend.test_audit_page import deposit_event
from tests.frontend.test_pages import STRANGE

PAGES = ("blocks", "transactions", "batches", "receipts", "orders", "parties")
LISTS = ("blocks", "transactions", "batches", "receipts", "parties")
SAVER = "0x" + "5a" * 20


@pytest.fixture
def indexed(market):
    """A market whose index has one block with one deposit."""
    deposit_event(SAVER, 100)
    return market


def test_before_the_first_block_the_pages_say_that_there_is_none(market, visitor):
    for path in ("/explorer", *(f"/explorer/{name}" for name in LISTS)):
        answer = visitor.get(path)
        assert answer.status_code == 503 and b"no block is indexed yet" in answer.content, path
    assert visitor.get("/verify").status_code == 200


def test_every_list_and_the_overview_answer_to_visitors(indexed, visitor):
    for path in ("/explorer", "/verify", "/explorer/search", *(f"/explorer/{name}" for name in LISTS)):
        answer = visitor.get(path)
        assert answer.status_code == 200, path
        assert visitor.head(path).status_code == 200
        html = answer.content.decode()
        assert "<style" not in html and " style=" not in html and " onclick" not in html
    assert SAVER in visitor.get("/explorer/parties").content.decode()
    assert "paid" in visitor.get("/explorer/transactions").content.decode()


@pytest.mark.parametrize("name", PAGES)
def test_a_strange_id_has_no_page(indexed, visitor, name):
    for strange in STRANGE:
        answer = visitor.get(f"/explorer/{name}/{strange}")
        assert answer.status_code in (400, 404), (name, strange, answer.status_code)


def test_a_strange_filter_is_refused_with_its_reason(indexed, visitor):
    for name in LISTS:
        for query in (
            "block=x",
            "block=9999",
            "cursor=x",
            "nothing=1",
            "limit=0",
            "sort=up",
            "block=0x" + "0" * 64,
        ):
            answer = visitor.get(f"/explorer/{name}?{query}")
            assert answer.status_code == 422, (name, query)
            assert query.partition("=")[0].encode() in answer.content, (name, query)


def test_the_search_box_goes_to_the_page_of_an_id_or_says_what_it_takes(indexed, visitor):
    word = "0x" + "ab" * 32
    places = {
        "1": "/explorer/blocks/1",
        " #1 ": "/explorer/blocks/1",
        SAVER.upper().replace("0X", "0x"): f"/explorer/parties/{SAVER}",
        f"trd_{word}": f"/trades/trd_{word}",
        f"ord_{word}": f"/explorer/orders/ord_{word}",
        f"clr_{word}": f"/auctions/clr_{word}",
        "0x" + "aa" * 32: "/explorer/transactions/0x" + "aa" * 32,
        "b1" * 32: "/explorer/blocks/0x" + "b1" * 32,
    }
    for asked, place in places.items():
        answer = visitor.get("/explorer/search", {"q": asked})
        assert (answer.status_code, answer["Location"]) == (302, place), asked
    for asked in ("hello", word, "%00", "\0", "9" * 39, "trd_0x1", "🎈"):
        answer = visitor.get("/explorer/search", {"q": asked})
        assert answer.status_code == 404 and b"block number" in answer.content, asked


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff\xfe",
        b'{"kind":"receipt-inclusion"}',
        b"[" * 70_000,
        b"1e999",
        b"9" * 300_000,
    ],
)
def test_what_is_no_proof_is_refused_with_a_sentence(indexed, visitor, data):
    answer = visitor.post("/verify", {"proof": SimpleUploadedFile("proof.json", data)})
    assert answer.status_code == 422 and b"note-error" in answer.content


def test_an_id_that_nobody_has_is_not_verified(indexed, visitor):
    answer = visitor.get("/verify", {"id": "trd_0x" + "0" * 64})
    assert answer.status_code == 200 and b"no lock of this trade" in answer.content
    for asked in ("x", "\0", "ord_0x" + "0" * 64, "rcp_0x" + "0" * 64, "rcp_", "0x", "trd_0x1"):
        answer = visitor.get("/verify", {"id": asked})
        assert answer.status_code == 422 and b"note-error" in answer.content, asked
    assert visitor.post("/verify", {}).status_code == 422
