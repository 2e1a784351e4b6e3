"""One transaction with its decoded call and its events.

What the exchange sent itself is stored with its calldata; of everybody else's transactions only the events are, so their
call is asked of the node, with a short timeout, and is missing (with the reason) while the node is silent. Signed bytes are
the sender's own: of a transaction that is in no block yet nothing is told here.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings

from ledger import queries
from ledger.chain import NodeError
from ledger.chain.rpc import RpcGateway
from ledger.errors import BlockUnknown
from ledger.explorer.facts import AsOf, Row, event_row
from ledger.models import ChainEvent, OutgoingTx
from suan.core.contract import AbiError, decode_call

NODE_SECONDS_MAX = 3


def transaction(at: AsOf, tx_hash: str) -> Row:
    """Sender, contract, call, block, gas, and all events in order, orphaned ones included and marked.

    Raises BlockUnknown when neither the index nor the outbox knows the hash.
    """
    found = ChainEvent.objects.filter(tx_hash=tx_hash, block__number__lte=at.number)
    events = list(found.select_related("block").order_by("block__canonical", "position"))
    sent = OutgoingTx.objects.filter(tx_hash=tx_hash).select_related("block").first()
    if not events and sent is None:
        raise BlockUnknown(
            f"no transaction {tx_hash} left an event of the contracts, or was sent by the exchange"
        )
    block = next((event.block for event in reversed(events)), sent.block if sent else None)
    standing = [event for event in events if event.block.canonical] or events
    call = _stored(sent) if sent else _asked(tx_hash)
    return {
        "tx_hash": tx_hash,
        "block_number": block.number if block else None,
        "block_hash": block.hash if block else None,
        "timestamp": block.timestamp if block else None,
        "finality": queries.finality_at(block, at.head),
        "signer": sent.signer if sent else None,
        "purpose": sent.key if sent else None,
        "status": sent.status if sent else None,
        "reverted": sent.reverted if sent else False,
        "error": sent.error if sent else "",
        "gas_used": sent.gas_used if sent else None,
        **call,
        "events": [event_row(at, event) for event in standing],
    }


def _stored(sent: OutgoingTx) -> Row:
    known = queries.deployment()
    sender = {"operator": known.operator, "relayer": known.relayer}.get(sent.signer)
    return {"sender": sender, "to": sent.to, "nonce": sent.nonce, **_decoded(bytes(sent.calldata))}


def _asked(tx_hash: str) -> Row:
    gateway = RpcGateway(
        settings.CHAIN_RPC_URL, chain_id=queries.deployment().chain_id, timeout_seconds=NODE_SECONDS_MAX
    )
    try:
        found = gateway.transaction(tx_hash)
    except NodeError as error:
        return _unknown(f"the node does not answer: {error}"[:200])
    if found is None:
        return _unknown("the node does not know this transaction any more")
    return {"sender": found.sender, "to": found.to, "nonce": found.nonce, **_decoded(found.calldata)}


def _unknown(reason: str) -> Row:
    nothing: dict[str, Any] = {"sender": None, "to": None, "nonce": None}
    return nothing | {"function": None, "args": None, "call_unknown": reason}


def _decoded(calldata: bytes) -> Row:
    if not calldata:
        return {"function": None, "args": None, "call_unknown": "it carries no call, only value"}
    try:
        function, args = decode_call(calldata)
    except AbiError as error:
        return {"function": None, "args": None, "call_unknown": str(error)[:200]}
    return {"function": function, "args": args, "call_unknown": ""}
