"""Locked trades as the chain tells them: read from the transaction that opened them, and believed no further.

What the exchange says is only where to look. The records come from the Market's events, the two orders of a trade from the
calldata, and both must fit: the batch has the id and root of its records, each trade the id of its orders.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from suan.client.errors import Unreachable
from suan.client.rpc import Rpc
from suan.core import encoding, signing
from suan.core.contract import BatchHead, Clearing, Record, abi, batch_id, batch_root, trade_id
from suan.core.signing import Bid, Offer

Json = dict[str, Any]


class NotLocked(ValueError):
    """The chain does not say what was claimed of a lock batch; the text names the difference."""


@dataclass(frozen=True)
class LockedTrade:
    """One locked trade with the two orders that it comes from and the bid's hash."""

    record: Record
    offer: Offer
    bid: Bid
    bid_hash: bytes


@dataclass(frozen=True)
class LockedBatch:
    """A lock batch; `trades` by trade hash."""

    head: BatchHead
    trades: dict[bytes, LockedTrade]


def read_batch(rpc: Rpc, domain: signing.Domain, *, market: str, batch: bytes, tx_hash: str) -> LockedBatch:
    """The lock batch with this id from the transaction that made it. Raises NotLocked, or Unreachable when the node does
    not know the transaction (yet)."""
    receipt = rpc.call("eth_getTransactionReceipt", tx_hash)
    if not isinstance(receipt, dict):
        raise Unreachable(f"the node has no receipt of {tx_hash} yet")
    logs = [log for log in receipt.get("logs", []) if str(log.get("address", "")).lower() == market]
    events = [abi.decode_event(log["topics"], log["data"]) for log in logs]
    heads = [values for name, values in events if name == "BatchLocked"]
    if len(heads) != 1:
        raise NotLocked(f"{tx_hash} opened {len(heads)} lock batches")
    head = abi.struct_of("BatchHead", heads[0])
    records = [abi.struct_of("Record", values) for name, values in events if name == "TradeLocked"]
    if batch_id(head) != batch or batch_root(records) != head.root:
        raise NotLocked(f"{tx_hash} opened another lock batch than {encoding.to_hex(batch)}")
    orders = _orders(rpc.transaction(tx_hash), domain, market)
    missing = [record.trade.hex() for record in records if record.trade not in orders]
    if missing:
        raise NotLocked(f"the orders of trade 0x{missing[0]} are not in the calldata of {tx_hash}")
    return LockedBatch(head, {record.trade: LockedTrade(record, *orders[record.trade]) for record in records})


def _orders(transaction: Json, domain: signing.Domain, market: str) -> dict[bytes, tuple[Offer, Bid, bytes]]:
    """(offer, bid, hash of the bid) by the trade that each fill of an open() would make."""
    try:
        name, call = abi.decode_call(transaction["input"])
    except abi.AbiError as error:
        raise NotLocked(f"the opening cannot be read: {error}") from error
    if name != "open" or str(transaction.get("to") or "").lower() != market:
        raise NotLocked("the lock batch was not opened by a call of the Market")
    offers = [abi.struct_of("Offer", value) for value in call["offers"]]
    bids = [abi.struct_of("Bid", value) for value in call["bids"]]
    sold, bought = ([order.digest(domain) for order in orders] for orders in (offers, bids))
    clearings = [_clearing_id(value) for value in call["clearings"]]
    found = {}
    for fill in call["fills"]:
        places = (fill["offer"], offers), (fill["bid"], bids), (fill["clearing"], clearings)
        if all(place is not None and place < len(row) for place, row in places):
            offer, bid, clearing = fill["offer"], fill["bid"], clearings[fill["clearing"]]
            trade = trade_id(sold[offer], bought[bid], fill["first_run"], clearing)
            found[trade] = offers[offer], bids[bid], bought[bid]
    return found


def _clearing_id(value: Json) -> bytes:
    clearing: Clearing = abi.struct_of("Clearing", value)
    return clearing.id()
