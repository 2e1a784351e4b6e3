"""One transaction of one's own key: estimated, signed, broadcast, and waited for until it is in a block.

Sources: EIP-1559 (type 2 transactions), EIP-155 (chain id). The exchange relays what it can; what only the sender may do
(a dispute locks the sender's bond) is sent from here. Known limit: one transaction at a time per key.
"""

from __future__ import annotations

import time
from typing import Any

import rlp

from suan.client.errors import SuanError, UnknownOutcome
from suan.client.keystore import LocalKey
from suan.client.rpc import Rpc, RpcError
from suan.core.contract import abi
from suan.core.encoding import keccak

TIP_WEI = 10**9
BASE_FEE_TIMES = 2
GAS_PERCENT = 120
WAIT_SECONDS_MAX = 120.0
POLL_SECONDS = 0.5

Json = dict[str, Any]


class Reverted(SuanError):
    """The contract refuses the call, or the chain the sender; nothing was changed but, in a block, the gas."""


def send(rpc: Rpc, key: LocalKey, *, to: str, data: bytes) -> Json:
    """Send a call and return its receipt once it is in a block.

    Raises Reverted with the contract's reason; UnknownOutcome with the transaction hash when no block took it in time.
    """
    call = {"from": key.address, "to": to, "data": "0x" + data.hex()}
    try:
        gas = int(rpc.call("eth_estimateGas", call), 16)
    except RpcError as error:
        raise Reverted(_reason(error)) from error
    nonce = int(rpc.call("eth_getTransactionCount", key.address, "pending"), 16)
    base_fee = int(rpc.call("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)
    fields: list[Any] = [
        rpc.chain_id(),
        nonce,
        TIP_WEI,
        BASE_FEE_TIMES * base_fee + TIP_WEI,
        gas * GAS_PERCENT // 100,
        bytes.fromhex(to[2:]),
        0,
        data,
        [],
    ]
    signature = key.sign_digest(keccak(b"\x02" + rlp.encode(fields)))
    signed = [
        signature[64] - 27,
        int.from_bytes(signature[:32], "big"),
        int.from_bytes(signature[32:64], "big"),
    ]
    tx_hash = rpc.call("eth_sendRawTransaction", "0x02" + rlp.encode([*fields, *signed]).hex())
    receipt = _wait(rpc, str(tx_hash))
    if receipt["status"] != "0x1":
        raise Reverted(f"transaction {tx_hash} failed in block {int(receipt['blockNumber'], 16)}")
    return receipt


def _wait(rpc: Rpc, tx_hash: str) -> Json:
    until = time.monotonic() + WAIT_SECONDS_MAX
    while time.monotonic() < until:
        receipt = rpc.call("eth_getTransactionReceipt", tx_hash)
        if isinstance(receipt, dict):
            return receipt
        time.sleep(POLL_SECONDS)
    raise UnknownOutcome(
        f"no block took transaction {tx_hash} in {WAIT_SECONDS_MAX:.0f} s; it may still come"
    )


def _reason(error: RpcError) -> str:
    """The contract's error with its arguments, where the node gives its data; else the node's words."""
    if error.data is not None:
        try:
            name, arguments = abi.decode_error(error.data)
        except abi.AbiError:
            return str(error)
        said = ", ".join(f"{field} {value}" for field, value in arguments.items())
        return f"the Market refuses: {name} ({said})"
    return str(error)
