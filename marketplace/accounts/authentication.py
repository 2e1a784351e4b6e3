"""Who is calling: a program with an API key, or a person with a session and its CSRF token.

`request.user` is a Participant either way; `request.auth` is the ApiKey, or None for a session.
"""

from __future__ import annotations

import time
from typing import Any

from rest_framework import authentication, exceptions
from rest_framework.request import Request

from marketplace.accounts import actions
from marketplace.problems import SignInFailed


class ApiKeyAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer sk_<prefix>_<secret>`. A revoked or expired key fails on its next call."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        header = authentication.get_authorization_header(request)
        scheme, _, token = header.partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        try:
            text = token.decode("ascii")
        except UnicodeDecodeError:
            raise exceptions.AuthenticationFailed(
                "The key is not ASCII text; send it as shown.", "bad_key"
            ) from None
        try:
            key = actions.use_api_key(text=text, now=int(time.time()))
        except SignInFailed as error:
            raise exceptions.AuthenticationFailed(error.detail, error.code) from None
        return key.participant, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="suan"'


class ParticipantSessionAuthentication(authentication.SessionAuthentication):
    """Django's session with CSRF, for people; the caller is the user's participant."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        found = super().authenticate(request)
        if found is None:
            return None
        participant = getattr(found[0], "participant", None)
        return None if participant is None else (participant, None)
