"""Order rows against what their makers signed, what we acknowledged, their own story and their holds, for reconciliation.

Everything that was signed is checked by its signature; where a digest does not fit, the published document tells which
column was changed. Known limits: client_order_id, fingerprint, reject_reason, headroom_quantity, trimmed, hold_version,
evidence_published and the two times are bookkeeping that nothing else repeats.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ledger import evidence
from ledger.journal import keys
from ledger.models import Transfer
from ledger.reconciliation import ChainView, Finding
from marketplace.book.models import Order
from marketplace.book.quantities import Ranges, joined, without
from marketplace.book.queries.orders import RENAMED, struct_of
from marketplace.signed import labels
from suan.core.encoding import canonical_json, from_hex, keccak, to_hex
from suan.core.ids import product_id
from suan.core.signing import Acknowledgement, Bid, Cancel, Domain, Offer, market_domain, recover

TABLE = "book_order"
CHUNK_ROWS = 500
STORY_COLUMNS = ("order_status", "cum_quantity", "leaves_quantity")


def check_orders(view: ChainView) -> Iterator[Finding]:
    """Every order row: signed fields, acknowledgement, cancellation, quantities and hold."""
    domain = market_domain(view.deployment.chain_id, view.deployment.market)
    operators = {
        str(event.args["key"])
        for event in view.named("AgentSet")
        if event.args["owner"] == view.deployment.operator
    }
    delegates = {(event.args["owner"], event.args["key"]) for event in view.named("DelegateSet")}
    holds = {
        row.hold_name: row.amount
        for row in Transfer.objects.filter(
            kind=Transfer.Kind.HOLD, hold_name__startswith=keys.ORDER_HOLDS, resolution=None
        )
    }
    rows = Order.objects.select_related("participant").prefetch_related("execution_reports").order_by("id")
    for order in rows.iterator(chunk_size=CHUNK_ROWS):
        view.checked["orders"] = view.checked.get("orders", 0) + 1
        yield from _signed(order, domain)
        yield from _acknowledged(order, domain, operators)
        yield from _cancelled(order, domain, delegates)
        yield from _unlike(order, _expected(order, holds))


def _signed(order: Order, domain: Domain) -> Iterator[Finding]:
    try:
        digest = struct_of(order).digest(domain)
        fits = to_hex(digest) == order.order_hash
    except ValueError:
        digest, fits = b"", False
    if not fits:
        names = labels(Bid if order.is_bid else Offer, RENAMED)
        yield from _changed(order, names, _published(order, "orders").get("order"), "order_hash")
        return
    yield from _unlike(order, {"signer": _signer(digest, order.signature)}, blame="signature")


def _acknowledged(order: Order, domain: Domain, operators: set[str]) -> Iterator[Finding]:
    said = Acknowledgement(from_hex(order.order_hash), order.sequence, order.acknowledgement_at)
    if _signer(said.digest(domain), order.acknowledgement_signature) in operators:
        return
    names = {
        "sequence": "sequence",
        "acknowledgement_at": "accepted_at",
        "acknowledgement_signature": "signature",
    }
    yield from _changed(order, names, _published(order, "acknowledgements"), "acknowledgement_signature")


def _cancelled(order: Order, domain: Domain, delegates: set[tuple[Any, Any]]) -> Iterator[Finding]:
    if not order.cancel_signature:
        return
    wish = Cancel(maker=order.maker, side=order.side, nonce=order.nonce)
    signer = _signer(wish.digest(domain), order.cancel_signature)
    if signer != order.maker and (order.maker, signer) not in delegates:
        expected = f"signed by {order.maker} or a delegate"
        yield Finding(TABLE, order.order_id, "cancel_signature", order.cancel_signature, expected)


def _expected(order: Order, holds: dict[str, int]) -> dict[str, Any]:
    """What other columns and rows say about this one."""
    found = {
        "maker": order.participant.address,
        "product": to_hex(product_id(order.symbol)),
        "terms_hash": to_hex(keccak(canonical_json(order.terms))),
        "quantity": order.runs if order.is_bid else order.units,
        "held": holds.get(order.hold_key, 0),
    }
    return found | story_of(order)


def story_of(order: Order) -> dict[str, Any]:
    """What the order is after its last execution report, and which runs its trades left free."""
    reports = sorted(order.execution_reports.all(), key=lambda report: report.pk)
    if not reports:
        return {"order_status": "with an execution report"}
    story = {name: getattr(reports[-1], name) for name in STORY_COLUMNS}
    if not order.is_bid:
        return story
    free: Ranges = [[0, order.runs or 0]]
    try:
        for report in reports:
            if report.exec_type == "trade":
                free = without(free, report.run_ranges)
            elif report.exec_type == "trade_cancel":
                free = joined(free, report.run_ranges)
    except ValueError as error:
        return story | {"free_runs": str(error)}
    return story | {"free_runs": free}


def _published(order: Order, kind: str) -> dict[str, Any]:
    """A published document of this order; empty when it is not there yet or not readable."""
    try:
        document = json.loads(evidence.read(kind, order.order_id) or b"{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _changed(order: Order, names: dict[str, str], published: Any, otherwise: str) -> Iterator[Finding]:
    """The columns that are not as published; `otherwise` when the document does not tell."""
    known = published if isinstance(published, dict) else {}
    named = False
    for column, label in names.items():
        if label in known and str(getattr(order, column)) != str(known[label]):
            named = True
            yield Finding(TABLE, order.order_id, column, str(getattr(order, column)), str(known[label]))
    if not named:
        yield Finding(TABLE, order.order_id, otherwise, str(getattr(order, otherwise)), "one that was signed")


def _unlike(order: Order, expected: dict[str, Any], *, blame: str = "") -> Iterator[Finding]:
    for column, value in expected.items():
        stored = getattr(order, column)
        if str(stored) != str(value):
            name = f"{blame} or {column}" if blame else column
            yield Finding(TABLE, order.order_id, name, str(stored), str(value))


def _signer(digest: bytes, signature: str) -> str:
    """Who signed; the reason in words when nobody did, which is no address."""
    try:
        return recover(digest, from_hex(signature))
    except ValueError as error:
        return str(error)
