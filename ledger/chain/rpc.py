"""A node over JSON-RPC: the only file of the server that speaks to one.

Source: the Ethereum execution API, over HTTP with the bare urllib3: a node library would add 1.3 s to the start of
every process for the one POST that is needed of it.

Answers of a node are hostile until checked: the chain id is compared before the first other call, hashes and numbers
are parsed strictly, logs must come from the contracts and the block that were asked for. Header hashes are not
recomputed from header fields (known limit): a node that lies consistently is believed until audit asks another one.
"""

import itertools
import json
import re
from typing import Any

import urllib3
from urllib3.util import Timeout, make_headers, parse_url

from ledger.chain.gateway import (
    Header,
    Log,
    NodeLied,
    NodeRefused,
    NodeUnavailable,
    Transaction,
    TxReceipt,
)

UNKNOWN_BLOOM = "0x" + "ff" * 256
"""Of a node that gives none: anything may be in the block."""
_HEX = re.compile(r"0x[0-9a-fA-F]*")
_HASH = re.compile(r"0x[0-9a-fA-F]{64}")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


class RpcGateway:
    """One node. `chain_id` is checked with the first call when it is given; wrong chain raises NodeLied."""

    def __init__(self, url: str, *, chain_id: int | None = None, timeout_seconds: float = 10) -> None:
        parts = parse_url(url)
        self._url = parts._replace(auth=None).url
        self._headers = make_headers(basic_auth=parts.auth) | {"Content-Type": "application/json"}
        timeout = Timeout(connect=min(timeout_seconds, 5), read=timeout_seconds)
        self._pool = urllib3.PoolManager(timeout=timeout, retries=False)
        self._ids = itertools.count(1)
        self._expected_chain_id = chain_id
        self._checked = chain_id is None

    def request(self, method: str, *params: Any) -> Any:
        """The bare `result` of a JSON-RPC call."""
        if not self._checked:
            self._checked = True
            try:
                found = self.chain_id()
            except Exception:
                self._checked = False
                raise
            if found != self._expected_chain_id:
                self._checked = False
                raise NodeLied(
                    f"the node serves chain {found}, not {self._expected_chain_id}; check CHAIN_RPC_URL"
                )
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(params)}
        try:
            response = self._pool.request("POST", self._url, body=json.dumps(body), headers=self._headers)
            answer: Any = json.loads(response.data)
        except (urllib3.exceptions.HTTPError, ValueError) as error:  # The latter: bytes that are no JSON.
            raise NodeUnavailable(f"{method}: {type(error).__name__}: {str(error)[:200]}") from error
        if not isinstance(answer, dict):
            raise NodeUnavailable(f"{method}: the answer is not a JSON-RPC object")
        if answer.get("error") is not None:
            raise _refusal(answer["error"])
        if "result" not in answer:
            raise NodeUnavailable(f"{method}: the answer has neither result nor error")
        return answer["result"]

    def chain_id(self) -> int:
        return _number(self.request("eth_chainId"))

    def header(self, block: int | str = "latest") -> Header | None:
        found = self.request("eth_getBlockByNumber", _tag(block), False)
        header = _header(found) if found else None
        if header and isinstance(block, int) and header.number != block:
            raise NodeLied(f"asked for block {block}, got {header.number}")
        return header

    def header_by_hash(self, block_hash: str) -> Header | None:
        found = self.request("eth_getBlockByHash", block_hash, False)
        header = _header(found) if found else None
        if header and header.hash != block_hash:
            raise NodeLied(f"asked for block {block_hash}, got {header.hash}")
        return header

    def logs_of_block(self, header: Header, addresses: list[str]) -> list[Log]:
        """All logs of these contracts in a block, in order.

        A node that lags behind, or one that is another node than the one that gave the header, answers with silence
        (go-ethereum #24078). Where the header's bloom says that there may be logs, silence is believed only if the
        receipts of the block say so too.
        """
        logs = self._logs({"blockHash": header.hash, "address": addresses}, addresses)
        if not logs and header.transactions and header.may_hold_logs(addresses):
            logs = self._logs_of_receipts(header, addresses)
        if any(log.block_hash != header.hash for log in logs):
            raise NodeLied(f"logs of another block than {header.hash}")
        return logs

    def logs_between(self, first: int, last: int, addresses: list[str]) -> list[Log]:
        logs = self._logs({"fromBlock": hex(first), "toBlock": hex(last), "address": addresses}, addresses)
        if any(not first <= log.block_number <= last for log in logs):
            raise NodeLied(f"logs outside blocks {first} to {last}")
        return logs

    def nonce(self, address: str, block: int | str = "latest") -> int:
        return _number(self.request("eth_getTransactionCount", address, _tag(block)))

    def balance(self, address: str) -> int:
        return _number(self.request("eth_getBalance", address, "latest"))

    def priority_fee(self) -> int:
        return _number(self.request("eth_maxPriorityFeePerGas"))

    def estimate_gas(self, fields: dict[str, object], block: str = "pending") -> int:
        return _number(self.request("eth_estimateGas", fields, block))

    def call(self, *, to: str, data: bytes, sender: str | None = None, block: int | str = "latest") -> bytes:
        fields = {"to": to, "data": "0x" + data.hex()} | ({"from": sender} if sender else {})
        return _bytes(self.request("eth_call", fields, _tag(block)))

    def send_raw(self, raw: bytes) -> str:
        return _hash(self.request("eth_sendRawTransaction", "0x" + raw.hex()))

    def receipt(self, tx_hash: str) -> TxReceipt | None:
        found = self.request("eth_getTransactionReceipt", tx_hash)
        if not found or not found.get("blockHash"):
            return None
        receipt = _receipt(found)
        if receipt.tx_hash != tx_hash:
            raise NodeLied(f"receipt of another transaction than {tx_hash}")
        return receipt

    def transaction(self, tx_hash: str) -> Transaction | None:
        found = self.request("eth_getTransactionByHash", tx_hash)
        return _transaction(found) if found else None

    def has_code(self, address: str) -> bool:
        return len(_bytes(self.request("eth_getCode", address, "latest"))) > 0

    def _logs_of_receipts(self, header: Header, addresses: list[str]) -> list[Log]:
        found = self.request("eth_getBlockReceipts", header.hash)
        if not isinstance(found, list) or len(found) != len(header.transactions):
            raise NodeUnavailable(f"the node does not know the receipts of block {header.hash} yet")
        wanted = {address.lower() for address in addresses}
        try:
            logs = [_log(entry) for receipt in found for entry in receipt["logs"]]
        except (KeyError, TypeError) as error:
            raise NodeUnavailable(f"a receipt without {error}") from error
        return sorted((log for log in logs if log.address in wanted), key=lambda log: log.log_index)

    def _logs(self, criteria: dict[str, Any], addresses: list[str]) -> list[Log]:
        wanted = {address.lower() for address in addresses}
        logs = [_log(entry) for entry in self.request("eth_getLogs", criteria)]
        if any(log.address not in wanted for log in logs):
            raise NodeLied("logs of a contract that was not asked for")
        return sorted(logs, key=lambda log: (log.block_number, log.log_index))


class LocalChain(RpcGateway):
    """A chain of our own (Anvil): it may be mined, and given gas, by us."""

    def mine(self) -> None:
        """Mine one block at once."""
        self.request("evm_mine")

    def set_balance(self, address: str, wei: int) -> None:
        self.request("anvil_setBalance", address, hex(wei))

    def transactions_waiting(self) -> int:
        """Transactions in the pool that the next block can take."""
        return _number(self.request("txpool_status")["pending"])


def _refusal(error: Any) -> NodeRefused:
    if not isinstance(error, dict):
        return NodeRefused(code=0, message=str(error)[:300])
    data = error.get("data")
    if isinstance(data, dict):
        data = data.get("data") or data.get("result")
    return NodeRefused(
        code=code if isinstance(code := error.get("code"), int) else 0,
        message=str(error.get("message", ""))[:300],
        data=data if isinstance(data, str) and _HEX.fullmatch(data) else "",
    )


def _tag(block: int | str) -> str:
    return hex(block) if isinstance(block, int) else block


def _number(value: Any) -> int:
    if isinstance(value, str) and _HEX.fullmatch(value) and 2 < len(value) <= 66:
        return int(value, 16)
    raise NodeUnavailable(f"{str(value)[:80]!r} is not a quantity")


def _hash(value: Any) -> str:
    if isinstance(value, str) and _HASH.fullmatch(value):
        return value.lower()
    raise NodeUnavailable(f"{str(value)[:80]!r} is not a hash")


def _address(value: Any) -> str:
    if isinstance(value, str) and _ADDRESS.fullmatch(value):
        return value.lower()
    raise NodeUnavailable(f"{str(value)[:80]!r} is not an address")


def _bytes(value: Any) -> bytes:
    if isinstance(value, str) and _HEX.fullmatch(value) and len(value) % 2 == 0:
        return bytes.fromhex(value[2:])
    raise NodeUnavailable(f"{str(value)[:80]!r} is not bytes")


def _header(found: Any) -> Header:
    try:
        return Header(
            number=_number(found["number"]),
            hash=_hash(found["hash"]),
            parent=_hash(found["parentHash"]),
            timestamp=_number(found["timestamp"]),
            base_fee=_number(found.get("baseFeePerGas") or "0x0"),
            transactions=tuple(_hash(entry) for entry in found.get("transactions", ())),
            bloom=_bytes(found.get("logsBloom") or UNKNOWN_BLOOM),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise NodeUnavailable(f"a block without {error}") from error


def _receipt(found: Any) -> TxReceipt:
    try:
        return TxReceipt(
            tx_hash=_hash(found["transactionHash"]),
            block_hash=_hash(found["blockHash"]),
            block_number=_number(found["blockNumber"]),
            succeeded=_number(found["status"]) == 1,
            gas_used=_number(found["gasUsed"]),
            contract=_address(found["contractAddress"]) if found.get("contractAddress") else None,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise NodeUnavailable(f"a receipt without {error}") from error


def _transaction(found: Any) -> Transaction:
    try:
        return Transaction(
            tx_hash=_hash(found["hash"]),
            sender=_address(found["from"]),
            to=_address(found["to"]) if found.get("to") else None,
            calldata=_bytes(found["input"]),
            nonce=_number(found["nonce"]),
            value=_number(found["value"]),
            block_hash=_hash(found["blockHash"]) if found.get("blockHash") else None,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise NodeUnavailable(f"a transaction without {error}") from error


def _log(entry: Any) -> Log:
    try:
        return Log(
            block_hash=_hash(entry["blockHash"]),
            block_number=_number(entry["blockNumber"]),
            tx_hash=_hash(entry["transactionHash"]),
            log_index=_number(entry["logIndex"]),
            address=_address(entry["address"]),
            topics=tuple(_bytes(topic) for topic in entry["topics"]),
            data=_bytes(entry["data"]),
        )
    except (KeyError, TypeError) as error:
        raise NodeUnavailable(f"a log without {error}") from error
