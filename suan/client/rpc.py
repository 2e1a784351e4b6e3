"""Plain JSON-RPC reads of an Ethereum node over httpx: all that an auditor needs, and nothing that writes.

Answers come from outside: every read has a timeout, a bounded retry and a check of its shape.
Sources: the Ethereum execution API (eth_getLogs, eth_call, eth_getBlockByHash, eth_getProof, eth_getTransactionByHash);
EIP-1898 (a state named by the hash of its block); EIP-1186 (eth_getProof).
"""

from __future__ import annotations

import itertools
import time
import weakref
from collections.abc import Iterator
from typing import Any

import httpx

from suan.client.errors import Unreachable

TIMEOUT_SECONDS = 20.0
ATTEMPTS_MAX = 4
LOG_RANGE_BLOCKS_MAX = 2_000
LOG_RANGE_BLOCKS_FIRST = 64
LOGS_WANTED = 2_000
"""Logs in one answer from which on the range grows no more; twice as many halve it, so that an answer fits in memory."""
LOG_FIELDS = ("blockNumber", "blockHash", "logIndex", "transactionHash", "address", "data")
Json = dict[str, Any]
BlockRef = int | str
"""A block by number, or by its hash (0x…): a state that is named by hash cannot change under the reader."""


class RpcError(Unreachable):
    """The node answered with an error object."""

    def __init__(self, method: str, error: object) -> None:
        self.method = method
        self.code = error.get("code") if isinstance(error, dict) else None
        data = error.get("data") if isinstance(error, dict) else None
        self.data = data if isinstance(data, str) and data.startswith("0x") else None
        message = error.get("message") if isinstance(error, dict) else error
        super().__init__(f"{method}: {str(message)[:300]} (code {self.code})")


class NoBlock(Unreachable):
    """The node does not know the block that was asked for: it lags, or the block was replaced."""


class Rpc:
    """One chain endpoint. `url` is http or https."""

    def __init__(self, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.url = url
        self._client = httpx.Client(timeout=timeout_seconds)
        weakref.finalize(self, self._client.close)
        self._ids = itertools.count(1)

    def call(self, method: str, *params: Any) -> Any:
        """Send one request; retries connection faults with back-off, raises Unreachable or RpcError."""
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(params)}
        fault = ""
        for attempt in range(ATTEMPTS_MAX):
            if attempt:
                time.sleep(0.2 * 2**attempt)
            try:
                answer = self._client.post(self.url, json=body).json()
            except (httpx.HTTPError, ValueError) as error:
                fault = f"{type(error).__name__}: {error}"
                continue
            if not isinstance(answer, dict):
                fault = "the answer is not an object"
                continue
            if answer.get("error") is not None:
                raise RpcError(method, answer["error"])
            return answer.get("result")
        raise Unreachable(f"the chain endpoint {self.url} does not answer {method}: {fault}")

    def chain_id(self) -> int:
        """EIP-155 chain id."""
        return _number("eth_chainId", self.call("eth_chainId"))

    def block_number(self) -> int:
        """Number of the newest block."""
        return _number("eth_blockNumber", self.call("eth_blockNumber"))

    def block(self, block: BlockRef) -> Json:
        """Header of a block by number or hash, without transactions' bodies."""
        method = "eth_getBlockByNumber" if isinstance(block, int) else "eth_getBlockByHash"
        found = self.call(method, hex(block) if isinstance(block, int) else block, False)
        if not isinstance(found, dict):
            raise NoBlock(f"the node has no block {block}")
        return found

    def transaction(self, tx_hash: str) -> Json:
        """A mined transaction by hash."""
        found = self.call("eth_getTransactionByHash", tx_hash)
        if not isinstance(found, dict):
            raise Unreachable(f"the node has no transaction {tx_hash}")
        return found

    def code(self, address: str, block: BlockRef) -> bytes:
        """Runtime code at an address as of a block."""
        return _bytes("eth_getCode", self.call("eth_getCode", address, _state(block)))

    def read(self, to: str, data: bytes, block: BlockRef) -> bytes:
        """eth_call as of a block: the returned bytes."""
        result = self.call("eth_call", {"to": to, "data": "0x" + data.hex()}, _state(block))
        return _bytes("eth_call", result)

    def proof(self, address: str, slots: list[int], block: BlockRef) -> Json:
        """The Merkle proofs of an account and of storage slots of it as of a block (EIP-1186), not yet verified."""
        found = self.call("eth_getProof", address, [f"0x{slot:064x}" for slot in slots], _state(block))
        if not isinstance(found, dict):
            raise Unreachable("the node answers eth_getProof with something that is no proof")
        return found

    def logs_of(self, addresses: list[str], block_hash: str) -> list[Json]:
        """Logs of `addresses` in the one block with this hash, in order."""
        found = _logs(self.call("eth_getLogs", {"address": addresses, "blockHash": block_hash}))
        return sorted(found, key=_place)

    def logs(self, addresses: list[str], first: int, last: int) -> Iterator[tuple[int, list[Json]]]:
        """(last block of a range, logs of `addresses` in it), in chain order, for ranges that make up first..last.

        The range adapts: it halves when the node refuses one or the answer is long, and doubles while answers are short.
        """
        size, start = LOG_RANGE_BLOCKS_FIRST, first
        while start <= last:
            end = min(start + size - 1, last)
            query = {"address": addresses, "fromBlock": hex(start), "toBlock": hex(end)}
            try:
                found = _logs(self.call("eth_getLogs", query))
            except RpcError:
                if size == 1:
                    raise
                size = max(1, size // 2)
                continue
            yield end, sorted(found, key=_place)
            start = end + 1
            if len(found) < LOGS_WANTED:
                size = min(size * 2, LOG_RANGE_BLOCKS_MAX)
            elif len(found) > 2 * LOGS_WANTED:
                size = max(1, size // 2)


def _state(block: BlockRef) -> object:
    return hex(block) if isinstance(block, int) else {"blockHash": block, "requireCanonical": True}


def _place(log: Json) -> tuple[int, int]:
    return int(log["blockNumber"], 16), int(log["logIndex"], 16)


def _number(method: str, value: object) -> int:
    try:
        return int(str(value), 16)
    except ValueError as error:
        raise Unreachable(f"the node answers {method} with {str(value)[:80]!r}, not a number") from error


def _bytes(method: str, value: object) -> bytes:
    try:
        return bytes.fromhex(str(value).removeprefix("0x"))
    except ValueError as error:
        raise Unreachable(f"the node answers {method} with {str(value)[:80]!r}, not bytes") from error


def _logs(value: object) -> list[Json]:
    """Logs of the right shape, or Unreachable: a silent gap would look like an empty market."""
    if not isinstance(value, list):
        raise Unreachable("the node answers eth_getLogs with something that is no list")
    for log in value:
        if not isinstance(log, dict) or not isinstance(log.get("topics"), list):
            raise Unreachable("the node answers eth_getLogs with something that is no log")
        if any(not isinstance(log.get(name), str) for name in LOG_FIELDS):
            raise Unreachable(
                f"the node's log lacks one of {', '.join(LOG_FIELDS)}; is its block still pending?"
            )
        for name in ("blockNumber", "logIndex"):
            _number("eth_getLogs", log[name])
    return value
