"""Logs of the contracts as decoded events: what a node tells, before anything is believed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from suan.client.audit.state import Parameters
from suan.core.contract import abi

Json = dict[str, Any]
REGISTRY_EVENTS = frozenset(
    {
        "AgentSet", "DelegateSet", "VerifierSetRegistered", "DIDOwnerChanged", "DIDDelegateChanged",
        "DIDAttributeChanged",
    }
)  # fmt: skip
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Event:
    """A decoded log: `emitter` is the contract, `values` its arguments."""

    name: str
    emitter: str
    values: Json
    block: int
    block_hash: str
    log_index: int
    tx_hash: str


def decoded(logs: list[Json], parameters: Parameters) -> Iterator[Event]:
    """Events of Market and Registry; `unknown` for a log that its emitter cannot have written."""
    for log in logs:
        emitter = log["address"].lower()
        try:
            name, values = abi.decode_event(log["topics"], log["data"])
        except ValueError as error:
            name, values = UNKNOWN, {"reason": str(error)}
        if emitter != (parameters.registry if name in REGISTRY_EVENTS else parameters.market):
            name, values = UNKNOWN, {"reason": f"{name} is not an event of {emitter}"}
        yield Event(
            name=name,
            emitter=emitter,
            values=values,
            block=int(log["blockNumber"], 16),
            block_hash=log["blockHash"].lower(),
            log_index=int(log["logIndex"], 16),
            tx_hash=log["transactionHash"],
        )
