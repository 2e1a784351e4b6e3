"""The question of a maker who holds an acknowledgement: was my order in every auction that it belonged to?

An order belongs to every auction of its product that was cut after it was accepted, until it is cancelled, too late or
fully traded. It is there when the published book holds it, or the published list of exclusions with a reason.

Known limits: a cancellation carries no time, so a published one excuses every absence; one on chain excuses those after
its block. Quantity that came back from a close is not asked for again, so an absence after a full fill is not named.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suan.client.audit.published.orders import OrderShelf, PublishedOrder
from suan.client.audit.state import generation_key
from suan.client.audit.store.tables import Store, Table
from suan.client.errors import UsageError
from suan.core import encoding, ids
from suan.core.clearing import BidEntry, ClearingDocument
from suan.core.signing import Bid, Offer

Json = dict[str, Any]
CLOCK_SKEW_SECONDS = 60
"""The exchange's clock and the chain's may differ by so much without being a difference."""


@dataclass(frozen=True)
class Sighting:
    """One auction as a watched order saw it: `traded` in runs of a bid or units of an offer."""

    number: int
    clearing: str
    cut_at: int
    present: bool
    traded: int


@dataclass
class Watched:
    """An acknowledged order, and the auctions that were cut after it."""

    subject: str
    order: bytes
    published: PublishedOrder
    sequence: int
    sightings: Table[str, Sighting]
    """By number of the auction and id."""

    def see(self, clearing: str, document: ClearingDocument) -> None:
        """Note whether an auction of this order's product held it."""
        book = document.book
        if book.symbol != self.published.symbol or book.cut_sequence < self.sequence:
            return
        excluded = any(exclusion.order == self.order for exclusion in document.result.excluded)
        present = excluded or book.find(self.order) is not None
        self.sightings[f"{document.number:020d} {clearing}"] = Sighting(
            document.number, clearing, document.cut_at, present, self._traded(document)
        )

    def _traded(self, document: ClearingDocument) -> int:
        total = 0
        for trade in document.result.trades:
            if self.order == trade.bid:
                total += trade.runs
            elif self.order == trade.offer:
                bid = document.book.find(trade.bid)
                total += trade.runs * bid.ceiling if isinstance(bid, BidEntry) else 0
        return total

    def _ended_at(self, order: Offer | Bid) -> int:
        """When the order was cancelled on chain or its place went to a younger one (unix); far away if never."""
        mine = generation_key(order.maker, order.side, order.nonce)
        generations: Table[str, tuple[int, int]] = self.sightings.store.table("generations")
        for key, (begun_at, cancelled_at) in generations.begin_with(mine.rpartition(" ")[0] + " "):
            if key > mine:
                return begun_at
            if key == mine and cancelled_at:
                return cancelled_at
        return 2**64

    def judge(self, shelf: OrderShelf) -> None:
        """Name every auction that left the order out."""
        order = self.published.order
        order_hash = encoding.to_hex(self.order)
        if shelf.cancelled(order_hash, order):
            return
        until = order.valid_until
        until = min(until, self._ended_at(order) - CLOCK_SKEW_SECONDS)
        traded = 0
        for seen in self.sightings.values():
            if not seen.present and seen.cut_at < until and traded < self.published.quantity:
                shelf.report.differ(
                    self.subject,
                    f"order set of clr_{seen.clearing}",
                    "holds this acknowledged order",
                    "left out",
                )
            traded += seen.traded


def read_file(path: Path) -> Json:
    """The acknowledgement in a file: bare, or inside the order as the exchange answered it. Raises UsageError."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is not a readable JSON file: {error}") from error
    found = document.get("acknowledgement", document) if isinstance(document, dict) else None
    if not isinstance(found, dict) or not isinstance(found.get("order"), str):
        raise UsageError(f"{path} holds no acknowledgement; save the answer of POST /bids or /offers")
    return found


def watch(document: Json, shelf: OrderShelf, store: Store) -> Watched | None:
    """Check an acknowledgement; None (and a difference) when it is not the exchange's or its order is not published."""
    subject = str(document["order"])
    sequence = shelf.acknowledged(document, subject)
    if sequence is None:
        return None
    order = ids.parse_id(subject, prefix="ord")
    published = shelf.find(encoding.to_hex(order))
    if published is None:
        return None
    return Watched(subject, order, published, sequence, store.table(f"auctions of {subject}"))
