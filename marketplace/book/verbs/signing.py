"""Under which nonce an order is signed, and by whom: the platform for custodial accounts, the maker's wallet, or a delegate
key of the maker. Then the exchange signs that it took the order.
"""

from __future__ import annotations

from django.db import transaction

from ledger import custodial
from ledger import queries as ledger
from marketplace.accounts.models import Participant
from marketplace.book.models import SIDE_BUY, NonceReservation
from marketplace.book.queries.drafts import CHOSEN_BY_SIGNER, Draft, next_nonce
from marketplace.problems import Refused
from suan.core.signing import Acknowledgement, BadSignature, recover
from suan.core.units import format_tokens


def reserve_nonce(*, participant: Participant, side: int, client_order_id: str) -> int:
    """The nonce of this participant's order of this name; the next free one when it is asked for the first time.

    Locks the participant, as placing does, so that no order takes the nonce while it is being kept.
    """
    with transaction.atomic():
        Participant.objects.select_for_update().get(pk=participant.pk)
        reservation, _made = NonceReservation.objects.get_or_create(
            participant=participant,
            side=side,
            client_order_id=client_order_id,
            defaults={"maker": participant.address, "nonce": next_nonce(participant, side, client_order_id)},
        )
        return reservation.nonce


def sign(draft: Draft, participant: Participant, signature: bytes | None) -> Draft:
    """The draft with its signature, made here or checked. Raises Refused naming what differs.

    What is signed here gets a nonce that is kept for it, unless its body chose one.
    """
    if signature is None:
        return _signed_here(draft, participant)
    for name in CHOSEN_BY_SIGNER:
        if name not in draft.chosen:
            raise Refused.one(name, "missing", "it is part of what was signed; send it with the signature.")
    digest = draft.struct.digest(draft.domain)
    try:
        signer = recover(digest, signature)
    except BadSignature as error:
        raise Refused.one("signature", "bad_signature", f"{error}; sign the typed data again.") from None
    if signer != draft.struct.maker:
        _require_delegate(draft, signer)
    return draft.signed(digest, signature, signer)


def acknowledge(draft: Draft, sequence: int) -> bytes:
    """The exchange's own signature: it took this order as number `sequence`."""
    said = Acknowledgement(order=draft.digest, sequence=sequence, accepted_at=draft.now)
    return custodial.sign_with("acknowledger", said.digest(draft.domain))


def _signed_here(draft: Draft, participant: Participant) -> Draft:
    if not participant.custodial:
        raise Refused.one(
            "signature", "missing", "the key is in your wallet, so the wallet signs; send its signature."
        )
    if "nonce" not in draft.chosen:
        side, name = draft.struct.side, draft.client_order_id
        draft = draft.numbered(reserve_nonce(participant=participant, side=side, client_order_id=name))
    digest = draft.struct.digest(draft.domain)
    return draft.signed(digest, custodial.sign_digest(participant.address, digest), participant.address)


def _require_delegate(draft: Draft, signer: str) -> None:
    """The signer is a delegate of the maker who may sign this side, at this price, now."""
    struct, domain = draft.struct, draft.domain
    delegates = [d for d in ledger.delegates(struct.maker) if d.key == signer and d.side == struct.side]
    if not delegates:
        raise Refused.one(
            "signature",
            "wrong_signer",
            f"it recovers to {signer}, which is neither {struct.maker} nor its delegate: another key signed, or the "
            f"chain id ({domain.chain_id}), the contract ({domain.verifying_contract}) or a field differs.",
        )
    delegate = delegates[-1]
    if delegate.valid_until < draft.now:
        raise Refused.one(
            "signature", "delegate_expired", f"the delegate's time ended at {delegate.valid_until}."
        )
    buys = struct.side == SIDE_BUY
    worse = struct.price > delegate.worst_price if buys else struct.price < delegate.worst_price
    if worse:
        bound = "at most" if buys else "at least"
        text = f"the delegate may sign {bound} {format_tokens(delegate.worst_price)} tokens per GFLOPS·h."
        raise Refused.one("limit_price", "delegate_price", text)
