"""Open an account and get an API key for it: with a password (custodial), or with a key of one's own (EIP-4361)."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from suan.client.keystore import LocalKey
from suan.client.wire import Wire
from suan.core.signing import personal_digest

SCOPES = ("read", "trade", "provide")


class Session:
    """A signed-in session, as a browser has one; it lives as long as the `with` block."""

    def __init__(self, url: str) -> None:
        self._wire = Wire(url)
        self._csrf = ""

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wire.close()

    def register(self, username: str, password: str, display_name: str = "") -> dict[str, Any]:
        """Open a custodial account: the platform keeps its key and signs its orders."""
        body = {"username": username, "password": password, "display_name": display_name}
        return self._enter("/session/register", body)

    def sign_in_with_password(self, username: str, password: str) -> dict[str, Any]:
        """Sign in to an account that exists."""
        return self._enter("/session", {"username": username, "password": password})

    def sign_in(self, key: LocalKey) -> dict[str, Any]:
        """Sign in with Ethereum: the exchange writes the message, the key signs it; a first sign-in opens the account."""
        message = self._post("/session/nonce", {"address": key.address})["message"]
        signature = "0x" + key.sign_digest(personal_digest(message)).hex()
        return self._enter("/session/verify", {"message": message, "signature": signature})

    def create_api_key(self, name: str, scopes: tuple[str, ...] = SCOPES) -> str:
        """A new API key (sk_…) of the signed-in account; its text is shown only now."""
        return str(self._post("/api-keys", {"name": name, "scopes": list(scopes)})["key"])

    def _enter(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        session = self._post(path, body)
        self._csrf = session["csrf_token"]
        return session

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"X-CSRFToken": self._csrf} if self._csrf else {}
        answer = self._wire.request("POST", path, json=body, headers=headers, repeatable=False)
        return dict(answer.json())
