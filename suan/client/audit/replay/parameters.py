"""The immutable figures of a Market, read from the contract itself."""

from __future__ import annotations

from typing import Any

from suan.client.audit.state import Parameters
from suan.client.audit.storage.words import code_hash
from suan.client.errors import UsageError
from suan.client.rpc import BlockRef, Rpc, RpcError
from suan.core.encoding import keccak, to_hex

Json = dict[str, Any]
GETTERS = {
    "registry": "registry",
    "token": "token",
    "treasury": "treasury",
    "pool": "pool",
    "rerun_account": "rerunAccount",
    "acknowledger": "acknowledger",
    "fee_bps": "feeBps",
    "bond_bps": "bondBps",
    "bond_floor_price": "bondFloorPrice",
    "verification_grace": "verificationGrace",
    "withdrawal_delay": "withdrawalDelay",
    "match_window": "matchWindow",
    "dispute_window": "disputeWindow",
    "dispute_bond": "disputeBond",
    "arbiter_set": "arbiterSet",
}
ADDRESS_FIELDS = frozenset({"registry", "token", "treasury", "pool", "rerun_account", "acknowledger"})


def read_parameters(rpc: Rpc, market: str, block: BlockRef) -> Parameters:
    """Read the immutable figures of the contract at `market`; UsageError when there is none."""
    code = rpc.code(market, block)
    if not code:
        raise UsageError(
            f"there is no contract at {market} as of this block; check --market, --rpc and --as-of"
        )
    found: Json = {}
    for name, getter in GETTERS.items():
        try:
            word = rpc.read(market, keccak(f"{getter}()".encode())[:4], block)
        except RpcError as error:
            raise UsageError(f"the contract at {market} is not a Market: {error}") from error
        if len(word) != 32:
            raise UsageError(
                f"the contract at {market} is not a Market: {getter}() answers {len(word)} bytes"
            )
        if name == "arbiter_set":
            found[name] = to_hex(word)
        else:
            found[name] = "0x" + word[12:].hex() if name in ADDRESS_FIELDS else int.from_bytes(word, "big")
    return Parameters(chain_id=rpc.chain_id(), market=market, code_hash=code_hash(code), **found)
