"""HTTP of accounts: sessions, API keys, the account with its money, nodes. Parse, one action, render."""

from __future__ import annotations

import secrets
import time
from typing import Any

from django.conf import settings
from django.contrib.auth import login, logout
from django.http import HttpRequest
from django.middleware.csrf import get_token
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import AnonRateThrottle

from marketplace.accounts import actions, queries, serializers
from marketplace.accounts.models import Participant
from marketplace.problems import Forbidden
from marketplace.rest import ApiView, parse
from suan.core.encoding import from_hex, normalise_address
from suan.core.problems import FieldError

OBJECT = OpenApiTypes.OBJECT
BACKEND = "django.contrib.auth.backends.ModelBackend"


class SignInThrottle(AnonRateThrottle):
    """Guessing passwords is slow; a person never notices."""

    scope = "sign_in"

    def get_cache_key(self, request: Request, view: Any) -> str:
        return self.cache_format % {"scope": self.scope, "ident": self.get_ident(request)}


def now() -> int:
    return int(time.time())


def signature_of(body: dict[str, Any]) -> bytes | None:
    return None if body.get("signature") is None else from_hex(body["signature"])


class SessionView(ApiView):
    """The browser's session: who am I, sign in by password, sign out."""

    throttle_classes = [SignInThrottle]

    @extend_schema(responses=OBJECT, operation_id="session")
    def get(self, request: Request) -> Response:
        found = request.user if isinstance(request.user, Participant) else None
        return Response(_session(request._request, found))

    @extend_schema(request=serializers.PasswordBody, responses=OBJECT, operation_id="sign_in_with_password")
    def post(self, request: Request) -> Response:
        body = parse(serializers.PasswordBody, request.data)
        participant = actions.check_password(**body)
        return Response(_enter(request._request, participant))

    @extend_schema(responses={204: None}, operation_id="sign_out")
    def delete(self, request: Request) -> Response:
        logout(request._request)
        return Response(status=204)


class RegisterView(ApiView):
    throttle_classes = [SignInThrottle]

    @extend_schema(request=serializers.RegisterBody, responses={201: OBJECT}, operation_id="register")
    def post(self, request: Request) -> Response:
        """A password account. Its key is kept by the platform (custodial), which signs its orders."""
        body = parse(serializers.RegisterBody, request.data)
        participant = actions.register_with_password(**body, now=now())
        return Response(_enter(request._request, participant), status=201)


class NonceView(ApiView):
    throttle_classes = [SignInThrottle]

    @extend_schema(request=serializers.NonceBody, responses=OBJECT, operation_id="sign_in_message")
    def post(self, request: Request) -> Response:
        """The EIP-4361 message for a wallet to sign; good once and for a few minutes."""
        body = parse(serializers.NonceBody, request.data)
        row = actions.issue_sign_in(
            address=body["address"],
            domain=request.get_host(),
            uri=_origin(request),
            nonce=secrets.token_hex(12),
            lifetime_seconds=settings.SIGN_IN_SECONDS,
            now=now(),
        )
        return Response(
            {"nonce": row.nonce, "message": row.message, "expires_at": int(row.expires_at.timestamp())}
        )


class VerifyView(ApiView):
    throttle_classes = [SignInThrottle]

    @extend_schema(request=serializers.VerifyBody, responses=OBJECT, operation_id="sign_in_with_ethereum")
    def post(self, request: Request) -> Response:
        """Sign in with the signed message. The session's key is rotated."""
        body = parse(serializers.VerifyBody, request.data)
        participant = actions.verify_sign_in(
            message=body["message"],
            signature=from_hex(body["signature"]),
            domain=request.get_host(),
            uri=_origin(request),
            now=now(),
        )
        return Response(_enter(request._request, participant))


class ApiKeysView(ApiView):
    scopes = {"GET": "read", "POST": "read"}

    @extend_schema(responses=OBJECT, operation_id="list_api_keys")
    def get(self, request: Request) -> Response:
        keys = queries.api_keys(request.user)[:500]
        return Response({"results": [queries.api_key_view(key) for key in keys], "next": None})

    @extend_schema(request=serializers.ApiKeyBody, responses={201: OBJECT}, operation_id="create_api_key")
    def post(self, request: Request) -> Response:
        """A new key; its text is in this answer only. Needs a session: a key cannot make keys."""
        if request.auth is not None:
            raise Forbidden("A key cannot make keys; sign in with a session.")
        body = parse(serializers.ApiKeyBody, request.data)
        key, text = actions.create_api_key(
            participant=request.user,
            **body,
            secret=secrets.token_hex(24),
            keys_max=settings.API_KEYS_MAX,
            now=now(),
        )
        return Response({**queries.api_key_view(key), "key": text}, status=201)


class ApiKeyView(ApiView):
    scopes = {"DELETE": "read"}

    @extend_schema(responses=OBJECT, operation_id="revoke_api_key")
    def delete(self, request: Request, prefix: str) -> Response:
        """Revoke a key; a key may revoke itself and the others of its account."""
        return Response(
            queries.api_key_view(actions.revoke_api_key(participant=request.user, prefix=prefix, now=now()))
        )


class AccountView(ApiView):
    scopes = {"GET": "read"}

    @extend_schema(responses=OBJECT, operation_id="account")
    def get(self, request: Request) -> Response:
        return Response(queries.account_view(request.user))


class FaucetView(ApiView):
    scopes = {"POST": "trade"}

    @extend_schema(request=None, responses={202: OBJECT}, operation_id="faucet")
    def post(self, request: Request) -> Response:
        """Test tokens into the account, and for wallets tokens and gas of their own. On a local chain only."""
        parse(serializers.EmptyBody, request.data)
        row = actions.faucet(
            participant=request.user,
            amount=settings.FAUCET_TOKENS,
            gas_wei=settings.FAUCET_GAS_WEI,
            is_local_chain=settings.FAUCET,
            now=now(),
        )
        return Response(queries.relayed_view(row), status=202)


class DepositView(ApiView):
    scopes = {"POST": "trade"}

    @extend_schema(request=serializers.DepositBody, responses={202: OBJECT}, operation_id="deposit_by_permit")
    def post(self, request: Request) -> Response:
        """Relay a deposit with an ERC-2612 permit that the wallet signed for the Market over this amount."""
        body = parse(serializers.DepositBody, request.data)
        row = actions.deposit_by_permit(
            participant=request.user,
            amount=body["amount"],
            deadline=body["deadline"],
            signature=from_hex(body["signature"]),
            now=now(),
        )
        return Response(queries.relayed_view(row), status=202)


class WithdrawalView(ApiView):
    scopes = {"POST": "trade"}

    @extend_schema(request=serializers.WithdrawalBody, responses={202: OBJECT}, operation_id="withdraw")
    def post(self, request: Request) -> Response:
        """Ask for money back. After the market's delay it is sent to the account's own address."""
        body = parse(serializers.WithdrawalBody, request.data)
        if body["amount"] <= 0:
            raise exceptions.ValidationError({"amount": ["It must be more than 0."]}, "too_low")
        body["signature"] = signature_of(body)
        row = actions.request_withdrawal(participant=request.user, **body, now=now())
        return Response(queries.relayed_view(row), status=202)


class AgentsView(ApiView):
    scopes = {"POST": "provide"}

    @extend_schema(request=serializers.AgentBody, responses={202: OBJECT}, operation_id="set_agent")
    def post(self, request: Request) -> Response:
        """Name an agent key on chain; it signs receipts until valid_until (0 revokes)."""
        body = parse(serializers.AgentBody, request.data)
        body["signature"] = signature_of(body)
        row = actions.set_agent(participant=request.user, **body, now=now())
        return Response(queries.relayed_view(row), status=202)


class DelegatesView(ApiView):
    scopes = {"POST": "trade"}

    @extend_schema(request=serializers.DelegateBody, responses={202: OBJECT}, operation_id="set_delegate")
    def post(self, request: Request) -> Response:
        """Name a delegate key on chain: it signs orders of one side within its limits and never withdraws."""
        body = parse(serializers.DelegateBody, request.data)
        body["signature"] = signature_of(body)
        body["side"] = 1 if body["side"] == "buy" else 2
        row = actions.set_delegate(participant=request.user, **body, now=now())
        return Response(queries.relayed_view(row), status=202)


class NodesView(ApiView):
    scopes = {"GET": "read", "POST": "provide"}

    @extend_schema(responses=OBJECT, operation_id="list_nodes")
    def get(self, request: Request) -> Response:
        rows = queries.nodes(request.user)[:500]
        return Response({"results": [queries.node_view(row) for row in rows], "next": None})

    @extend_schema(
        request=serializers.NodeBody, responses={201: OBJECT, 200: OBJECT}, operation_id="register_node"
    )
    def post(self, request: Request) -> Response:
        """Register a node with its measured rate; the agent key signs all the other fields of the body."""
        body = parse(serializers.NodeBody, request.data)
        signature = from_hex(body.pop("signature"))
        node, made = actions.register_node(
            participant=request.user,
            statement=body,
            signature=signature,
            nodes_max=settings.NODES_MAX,
            now=now(),
        )
        return Response(queries.node_view(node), status=201 if made else 200)


class HeartbeatView(ApiView):
    scopes = {"POST": "provide"}

    @extend_schema(request=None, responses=OBJECT, operation_id="node_heartbeat")
    def post(self, request: Request, agent: str) -> Response:
        parse(serializers.EmptyBody, request.data)
        try:
            address = normalise_address(agent)
        except FieldError as error:
            raise exceptions.ValidationError({"agent": [error.problem.message]}, error.code) from None
        rows = actions.heartbeat(participant=request.user, agent=address, now=now())
        return Response({"results": [queries.node_view(row) for row in rows], "next": None})


def _origin(request: Request) -> str:
    return f"{request.scheme}://{request.get_host()}"


def _enter(request: HttpRequest, participant: Participant) -> dict[str, Any]:
    login(request, participant.user, backend=BACKEND)  # type: ignore[arg-type]
    return _session(request, participant)


def _session(request: HttpRequest, participant: Participant | None) -> dict[str, Any]:
    token = get_token(request)
    if participant is None:
        return {"signed_in": False, "csrf_token": token}
    return {
        "signed_in": True,
        "address": participant.address,
        "display_name": participant.display_name,
        "custodial": participant.custodial,
        "csrf_token": token,
    }


urlpatterns = [
    path("session", SessionView.as_view()),
    path("session/register", RegisterView.as_view()),
    path("session/nonce", NonceView.as_view()),
    path("session/verify", VerifyView.as_view()),
    path("api-keys", ApiKeysView.as_view()),
    path("api-keys/<str:prefix>", ApiKeyView.as_view()),
    path("account", AccountView.as_view()),
    path("account/faucet", FaucetView.as_view()),
    path("account/deposits", DepositView.as_view()),
    path("account/withdrawals", WithdrawalView.as_view()),
    path("account/agents", AgentsView.as_view()),
    path("account/delegates", DelegatesView.as_view()),
    path("nodes", NodesView.as_view()),
    path("nodes/<str:agent>/heartbeat", HeartbeatView.as_view()),
]
