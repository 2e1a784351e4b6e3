"""A market for the tests of accounts and book: a deployment file, people with money, and a client for each.

Nothing here talks to a chain: rooms read the deployment file and the books, and what they plan for the chain stays
in the outbox. tests/accounts/test_on_chain.py has the same with a real node.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from rest_framework.test import APIClient

from ledger import journal
from ledger.queries import Deployment, deployment
from marketplace.accounts import actions as accounts
from marketplace.accounts.models import Participant
from marketplace.times import moment
from suan.core.encoding import to_hex
from suan.core.orders.products import product_by_symbol
from suan.core.orders.terms import BidTerms, OfferTerms
from suan.core.settlement import bookkeeping
from suan.core.signing.domains import market_domain
from suan.core.signing.messages import node_registration_digest
from suan.core.signing.structs import Bid, Offer
from suan.core.units import parse_tokens
from tests.core.signing.keys import Key
from tests.receipts.programs import additions

TOKEN = 10**18
PRODUCT = "cpu.fp64:eu-north:recomputed"
PASSWORD = "correct horse battery"
CHAIN_ID = 31_337
HOUR = 3_600


def write_deployment(var: Path, **changes: Any) -> Deployment:
    """The deployment file of a market that these tests never call."""
    names = (
        "market",
        "registry",
        "evidence_log",
        "token",
        "operator",
        "relayer",
        "treasury",
        "pool",
        "rerun_account",
        "admin",
        "acknowledger",
    )
    addresses = {name: Key(f"deployed {name}").address for name in names}
    content: dict[str, Any] = {
        "chain_id": CHAIN_ID,
        "block": 1,
        **addresses,
        "verifier_set": _set("5e", "verifier"),
        "arbiter_set": _set("5f", "arbiter"),
        "fee_bps": 100,
        "bond_bps": 2_500,
        "bond_floor_price": 10**16,
        "verification_grace": 60,
        "withdrawal_delay": 5,
        "match_window": 5,
        "dispute_window": 2,
        "dispute_bond": str(TOKEN),
        "confirmations": 12,
        "profile": "demo",
    }
    (var / "deployment.json").write_text(json.dumps(content | changes))
    return deployment()


def _set(byte: str, name: str) -> dict[str, Any]:
    members = [Key(name).address]
    return {"id": "0x" + byte * 32, "members": members, "threshold": 1, "payout_cap": str(10**24)}


def give(address: str, tokens: int) -> None:
    """Money in the books, as a final Deposited event would post it."""
    journal.move(
        [
            journal.Movement(
                debit=bookkeeping.CUSTODY_REF,
                credit=bookkeeping.Ref(address, bookkeeping.AVAILABLE),
                amount=tokens * TOKEN,
                key=f"test deposit {address} {time.monotonic_ns()}",
            )
        ]
    )


class Person:
    """Somebody with an account, an API key with every scope, and a client that sends it."""

    def __init__(self, participant: Participant, key: Key | None = None) -> None:
        self.participant = participant
        self.address = participant.address
        self.key = key
        self.client = APIClient()
        row, text = accounts.create_api_key(
            participant=participant,
            name="test",
            scopes=["read", "trade", "provide"],
            expires_at=None,
            secret=f"{participant.pk:08x}" + "ab" * 20,
            keys_max=99,
            now=now(),
        )
        self.api_key, self.api_key_text = row, text
        self.client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")

    def post(self, path: str, body: Any = None) -> Any:
        return self.client.post(f"/api/v1{path}", body or {}, format="json")

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(f"/api/v1{path}", query)

    def upload(self, data: bytes) -> str:
        answer = self.client.generic("POST", "/api/v1/artifacts", data, "application/octet-stream")
        assert answer.status_code == 201, answer.content
        return str(answer.json()["sha256"])


def custodial(name: str, tokens: int = 0) -> Person:
    """A password account with a platform-held key."""
    person = Person(
        accounts.register_with_password(username=name, password=PASSWORD, display_name="", now=now())
    )
    if tokens:
        give(person.address, tokens)
    return person


def wallet(name: str, tokens: int = 0) -> Person:
    """An account whose key its owner holds."""
    from django.contrib.auth import get_user_model

    key = Key(f"wallet {name}")
    user = get_user_model().objects.create_user(username=key.address)
    person = Person(
        Participant.objects.create(address=key.address, custodial=False, user=user, created_at=moment(now())),
        key,
    )
    if tokens:
        give(person.address, tokens)
    return person


def now() -> int:
    return int(time.time())


def register_node(person: Person, *, label: str = "node", rate: int = 1_000, region: str = "eu-north") -> Key:
    """A measured node of this person; returns its agent key."""
    agent = Key(f"agent {label}")
    statement = {
        "agent": agent.address,
        "class": "cpu.fp64",
        "region": region,
        "rate_mflops": rate,
        "measured_at": now(),
    }
    signature = agent.sign(node_registration_digest(statement))
    answer = person.post("/nodes", statement | {"signature": to_hex(signature)})
    assert answer.status_code in (200, 201), answer.content
    return agent


def bid_body(person: Person, **changes: Any) -> dict[str, Any]:
    """A bid that is valid by default; module and input are uploaded."""
    terms = BidTerms(
        module=bytes.fromhex(person.upload(additions(10))[2:]),
        input=bytes.fromhex(person.upload(b"input")[2:]),
        memory_bytes=1 << 20,
        wall_seconds=30,
    ).to_json()
    terms |= changes.pop("terms", {})
    return {
        "client_order_id": "bid-1",
        "product": PRODUCT,
        "limit_price": "1",
        "runs": 4,
        "ceiling_units": 3_600,
        "valid_until": now() + HOUR,
        "deliver_by": now() + 2 * HOUR,
        "terms": terms,
    } | changes


def offer_body(agent: str, **changes: Any) -> dict[str, Any]:
    """An offer that is valid by default for a node of 1,000 MFLOPS."""
    terms = OfferTerms(agent=agent, rate_mflops=1_000).to_json() | changes.pop("terms", {})
    return {
        "client_order_id": "offer-1",
        "product": PRODUCT,
        "limit_price": "0.5",
        "units": 36_000,
        "valid_until": now() + HOUR,
        "deliver_by": now() + 2 * HOUR,
        "terms": terms,
    } | changes


def struct_of(body: dict[str, Any], maker: str, **changes: Any) -> Bid | Offer:
    """The struct that a wallet signs for this body."""
    chain = deployment()
    common: dict[str, Any] = {
        "maker": maker,
        "product": product_by_symbol(body["product"]).id,
        "price": parse_tokens(body["limit_price"]),
        "nonce": 7,
        "valid_until": body["valid_until"],
        "deliver_by": body["deliver_by"],
        "verifier_set": bytes.fromhex(chain.verifier_set.id[2:]),
        "max_fee_bps": chain.fee_bps,
    } | changes
    if "runs" in body:
        return Bid(
            side=1,
            runs=body["runs"],
            ceiling=body["ceiling_units"],
            terms=BidTerms.from_json(body["terms"]).hash(),
            **common,
        )
    return Offer(side=2, units=body["units"], terms=OfferTerms.from_json(body["terms"]).hash(), **common)


def signed(
    body: dict[str, Any], key: Key, *, chain_id: int | None = None, maker: str | None = None, **changes: Any
) -> dict[str, Any]:
    """The body with the fields and the signature of its maker (or of a delegate key for `maker`)."""
    chain = deployment()
    struct = struct_of(body, maker or key.address, **changes)
    digest = struct.digest(market_domain(chain_id or chain.chain_id, chain.market))
    return body | {
        "maker": struct.maker,
        "nonce": struct.nonce,
        "max_fee_bps": struct.max_fee_bps,
        "verifier_set": to_hex(struct.verifier_set),
        "signature": to_hex(key.sign(digest)),
    }


def problem(answer: Any, status: int, code: str, pointer: str) -> dict[str, Any]:
    """Assert that an answer is a problem which names this field with this code; returns the matching entry."""
    assert answer.status_code == status, (answer.status_code, answer.content)
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert {"type", "title", "status", "detail", "instance", "errors", "request_id"} <= set(body)
    assert body["status"] == status
    found = [entry for entry in body["errors"] if entry["code"] == code and entry["pointer"] == pointer]
    assert found, body
    return found[0]
