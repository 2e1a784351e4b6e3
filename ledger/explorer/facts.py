"""What the chain's stored log says as of a block: blocks, transactions, events, clearings, lock batches, trades.

Every row is flat and made of canonical events at or below one block, so two readers who name the same block get the
same rows, whatever was mined since. `finality` is that of a reader who stands at that block. Amounts are base units,
work is in work units, times are unix seconds. Reads only, never a call to the node.

Known limit: deep history has rows for blocks with events and for ends of ranges only (ledger/indexer/blocks.py); a block
number between them means the newest stored block below it, which has the same facts.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.db.models.fields.json import KT

from ledger import evidence, queries
from ledger.errors import BlockOrphaned, BlockUnknown, NothingIndexed
from ledger.models import Block, ChainEvent, OutgoingTx
from suan.core.contract import EVENTS, AbiError, OutcomeKind, call_name
from suan.core.encoding import from_hex
from suan.core.evidence import ROOT_EVENTS
from suan.core.ids import bat_id, clr_id, ord_id, trd_id
from suan.core.orders import PRODUCTS

Row = dict[str, Any]
OPEN = "locked"
ENDS = {int(kind): kind.word for kind in OutcomeKind}
SYMBOLS = {product.id_hex: symbol for symbol, product in PRODUCTS.items()}
_ADDRESSES = sorted(
    {p.name for event in EVENTS.values() for p in event.parameters if p.abi_type == "address"}
)
_WORDS = sorted({p.name for event in EVENTS.values() for p in event.parameters if p.abi_type == "bytes32"})
_LISTS = sorted({p.name for event in EVENTS.values() for p in event.parameters if p.abi_type == "address[]"})


@dataclass(frozen=True)
class AsOf:
    """The block at which a reader stands. `chosen`: it was asked for; otherwise it is the newest that we know."""

    head: queries.Head
    chosen: bool

    @property
    def number(self) -> int:
        return self.head.number

    @property
    def hash(self) -> str:
        return self.head.hash

    @property
    def is_final(self) -> bool:
        return self.head.number <= queries.final_number()

    def finality(self, block: Block) -> str:
        return queries.finality_at(block, self.head)

    def still_stands(self) -> bool:
        """Whether the block is on the chain still; facts as of an orphaned block are nobody's facts."""
        return Block.objects.filter(hash=self.hash, canonical=True).exists()


def as_of(chosen: int | str | None) -> AsOf:
    """The newest block, the one of a number (the newest stored at or below it), or the one of a hash.

    Raises BlockUnknown (above our newest, or not of this chain), BlockOrphaned, NothingIndexed.
    """
    newest = queries.head()
    if newest is None:
        raise NothingIndexed
    if chosen is None:
        return AsOf(newest, chosen=False)
    if isinstance(chosen, str):
        block = Block.objects.filter(hash=chosen).first()
        if block is None:
            raise BlockUnknown(
                f"no stored block has the hash {chosen}; the newest is {newest.number}, {newest.hash}"
            )
        if not block.canonical:
            raise BlockOrphaned(f"block {block.number} {block.hash} left the chain; start again without it")
    else:
        if chosen > newest.number:
            raise BlockUnknown(f"block {chosen} is not indexed; the newest is {newest.number}")
        block = Block.objects.filter(canonical=True, number__lte=chosen).order_by("-number").first()
        if block is None:
            raise BlockUnknown(f"block {chosen} is before the first block of this market")
    final = min(newest.final_number, block.number - queries.deployment().confirmations)
    return AsOf(queries.Head(block.number, block.hash, block.timestamp, final), chosen=True)


@dataclass(frozen=True)
class Facts:
    """Rows of one kind in a stable order: `rows` by the unique column `key`, `render` makes a page of them at once."""

    rows: QuerySet[Any]
    key: str
    render: Callable[[list[Any]], list[Row]]

    def slice(self, *, after: int | None, limit: int, newest_first: bool) -> list[tuple[int, Row]]:
        """Up to `limit` (key, row) behind the key `after`."""
        rows, sign = self.rows, "-" if newest_first else ""
        if after is not None:
            rows = rows.filter(**{f"{self.key}__{'lt' if newest_first else 'gt'}": after})
        found = list(rows.order_by(f"{sign}{self.key}")[:limit])
        return [(getattr(item, self.key), row) for item, row in zip(found, self.render(found), strict=True)]


def events_at(at: AsOf, *names: str) -> QuerySet[ChainEvent]:
    """Canonical events up to the block, of these names if any are given, with their block."""
    rows = ChainEvent.objects.filter(block__canonical=True, block__number__lte=at.number)
    return (rows.filter(name__in=names) if names else rows).select_related("block")


def roots_at(at: AsOf) -> QuerySet[Any]:
    """Events that log a receipts root (`root`, hex) of a lock batch (their subject)."""
    return events_at(at, *ROOT_EVENTS).annotate(root=KT("args__receipts_root"))


def mentioning(rows: QuerySet[ChainEvent], value: str) -> QuerySet[ChainEvent]:
    """Events of which an argument is this address or 32-byte value (lower-case hex)."""
    address = len(value) == 42
    wanted = Q()
    for name in _ADDRESSES if address else _WORDS:
        wanted |= Q(args__contains={name: value})
    for name in _LISTS if address else ():
        wanted |= Q(args__contains={name: [value]})
    return rows.filter(wanted)


def kind_of_hash(hash_: str) -> str | None:
    """`block`, `tx`, or which id of the log this bare hash is: `trade`, `batch`, `clearing`, `order`; None if none."""
    if Block.objects.filter(hash=hash_).exists():
        return "block"
    if ChainEvent.objects.filter(tx_hash=hash_).exists() or OutgoingTx.objects.filter(tx_hash=hash_).exists():
        return "tx"
    subjects = {"TradeLocked": "trade", "BatchLocked": "batch", "ClearingCommitted": "clearing"}
    known = ChainEvent.objects.filter(subject=hash_, name__in=subjects).values_list("name", flat=True).first()
    if known is not None:
        return subjects[known]
    return "order" if evidence.read("orders", ord_id(from_hex(hash_))) is not None else None


def blocks(at: AsOf, *, canonical: bool = True) -> Facts:
    """Stored blocks at or below the block; with canonical=False those that left the chain."""
    rows = Block.objects.filter(number__lte=at.number, canonical=canonical).annotate(
        event_count=Count("events"), transaction_count=Count("events__tx_hash", distinct=True)
    )

    def render(found: list[Any]) -> list[Row]:
        return [
            {
                "block_number": block.number,
                "block_hash": block.hash,
                "parent_hash": block.parent,
                "timestamp": block.timestamp,
                "canonical": block.canonical,
                "finality": at.finality(block),
                "transactions": block.transaction_count,
                "events": block.event_count,
                "orphaned_at": block.orphaned_at and int(block.orphaned_at.timestamp()),
            }
            for block in found
        ]

    # Canonical numbers are unique; of orphaned blocks several may share one.
    return Facts(rows, "number" if canonical else "id", render)


def events(
    at: AsOf, *, name: str = "", tx_hash: str = "", mentions: str = "", canonical: bool = True
) -> Facts:
    """Decoded events in chain order; with canonical=False those of blocks that left the chain."""
    rows = ChainEvent.objects.filter(block__canonical=canonical, block__number__lte=at.number)
    rows = rows.select_related("block")
    rows = rows.filter(name=name) if name else rows
    rows = rows.filter(tx_hash=tx_hash) if tx_hash else rows
    rows = mentioning(rows, mentions) if mentions else rows
    return Facts(rows, "position", lambda found: [event_row(at, event) for event in found])


def event_row(at: AsOf, event: ChainEvent) -> Row:
    return {
        "position": event.position,
        "name": event.name,
        "args": event.args,
        "contract": event.address,
        "tx_hash": event.tx_hash,
        "log_index": event.log_index,
        **place(at, event.block),
    }


def transactions(at: AsOf, *, within: str = "", mentions: str = "") -> Facts:
    """Transactions that left events of the contracts; key: the position of their first event."""
    earlier = ChainEvent.objects.filter(
        block=OuterRef("block"), tx_hash=OuterRef("tx_hash"), log_index__lt=OuterRef("log_index")
    )
    rows = events_at(at).filter(~Exists(earlier))
    rows = rows.filter(block__hash=within) if within else rows
    if mentions:
        rows = rows.filter(tx_hash__in=mentioning(events_at(at), mentions).values("tx_hash"))
    return Facts(rows, "position", lambda found: _transaction_rows(at, found))


def clearings(at: AsOf, *, product: str = "") -> Facts:
    """Auctions whose price the contract knows: each ClearingCommitted."""
    rows = events_at(at, "ClearingCommitted")
    rows = rows.filter(args__contains={"product": product}) if product else rows

    def render(found: list[ChainEvent]) -> list[Row]:
        return [
            {
                "clearing_id": clr_id(from_hex(event.args["clearing_id"])),
                "product": SYMBOLS.get(event.args["product"], ""),
                "product_id": event.args["product"],
                "number": event.args["number"],
                "order_set_root": event.args["order_set_root"],
                "price": str(event.args["price"]),
                "tx_hash": event.tx_hash,
                **place(at, event.block),
            }
            for event in found
        ]

    return Facts(rows, "position", render)


def batches(at: AsOf, *, batch: str = "") -> Facts:
    """Lock batches with how many of their trades have closed."""
    rows = events_at(at, "BatchLocked")
    rows = rows.filter(subject=batch) if batch else rows
    return Facts(rows, "position", lambda found: _batch_rows(at, found))


def trades(
    at: AsOf, *, trade: str = "", party: str = "", order: str = "", tx_hash: str = "", status: str = ""
) -> Facts:
    """Locked trades with how they ended. status: `locked`, or a kind of outcome."""
    rows = events_at(at, "TradeLocked")
    rows = rows.filter(subject=trade) if trade else rows
    rows = rows.filter(tx_hash=tx_hash) if tx_hash else rows
    if party:
        rows = rows.filter(Q(args__contains={"buyer": party}) | Q(args__contains={"provider": party}))
    if order:
        rows = rows.filter(args__contains=_place_of(order))
    if status:
        closes = events_at(at, "TradeClosed").filter(subject=OuterRef("subject"))
        kind = next((number for number, name in ENDS.items() if name == status), None)
        rows = rows.filter(~Exists(closes) if kind is None else Exists(closes.filter(args__kind=kind)))
    return Facts(rows, "position", lambda found: _trade_rows(at, found))


def _place_of(order: str) -> Row:
    """What the records of an order's trades say of it: the contract names an order by maker and nonce. By its hash it is
    known from the published order only; none is published under an order of nobody.
    """
    data = evidence.read("orders", ord_id(from_hex(order)))
    if data is None:
        return {"trade": order}
    document = json.loads(data)
    party, nonce = ("buyer", "bid_nonce") if document["type"] == "bid" else ("provider", "offer_nonce")
    return {party: document["order"]["maker"].lower(), nonce: int(document["order"]["nonce"])}


def place(at: AsOf, block: Block, prefix: str = "") -> Row:
    """The columns that say where something stands on the chain."""
    return {
        f"{prefix}block_number": block.number,
        f"{prefix}block_hash": block.hash,
        f"{prefix}timestamp": block.timestamp,
        f"{prefix}finality": at.finality(block),
    }


def _transaction_rows(at: AsOf, found: list[ChainEvent]) -> list[Row]:
    hashes = [event.tx_hash for event in found]
    names: dict[tuple[int, str], dict[str, int]] = {}
    counted = ChainEvent.objects.filter(tx_hash__in=hashes).values("block_id", "tx_hash", "name")
    for line in counted.annotate(count=Count("id")).order_by("name"):
        names.setdefault((line["block_id"], line["tx_hash"]), {})[line["name"]] = line["count"]
    ours = {row.tx_hash: row for row in OutgoingTx.objects.filter(tx_hash__in=hashes)}
    return [
        {
            "tx_hash": event.tx_hash,
            "signer": ours[event.tx_hash].signer if event.tx_hash in ours else None,
            "function": function_of(ours.get(event.tx_hash)),
            "events": sum(names[event.block_id, event.tx_hash].values()),
            "event_names": names[event.block_id, event.tx_hash],
            **place(at, event.block),
        }
        for event in found
    ]


def function_of(sent: OutgoingTx | None) -> str | None:
    """The function that a transaction of ours called; None for others, whose calldata is not stored."""
    if sent is None:
        return None
    try:
        return call_name(bytes(sent.calldata))
    except AbiError:
        return None


def _batch_rows(at: AsOf, found: list[ChainEvent]) -> list[Row]:
    locks = events_at(at, "TradeLocked").filter(tx_hash__in=[event.tx_hash for event in found])
    batch_of = {lock.subject: (lock.block_id, lock.tx_hash) for lock in locks}
    closes = events_at(at, "TradeClosed").filter(subject__in=batch_of)
    closed = Counter(batch_of[close.subject] for close in closes)
    return [
        {
            "batch_id": bat_id(from_hex(event.subject)),
            "number": event.args["number"],
            "root": event.args["root"],
            "verifier_set": event.args["verifier_set"],
            "trades": event.args["count"],
            "closed": closed[event.block_id, event.tx_hash],
            "open": event.args["count"] - closed[event.block_id, event.tx_hash],
            "tx_hash": event.tx_hash,
            **place(at, event.block),
        }
        for event in found
    ]


def _trade_rows(at: AsOf, found: list[ChainEvent]) -> list[Row]:
    subjects = [event.subject for event in found]
    closes = {event.subject: event for event in events_at(at, "TradeClosed").filter(subject__in=subjects)}
    batches_ = _batches_of(at, found)
    rows = []
    for event in found:
        args, close = event.args, closes.get(event.subject)
        rows.append(
            {
                "trade_id": trd_id(from_hex(event.subject)),
                "status": ENDS[close.args["kind"]] if close else OPEN,
                "batch_id": batches_.get((event.block_id, event.tx_hash)),
                "index": args["index"],
                "provider": args["provider"],
                "offer_nonce": args["offer_nonce"],
                "buyer": args["buyer"],
                "bid_nonce": args["bid_nonce"],
                "first_run": args["first_run"],
                "runs": args["runs"],
                **{name: str(args[source]) for name, source in _AMOUNTS.items()},
                "deliver_by": args["deliver_by"],
                "tx_hash": event.tx_hash,
                **place(at, event.block),
                **_close_columns(at, close),
            }
        )
    return rows


_AMOUNTS = {"ceiling_units": "ceiling", "price": "price", "payment": "payment", "bond": "bond"}


def _close_columns(at: AsOf, close: ChainEvent | None) -> Row:
    args = close.args if close else {}
    amounts = {name: str(args[name]) if args else None for name in ("units", "paid", "fee", "slashed")}
    where = place(at, close.block, "close_") if close else dict.fromkeys(_CLOSE_PLACE)
    return {
        "runs_delivered": args.get("runs_delivered"),
        **amounts,
        "close_tx_hash": close.tx_hash if close else None,
        **where,
    }


_CLOSE_PLACE = ("close_block_number", "close_block_hash", "close_timestamp", "close_finality")


def _batches_of(at: AsOf, found: Iterable[ChainEvent]) -> dict[tuple[int, str], str]:
    """bat_… by (block, transaction): a lock batch is logged in the transaction of its trades."""
    hashes = {event.tx_hash for event in found}
    rows = events_at(at, "BatchLocked").filter(tx_hash__in=hashes)
    return {(row.block_id, row.tx_hash): bat_id(from_hex(row.subject)) for row in rows}
