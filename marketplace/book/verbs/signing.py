"""Who signed an order: the platform for custodial accounts, the maker's wallet, or a delegate key of the maker."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ledger import custodial
from ledger import queries as ledger_queries
from marketplace.accounts.models import Participant
from marketplace.book.models import SIDE_BUY
from marketplace.problems import Refused
from suan.core.encoding import canonical_json, from_hex
from suan.core.orders import BidTerms, OfferTerms, Product
from suan.core.signing import BadSignature, Bid, Domain, Offer, recover
from suan.core.units import format_tokens


@dataclass(frozen=True)
class Wish:
    """An order that is ready to be admitted: struct, terms, who signed it, and its place in the API's words."""

    participant: Participant
    client_order_id: str
    fingerprint: str
    product: Product
    struct: Bid | Offer
    terms: BidTerms | OfferTerms
    digest: bytes
    signature: bytes
    signer: str


def fingerprint_of(body: Mapping[str, Any], kind: str) -> str:
    """SHA-256 of what was asked for; the signature is left out, since a wallet may sign the same order twice."""
    content = {
        name: str(value) if isinstance(value, int) else value
        for name, value in body.items()
        if name != "signature" and value is not None
    }
    return hashlib.sha256(canonical_json({"kind": kind, **content})).hexdigest()


def signed_wish(
    participant: Participant,
    body: Mapping[str, Any],
    kind: str,
    product: Product,
    struct: Bid | Offer,
    terms: BidTerms | OfferTerms,
    domain: Domain,
    now: int,
) -> Wish:
    """The order with its signature, made here or checked. Raises Refused naming what differs."""
    digest = struct.digest(domain)
    if body.get("signature") is None:
        if not participant.custodial:
            raise Refused.one(
                "signature", "missing", "the key is in your wallet, so the wallet signs; send its signature."
            )
        signature, signer = custodial.sign_digest(participant.address, digest), participant.address
    else:
        signature = from_hex(body["signature"], field="signature", length=65)
        signer = _signer(struct, digest, signature, domain, now)
    return Wish(
        participant=participant,
        client_order_id=body["client_order_id"],
        fingerprint=fingerprint_of(body, kind),
        product=product,
        struct=struct,
        terms=terms,
        digest=digest,
        signature=signature,
        signer=signer,
    )


def _signer(struct: Bid | Offer, digest: bytes, signature: bytes, domain: Domain, now: int) -> str:
    try:
        signer = recover(digest, signature)
    except BadSignature as error:
        raise Refused.one("signature", "bad_signature", f"{error}; sign the typed data again.") from None
    if signer == struct.maker:
        return signer
    delegates = [
        d for d in ledger_queries.delegates(struct.maker) if d.key == signer and d.side == struct.side
    ]
    if not delegates:
        raise Refused.one(
            "signature",
            "wrong_signer",
            f"it recovers to {signer}, which is neither {struct.maker} nor its delegate: another key signed, or the "
            f"chain id ({domain.chain_id}), the contract ({domain.verifying_contract}) or a field differs.",
        )
    delegate = delegates[-1]
    if delegate.valid_until < now:
        raise Refused.one(
            "signature", "delegate_expired", f"the delegate's time ended at {delegate.valid_until}."
        )
    worse = (
        struct.price > delegate.worst_price
        if struct.side == SIDE_BUY
        else struct.price < delegate.worst_price
    )
    if worse:
        bound = "at most" if struct.side == SIDE_BUY else "at least"
        text = f"the delegate may sign {bound} {format_tokens(delegate.worst_price)} tokens per GFLOPS·h."
        raise Refused.one("limit_price", "delegate_price", text)
    return signer
