"""API keys: made, listed, used and revoked. Imported through `accounts.actions`."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from django.db import transaction

from marketplace.accounts.models import SCOPES, ApiKey, Participant
from marketplace.problems import NotFound, Refused, SignInFailed
from marketplace.times import moment

KEY_CHARACTERS_MAX = 128
KEY_SECONDS_MAX = 366 * 86_400
LAST_USED_STEP_SECONDS = 60


def create_api_key(
    *,
    participant: Participant,
    name: str,
    scopes: Sequence[str],
    expires_at: int | None,
    secret: str,
    keys_max: int,
    now: int,
) -> tuple[ApiKey, str]:
    """Make a key from `secret` (hex, 40 characters or more, fresh chance of the caller); the text is shown once.

    Locks the participant, so that the limit of live keys holds under concurrent calls. Raises Refused.
    """
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise Refused.one("scopes", "unknown_value", f"choose one or more of {', '.join(SCOPES)}.")
    if expires_at is not None and not now < expires_at <= now + KEY_SECONDS_MAX:
        latest = now + KEY_SECONDS_MAX
        raise Refused.one("expires_at", "out_of_range", f"must lie between now ({now}) and {latest}.")
    prefix, rest = secret[:8], secret[8:]
    text = f"sk_{prefix}_{rest}"
    with transaction.atomic():
        Participant.objects.select_for_update().get(pk=participant.pk)
        live = ApiKey.objects.filter(participant=participant, revoked_at=None).count()
        if live >= keys_max:
            raise Refused.one(
                "name", "too_many_keys", f"{live} keys live, the limit is {keys_max}; revoke one first."
            )
        key = ApiKey.objects.create(
            participant=participant,
            name=name,
            prefix=prefix,
            key_hash=_hash(text),
            scopes=sorted(set(scopes)),
            created_at=moment(now),
            expires_at=None if expires_at is None else moment(expires_at),
        )
    return key, text


def use_api_key(*, text: str, now: int) -> ApiKey:
    """The live key of this text, with its participant. Raises SignInFailed with the reason."""
    parts = text.split("_")
    if len(text) > KEY_CHARACTERS_MAX or len(parts) != 3 or parts[0] != "sk" or not text.isprintable():
        raise SignInFailed("This is not an API key; it looks like sk_<8 letters>_<secret>.")
    key = ApiKey.objects.select_related("participant").filter(prefix=parts[1]).first()
    if key is None or not hmac.compare_digest(key.key_hash, _hash(text)):
        raise SignInFailed("There is no such API key; create one under Account.")
    if key.revoked_at is not None:
        raise SignInFailed("This API key was revoked; create another one under Account.")
    if key.expires_at is not None and key.expires_at <= moment(now):
        raise SignInFailed("This API key has expired; create another one under Account.")
    if key.last_used_at is None or key.last_used_at < moment(now - LAST_USED_STEP_SECONDS):
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=moment(now))
    return key


def revoke_api_key(*, participant: Participant, prefix: str, now: int) -> ApiKey:
    """Revoke a key of this participant; it fails from the next call on. Idempotent. Raises NotFound."""
    with transaction.atomic():
        key = ApiKey.objects.select_for_update().filter(participant=participant, prefix=prefix).first()
        if key is None:
            raise NotFound("You have no API key with this prefix; GET /api-keys lists them.")
        if key.revoked_at is None:
            key.revoked_at = moment(now)
            key.save(update_fields=["revoked_at"])
    return key


def _hash(text: str) -> str:
    # The secret has 128 bits or more of chance, so a plain hash is enough: there is nothing to guess.
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
