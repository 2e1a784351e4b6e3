"""Proof files as an auditor checks them: the file alone, then the contract's log on a node of one's own choice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from suan.client.errors import UsageError
from suan.client.rpc import Rpc
from suan.core.contract import abi
from suan.core.encoding import from_hex, to_hex
from suan.core.evidence import Check, proofs


def check_file(path: Path, rpc_url: str | None) -> list[Check]:
    """Every step of a proof file; with `rpc_url` also whether the contract logged its root. Reads PROOF_BYTES_MAX at most.

    Raises UsageError when the file cannot be read, FieldError when it is no proof, Unreachable when the node is silent.
    """
    try:
        with path.open("rb") as file:
            data = file.read(proofs.PROOF_BYTES_MAX + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    checks = proofs.check_proof(data)
    if rpc_url is None:
        return checks
    body = proofs.read_proof(data)
    return [*checks, *proofs.check_anchor(body, _logged(Rpc(rpc_url), body))]


def _logged(rpc: Rpc, body: dict[str, Any]) -> dict[str, Any] | None:
    """The event of the file's contract, in the file's block, that carries its root; None if there is none."""
    number = body["block_number"]
    if number is None or number > rpc.block_number():
        return None
    for log in (log for _end, logs in rpc.logs([body["contract"]], number, number) for log in logs):
        try:
            name, values = abi.decode_event(log["topics"], log["data"])
        except ValueError:
            continue
        if name in proofs.ROOT_EVENTS and values["receipts_root"] == body["root"]:
            return {
                "root": values["receipts_root"],
                "batch": f"bat_{to_hex(from_hex(values['batch_id']))}",
                "contract": log["address"].lower(),
                "chain_id": rpc.chain_id(),
                "transaction": log["transactionHash"],
                "block_hash": log.get("blockHash"),
            }
    return None
