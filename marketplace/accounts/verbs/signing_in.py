"""Coming in: by password with a platform-held key, or by a wallet's signature. Imported through `accounts.actions`."""

from __future__ import annotations

import re

from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from ledger import custodial
from ledger.queries import deployment
from marketplace.accounts.models import Participant, SiweNonce
from marketplace.problems import Refused, SignInFailed, TooManyRequests
from marketplace.times import moment
from suan.core.problems import Problem
from suan.core.signing import BadSignature, SignIn, personal_digest, recover

NONCES_PENDING_MAX = 20
USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{2,31}")
_NONCE_LINE = re.compile(r"^Nonce: ([0-9a-f]{16,32})$", re.MULTILINE)


def register_with_password(*, username: str, password: str, display_name: str, now: int) -> Participant:
    """Make a user and its participant with a key that the platform keeps (custodial). Raises Refused."""
    if USERNAME.fullmatch(username) is None:
        raise Refused.one(
            "username",
            "not_a_username",
            "3 to 32 characters of a-z, 0-9, dot, dash and underscore, starting with a letter or digit.",
        )
    try:
        validate_password(password, User(username=username))
    except ValidationError as error:
        raise Refused([Problem("password", "too_weak", message) for message in error.messages]) from None
    try:
        with transaction.atomic():
            user = get_user_model().objects.create_user(username=username, password=password)
            return Participant.objects.create(
                address=custodial.create_key(),
                user=user,
                custodial=True,
                display_name=display_name or username,
                created_at=moment(now),
            )
    except IntegrityError:
        raise Refused.one("username", "taken", f"{username} is taken; choose another name.") from None


def check_password(*, username: str, password: str) -> Participant:
    """The participant of a password account. Raises SignInFailed, the same for a wrong name and a wrong password."""
    user = authenticate(username=username, password=password)
    participant = None if user is None else getattr(user, "participant", None)
    if participant is None:
        raise SignInFailed("Name or password is wrong; try again, or register.")
    return participant


def issue_sign_in(
    *, address: str, domain: str, uri: str, nonce: str, lifetime_seconds: int, now: int
) -> SiweNonce:
    """Render the EIP-4361 message that this address may sign once, within `lifetime_seconds`."""
    pending = SiweNonce.objects.filter(address=address, used_at=None, expires_at__gt=moment(now)).count()
    if pending >= NONCES_PENDING_MAX:
        raise TooManyRequests(
            f"{pending} sign-in messages wait for this address; sign one, or retry in {lifetime_seconds} s."
        )
    message = SignIn(
        domain=domain,
        uri=uri,
        address=address,
        chain_id=deployment().chain_id,
        nonce=nonce,
        issued_at=now,
        expires_at=now + lifetime_seconds,
    )
    return SiweNonce.objects.create(
        nonce=nonce,
        address=address,
        message=message.text(),
        issued_at=moment(now),
        expires_at=moment(now + lifetime_seconds),
    )


def verify_sign_in(*, message: str, signature: bytes, domain: str, uri: str, now: int) -> Participant:
    """Use up a sign-in message and return who signed it; makes the participant at the first time.

    The whole text must be the one that was rendered for this nonce; domain, uri, chain and address are in it. The
    nonce row is locked, so of two concurrent uses one fails. Raises SignInFailed.
    """
    found = _NONCE_LINE.search(message)
    with transaction.atomic():
        row = SiweNonce.objects.select_for_update().filter(nonce=found.group(1)).first() if found else None
        if row is None or row.message != message:
            raise SignInFailed(
                "The message is not the one that was given out; ask for a new one and sign it unchanged."
            )
        expected = SignIn(
            domain=domain,
            uri=uri,
            address=row.address,
            chain_id=deployment().chain_id,
            nonce=row.nonce,
            issued_at=int(row.issued_at.timestamp()),
            expires_at=int(row.expires_at.timestamp()),
        )
        if expected.text() != message:
            raise SignInFailed(f"The message was made for another site or chain; sign in at {domain} again.")
        if row.used_at is not None:
            raise SignInFailed("This message was used already; ask for a new one.")
        if row.expires_at <= moment(now):
            raise SignInFailed("This message has expired; ask for a new one.")
        try:
            signer = recover(personal_digest(message), signature)
        except BadSignature as error:
            raise SignInFailed(f"The signature is not valid: {error}. Sign again.") from None
        if signer != row.address:
            raise SignInFailed(
                f"{signer} signed, but the message is for {row.address}; choose that wallet account."
            )
        row.used_at = moment(now)
        row.save(update_fields=["used_at"])
        return _participant_of_wallet(address=signer, now=now)


def _participant_of_wallet(*, address: str, now: int) -> Participant:
    participant = Participant.objects.select_related("user").filter(address=address).first()
    if participant is not None and participant.custodial:
        raise SignInFailed("This key is kept by the platform; sign in with the password.")
    if participant is None:
        user, made = get_user_model().objects.get_or_create(username=address)
        if made:
            user.set_unusable_password()
            user.save(update_fields=["password"])
        participant, _ = Participant.objects.get_or_create(
            address=address, defaults={"custodial": False, "user": user, "created_at": moment(now)}
        )
    return participant
