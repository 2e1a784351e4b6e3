"""Between "check it" and "do it": what a form asked for travels through the browser under our signature.

Nobody but its account can use a draft, nobody can change it, and it is good for DRAFT_SECONDS. Everything in it is
checked again when it is used, so a draft grants nothing.
"""

from __future__ import annotations

from typing import Any

from django.core import signing
from django.utils.translation import gettext as _

from marketplace.problems import Refused
from suan.core.encoding import from_hex

DRAFT_SECONDS = 1_800
SIGNATURE_CHARACTERS_MAX = 132
NONCE_CHARACTERS_MAX = 10


def keep(me: Any, kind: str, content: dict[str, Any]) -> str:
    """The text of a hidden field."""
    return signing.dumps(content, salt=f"{kind}:{me.address}", compress=True)


def use(me: Any, kind: str, text: str) -> dict[str, Any]:
    """What was kept. Raises Refused when it is too old, of another account, or changed."""
    try:
        content: dict[str, Any] = signing.loads(text, salt=f"{kind}:{me.address}", max_age=DRAFT_SECONDS)
    except signing.SignatureExpired:
        raise Refused.one("draft", "expired", _("this page is too old; fill in the form again.")) from None
    except signing.BadSignature:
        raise Refused.one("draft", "not_ours", _("this form was changed; fill it in again.")) from None
    return content


def signatures(post: Any, number: int) -> list[bytes | None]:
    """The signatures that the wallet's script put into signature_0, signature_1, …; None for one that is missing.

    Raises FieldError for what is no signature.
    """
    found = [post.get(f"signature_{place}", "")[: SIGNATURE_CHARACTERS_MAX + 1] for place in range(number)]
    return [from_hex(text, field="signature", length=65) if text else None for text in found]


def nonce(post: Any) -> int:
    """The order's nonce that the wallet's script asked for and had signed.

    Raises Refused without one, as from a script that a browser kept from before.
    """
    text = post.get("nonce", "")
    if not (text.isascii() and text.isdigit() and len(text) <= NONCE_CHARACTERS_MAX):
        raise Refused.one(
            "nonce",
            "missing",
            _("the page did not say under which number you signed; load it again and sign anew."),
        )
    return int(text)
