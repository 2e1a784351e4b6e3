"""What the ledger asks of a node, and what can go wrong. ledger/chain/rpc.py is the one that speaks to a real node.

Hashes and addresses are lower-case hex with 0x, numbers are ints, fees and values are wei.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from eth_hash.auto import keccak

BLOOM_BITS = 2_048


class NodeError(Exception):
    """Base of what a node may do to us."""


class NodeUnavailable(NodeError):
    """No answer in time, no connection, or an answer that is not one: nothing is known, try again."""


class NodeRefused(NodeError):
    """The node answered with a JSON-RPC error. `data` is the revert data, if any."""

    def __init__(self, *, code: int, message: str, data: str = "") -> None:
        super().__init__(f"{message} (code {code})")
        self.code = code
        self.message = message
        self.data = data


class NodeLied(NodeError):
    """The answer contradicts itself or what was asked: wrong chain, foreign block hash, foreign contract."""


@dataclass(frozen=True)
class Header:
    """`base_fee` in wei; `transactions` are the hashes of the block; `bloom` is its logsBloom, 256 bytes."""

    number: int
    hash: str
    parent: str
    timestamp: int
    base_fee: int
    transactions: tuple[str, ...] = ()
    bloom: bytes = b""

    def may_hold_logs(self, addresses: Iterable[str]) -> bool:
        """Whether the block may hold a log of one of these contracts; False is certain (Ethereum yellow paper, 4.3.1)."""
        return any(_in_bloom(self.bloom, bytes.fromhex(address[2:])) for address in addresses)


def _in_bloom(bloom: bytes, item: bytes) -> bool:
    """Whether the three bits of an item are set: of the first three pairs of bytes of its hash, the lowest 11 bits."""
    bits, digest = int.from_bytes(bloom, "big"), keccak(item)
    places = (int.from_bytes(digest[start : start + 2], "big") % BLOOM_BITS for start in (0, 2, 4))
    return all(bits >> place & 1 for place in places)


@dataclass(frozen=True)
class Log:
    block_hash: str
    block_number: int
    tx_hash: str
    log_index: int
    address: str
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True)
class TxReceipt:
    tx_hash: str
    block_hash: str
    block_number: int
    succeeded: bool
    gas_used: int
    contract: str | None = None


@dataclass(frozen=True)
class Transaction:
    tx_hash: str
    sender: str
    to: str | None
    calldata: bytes
    nonce: int
    value: int
    block_hash: str | None


class Gateway(Protocol):
    """Each call may raise NodeUnavailable or NodeRefused; none waits longer than its timeout."""

    def chain_id(self) -> int: ...
    def header(self, block: int | str = "latest") -> Header | None: ...
    def header_by_hash(self, block_hash: str) -> Header | None: ...
    def logs_of_block(self, header: Header, addresses: list[str]) -> list[Log]: ...
    def logs_between(self, first: int, last: int, addresses: list[str]) -> list[Log]: ...
    def nonce(self, address: str, block: int | str = "latest") -> int: ...
    def balance(self, address: str) -> int: ...
    def priority_fee(self) -> int: ...
    def estimate_gas(self, fields: dict[str, object], block: str = "pending") -> int: ...
    def call(
        self, *, to: str, data: bytes, sender: str | None = None, block: int | str = "latest"
    ) -> bytes: ...
    def send_raw(self, raw: bytes) -> str: ...
    def receipt(self, tx_hash: str) -> TxReceipt | None: ...
    def transaction(self, tx_hash: str) -> Transaction | None: ...
    def has_code(self, address: str) -> bool: ...
