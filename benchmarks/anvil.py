"""An Anvil of a benchmark's own, and keys that sign without a node."""

from __future__ import annotations

import socket
import subprocess
import time
from typing import Any

import httpx
from eth_account import Account
from eth_keys.datatypes import PrivateKey

from operations.run.services import foundry_binary
from suan.core.encoding import keccak, to_hex

GAS_LIMIT = 60_000_000


class Key:
    """A key that signs without a node; signatures are deterministic (RFC 6979)."""

    def __init__(self, name: str) -> None:
        self._key = PrivateKey(keccak(f"gas:{name}".encode()))
        self.address: str = self._key.public_key.to_address()

    def sign(self, digest: bytes) -> bytes:
        signature = self._key.sign_msg_hash(digest)
        return signature.to_bytes()[:64] + bytes([27 + signature.v])

    def sign_transaction(self, fields: dict[str, Any]) -> bytes:
        return bytes(Account.from_key(self._key.to_bytes()).sign_transaction(fields).raw_transaction)


class Chain:
    """An Anvil of its own that mines each transaction at once and sends for anybody."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [foundry_binary("anvil"), "--port", str(port), "--silent", "--auto-impersonate"]
        command += ["--hardfork", "prague", "--gas-limit", str(GAS_LIMIT), "--order", "fifo"]
        self._process = subprocess.Popen([str(part) for part in command])  # noqa: S603
        self._http = httpx.Client(timeout=30)
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                self.rpc("eth_chainId")
                return
            except httpx.TransportError:
                time.sleep(0.05)
        raise RuntimeError("anvil did not start")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)

    def rpc(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        answer = self._http.post(self.url, json=body).json()
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def send(self, sender: str, to: str, data: bytes) -> dict[str, Any]:
        """The receipt; RuntimeError when the transaction failed."""
        fields = {"from": sender, "to": to, "data": to_hex(data), "gas": hex(GAS_LIMIT // 2)}
        tx_hash = self.rpc("eth_sendTransaction", fields)
        until, receipt = time.monotonic() + 20, None
        while receipt is None and time.monotonic() < until:
            receipt = self.rpc("eth_getTransactionReceipt", tx_hash)
        if receipt is None:
            raise RuntimeError(f"the node never mined {tx_hash}")
        if int(receipt["status"], 16) != 1:
            raise RuntimeError(f"a transaction of {sender} failed: {receipt}")
        return receipt

    def now(self) -> int:
        return int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def pass_time(self, seconds: int) -> None:
        self.rpc("evm_increaseTime", seconds)
        self.rpc("evm_mine")
