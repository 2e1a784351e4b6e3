"""A market on a fresh node for the ledger's tests: people with tokens, and our own processes driven by hand."""

import time
from typing import Any

from django.utils import timezone

from ledger import queries
from ledger.chain.signer import Signer
from ledger.control import node
from ledger.indexer.blocks import Progress
from ledger.journal.posting import post_final_events
from suan.core.contract.abi import decode_result, encode_call
from tests.nodes import AnvilNode

TOKEN = 10**18
GAS = 10**20


class World:
    """Everything that a test of the ledger touches; time is real, blocks come only when asked for."""

    def __init__(self, anvil: AnvilNode, keys: Signer) -> None:
        self.anvil = anvil
        self.keys = keys
        self.known = queries.deployment()
        self.indexer = node.indexer()

    def call(self, to: str, name: str, *arguments: Any) -> dict[str, Any]:
        data = "0x" + encode_call(name, *arguments).hex()
        return decode_result(name, self.anvil.rpc("eth_call", {"to": to, "data": data}, "latest"))

    def person(self, name: str) -> str:
        """An account with gas and a key of its own."""
        address = self.keys.address(name)
        self.anvil.rpc("anvil_setBalance", address, hex(GAS))
        return address

    def send(self, name: str, to: str, call: str, *arguments: Any) -> str:
        """Sign and broadcast a call of a person; returns the hash. It waits in the pool for the next block."""
        return self.send_raw(name, to, encode_call(call, *arguments))

    def send_raw(self, name: str, to: str, calldata: bytes) -> str:
        """As send, with calldata made elsewhere."""
        fields = {
            "chainId": self.known.chain_id,
            "nonce": int(self.anvil.rpc("eth_getTransactionCount", self.keys.address(name), "pending"), 16),
            "to": to,
            "value": 0,
            "data": calldata,
            "gas": 5_000_000,
            "maxFeePerGas": 10**11,
            "maxPriorityFeePerGas": 10**9,
        }
        return self.anvil.rpc(
            "eth_sendRawTransaction", "0x" + self.keys.sign_transaction(name, fields).raw.hex()
        )

    def deposit(self, name: str, amount: int) -> str:
        """Tokens from the faucet into the market, three transactions for the next block."""
        address = self.keys.address(name)
        self.send(name, self.known.token, "faucet", address, amount)
        self.send(name, self.known.token, "approve", self.known.market, amount)
        return self.send(name, self.known.market, "deposit", address, amount)

    def follow(self) -> Progress:
        """Index to the head and post what is final."""
        progress = self.indexer.step(now=timezone.now())
        for _ in range(40):
            if self.indexer.step(now=timezone.now()).blocks == 0:
                break
        post_final_events(now=timezone.now())
        return progress

    def finalise(self) -> None:
        """Enough blocks for everything so far to be final, indexed and posted."""
        self.anvil.mine(self.known.confirmations + 1)
        self.follow()

    def saved_state(self) -> bytes:
        """The state file of a node that keeps its state, once it has caught up with the head."""
        time.sleep(2.2)  # The node saves once a second.
        return self.anvil.whole_state()

    def lose_blocks(self, state: bytes) -> int:
        """Kill the node and start it from an older state; returns how many blocks are gone."""
        assert self.anvil.state is not None
        head = self.anvil.head()
        self.anvil.kill()
        self.anvil.state.write_bytes(state)
        self.anvil.start()
        return head - self.anvil.head()

    def chain_balances(self, address: str) -> tuple[int, int, int]:
        """What the contract says now: available, locked, exiting."""
        account = self.call(self.known.market, "accountOf", address)
        leaving = self.call(self.known.market, "exitOf", address)
        return account["available"], account["locked"], leaving["amount"]
