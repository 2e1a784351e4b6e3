"""API keys with scopes, and nodes with measured rates."""

import hashlib
from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from marketplace.accounts.models import ApiKey, Node
from suan.core.encoding import to_hex
from suan.core.signing.messages import node_registration_digest
from tests.book.market import custodial, now, problem, register_node
from tests.core.signing.keys import Key


def with_key(text: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return client


@pytest.fixture
def person(market):
    return custodial("grace", tokens=1)


def session_of(person) -> APIClient:
    client = APIClient()
    client.force_login(person.participant.user)
    return client


class TestApiKeys:
    def test_only_the_hash_is_stored_and_the_text_is_shown_once(self, person):
        client = session_of(person)
        made = client.post("/api/v1/api-keys", {"name": "bot", "scopes": ["trade"]}, format="json").json()
        row = ApiKey.objects.get(prefix=made["prefix"])
        assert row.key_hash == hashlib.sha256(made["key"].encode()).hexdigest()
        listed = client.get("/api/v1/api-keys").json()["results"]
        assert all("key" not in entry for entry in listed)

    def test_a_revoked_key_fails_on_its_next_call(self, person):
        client = with_key(person.api_key_text)
        assert client.get("/api/v1/account").status_code == 200
        assert client.delete(f"/api/v1/api-keys/{person.api_key.prefix}").json()["revoked_at"]
        answer = client.get("/api/v1/account")
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="suan"')
        assert "revoked" in answer.json()["detail"]

    def test_an_expired_key_fails(self, person):
        ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        assert "expired" in with_key(person.api_key_text).get("/api/v1/account").json()["detail"]

    @pytest.mark.parametrize("text", ["sk_00000000_guess", "sk_", "nonsense", "sk_a_b_c", "sk_\x7f_x"])
    def test_what_is_not_a_key_is_401(self, person, text):
        assert with_key(text).get("/api/v1/account").status_code == 401

    def test_a_scope_that_is_missing_is_named(self, person):
        client = session_of(person)
        text = client.post("/api/v1/api-keys", {"name": "r", "scopes": ["read"]}, format="json").json()["key"]
        answer = with_key(text).post("/api/v1/bids", {}, format="json")
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
        assert "trade" in answer.json()["detail"]

    def test_a_key_cannot_make_keys(self, person):
        answer = with_key(person.api_key_text).post(
            "/api/v1/api-keys", {"name": "x", "scopes": ["read"]}, format="json"
        )
        assert answer.status_code == 403

    def test_scopes_expiry_and_number_are_bounded(self, person, settings):
        client, path = session_of(person), "/api/v1/api-keys"
        answer = client.post(path, {"name": "x", "scopes": ["admin"]}, format="json")
        assert answer.status_code == 422
        body = {"name": "x", "scopes": ["read"]}
        problem(
            client.post(path, body | {"expires_at": 5}, format="json"), 422, "out_of_range", "/expires_at"
        )
        settings.API_KEYS_MAX = 1
        problem(client.post(path, body, format="json"), 422, "too_many_keys", "/name")


class TestNodes:
    def statement(self, agent: Key, **changes):
        return {
            "agent": agent.address,
            "class": "cpu.fp64",
            "region": "eu-north",
            "rate_mflops": 900,
            "measured_at": now(),
        } | changes

    def post(self, person, agent: Key, signer: Key | None = None, **changes):
        statement = self.statement(agent, **changes)
        signature = (signer or agent).sign(node_registration_digest(statement))
        return person.post("/nodes", statement | {"signature": to_hex(signature)})

    def test_a_node_is_registered_by_its_agent_key_and_renewed(self, person):
        agent = Key("machine")
        assert self.post(person, agent).status_code == 201
        again = self.post(person, agent, rate_mflops=950, benchmark={"engine": "wasmtime", "seconds": 3})
        assert (again.status_code, again.json()["rate_mflops"]) == (200, 950)
        assert Node.objects.count() == 1

    def test_a_statement_that_another_key_signed_is_refused(self, person):
        answer = self.post(person, Key("machine"), Key("eve"))
        problem(answer, 422, "wrong_signer", "/signature")

    def test_a_statement_that_was_changed_is_refused(self, person):
        agent = Key("machine")
        statement = self.statement(agent)
        signature = to_hex(agent.sign(node_registration_digest(statement)))
        answer = person.post("/nodes", statement | {"rate_mflops": 9_000, "signature": signature})
        problem(answer, 422, "wrong_signer", "/signature")

    @pytest.mark.parametrize(
        ("change", "code", "pointer"),
        [
            ({"class": "gpu"}, "unknown_value", "/class"),
            ({"region": "mars"}, "unknown_value", "/region"),
            ({"rate_mflops": 0}, "out_of_range", "/rate_mflops"),
            ({"measured_at": 5}, "out_of_range", "/measured_at"),
            ({"measured_at": 2**39}, "out_of_range", "/measured_at"),
        ],
    )
    def test_what_is_out_of_bounds_is_named(self, person, change, code, pointer):
        problem(self.post(person, Key("machine"), **change), 422, code, pointer)

    def test_an_older_measurement_does_not_replace_a_newer_one(self, person):
        agent = Key("machine")
        self.post(person, agent)
        problem(self.post(person, agent, measured_at=now() - 100), 422, "replayed", "/measured_at")

    def test_an_agent_key_belongs_to_one_account(self, person):
        agent = register_node(person)
        problem(self.post(custodial("other"), agent), 422, "taken", "/agent")

    def test_a_heartbeat_is_for_own_nodes_only(self, person):
        agent = register_node(person)
        Node.objects.update(last_seen=timezone.now() - timedelta(hours=1))
        seen = person.post(f"/nodes/{agent.address}/heartbeat").json()["results"]
        assert seen[0]["last_seen"] >= now() - 5
        assert custodial("other").post(f"/nodes/{agent.address}/heartbeat").status_code == 404
        assert person.post("/nodes/0x12/heartbeat").status_code == 422
