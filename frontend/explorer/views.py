"""Explorer: what is on the chain and in the evidence, linked to each other, as of any block. Open to everybody."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from frontend.explorer import names, sentences
from ledger import evidence, queries
from ledger.errors import BlockUnknown
from ledger.explorer import (
    BATCHES,
    BLOCKS,
    PARTIES,
    TRANSACTIONS,
    AsOf,
    address,
    facts,
    identity,
    parties,
    streams,
    transactions,
    word,
)
from marketplace.book import queries as book
from marketplace.receipts import queries as receipts
from marketplace.settlement import queries as settlement
from suan.core.encoding import from_hex
from suan.core.ids import ord_id
from suan.core.signing import Bid, Offer, market_domain, snake_case

ROWS = 25
SHORT = 8
RELATED_MAX = 50
RECOUNTED = ("output", "fp64", "fp32", "integer", "memoryControl", "fuel", "exitReason")
LISTS = {listing.name: listing for listing in (BLOCKS, TRANSACTIONS, BATCHES, settlement.RECEIPTS, PARTIES)}


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    at = facts.as_of(None)
    context = {
        "at": at,
        "blocks": _newest(facts.blocks(at), SHORT),
        "transactions": _told(at, _newest(facts.transactions(at), SHORT)),
        "batches": _newest(facts.batches(at), SHORT),
        "confirmations": queries.deployment().confirmations,
    }
    return render(request, "explorer/overview.html", context)


@require_safe
def listed(request: HttpRequest, name: str) -> HttpResponse:
    """One of the lists, newest first, as of a block; with links to the same list for programs."""
    listing = LISTS[name]
    query = request.GET.dict()
    values = listing.values(query, paged=True)
    at = streams.started(query, name)
    source = listing.source(at, **values)
    rows, following = streams.cut({"limit": str(ROWS), **query}, name, at, source, sort=_first(name))
    kept = {key: value for key, value in query.items() if key not in ("cursor", "limit", "sort")}
    context = {
        "at": at,
        "rows": _told(at, rows) if name == "transactions" else rows,
        "next": urlencode({**query, "cursor": following}) if following else "",
        "first": "cursor" in query,
        "kept": urlencode(kept),
        "filters": {key: value for key, value in kept.items() if key != "block" and value},
        "export": urlencode({**kept, "block": at.hash}),
        "listing": listing,
    }
    return render(request, f"explorer/{name}.html", context)


@require_safe
def block(request: HttpRequest, block: str) -> HttpResponse:
    at = _found(lambda: streams.block_of({"block": block}))
    row = _newest(facts.blocks(at), 1)[0]
    now = facts.as_of(None)
    context = {
        "at": at,
        "now": now,
        "found": row,
        "finality": queries.finality(at.hash),
        "explained": explained(queries.finality(at.hash)),
        "on_top": now.number - at.number,
        "transactions": _told(now, _newest(facts.transactions(now, within=at.hash), RELATED_MAX)),
    }
    return render(request, "explorer/block.html", context)


@require_safe
def transaction(request: HttpRequest, tx_hash: str) -> HttpResponse:
    at = facts.as_of(None)
    found = _found(lambda: transactions.transaction(at, word(tx_hash)))
    sender = found["sender"] or found["signer"]
    events = [
        {**event, "sentence": sentences.event_sentence(event["name"], event["args"])}
        for event in found["events"]
    ]
    context = {
        "tx": found,
        "sentence": sentences.transaction_sentence(_known(sender), found["events"], found["function"]),
        "explained": explained(found["finality"]),
        "events": events,
        "arguments": _arguments(found["args"] or {}),
    }
    return render(request, "explorer/transaction.html", context)


@require_safe
def batch(request: HttpRequest, batch_id: str) -> HttpResponse:
    at = facts.as_of(None)
    rows = _newest(facts.batches(at, batch=_found(lambda: identity("bat")(batch_id))), 1)
    if not rows:
        raise Http404(_("No lock batch with this id is on the chain."))
    hash_ = batch_id.lower().partition("_")[2]
    told = [
        {**event, "sentence": sentences.event_sentence(event["name"], event["args"])}
        for event in _newest(facts.events(at, mentions=hash_), RELATED_MAX)
        if event["name"] != "TradeClosed"
    ]
    trades = facts.trades(at, tx_hash=rows[0]["tx_hash"]).slice(after=None, limit=256, newest_first=False)
    context = {"batch": rows[0], "trades": [row for _key, row in trades], "events": told}
    return render(request, "explorer/batch.html", context)


@require_safe
def receipt(request: HttpRequest, receipt_id: str) -> HttpResponse:
    row = receipts.receipt_by_id(receipt_id)
    closing = settlement.settlement_of(row.run.trade_id)
    sent = settlement.render(closing) if closing else None
    event = queries.root_event(batch=closing.lock_batch, root=closing.receipts_root) if closing else None
    shown = receipts.render(row)
    context = {
        "receipt": shown,
        "fields": _fields(shown["receipt"], shown["recount"]),
        "settlement": sent,
        "event": event,
        "finality": queries.finality(event.block) if event else "pending",
    }
    return render(request, "explorer/receipt.html", context)


@require_safe
def order(request: HttpRequest, order_id: str) -> HttpResponse:
    """A published order: what was signed, and what became of it on the chain."""
    at = facts.as_of(None)
    order_hash = _found(lambda: identity("ord")(order_id))
    name = ord_id(from_hex(order_hash))
    data = evidence.read("orders", name)
    if data is None:
        raise Http404(_("No order with this id is published."))
    document = json.loads(data)
    struct = (Bid if document["type"] == "bid" else Offer).from_json(document["order"])
    known = queries.deployment()
    context = {
        "order": document["order"],
        "order_id": name,
        "kind": document["type"],
        "symbol": document["symbol"],
        "fits": struct.digest(market_domain(known.chain_id, known.market)) == from_hex(order_hash),
        "signature": document["signature"],
        "terms": document["order"]["terms"],
        "trades": _newest(facts.trades(at, order=order_hash), RELATED_MAX),
        "cancelled": evidence.read("cancels", name) is not None,
    }
    return render(request, "explorer/order.html", context)


@require_safe
def party(request: HttpRequest, address_: str) -> HttpResponse:
    at = streams.block_of(request.GET.dict())
    who = _found(lambda: address(address_))
    everyone = parties.parties(at)
    context = {
        "at": at,
        "party": everyone.row(who),
        "keys": parties.keys_of(at, who),
        "orders": book.published_orders(who)[:RELATED_MAX],
        "trades": _newest(facts.trades(at, party=who), RELATED_MAX),
        "transactions": _told(at, _newest(facts.transactions(at, mentions=who), RELATED_MAX)),
        "most": RELATED_MAX,
    }
    return render(request, "explorer/party.html", context)


def _fields(signed: dict[str, Any], recount: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Signed fields beside our own count, where we count the same thing."""
    rows = []
    for name, value in signed.items():
        counted = (recount or {}).get(snake_case(name)) if name in RECOUNTED else None
        equal = counted is not None and str(counted) == str(value)
        rows.append(
            {"name": name, "signed": names.shown(snake_case(name), value), "recount": counted, "equal": equal}
        )
    return rows


def explained(finality: str) -> str:
    """What a word of finality means and what happens next."""
    return str(sentences.FINALITY[finality]).format(confirmations=queries.deployment().confirmations)


def _newest(source: facts.Facts, limit: int) -> list[dict[str, Any]]:
    return [row for _key, row in source.slice(after=None, limit=limit, newest_first=True)]


def _first(name: str) -> str:
    return streams.OLDEST if name == "parties" else streams.NEWEST


def _told(at: AsOf, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Transactions with their sentence; all events of the page are read at once."""
    by_tx: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for event in (
        facts.events_at(at).filter(tx_hash__in=[row["tx_hash"] for row in rows]).order_by("position")
    ):
        by_tx.setdefault((event.block.hash, event.tx_hash), []).append(
            {"name": event.name, "args": event.args}
        )
    return [
        {
            **row,
            "sentence": sentences.transaction_sentence(
                row["signer"], by_tx.get((row["block_hash"], row["tx_hash"]), []), row["function"]
            ),
        }
        for row in rows
    ]


def _known(sender: str | None) -> str | None:
    """The market's own name of an address, so that a sentence says Operator and not 0x…."""
    roles = parties.deployment_roles().get(sender or "", [])
    return roles[0].replace("_", " ") if roles else sender


def _arguments(args: dict[str, Any]) -> list[dict[str, Any]]:
    """Decoded arguments for a table: plain ones, lists, and lists of structs with their columns."""
    shown = []
    for name, value in args.items():
        entry: dict[str, Any] = {"name": name, "value": names.shown(name, value), "rows": None, "items": None}
        structs = [value] if isinstance(value, dict) else value if isinstance(value, list) else []
        if structs and all(isinstance(item, dict) for item in structs):
            entry["columns"] = list(structs[0])
            entry["rows"] = [[names.shown(key, item[key]) for key in item] for item in structs[:RELATED_MAX]]
            entry["count"] = len(structs)
        elif isinstance(value, list):
            entry["items"], entry["count"] = (
                [names.shown(name, item) for item in value[:RELATED_MAX]],
                len(value),
            )
        shown.append(entry)
    return shown


def _found(read: Callable[[], Any]) -> Any:
    """What an address of a page names, or a page that says that there is no such thing."""
    try:
        return read()
    except (BlockUnknown, ValueError) as error:
        raise Http404(str(error)) from None
    except streams.ValidationError as error:
        raise Http404("; ".join(str(text) for texts in error.detail.values() for text in texts)) from None
