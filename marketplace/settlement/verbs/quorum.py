"""What verifiers say to what the exchange proposes: of each member one answer, its signature or its reason.

A proposal is a digest that the Market wants k of n signatures of: a verdict over trades.
The exchange's own verifier key answers where it is a member; programs of the others (`suan verifier run`) read the open
proposals, check them for themselves and send theirs. An answer is known by its signature alone, so anybody may carry it.
Times are unix seconds, given by the caller.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction

from ledger import custodial
from ledger import queries as ledger
from marketplace.problems import Conflict, NotFound, Refused
from marketplace.settlement import queries
from marketplace.settlement.models import Answer
from suan.core.encoding import from_hex, to_hex
from suan.core.signing import BadSignature, dissent_digest, recover

OWN_KEY = "verifier"


def answer_ourselves(digest: bytes, *, now: int) -> None:
    """Sign with the exchange's own verifier key, if it is a member. Runs in the caller's transaction."""
    member = custodial.address_of(OWN_KEY)
    if member in ledger.deployment().verifier_set.members:
        Answer.objects.get_or_create(
            digest=to_hex(digest),
            member=member,
            defaults={
                "agrees": True,
                "signature": to_hex(custodial.sign_with(OWN_KEY, digest)),
                "answered_at": now,
            },
        )


def submit_answer(
    *, digest: str, signature: str, reason: str, outcomes: list[dict[str, Any]] | None, now: int
) -> tuple[Answer, bool]:
    """Take in the answer of a member: with a reason it is a dissent, without one it agrees; (answer, new).

    The same answer again changes nothing. Raises NotFound for what was never proposed, Conflict for what is not open any
    more or was agreed to before, Refused for a signature of nobody in the set.
    """
    if not queries.was_proposed(digest):
        raise NotFound("There is no such proposal; GET /proposals lists those that wait for signatures.")
    said = dissent_digest(digest, reason, outcomes) if reason else from_hex(digest)
    member = _member(said, signature, dissent=bool(reason))
    content = {"agrees": not reason, "signature": signature, "reason": reason, "outcomes": outcomes}
    with transaction.atomic():
        stored = Answer.objects.select_for_update().filter(digest=digest, member=member).first()
        if stored is not None and stored.agrees:
            if reason:
                raise Conflict("You signed this proposal before; a signature cannot be taken back.")
            return stored, False
        if stored is not None and stored.signature == signature:
            return stored, False
        if not queries.is_proposed(digest):
            raise Conflict(
                "This proposal has its signatures, or the trade has ended; nothing is needed any more."
            )
        answer, _ = Answer.objects.update_or_create(
            digest=digest, member=member, defaults=content | {"answered_at": now}
        )
    return answer, True


def signatures(digest: str) -> list[bytes] | None:
    """As many signatures of members as the Market asks for, in ascending order of their addresses; None while too few."""
    known = ledger.deployment().verifier_set
    signed = Answer.objects.filter(digest=digest, agrees=True, member__in=known.members).order_by("member")
    found = [from_hex(answer.signature) for answer in signed[: known.threshold]]
    return found if len(found) == known.threshold else None


def _member(digest: bytes, signature: str, *, dissent: bool) -> str:
    known = ledger.deployment().verifier_set
    try:
        signer = recover(digest, from_hex(signature))
    except BadSignature as error:
        raise Refused.one(
            "signature", "bad_signature", f"{error}; sign the digest of the proposal."
        ) from None
    if signer not in known.members:
        what = "the dissent" if dissent else "this digest"
        message = f"it is {signer}'s over {what}, who is no member of verifier set {known.id}."
        raise Refused.one("signature", "not_a_verifier", message)
    return signer
