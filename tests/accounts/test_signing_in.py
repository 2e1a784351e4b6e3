"""Coming in: passwords with platform-held keys, Sign-In with Ethereum, sessions with CSRF."""

from datetime import timedelta

from django.test import Client
from rest_framework.test import APIClient

from ledger import custodial as keys
from marketplace.accounts.models import Participant, SiweNonce
from suan.core.encoding import checksum, to_hex
from suan.core.signing.messages import personal_digest
from tests.book.market import PASSWORD, custodial, problem
from tests.core.signing.keys import Key

ADA = Key("ada")


def ask(client, key: Key = ADA) -> dict:
    answer = client.post("/api/v1/session/nonce", {"address": key.address}, format="json")
    assert answer.status_code == 200, answer.content
    return answer.json()


def verify(client, message: str, key: Key = ADA, **headers):
    signature = to_hex(key.sign(personal_digest(message)))
    body = {"message": message, "signature": signature}
    return client.post("/api/v1/session/verify", body, format="json", **headers)


class TestWithEthereum:
    def test_a_wallet_signs_the_servers_message_and_is_in(self, market):
        client = APIClient()
        given = ask(client)
        assert given["message"].startswith(
            f"testserver wants you to sign in with your Ethereum account:\n{checksum(ADA.address)}\n\n"
        )
        assert f"Chain ID: {market.chain_id}\nNonce: {given['nonce']}\n" in given["message"]
        answer = verify(client, given["message"])
        assert (answer.status_code, answer.json()["address"]) == (200, ADA.address)
        assert client.get("/api/v1/account").json()["custodial"] is False
        assert client.get("/api/v1/session").json()["signed_in"] is True

    def test_the_message_is_good_once(self, market):
        client = APIClient()
        message = ask(client)["message"]
        assert verify(client, message).status_code == 200
        again = verify(APIClient(), message)
        assert (again.status_code, again.json()["code"]) == (401, "sign_in_failed")
        assert "used already" in again.json()["detail"]

    def test_the_message_expires(self, market):
        client = APIClient()
        message = ask(client)["message"]
        row = SiweNonce.objects.get()
        # Its whole life is moved back; the text says the same times, so only expiry can refuse it.
        row.issued_at -= timedelta(hours=1)
        row.expires_at -= timedelta(hours=1)
        old = message
        from suan.core.signing.messages import SignIn

        row.message = SignIn(
            domain="testserver",
            uri="http://testserver",
            address=row.address,
            chain_id=market.chain_id,
            nonce=row.nonce,
            issued_at=int(row.issued_at.timestamp()),
            expires_at=int(row.expires_at.timestamp()),
        ).text()
        row.save()
        assert "has expired" in verify(client, row.message).json()["detail"]
        assert "not the one that was given out" in verify(client, old).json()["detail"]

    def test_a_changed_message_another_key_and_another_site_are_refused(self, market, settings):
        settings.ALLOWED_HOSTS = ["testserver", "phishing.example"]
        client = APIClient()
        message = ask(client)["message"]
        assert verify(client, message.replace("no gas", "much gas")).status_code == 401
        wrong = verify(client, message, Key("eve"))
        assert "choose that wallet account" in wrong.json()["detail"]
        elsewhere = verify(client, message, headers={"host": "phishing.example"})
        assert "another site or chain" in elsewhere.json()["detail"]
        assert verify(client, message).status_code == 200

    def test_the_session_key_is_rotated(self, market, settings):
        client = APIClient()
        client.cookies[settings.SESSION_COOKIE_NAME] = "planted-by-somebody"
        verify(client, ask(client)["message"])
        assert client.cookies[settings.SESSION_COOKIE_NAME].value != "planted-by-somebody"

    def test_an_address_may_not_pile_up_messages(self, market):
        client = APIClient()
        for _ in range(20):
            ask(client)
        answer = client.post("/api/v1/session/nonce", {"address": ADA.address}, format="json")
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_requests")

    def test_bad_input_names_its_field(self, market):
        client = APIClient()
        path = "/api/v1/session/nonce"
        problem(client.post(path, {"address": "0x12"}, format="json"), 422, "not_an_address", "/address")
        body = {"message": "Nonce: zz", "signature": "0x" + "00" * 65}
        answer = client.post("/api/v1/session/verify", body, format="json")
        assert answer.status_code == 401
        answer = client.post("/api/v1/session/verify", body | {"signature": "0x1"}, format="json")
        problem(answer, 422, "not_hex", "/signature")


class TestWithPassword:
    def register(self, client, **changes):
        body = {"username": "grace", "password": PASSWORD} | changes
        return client.post("/api/v1/session/register", body, format="json")

    def test_the_platform_keeps_the_key_and_says_so(self, market):
        client = APIClient()
        answer = self.register(client)
        assert (answer.status_code, answer.json()["custodial"]) == (201, True)
        participant = Participant.objects.get()
        assert keys.holds(participant.address)
        seen = client.get("/api/v1/account").json()
        assert (seen["address"], seen["username"], seen["custodial"]) == (participant.address, "grace", True)

    def test_signing_out_and_in_again(self, market):
        client = APIClient()
        self.register(client)
        assert client.delete("/api/v1/session").status_code == 204
        assert client.get("/api/v1/account").status_code == 401
        path, body = "/api/v1/session", {"username": "grace", "password": PASSWORD}
        wrong = client.post(path, body | {"password": "wrong"}, format="json")
        unknown = client.post(path, body | {"username": "nobody"}, format="json")
        assert wrong.status_code == unknown.status_code == 401
        assert wrong.json()["detail"] == unknown.json()["detail"]
        assert client.post(path, body, format="json").status_code == 200

    def test_weak_passwords_and_taken_or_odd_names_are_refused_by_name(self, market):
        client = APIClient()
        problem(self.register(client, password="short"), 422, "too_weak", "/password")
        problem(self.register(client, username="A b"), 422, "not_a_username", "/username")
        problem(self.register(client, admin=True), 422, "unknown_field", "/admin")
        problem(self.register(client, username="a\0b"), 422, "null_characters_not_allowed", "/username")
        self.register(client)
        problem(self.register(APIClient()), 422, "taken", "/username")

    def test_a_session_needs_the_csrf_token_to_change_anything(self, market):
        client = APIClient(enforce_csrf_checks=True)
        token = self.register(client).json()["csrf_token"]
        body = {"name": "mine", "scopes": ["read"]}
        refused = client.post("/api/v1/api-keys", body, format="json")
        assert (refused.status_code, refused["Content-Type"]) == (403, "application/problem+json")
        made = client.post("/api/v1/api-keys", body, format="json", headers={"X-CSRFToken": token})
        assert made.status_code == 201, made.content

    def test_a_form_of_another_site_cannot_sign_anybody_in(self, market):
        custodial("grace")
        answer = Client().post("/api/v1/session", {"username": "grace", "password": PASSWORD})
        assert answer.status_code == 415


def test_passwords_are_kept_with_argon2id_and_older_hashes_are_replaced_at_sign_in(market, settings):
    from django.contrib.auth.hashers import make_password
    from django.contrib.auth.models import User

    from marketplace import settings as own

    settings.PASSWORD_HASHERS = own.PASSWORD_HASHERS
    client = APIClient()
    body = {"username": "grace", "password": PASSWORD, "display_name": "Grace"}
    assert client.post("/api/v1/session/register", body, format="json").status_code == 201
    assert User.objects.get(username="grace").password.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")
    User.objects.update(password=make_password(PASSWORD, hasher="pbkdf2_sha256"))
    sign_in = {"username": "grace", "password": PASSWORD}
    assert APIClient().post("/api/v1/session", sign_in, format="json").status_code == 200
    assert User.objects.get(username="grace").password.startswith("argon2$")
