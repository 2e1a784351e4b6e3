"""Reads of clearing: clearings with their published form, trades, the book with the last price, and
reasons.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

from django.db.models import F, QuerySet, Sum

from ledger import evidence
from ledger import queries as ledger
from ledger.control import kill_switch
from marketplace.book import queries as book
from marketplace.book.models import OPEN_STATUSES, Order
from marketplace.clearing.models import (
    BATCH_FAILED,
    BATCH_FINAL,
    LOCKED,
    SLASHED,
    UNLOCKED_STATUSES,
    Clearing,
    LockBatch,
    Trade,
)
from marketplace.fields import UintField
from marketplace.problems import NotFound
from suan.core.clearing import (
    HALTED,
    NOT_CLEARED_YET,
    REFUSED,
    SUSPENDED,
    UNFUNDED,
    ClearingDocument,
    Explanation,
    Reasons,
    kept_out,
    read_document,
)
from suan.core.contract import RejectCode
from suan.core.encoding import from_hex, keccak, to_hex
from suan.core.ids import parse_id
from suan.core.problems import FieldError
from suan.core.units import format_tokens

BOOK_LEVELS_MAX = 200
REFUSAL_SECONDS = 15
REFUSAL_SECONDS_MAX = 3_600
SUSPENSION_SECONDS = 30 * 86_400
REWOUND_SECONDS = 86_400
"""So far back a final batch is looked for that a rewound chain has forgotten."""


class DocumentDamaged(RuntimeError):
    """The stored or published bytes of a clearing are not those whose hash its row remembers."""


def clearing(clearing_id: str) -> Clearing:
    """The clearing of `clr_0x…`. Raises NotFound."""
    try:
        clearing_hash = to_hex(parse_id(clearing_id, prefix="clr"))
    except FieldError as error:
        raise NotFound(f"There is no such clearing: {error.problem.message}") from None
    found = Clearing.objects.filter(clearing_hash=clearing_hash).first()
    if found is None:
        raise NotFound("There is no clearing with this id; GET /clearings lists them.")
    return found


def clearings(*, symbol: str | None = None) -> QuerySet[Clearing]:
    """All clearings, of one product if given."""
    return Clearing.objects.filter(symbol=symbol) if symbol else Clearing.objects.all()


def symbols_to_clear() -> list[str]:
    """Products with open orders, in alphabetical order."""
    rows = Order.objects.filter(order_status__in=OPEN_STATUSES).order_by("symbol")
    return list(rows.values_list("symbol", flat=True).distinct())


def last_clearing(symbol: str) -> Clearing | None:
    """The newest clearing of a product, with or without trades."""
    return Clearing.objects.filter(symbol=symbol).order_by("-number").first()


def last_price(symbol: str) -> int | None:
    """Price of the newest clearing of a product that had trades, in base units per GFLOPS·h."""
    rows = Clearing.objects.filter(symbol=symbol, price__isnull=False).order_by("-number")
    return rows.values_list("price", flat=True).first()


def traded_units(symbol: str, *, since: int) -> int:
    """Work units that changed hands in the auctions of a product from `since` (unix seconds) on."""
    rows = Clearing.objects.filter(symbol=symbol, cut_at__gte=since)
    return int(rows.aggregate(units=Sum("executed_units"))["units"] or 0)


def priced_clearings(symbol: str, *, limit: int) -> list[Clearing]:
    """The newest auctions of a product that found a price, oldest first."""
    rows = Clearing.objects.filter(symbol=symbol, price__isnull=False).order_by("-number")
    return list(rows[:limit])[::-1]


def trade(trade_id: str) -> Trade:
    """The trade of `trd_0x…`. Raises NotFound."""
    try:
        trade_hash = to_hex(parse_id(trade_id, prefix="trd"))
    except FieldError as error:
        raise NotFound(f"There is no such trade: {error.problem.message}") from None
    found = trade_by_hash(trade_hash)
    if found is None:
        raise NotFound("There is no trade with this id; GET /trades lists yours.")
    return found


def trade_by_hash(trade_hash: str) -> Trade | None:
    """The trade of a bare hash with its orders, its clearing and its lock batch, or None."""
    rows = Trade.objects.select_related("offer", "bid", "clearing", "lock_batch")
    return rows.filter(trade_hash=trade_hash).first()


def trades_in(status: str, *, limit: int) -> list[Trade]:
    """Up to `limit` trades in one state, oldest first."""
    return list(Trade.objects.filter(status=status).select_related("clearing").order_by("id")[:limit])


def backlog_by_agent(agents: set[str]) -> dict[str, int]:
    """Work units that each node still owes: its trades from the match until their last run was delivered.

    A trade counts in full until then, so the promise to new buyers errs on the safe side.
    """
    owed: dict[str, int] = defaultdict(int)
    rows = Trade.objects.filter(
        status__in=(*UNLOCKED_STATUSES, LOCKED), offer__terms__agent__in=sorted(agents)
    )
    for agent, units in rows.values_list("offer__terms__agent").annotate(
        units=Sum(F("runs") * F("ceiling_units"), output_field=UintField())
    ):
        owed[agent] += int(units)
    return dict(owed)


def refused_orders(orders: list[Order], *, now: int) -> dict[int, str]:
    """Orders (by pk) that wait because the chain refused their trades, with the reason: `unfunded` or
    `refused`.

    The wait begins with REFUSAL_SECONDS and doubles with each refusal of the order, to at most
    REFUSAL_SECONDS_MAX, so that an order that can never be locked does not fill every lock batch.
    """
    waiting: dict[int, str] = {}
    for side, fault in (("offer_id", "offer_at_fault"), ("bid_id", "bid_at_fault")):
        pks = [order.pk for order in orders if order.is_bid == (side == "bid_id")]
        rows = Trade.objects.filter(**{f"{side}__in": pks, fault: True}).order_by("updated_at")
        times: dict[int, int] = defaultdict(int)
        for pk, code, refused_at in rows.values_list(side, "reject_code", "updated_at"):
            times[pk] += 1
            wait = min(REFUSAL_SECONDS * 2 ** min(times[pk] - 1, 10), REFUSAL_SECONDS_MAX)
            waiting.pop(pk, None)
            if refused_at + wait > now:
                waiting[pk] = (
                    UNFUNDED
                    if code in (RejectCode.INSUFFICIENT_FUNDS, RejectCode.INSUFFICIENT_BOND)
                    else REFUSED
                )
    return waiting


def suspended_offers(orders: list[Order], *, now: int) -> dict[int, str]:
    """Offers (by pk) of nodes that were slashed for a false receipt within SUSPENSION_SECONDS, with `suspended`.

    Read from the trades themselves, so a slash takes effect with the next clearing and needs no second record.
    """
    offers = [order for order in orders if not order.is_bid]
    slashed = Trade.objects.filter(
        status=SLASHED,
        updated_at__gt=now - SUSPENSION_SECONDS,
        offer__terms__agent__in=sorted({order.terms["agent"] for order in offers}),
    )
    agents = set(slashed.values_list("offer__terms__agent", flat=True))
    return {order.pk: SUSPENDED for order in offers if order.terms["agent"] in agents}


def open_lock_batches() -> list[LockBatch]:
    """Lock batches whose transaction is not final, oldest first."""
    return list(LockBatch.objects.exclude(status__in=(BATCH_FINAL, BATCH_FAILED)).order_by("id"))


def rewound_lock_batches(*, now: int) -> list[LockBatch]:
    """Lock batches that were final until an operator rewound a chain that had gone below final, oldest first."""
    since = datetime.fromtimestamp(now - REWOUND_SECONDS, tz=UTC)
    gone = LockBatch.objects.filter(status=BATCH_FINAL, block_hash__in=ledger.orphaned_blocks(since=since))
    return list(gone.order_by("id"))


def document(row: Clearing) -> ClearingDocument:
    """The clearing as it was published. Raises DocumentDamaged when its bytes changed since."""
    return read_document(document_bytes(row))


def document_bytes(row: Clearing) -> bytes:
    """The published file: from the database until it is in the evidence folder, then from there."""
    data = bytes(row.document) if row.document else evidence.read("clearings", row.clearing_id)
    if data is None or to_hex(keccak(data)) != row.document_hash:
        raise DocumentDamaged(f"the file of {row.clearing_id} is {'changed' if data else 'missing'}")
    return data


def explain(order: Order, *, now: int) -> dict[str, Any]:
    """Why an order did not trade (further): code, sentence, numbers and the clearing that they are from."""
    row, found = _reason(order, now)
    return {
        "order_id": order.order_id,
        "order_status": order.order_status,
        "leaves_quantity": str(order.leaves_quantity),
        "clearing_id": row.clearing_id if row else None,
        "clearing_number": row.number if row else None,
        "cut_at": row.cut_at if row else None,
        "code": found.code,
        "sentence": found.sentence,
        **{name: _tokens(value) for name, value in found.numbers.items()},
    }


def book_view(symbol: str, *, now: int) -> dict[str, Any]:
    """Both sides of a product's book by price, best first, with the last price and the last clearing."""
    levels: dict[int, dict[int, list[int]]] = {1: {}, 2: {}}
    for item in book.open_orders(symbol, now=now):
        order = item.order
        units = item.quantity * (order.ceiling_units if order.is_bid else 1)
        level = levels[order.side].setdefault(order.price, [0, 0])
        level[0] += units
        level[1] += 1
    price, last = last_price(symbol), last_clearing(symbol)
    return {
        "product": symbol,
        "bids": _levels(levels[1], reverse=True),
        "offers": _levels(levels[2], reverse=False),
        "last_price": None if price is None else format_tokens(price),
        "last_clearing_id": last.clearing_id if last else None,
        "last_clearing_at": last.cut_at if last else None,
    }


def clearing_view(row: Clearing) -> dict[str, Any]:
    """One clearing in a list."""
    return {
        "clearing_id": row.clearing_id,
        "product": row.symbol,
        "number": row.number,
        "cut_sequence": row.cut_sequence,
        "cut_at": row.cut_at,
        "price": None if row.price is None else format_tokens(row.price),
        "orders": row.order_count,
        "trades": row.trade_count,
        "executed_units": str(row.executed_units),
        "order_set_root": row.order_set_root,
        "evidence": f"/evidence/clearings/{row.clearing_id}.json",
    }


def clearing_detail(row: Clearing) -> dict[str, Any]:
    """One clearing with its trades and with the reason of every order that did not trade in full."""
    full = document(row)
    reasons = Reasons(full.book, full.result, full.cut_at)
    trades = row.trades.order_by("id").values_list(
        "trade_hash", "offer_hash", "bid_hash", "first_run", "runs", "status"
    )
    unfilled = []
    for order in [entry.order for entry in full.book.ordered_entries]:
        found = reasons.of(order)
        if found is not None:
            unfilled.append(
                {"order_id": f"ord_{to_hex(order)}", "code": found.code, "sentence": found.sentence}
            )
    return {
        **clearing_view(row),
        "trade_list": [
            {
                "trade_id": f"trd_{trade_hash}",
                "offer_id": f"ord_{offer_hash}",
                "bid_id": f"ord_{bid_hash}",
                "first_run": first_run,
                "runs": runs,
                "status": status,
            }
            for trade_hash, offer_hash, bid_hash, first_run, runs, status in trades
        ],
        "unfilled": unfilled,
    }


def market_stands_still() -> bool:
    """True while nothing may be opened: trading is stopped, the contract is paused, or a final block changed."""
    if kill_switch.stopped() is not None or ledger.is_halted():
        return True
    paused = ledger.events_of(name="Paused", subject="")
    return bool(paused) and bool(paused[-1].args["paused"])


def _reason(order: Order, now: int) -> tuple[Clearing | None, Explanation]:
    if order.order_status not in OPEN_STATUSES:
        return None, _ended(order)
    row = last_clearing(order.symbol)
    refused = refused_orders([order], now=now).get(order.pk)
    if refused is not None:
        return None, kept_out(refused)
    if row is None or row.cut_sequence < order.sequence:
        return None, kept_out(HALTED if market_stands_still() else NOT_CLEARED_YET)
    full = document(row)
    found = Reasons(full.book, full.result, full.cut_at).of(from_hex(order.order_hash))
    if found is None:
        # It traded in full then; what is left came back from a trade since.
        found = kept_out(NOT_CLEARED_YET)
    return row, found


def _ended(order: Order) -> Explanation:
    sentences = {
        "filled": "The order traded in full; nothing of it is left.",
        "canceled": f"The order does not trade any more: {order.reject_reason or 'canceled'}.",
        "expired": "The order's time passed; it does not trade any more.",
        "rejected": f"The order was refused: {order.reject_reason or 'no reason was stored'}.",
    }
    return Explanation(order.order_status, sentences[order.order_status], {})


def _levels(levels: dict[int, list[int]], *, reverse: bool) -> list[dict[str, Any]]:
    rows = sorted(levels.items(), reverse=reverse)[:BOOK_LEVELS_MAX]
    return [
        {"price": format_tokens(price), "units": str(units), "orders": count}
        for price, (units, count) in rows
    ]


def _tokens(value: str | None) -> str | None:
    return None if value is None else format_tokens(int(value))
