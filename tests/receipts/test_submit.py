"""What an agent may hand in, and what is refused with the reason and the next step."""

import time

from marketplace.delivery import actions as delivery
from marketplace.receipts.models import Receipt
from suan.core.delivery.leases import LeaseRules
from suan.core.encoding import from_hex
from suan.core.ids import parse_id
from suan.core.signing import ReceiptAcknowledgement, market_domain, recover
from tests.book.market import problem
from tests.core.signing.keys import Key

RULES = LeaseRules(lease_seconds=10, silence_seconds=15)


def test_a_receipt_is_taken_once_and_a_repeat_gets_the_same_answer(exchange):
    exchange.trade()
    (lease,) = exchange.lease()
    result = exchange.run(lease)
    body = exchange.signed(lease, result)
    exchange.provider.upload(result.output)
    first = exchange.provider.post("/receipts", body)
    again = exchange.provider.post("/receipts", body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    known = exchange.world.known
    said = ReceiptAcknowledgement(parse_id(first.json()["receipt_id"]))
    digest = said.digest(market_domain(known.chain_id, known.market))
    assert recover(digest, from_hex(first.json()["acknowledgement"])) == known.acknowledger
    exchange.verify()
    assert exchange.provider.post("/receipts", body).json()["status"] == "accepted"
    other = exchange.signed(lease, result, fuel=result.fuel + 1)
    problem(exchange.provider.post("/receipts", other), 422, "already_delivered", "/run")
    assert Receipt.objects.count() == 1
    assert exchange.lease() == []  # what was delivered is never leased again


def test_what_contradicts_the_lease_is_refused_by_field(exchange):
    exchange.trade(runs=2)
    lease, _ = exchange.lease()
    result = exchange.run(lease)

    def refused(code: str, pointer: str, status: int = 422, **lies) -> None:
        problem(
            exchange.provider.post("/receipts", exchange.signed(lease, result, **lies)), status, code, pointer
        )

    refused("not_uploaded", "/output")
    exchange.provider.upload(result.output)
    refused("differs", "/module", module=b"\x01" * 32)
    refused("differs", "/input", input=b"\x01" * 32)
    refused("differs", "/seed", seed=b"\x01" * 32)
    refused("unknown_engine", "/engine", engine="wasmtime-49.0.0")
    refused("too_high", "/fp64", fp64=2**63)
    refused("in_the_future", "/ended_at", ended_at=int(time.time()) + 1_000)
    refused("not_uploaded", "/output", output=b"\x02" * 32)
    refused("wrong_signer", "/signature", agent=Key("somebody"))
    answer = exchange.provider.post("/receipts", exchange.signed(lease, result, run=7))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    body = exchange.signed(lease, result)
    body["receipt"]["fuel"] = str(int(body["receipt"]["fuel"]) + 1)
    problem(exchange.provider.post("/receipts", body), 422, "wrong_signer", "/signature")
    body["receipt"]["surprise"] = 1
    problem(exchange.provider.post("/receipts", body), 422, "unknown_field", "/surprise")
    body = exchange.signed(lease, result) | {"signature": "0x" + "00" * 65}
    problem(exchange.provider.post("/receipts", body), 422, "bad_signature", "/signature")
    assert Receipt.objects.count() == 0
    assert exchange.provider.post("/receipts", exchange.signed(lease, result)).status_code == 201


def test_another_providers_run_is_refused_even_with_a_registered_agent(exchange):
    exchange.trade()
    (lease,) = exchange.lease()
    other = exchange._person("other")
    agent = exchange.join(other, "other")
    exchange.settle_chain(final=True)
    result = exchange.run(lease)
    other.upload(result.output)
    answer = other.post("/receipts", exchange.signed(lease, result, agent))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    anonymous = exchange.buyer.client.__class__()
    answer = anonymous.post("/api/v1/receipts", exchange.signed(lease, result), format="json")
    assert answer.status_code == 401


def test_a_run_that_was_given_up_takes_no_receipt(exchange):
    trade = exchange.trade()
    (lease,) = exchange.lease()
    result = exchange.run(lease)
    exchange.provider.upload(result.output)
    delivery.expire_leases(now=trade.deliver_by + 1, rules=RULES)
    answer = exchange.provider.post("/receipts", exchange.signed(lease, result))
    assert "not delivered by" in problem(answer, 422, "run_closed", "/run")["detail"]
