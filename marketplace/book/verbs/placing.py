"""Taking an order into the book: check, sign or verify, hold the money, number and acknowledge it. Via `book.actions`.

One database transaction does what must be together: order, hold, sequence, acknowledgement. Evidence is published
after the commit, and again by a sweep if a crash came in between.
Locks, in this order: the participant, the product, the journal's accounts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from django.db import connection, transaction

from ledger import custodial, journal
from ledger import queries as ledger_queries
from ledger.control import kill_switch
from ledger.errors import InsufficientFunds, TradingStopped
from ledger.queries import Deployment, deployment
from marketplace.accounts import queries as accounts
from marketplace.accounts.models import Participant
from marketplace.book import queries
from marketplace.book.models import NEW, OPEN_STATUSES, SIDE_BUY, SIDE_SELL, ExecutionReport, Order
from marketplace.book.quantities import hold_amount
from marketplace.book.verbs import artifacts, publishing
from marketplace.book.verbs.nonces import check_place, reserve_nonce
from marketplace.book.verbs.signing import Wish, fingerprint_of, signed_wish
from marketplace.problems import Refused
from marketplace.times import moment
from suan.core.encoding import from_hex, to_hex
from suan.core.orders import (
    AdmissionContext,
    BidTerms,
    Limits,
    OfferTerms,
    Product,
    check_bid,
    check_offer,
    product_by_symbol,
)
from suan.core.problems import Problem
from suan.core.signing import Acknowledgement, Bid, Domain, Offer, market_domain
from suan.core.units import format_tokens

# The rules know the struct's names; a client wrote the names of the API.
API_NAMES = {"price": "limit_price", "ceiling": "ceiling_units"}


def place_bid(
    *, participant: Participant, body: Mapping[str, Any], limits: Limits, now: int
) -> tuple[Order, bool]:
    """Accept a bid; (order, made). A repeat of the same body under the same client_order_id returns the same order.

    body: client_order_id, product, limit_price (base units), runs, ceiling_units, valid_until, deliver_by, terms, and
    for a signed order maker, nonce, max_fee_bps, verifier_set and signature (hex). Raises Refused with every reason.
    """
    known = _known(participant, body, "bid")
    if known is not None:
        return known, False
    draft = draft_bid(participant=participant, body=body, limits=limits, now=now)
    wish = _wish(participant, body, "bid", draft, now)
    require_job(participant=participant, draft=draft, now=now)
    return _admit(wish, draft.check, draft.chain, draft.domain, now)


def place_offer(
    *, participant: Participant, body: Mapping[str, Any], limits: Limits, now: int
) -> tuple[Order, bool]:
    """Accept an offer; as place_bid, with `units` (work units) in place of runs and ceiling.

    The terms name a node of this account: its measured rate, class and region bound what may be promised.
    """
    known = _known(participant, body, "offer")
    if known is not None:
        return known, False
    draft = draft_offer(participant=participant, body=body, limits=limits, now=now)
    wish = _wish(participant, body, "offer", draft, now)
    return _admit(wish, draft.check, draft.chain, draft.domain, now)


@dataclass(frozen=True)
class Draft:
    """An order as it would be signed, with the rule that admits it: check((available, open orders)) -> problems."""

    product: Product
    struct: Bid | Offer
    terms: BidTerms | OfferTerms
    domain: Domain
    chain: Deployment
    check: Callable[[tuple[int, int]], list[Problem]]


def draft_bid(
    *, participant: Participant, body: Mapping[str, Any], limits: Limits, now: int, freed: int = 0
) -> Draft:
    """The bid of a body, admissible as things are now. Raises Refused with every reason; writes nothing.

    freed: base units that an order which this one replaces would set free.
    """
    terms = BidTerms.from_json(body["terms"])
    chain, product = deployment(), product_by_symbol(body["product"])
    struct = Bid(
        runs=body["runs"],
        ceiling=body["ceiling_units"],
        **_common(participant, body, product, SIDE_BUY, terms.hash(), chain),
    )
    check = _checker(check_bid, struct, terms, limits, now, chain, None)
    return _draft(participant, product, struct, terms, chain, check, freed)


def draft_offer(
    *, participant: Participant, body: Mapping[str, Any], limits: Limits, now: int, freed: int = 0
) -> Draft:
    """As draft_bid, for an offer of one of the participant's nodes."""
    terms = OfferTerms.from_json(body["terms"])
    chain, product = deployment(), product_by_symbol(body["product"])
    struct = Offer(units=body["units"], **_common(participant, body, product, SIDE_SELL, terms.hash(), chain))
    measured = _measured(participant, terms.agent, product)
    check = _checker(check_offer, struct, terms, limits, now, chain, measured)
    return _draft(participant, product, struct, terms, chain, check, freed)


def require_job(*, participant: Participant, draft: Draft, now: int) -> None:
    """Module and input of a bid were uploaded by its maker, and the runtime accepts the module. Raises Refused."""
    terms = cast(BidTerms, draft.terms)
    artifacts.require_upload(participant=participant, sha256=to_hex(terms.input), field="terms.input")
    artifacts.require_module(
        participant=participant,
        sha256=to_hex(terms.module),
        resource_class=draft.product.resource_class,
        now=now,
    )


def _draft(
    participant: Participant,
    product: Product,
    struct: Bid | Offer,
    terms: BidTerms | OfferTerms,
    chain: Deployment,
    check: Callable[[tuple[int, int]], list[Problem]],
    freed: int,
) -> Draft:
    available, open_orders = _context_free(participant)
    _refuse(check((available + freed, open_orders)))
    return Draft(product, struct, terms, market_domain(chain.chain_id, chain.market), chain, check)


def _wish(participant: Participant, body: Mapping[str, Any], kind: str, draft: Draft, now: int) -> Wish:
    return signed_wish(participant, body, kind, draft.product, draft.struct, draft.terms, draft.domain, now)


def _known(participant: Participant, body: Mapping[str, Any], kind: str) -> Order | None:
    order = Order.objects.filter(participant=participant, client_order_id=body["client_order_id"]).first()
    if order is None:
        return None
    if order.fingerprint != fingerprint_of(body, kind):
        raise Refused.one(
            "client_order_id",
            "client_order_id_reused",
            f"it stands for {order.order_id} with another body; use a new id for a new order.",
        )
    return order


def _common(
    participant: Participant,
    body: Mapping[str, Any],
    product: Product,
    side: int,
    terms_hash: bytes,
    chain: Deployment,
) -> dict[str, Any]:
    """The fields that bids and offers share; what a signer must have chosen is taken from the body or refused."""
    maker = body.get("maker") or participant.address
    if maker != participant.address:
        raise Refused.one(
            "maker", "not_yours", f"your account is {participant.address}; orders are made for it only."
        )
    if body.get("signature") is not None:
        for name in ("maker", "nonce", "max_fee_bps", "verifier_set"):
            if body.get(name) is None:
                raise Refused.one(
                    name, "missing", "it is part of what was signed; send it with the signature."
                )
    nonce, fee_max, verifiers = body.get("nonce"), body.get("max_fee_bps"), body.get("verifier_set")
    return {
        "maker": maker,
        "product": product.id,
        "side": side,
        "price": body["limit_price"],
        "nonce": reserve_nonce(participant=participant, side=side, client_order_id=body["client_order_id"])
        if nonce is None
        else nonce,
        "valid_until": body["valid_until"],
        "deliver_by": body["deliver_by"],
        "verifier_set": from_hex(chain.verifier_set.id if verifiers is None else verifiers),
        "max_fee_bps": chain.fee_bps if fee_max is None else fee_max,
        "terms": terms_hash,
    }


def _checker(
    rule: Callable[..., list[Problem]],
    struct: Bid | Offer,
    terms: BidTerms | OfferTerms,
    limits: Limits,
    now: int,
    chain: Deployment,
    measured: int | None,
) -> Callable[[tuple[int, int]], list[Problem]]:
    """The admission rule with all its facts but (available, open orders), which are read twice."""

    def check(facts: tuple[int, int]) -> list[Problem]:
        available, open_orders = facts
        context = AdmissionContext(
            available=available,
            open_orders=open_orders,
            verifier_sets=frozenset({from_hex(chain.verifier_set.id)}),
            fee_bps=chain.fee_bps,
            bond_bps=chain.bond_bps,
            bond_floor_price=chain.bond_floor_price,
            measured_mflops=measured,
        )
        return rule(struct, terms, now=now, context=context, limits=limits)

    return check


def _refuse_while_stopped() -> None:
    holding = kill_switch.stopped()
    if holding is not None:
        raise TradingStopped(reason=holding.reason, since=holding.since)


def _context_free(participant: Participant) -> tuple[int, int]:
    """(available, open orders) as they are now; they are read again under the locks."""
    available = ledger_queries.balances(participant.address).available
    open_orders = Order.objects.filter(participant=participant, order_status__in=OPEN_STATUSES).count()
    return available, open_orders


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise Refused(Problem(API_NAMES.get(p.field, p.field), p.code, p.message) for p in problems)


def _measured(participant: Participant, agent: str, product: Product) -> int | None:
    node = accounts.node(agent, product.resource_class)
    if node is None or node.participant_id != participant.pk:
        return None
    if node.region != product.region:
        raise Refused.one(
            "product", "wrong_region", f"the node stands in {node.region}; offer a product of that region."
        )
    return node.rate_mflops


def _admit(
    wish: Wish,
    check: Callable[[tuple[int, int]], list[Problem]],
    chain: Deployment,
    domain: Domain,
    now: int,
) -> tuple[Order, bool]:
    with transaction.atomic():
        Participant.objects.select_for_update().get(pk=wish.participant.pk)
        known = Order.objects.filter(
            participant=wish.participant, client_order_id=wish.client_order_id
        ).first()
        if known is not None:
            if known.fingerprint != wish.fingerprint:
                text = f"it stands for {known.order_id} with another body; use a new id for a new order."
                raise Refused.one("client_order_id", "client_order_id_reused", text)
            return known, False
        _refuse_while_stopped()
        _refuse_replays(wish)
        queries.lock_product(wish.product.symbol)
        journal.lock(addresses=[wish.struct.maker])
        _refuse(check(_context_free(wish.participant)))
        order = _numbered(wish, domain, now)
        order.held = hold_amount(
            order, order.quantity, bond_bps=chain.bond_bps, bond_floor_price=chain.bond_floor_price
        )
        order.hold_version = 1 if order.held else 0
        order.save(force_insert=True)
        if order.held:
            try:
                journal.hold(account=order.maker, amount=order.held, key=order.hold_key, memo="order placed")
            except InsufficientFunds as error:
                code = "insufficient_funds" if order.is_bid else "insufficient_bond"
                text = (
                    f"{format_tokens(error.needed)} tokens must be held and {format_tokens(error.available)} are "
                    "free; deposit more or ask for less."
                )
                raise Refused.one("maker", code, text) from None
        ExecutionReport.objects.create(
            order=order,
            exec_type="new",
            order_status=NEW,
            cum_quantity=0,
            leaves_quantity=order.quantity,
            transact_at=now,
        )
        transaction.on_commit(lambda: publishing.publish_order(order), robust=True)
    return order, True


def _refuse_replays(wish: Wish) -> None:
    order = Order.objects.filter(order_hash=to_hex(wish.digest)).first()
    if order is not None:
        raise Refused.one(
            "signature",
            "replayed_order",
            f"this signed order is in the book as {order.client_order_id}; sign with another nonce.",
        )
    maker, side, nonce = wish.struct.maker, wish.struct.side, wish.struct.nonce
    if Order.objects.filter(maker=maker, side=side, nonce=nonce).exists():
        raise Refused.one("nonce", "nonce_used", f"{nonce} was used; ask for another at orders/nonces.")
    check_place(maker=maker, side=side, nonce=nonce)


def _numbered(wish: Wish, domain: Domain, now: int) -> Order:
    """The row with its sequence and acknowledgement. Under the product's lock sequences commit in order."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('book_order_sequence')")
        sequence = int(cursor.fetchone()[0])
    said = Acknowledgement(order=wish.digest, sequence=sequence, accepted_at=now)
    struct = wish.struct
    is_bid = isinstance(struct, Bid)
    quantity = struct.runs if isinstance(struct, Bid) else struct.units
    return Order(
        order_hash=to_hex(wish.digest),
        participant=wish.participant,
        client_order_id=wish.client_order_id,
        fingerprint=wish.fingerprint,
        sequence=sequence,
        maker=struct.maker,
        symbol=wish.product.symbol,
        product=wish.product.id_hex,
        side=struct.side,
        price=struct.price,
        units=None if is_bid else quantity,
        runs=quantity if is_bid else None,
        ceiling_units=struct.ceiling if isinstance(struct, Bid) else None,
        nonce=struct.nonce,
        valid_until=struct.valid_until,
        deliver_by=struct.deliver_by,
        verifier_set=to_hex(struct.verifier_set),
        max_fee_bps=struct.max_fee_bps,
        terms_hash=to_hex(struct.terms),
        terms=wish.terms.to_json(),
        signature=to_hex(wish.signature),
        signer=wish.signer,
        order_status=NEW,
        quantity=quantity,
        cum_quantity=0,
        leaves_quantity=quantity,
        free_runs=[[0, quantity]] if is_bid else [],
        acknowledgement_at=now,
        acknowledgement_signature=to_hex(custodial.sign_with("acknowledger", said.digest(domain))),
        created_at=moment(now),
        updated_at=moment(now),
    )
