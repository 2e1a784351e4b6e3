"""An order on its way into the book: a body becomes one here and nowhere else. It knows what it costs, what speaks against
it, and in the end who signed it. Reads only.

A draft has the nonce that its body names, or the one that is kept for its name, or else the next free one, which another
order may take in the same moment: a nonce is kept (actions.reserve_nonce) before a draft is signed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Max

from ledger.queries import balances, deployment
from marketplace.accounts import queries as accounts
from marketplace.accounts.models import Node, Participant
from marketplace.book.models import OPEN_STATUSES, SIDE_BUY, SIDE_SELL, NonceReservation, Order
from marketplace.problems import Refused
from suan.core.contract import PLACES
from suan.core.encoding import canonical_json, from_hex, to_hex
from suan.core.orders import (
    AdmissionContext,
    BidTerms,
    Limits,
    OfferTerms,
    Product,
    check_bid,
    check_offer,
    product_by_id,
    product_by_symbol,
)
from suan.core.signing import Bid, Domain, Offer, market_domain
from suan.core.units import Price, WorkUnits, bid_hold, offer_hold

NONCE_MAX = 2**32 - 1
CHOSEN_BY_SIGNER = ("maker", "nonce", "max_fee_bps", "verifier_set")


@dataclass(frozen=True)
class Draft:
    """What was asked for at `now` (unix seconds): the struct to sign, and the terms that it commits to.

    fingerprint: SHA-256 of what was asked for; a client_order_id stands for one, for ever. chosen: the fields that the body
    named though the exchange could have filled them in. node: of an offer, the maker's own node that it names, if any.
    digest (the order's id), signature, signer: empty until it is signed.
    """

    client_order_id: str
    fingerprint: str
    struct: Bid | Offer
    terms: BidTerms | OfferTerms
    chosen: frozenset[str]
    limits: Limits
    now: int
    node: Node | None = None
    digest: bytes = b""
    signature: bytes = b""
    signer: str = ""

    @property
    def product(self) -> Product:
        return product_by_id(self.struct.product)

    @property
    def quantity(self) -> int:
        """Runs of a bid, work units of an offer."""
        return self.struct.runs if isinstance(self.struct, Bid) else self.struct.units

    @property
    def held(self) -> int:
        """Base units to hold for all of it."""
        struct, chain = self.struct, deployment()
        if isinstance(struct, Bid):
            return int(bid_hold(Price(struct.price), struct.runs, WorkUnits(struct.ceiling)))
        floor = Price(chain.bond_floor_price)
        return int(offer_hold(Price(struct.price), WorkUnits(struct.units), chain.bond_bps, floor))

    @property
    def domain(self) -> Domain:
        chain = deployment()
        return market_domain(chain.chain_id, chain.market)

    def numbered(self, nonce: int) -> Draft:
        """The same with this nonce."""
        return replace(self, struct=replace(self.struct, nonce=nonce))

    def signed(self, digest: bytes, signature: bytes, signer: str) -> Draft:
        """The same with somebody's signature over its digest."""
        return replace(self, digest=digest, signature=signature, signer=signer)

    def require_admissible(self, standing: Standing) -> None:
        """Raises Refused with every rule that the order breaks for a maker who stands so."""
        chain = deployment()
        if self.node is not None and self.node.region != self.product.region:
            text = f"the node stands in {self.node.region}; offer a product of that region."
            raise Refused.one("product", "wrong_region", text)
        context = AdmissionContext(
            available=standing.available,
            open_orders=standing.open_orders,
            verifier_sets=frozenset({from_hex(chain.verifier_set.id)}),
            fee_bps=chain.fee_bps,
            bond_bps=chain.bond_bps,
            bond_floor_price=chain.bond_floor_price,
            payout_cap=chain.verifier_set.payout_cap,
            measured_mflops=None if self.node is None else self.node.rate_mflops,
        )
        check = check_bid if isinstance(self.struct, Bid) else check_offer
        problems = check(self.struct, self.terms, now=self.now, context=context, limits=self.limits)
        if problems:
            raise Refused(problems)

    def require_unused(self) -> None:
        """Raises Refused when it was signed before, or its nonce was used, is kept for another name, or has no free slot.

        Order n of a maker and side stands in slot n % 256 on chain and ends the older ones there, so none is admitted
        that would end one that still trades.
        """
        maker, side, nonce = self.struct.maker, self.struct.side, self.struct.nonce
        same = Order.objects.filter(maker=maker, side=side, nonce=nonce).first()
        if same is not None and same.order_hash == to_hex(self.digest):
            text = f"this signed order is in the book as {same.client_order_id}; sign with another nonce."
            raise Refused.one("signature", "replayed_order", text)
        kept = NonceReservation.objects.filter(maker=maker, side=side, nonce=nonce)
        if same is not None or kept.exclude(client_order_id=self.client_order_id).exists():
            text = (
                f"{nonce} was used or is kept for another order of yours; ask for another at orders/nonces."
            )
            raise Refused.one("nonce", "nonce_used", text)
        if nonce > NONCE_MAX:
            raise Refused.one(
                "nonce", "out_of_range", f"must be at most {NONCE_MAX}; ask for one at orders/nonces."
            )
        newest = _newest(maker, side)
        if nonce + PLACES <= newest:
            text = (
                f"order {newest} of yours has taken or may take its place; ask for a nonce at orders/nonces."
            )
            raise Refused.one("nonce", "nonce_too_old", text)
        ended = Order.objects.filter(
            maker=maker, side=side, nonce__lte=nonce - PLACES, order_status__in=OPEN_STATUSES
        )
        oldest = ended.order_by("nonce").first()
        if oldest is not None:
            text = (
                f"the contract keeps your last {PLACES} orders of a side, and {oldest.order_id} is {nonce - oldest.nonce} "
                "orders old and still open; cancel it, or wait until it is filled."
            )
            raise Refused.one("nonce", "too_many_orders", text)


@dataclass(frozen=True)
class Standing:
    """What a maker could put into the book now: base units that nothing holds, and how many orders it has open."""

    available: int
    open_orders: int


def standing_of(participant: Participant, *, freed: int = 0) -> Standing:
    """As of now; read it again under the locks. freed: base units that an order which is replaced would set free."""
    available = balances(participant.address).available + freed
    rows = Order.objects.filter(participant=participant, order_status__in=OPEN_STATUSES)
    return Standing(available, rows.count())


def draft_bid(body: Mapping[str, Any], participant: Participant, limits: Limits, now: int) -> Draft:
    """The bid of a body (as for actions.place_bid). Raises Refused or FieldError where it makes no struct."""
    terms = BidTerms.from_json(body["terms"])
    struct = Bid(
        side=SIDE_BUY,
        runs=body["runs"],
        ceiling=body["ceiling_units"],
        terms=terms.hash(),
        **_shared(body, participant, SIDE_BUY),
    )
    return Draft(**_asked("bid", body), struct=struct, terms=terms, limits=limits, now=now)


def draft_offer(body: Mapping[str, Any], participant: Participant, limits: Limits, now: int) -> Draft:
    """The offer of a body (as for actions.place_offer). Raises Refused or FieldError where it makes no struct."""
    terms = OfferTerms.from_json(body["terms"])
    shared = _shared(body, participant, SIDE_SELL)
    struct = Offer(side=SIDE_SELL, units=body["units"], terms=terms.hash(), **shared)
    node = accounts.node(terms.agent, product_by_symbol(body["product"]).resource_class)
    if node is not None and node.participant_id != participant.pk:
        node = None
    return Draft(**_asked("offer", body), struct=struct, terms=terms, limits=limits, now=now, node=node)


def _shared(body: Mapping[str, Any], participant: Participant, side: int) -> dict[str, Any]:
    """The fields that bids and offers share; what the body leaves open is filled in."""
    maker = body.get("maker") or participant.address
    if maker != participant.address:
        raise Refused.one(
            "maker", "not_yours", f"your account is {participant.address}; orders are made for it only."
        )
    chain = deployment()
    nonce, fee_max, verifiers = body.get("nonce"), body.get("max_fee_bps"), body.get("verifier_set")
    return {
        "maker": maker,
        "product": product_by_symbol(body["product"]).id,
        "price": body["limit_price"],
        "nonce": next_nonce(participant, side, body["client_order_id"]) if nonce is None else nonce,
        "valid_until": body["valid_until"],
        "deliver_by": body["deliver_by"],
        "verifier_set": from_hex(chain.verifier_set.id if verifiers is None else verifiers),
        "max_fee_bps": chain.fee_bps if fee_max is None else fee_max,
    }


def next_nonce(participant: Participant, side: int, client_order_id: str) -> int:
    """The nonce that is kept for this participant's order of this name, or else the one after all that were used or kept."""
    rows = NonceReservation.objects.filter(maker=participant.address, side=side)
    kept = rows.filter(client_order_id=client_order_id).first()
    if kept is not None:
        return kept.nonce
    reserved = rows.aggregate(last=Max("nonce"))["last"]
    return max(_newest(participant.address, side), -1 if reserved is None else reserved) + 1


def _newest(maker: str, side: int) -> int:
    last = Order.objects.filter(maker=maker, side=side).aggregate(last=Max("nonce"))["last"]
    return -1 if last is None else int(last)


def _asked(kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """What tells a repeat of an order from another one of its name."""
    asked = {
        name: str(value) if isinstance(value, int) else value
        for name, value in body.items()
        if value is not None
    }
    content = canonical_json({"kind": kind, **asked})
    return {
        "client_order_id": body["client_order_id"],
        "fingerprint": hashlib.sha256(content).hexdigest(),
        "chosen": frozenset(CHOSEN_BY_SIGNER) & asked.keys(),
    }
