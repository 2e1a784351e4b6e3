"""What bad input gets: a problem that names the field, the limit and the next step, and nothing changed."""

import json

import pytest

from ledger.queries import balances
from marketplace.book.models import Order
from suan.core.encoding import to_hex
from tests.book.market import (
    CHAIN_ID,
    HOUR,
    bid_body,
    custodial,
    now,
    offer_body,
    problem,
    register_node,
    signed,
    wallet,
)
from tests.core.signing.keys import Key
from tests.receipts.programs import additions

FAR = 10**9


def bad_bids() -> list[tuple[str, dict, str, str]]:
    """(name, change, code, pointer)"""
    return [
        ("unknown field", {"color": "red"}, "unknown_field", "/color"),
        ("unknown product", {"product": "gpu:mars:hoped"}, "unknown_product", "/product"),
        ("price too low", {"limit_price": "0.0000001"}, "too_low", "/limit_price"),
        ("price too high", {"limit_price": "2000000"}, "too_high", "/limit_price"),
        ("price beyond uint96", {"limit_price": "99999999999999999999"}, "too_high", "/limit_price"),
        ("price as a number", {"limit_price": 1.5}, "not_text", "/limit_price"),
        ("price with an exponent", {"limit_price": "1e3"}, "not_a_decimal", "/limit_price"),
        ("price too precise", {"limit_price": "0.1234567890123456789"}, "too_precise", "/limit_price"),
        ("no runs", {"runs": 0}, "too_low", "/runs"),
        ("too many runs", {"runs": 1001}, "too_high", "/runs"),
        ("runs beyond uint32", {"runs": 2**40}, "too_high", "/runs"),
        ("runs as a float", {"runs": 1.5}, "not_an_integer", "/runs"),
        ("runs as a bool", {"runs": True}, "not_an_integer", "/runs"),
        ("runs as a list", {"runs": [1]}, "not_an_integer", "/runs"),
        ("a huge integer", {"runs": int("9" * 100)}, "too_high", "/runs"),
        ("a huge integer as text", {"runs": "9" * 5000}, "not_an_integer", "/runs"),
        ("ceiling zero", {"ceiling_units": 0}, "too_low", "/ceiling_units"),
        ("ceiling too high", {"ceiling_units": 2**50}, "too_high", "/ceiling_units"),
        ("expired", {"valid_until": 1}, "expired", "/valid_until"),
        (
            "valid for too long",
            {"valid_until": now() + FAR, "deliver_by": now() + FAR},
            "too_late",
            "/valid_until",
        ),
        ("deliver by before valid until", {"deliver_by": now() + 60}, "before_valid_until", "/deliver_by"),
        ("no client_order_id", {"client_order_id": None}, "null", "/client_order_id"),
        ("empty client_order_id", {"client_order_id": ""}, "blank", "/client_order_id"),
        ("long client_order_id", {"client_order_id": "x" * 65}, "invalid", "/client_order_id"),
        ("NUL in the client_order_id", {"client_order_id": "a\0b"}, "invalid", "/client_order_id"),
        ("NUL in the product", {"product": "a\0b"}, "null_characters_not_allowed", "/product"),
        ("terms as a list", {"terms": []}, "not_an_object", "/terms"),
        ("unknown term", {"terms": {"gift": 1}}, "unknown_field", "/terms/gift"),
        ("nested term", {"terms": {"module": {"a": 1}}}, "wrong_type", "/terms/module"),
        ("module not hex", {"terms": {"module": "0xzz"}}, "not_hex", "/terms/module"),
        ("module not uploaded", {"terms": {"module": "0x" + "11" * 32}}, "not_uploaded", "/terms/module"),
        ("input not uploaded", {"terms": {"input": "0x" + "22" * 32}}, "not_uploaded", "/terms/input"),
        ("too little memory", {"terms": {"memory_bytes": 1}}, "too_low", "/terms/memory_bytes"),
        ("no time", {"terms": {"wall_seconds": 0}}, "too_low", "/terms/wall_seconds"),
        ("unknown profile", {"terms": {"profile": "loose"}}, "unknown_value", "/terms/profile"),
        ("unknown schedule", {"terms": {"schedule": "meter/9"}}, "unknown_value", "/terms/schedule"),
        ("unknown disclosure", {"terms": {"disclosure": "some"}}, "unknown_value", "/terms/disclosure"),
        ("another maker", {"maker": "0x" + "33" * 20}, "not_yours", "/maker"),
        ("maker with a wrong checksum", {"maker": "0x" + "aB" * 20}, "bad_checksum", "/maker"),
        ("unknown verifier set", {"verifier_set": "0x" + "44" * 32}, "unknown_verifier_set", "/verifier_set"),
        ("fee below ours", {"max_fee_bps": 1}, "out_of_range", "/max_fee_bps"),
        ("short signature", {"signature": "0x00"}, "wrong_length", "/signature"),
    ]


@pytest.mark.parametrize(
    ("change", "code", "pointer"), [row[1:] for row in bad_bids()], ids=[r[0] for r in bad_bids()]
)
def test_a_bad_bid_is_refused_by_name(market, change, code, pointer):
    buyer = custodial("buyer", tokens=10)
    body = bid_body(buyer)
    terms = change.get("terms", {})
    body = body | change | ({"terms": body["terms"] | terms} if isinstance(terms, dict) else {})
    problem(buyer.post("/bids", body), 422, code, pointer)
    assert Order.objects.count() == 0
    assert balances(buyer.address).held == 0


@pytest.mark.parametrize("name", ["product", "limit_price", "runs", "ceiling_units", "valid_until", "terms"])
def test_a_missing_field_is_named(market, name):
    buyer = custodial("buyer", tokens=10)
    body = bid_body(buyer)
    del body[name]
    problem(buyer.post("/bids", body), 422, "required", f"/{name}")


def test_insufficient_funds_name_need_free_and_missing(market):
    buyer = custodial("buyer", tokens=1)
    found = problem(
        buyer.post("/bids", bid_body(buyer, runs=1000, ceiling_units=3_600_000)),
        422,
        "insufficient_funds",
        "/maker",
    )
    assert "1000 tokens must be held and 1 are free; deposit 999 more" in found["detail"]


def test_an_insufficient_bond_is_refused(market):
    seller = custodial("seller")
    problem(
        seller.post("/offers", offer_body(register_node(seller).address)), 422, "insufficient_bond", "/maker"
    )


def test_too_many_open_orders_are_refused(market, settings):
    settings.OPEN_ORDERS_MAX = 2
    buyer = custodial("buyer", tokens=10)
    body = bid_body(buyer)
    for number in range(2):
        assert buyer.post("/bids", body | {"client_order_id": f"n{number}"}).status_code == 201
    problem(buyer.post("/bids", body | {"client_order_id": "n2"}), 422, "too_many_open_orders", "/maker")


def test_the_same_client_id_with_another_body_is_refused(market):
    buyer = custodial("buyer", tokens=10)
    body = bid_body(buyer)
    assert buyer.post("/bids", body).status_code == 201
    answer = buyer.post("/bids", body | {"runs": 5})
    problem(answer, 422, "client_order_id_reused", "/client_order_id")
    seller_like = offer_body("0x" + "11" * 20, client_order_id="bid-1")
    problem(buyer.post("/offers", seller_like), 422, "client_order_id_reused", "/client_order_id")


class TestSignatures:
    def test_of_another_key(self, market):
        buyer = wallet("ada", tokens=10)
        body = signed(bid_body(buyer), buyer.key)
        other = signed(bid_body(buyer), Key("mallory"), maker=buyer.address)
        problem(
            buyer.post("/bids", body | {"signature": other["signature"]}), 422, "wrong_signer", "/signature"
        )

    def test_for_another_chain(self, market):
        buyer = wallet("ada", tokens=10)
        body = signed(bid_body(buyer), buyer.key, chain_id=1)
        found = problem(buyer.post("/bids", body), 422, "wrong_signer", "/signature")
        assert f"chain id ({CHAIN_ID})" in found["detail"]
        assert market.market in found["detail"]

    def test_that_is_malleable(self, market):
        buyer = wallet("ada", tokens=10)
        body = signed(bid_body(buyer), buyer.key)
        raw = bytes.fromhex(body["signature"][2:])
        order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
        high = (order - int.from_bytes(raw[32:64], "big")).to_bytes(32, "big")
        twin = to_hex(raw[:32] + high + bytes([55 - raw[64]]))
        problem(buyer.post("/bids", body | {"signature": twin}), 422, "bad_signature", "/signature")

    def test_that_is_missing_from_a_wallet(self, market):
        buyer = wallet("ada", tokens=10)
        problem(buyer.post("/bids", bid_body(buyer)), 422, "missing", "/signature")

    def test_over_another_price(self, market):
        buyer = wallet("ada", tokens=10)
        body = signed(bid_body(buyer), buyer.key) | {"limit_price": "2"}
        problem(buyer.post("/bids", body), 422, "wrong_signer", "/signature")

    def test_that_was_posted_before_under_another_id(self, market):
        buyer = wallet("ada", tokens=10)
        body = signed(bid_body(buyer), buyer.key)
        assert buyer.post("/bids", body).status_code == 201
        answer = buyer.post("/bids", body | {"client_order_id": "again"})
        problem(answer, 422, "replayed_order", "/signature")

    def test_with_a_used_nonce(self, market):
        buyer = wallet("ada", tokens=10)
        body = bid_body(buyer)
        assert buyer.post("/bids", signed(body, buyer.key)).status_code == 201
        answer = buyer.post("/bids", signed(body | {"client_order_id": "b", "runs": 5}, buyer.key))
        problem(answer, 422, "nonce_used", "/nonce")


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"terms": {"rate_mflops": 1_001}}, "above_measured", "/terms/rate_mflops"),
        ({"terms": {"agent": "0x" + "55" * 20}}, "unknown_agent", "/terms/agent"),
        ({"terms": {"engine": "V8 !"}}, "not_an_engine", "/terms/engine"),
        ({"units": 1_000 * 2 * HOUR + 10_000}, "beyond_capacity", "/units"),
        ({"units": 0}, "too_low", "/units"),
        ({"product": "cpu.fp64:us-east:recomputed"}, "wrong_region", "/product"),
        ({"product": "cpu.fp32:eu-north:recomputed"}, "unknown_agent", "/terms/agent"),
    ],
)
def test_an_offer_promises_no_more_than_was_measured(market, change, code, pointer):
    seller = custodial("seller", tokens=1_000)
    body = offer_body(register_node(seller).address)
    body = body | change | {"terms": body["terms"] | change.get("terms", {})}
    problem(seller.post("/offers", body), 422, code, pointer)
    assert Order.objects.count() == 0


def test_somebody_elses_node_is_not_yours_to_offer(market):
    seller, thief = custodial("seller"), custodial("thief", tokens=10)
    agent = register_node(seller)
    problem(thief.post("/offers", offer_body(agent.address)), 422, "unknown_agent", "/terms/agent")


def test_a_module_that_is_not_a_module_is_refused_with_the_runtimes_reason(market):
    buyer = custodial("buyer", tokens=10)
    for data in (b"hello", b"\0asm" + b"\1\0\0\0" + b"\xff" * 20, b""):
        answer = buyer.post("/bids", bid_body(buyer, terms={"module": buyer.upload(data)}))
        assert answer.status_code == 422, answer.content
        assert answer.json()["errors"][0]["pointer"] == "/terms/module"


def test_a_module_that_imports_what_is_not_allowed_is_refused_by_the_name_of_the_import(market):
    import wasmtime

    buyer = custodial("buyer", tokens=10)
    module = bytes(
        wasmtime.wat2wasm(
            '(module (import "wasi_snapshot_preview1" "path_open" (func)) (memory (export "memory") 1)'
            ' (func (export "_start")))'
        )
    )
    answer = buyer.post("/bids", bid_body(buyer, terms={"module": buyer.upload(module)}))
    assert answer.status_code == 422
    assert "path_open" in json.dumps(answer.json()["errors"])


def test_bytes_that_others_uploaded_are_as_unknown_as_any(market):
    owner, thief = custodial("owner"), custodial("thief", tokens=10)
    secret = owner.upload(additions(11))
    problem(
        thief.post("/bids", bid_body(thief, terms={"module": secret})), 422, "not_uploaded", "/terms/module"
    )


class TestUploads:
    def test_too_large_by_declaration(self, market, settings):
        settings.ARTIFACT_BYTES_MAX = 100
        buyer = custodial("buyer")
        answer = buyer.client.generic("POST", "/api/v1/artifacts", b"x" * 101, "application/octet-stream")
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        assert "100" in answer.json()["detail"]

    def test_beyond_the_limit_of_the_account(self, market, settings):
        settings.ARTIFACT_BYTES_PER_ACCOUNT_MAX = 10
        buyer = custodial("buyer")
        buyer.upload(b"12345678")
        buyer.upload(b"12345678")
        answer = buyer.client.generic("POST", "/api/v1/artifacts", b"abc", "application/octet-stream")
        problem(answer, 422, "account_full", "/body")

    def test_without_a_key(self, market, client):
        answer = client.generic("POST", "/api/v1/artifacts", b"abc", "application/octet-stream")
        assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")


class TestMalformedRequests:
    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (b"{", "malformed"),
            (b"\xff\xfe", "malformed"),
            (b'{"runs": NaN}', "malformed"),
            (b'{"runs": 1, "runs": 2}', "malformed"),
            (b'{"runs": ' + b"9" * 5000 + b"}", "malformed"),
            (b"[" * 60_000, "malformed"),
            (b"[" * 20 + b"]" * 20, "too_deep"),
        ],
    )
    def test_are_400(self, market, data, code):
        buyer = custodial("buyer")
        answer = buyer.client.generic("POST", "/api/v1/bids", data, "application/json")
        assert (answer.status_code, answer.json()["code"]) == (400, code), answer.content

    @pytest.mark.parametrize("data", [b"[]", b"null", b'"x"', b"7"])
    def test_that_are_no_object_are_422(self, market, data):
        buyer = custodial("buyer")
        answer = buyer.client.generic("POST", "/api/v1/bids", data, "application/json")
        assert answer.status_code == 422, answer.content

    def test_of_64_kib_and_more_are_413(self, market):
        buyer = custodial("buyer")
        answer = buyer.client.generic("POST", "/api/v1/bids", b" " * 70_000, "application/json")
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")

    def test_with_another_media_type_are_415(self, market):
        buyer = custodial("buyer")
        answer = buyer.client.generic("POST", "/api/v1/bids", b"a=b", "application/x-www-form-urlencoded")
        assert (answer.status_code, answer["Content-Type"]) == (415, "application/problem+json")

    def test_with_another_method_are_405(self, market):
        answer = custodial("buyer").client.put("/api/v1/bids", {}, format="json")
        assert (answer.status_code, answer["Content-Type"]) == (405, "application/problem+json")

    @pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v1/orders/ord_0x12", "/api/v1/orders/a%00b"])
    def test_to_nowhere_are_404(self, market, path):
        answer = custodial("buyer").client.get(path)
        assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json"), (
            answer.content
        )

    @pytest.mark.parametrize(
        "query",
        [
            "limit=0",
            "limit=501",
            "limit=x",
            "cursor=%00",
            "cursor=AAAA",
            "status=odd",
            "side=both",
            "product=%00",
        ],
    )
    def test_in_the_query_are_422(self, market, query):
        answer = custodial("buyer").client.get(f"/api/v1/orders?{query}")
        assert answer.status_code == 422, answer.content
        assert answer.json()["errors"][0]["pointer"] == "/" + query.partition("=")[0]

    def test_carry_the_request_id_of_the_client(self, market):
        answer = custodial("buyer").client.get("/api/v1/nothing", headers={"X-Request-Id": "my-request-1"})
        assert answer.json()["request_id"] == answer["X-Request-Id"] == "my-request-1"
