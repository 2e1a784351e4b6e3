"""A reader who knows ERC-1056 and nothing of ours finds an identity's keys, as resolvers of did:ethr do."""

from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import decode

from ledger.chain.signer import Signer
from operations.run import layout
from suan.core.contract.abi import encode_call
from suan.core.encoding import keccak
from tests.contracts.test_deploy import RICH, only, run

EVENTS = {
    keccak(b"DIDOwnerChanged(address,address,uint256)"): ["address", "uint256"],
    keccak(b"DIDDelegateChanged(address,bytes32,address,uint256,uint256)"): [
        "bytes32", "address", "uint256", "uint256",
    ],
    keccak(b"DIDAttributeChanged(address,bytes32,bytes,uint256,uint256)"): [
        "bytes32", "bytes", "uint256", "uint256",
    ],
}  # fmt: skip
"""First topics and data as the text of ERC-1056 has them, written down independently of our own tables."""
IDENTITY, KEY, CONTROLLER = "0x" + "1d" * 20, "0x" + "6b" * 20, "0x" + "c0" * 20
UNTIL = 2**40 - 1


@pytest.fixture
def registry(anvil, tmp_path: Path) -> str:
    made = run(anvil, Signer(tmp_path / "secrets"), layout.default_var(), tmp_path / "deployment.json")
    return str(made["registry"])


def call(node, sender: str, registry: str, name: str, *arguments: Any) -> None:
    node.rpc("anvil_setBalance", sender, hex(RICH))
    node.rpc("anvil_impersonateAccount", sender)
    data = "0x" + encode_call(name, *arguments).hex()
    node.rpc("eth_sendTransaction", {"from": sender, "to": registry, "data": data, "gas": hex(500_000)})


def history(node, registry: str, identity: str) -> list[tuple[Any, ...]]:
    """Every change, oldest first: from the block that changed() names back through previousChange."""
    found: list[tuple[Any, ...]] = []
    block = only(node, registry, "changed", identity)
    while block:
        place = {"fromBlock": hex(block), "toBlock": hex(block), "address": registry}
        logs = node.rpc("eth_getLogs", {**place, "topics": [None, "0x" + identity[2:].rjust(64, "0")]})
        here = []
        for log in logs:
            types = EVENTS.get(bytes.fromhex(log["topics"][0][2:]))
            if types is not None:
                here.append(decode(types, bytes.fromhex(log["data"][2:])))
        found[:0] = here
        block = min(change[-1] for change in here)
    return found


def text(word: bytes) -> str:
    return word.rstrip(b"\0").decode()


def test_keys_attributes_and_controller_are_found_from_the_last_block_back(anvil, registry) -> None:
    call(anvil, IDENTITY, registry, "setAgent", KEY, UNTIL)
    anvil.mine(3)
    call(anvil, IDENTITY, registry, "setDelegate", KEY, 1, 5, 6, UNTIL)
    anvil.mine(1)
    call(anvil, IDENTITY, registry, "setAttribute", IDENTITY, b"suan/document".ljust(32, b"\0"), b"\7" * 32, 2**256 - 1)
    anvil.mine(2)
    call(anvil, IDENTITY, registry, "changeOwner", IDENTITY, CONTROLLER)
    anvil.mine(1)
    call(anvil, CONTROLLER, registry, "revokeDelegate", IDENTITY, b"suan/agent".ljust(32, b"\0"), KEY)
    anvil.mine(1)
    agent, buyer, document, owner, revoked = history(anvil, registry, IDENTITY)
    assert (text(agent[0]), agent[1:]) == ("suan/agent", (KEY, UNTIL, 0))
    assert (text(buyer[0]), buyer[1:3]) == ("suan/buy", (KEY, UNTIL))
    assert (text(document[0]), document[1:3]) == ("suan/document", (b"\7" * 32, UNTIL))
    assert owner[0] == CONTROLLER == only(anvil, registry, "identityOwner", IDENTITY)
    assert (text(revoked[0]), revoked[1:3]) == ("suan/agent", (KEY, 1))
    assert only(anvil, registry, "validDelegate", IDENTITY, b"suan/buy".ljust(32, b"\0"), KEY) is True
    assert only(anvil, registry, "validDelegate", IDENTITY, b"suan/agent".ljust(32, b"\0"), KEY) is False


def test_an_identity_that_never_changed_has_no_history(anvil, registry) -> None:
    assert history(anvil, registry, IDENTITY) == []
    assert only(anvil, registry, "identityOwner", IDENTITY) == IDENTITY
