"""Two of three: what the exchange proposes stands only when enough verifiers, each with a key of its own, have signed it."""

import time
from typing import Any

import pytest
from django.test import Client

from ledger import queries as ledger
from marketplace.settlement import actions
from marketplace.settlement.models import Answer, SettlementBatch
from suan.core.encoding import from_hex, to_hex
from suan.core.signing.messages import dissent_digest
from tests.core.signing.keys import Key
from tests.settlement.exchange import Exchange
from tests.settlement.test_overdue import GRACE, follow, pass_until

FIRST, SECOND, STRANGER = Key("verifier one"), Key("verifier two"), Key("a stranger")
ALL = 100 * 10**18


@pytest.fixture
def three(settings) -> None:
    """Two outside members beside the exchange's own key: for a market deployed after this."""
    settings.VERIFIERS = (FIRST.address, SECOND.address)
    settings.VERIFIER_THRESHOLD = 2


def delivered(exchange: Exchange, **lies: Any) -> Any:
    trade = exchange.trade()
    (lease,) = exchange.lease()
    exchange.deliver(lease, **lies)
    return trade


def proposed(exchange: Exchange) -> dict[str, Any]:
    """The one open proposal after everything that waits was verified and cut."""
    exchange.verify()
    exchange.close()
    (found,) = Client().get("/api/v1/proposals").json()["results"]
    return found


def answer(proposal: dict[str, Any], key: Key, reason: str = "", outcomes: Any = None) -> Any:
    digest = dissent_digest(proposal["digest"], reason, outcomes) if reason else from_hex(proposal["digest"])
    body = {"signature": to_hex(key.sign(digest))} | (
        {"reason": reason, "outcomes": outcomes} if reason else {}
    )
    return Client().post(f"/api/v1/proposals/{proposal['digest']}/answers", body, "application/json")


def test_a_verdict_waits_for_two_of_three_and_is_settled_then(three, exchange):
    trade = delivered(exchange)
    proposal = proposed(exchange)
    own = exchange.world.keys.address("verifier")
    assert proposal["needed"] == 2
    assert sorted(proposal["members"]) == sorted([own, FIRST.address, SECOND.address])
    assert [said["member"] for said in proposal["answers"]] == [own]
    assert actions.plan_agreed(now=int(time.time())) == 0, "one signature decides nothing"
    assert not ledger.events(name="BatchDecided")

    assert answer(proposal, FIRST).status_code == 201
    assert answer(proposal, FIRST).status_code == 200
    assert actions.plan_agreed(now=int(time.time())) == 1
    assert actions.plan_agreed(now=int(time.time())) == 0
    assert len(SettlementBatch.objects.get().signatures) == 2
    for _ in range(2):
        exchange.close(final=True)
    trade.refresh_from_db()
    assert trade.status == "settled"
    assert answer(proposal, SECOND).status_code == 409, "nothing is needed any more"
    assert Client().get("/api/v1/proposals").json()["results"] == []


def test_who_refuses_says_why_and_may_agree_later_but_never_take_a_signature_back(three, exchange):
    delivered(exchange)
    proposal = proposed(exchange)
    rows = [proposal["outcomes"][0] | {"kind": 0, "runs_delivered": 0, "units": "0"}]
    assert answer(proposal, FIRST, "run 0 is false", rows).status_code == 201
    assert answer(proposal, FIRST, "run 0 is false", rows).status_code == 200
    (seen,) = [
        said
        for said in Client().get("/api/v1/proposals").json()["results"][0]["answers"]
        if said["member"] == FIRST.address
    ]
    assert (seen["agrees"], seen["reason"], seen["outcomes"]) == (False, "run 0 is false", rows)
    assert actions.plan_agreed(now=int(time.time())) == 0
    assert answer(proposal, FIRST).json()["agrees"]
    taken_back = answer(proposal, FIRST, "I have changed my mind")
    assert taken_back.status_code == 409 and "cannot be taken back" in taken_back.json()["detail"]
    assert Answer.objects.filter(member=FIRST.address).count() == 1


def test_answers_of_strangers_of_other_digests_and_of_no_form_are_refused_with_the_reason(three, exchange):
    delivered(exchange)
    proposal = proposed(exchange)
    assert answer(proposal, STRANGER).json()["errors"][0]["code"] == "not_a_verifier"
    other = proposal | {"digest": "0x" + "ab" * 32}
    assert answer(other, FIRST).status_code == 404
    assert (
        Client().post(f"/api/v1/proposals/{proposal['digest']}/answers", {}, "application/json").status_code
        == 422
    )
    stolen = {"signature": to_hex(FIRST.sign(from_hex(other["digest"])))}
    sent = Client().post(f"/api/v1/proposals/{proposal['digest']}/answers", stolen, "application/json")
    assert sent.json()["errors"][0]["code"] == "not_a_verifier", "a signature of something else is nobody's"
    assert Client().get("/api/v1/proposals/nonsense/answers").status_code in (404, 405)
    assert Answer.objects.count() == 1


def test_what_never_gets_its_signatures_is_seen_by_a_person_and_refunded(three, exchange):
    trade = delivered(exchange)
    proposal = proposed(exchange)
    SettlementBatch.objects.update(cut_at=int(time.time()) - 3_600)
    page = Client().get("/status").content.decode()
    assert proposal["digest"][:10] in page and "1 of 2" in page
    end = trade.deliver_by + GRACE
    pass_until(exchange, end)
    assert actions.refund_overdue(now=end) == 1
    assert follow(exchange, trade).status == "refunded"
    assert exchange.world.chain_balances(exchange.buyer.address) == (ALL, 0, 0)
    assert Client().get("/api/v1/proposals").json()["results"] == [], "it has ended, so nobody needs to sign"
