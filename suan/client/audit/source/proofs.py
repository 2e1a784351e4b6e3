"""Proofs that need no node: a header hangs on its hash, an account on the header, a storage word on the account.

Sources: Yellow Paper section 4.3 (header), appendices B (RLP) and D (Merkle-Patricia trie); EIP-1186 (eth_getProof); the
header's later fields: EIP-1559, 4895, 4844, 4788, 7685, 7928, 7843. RLP and trie are the libraries `rlp` and `trie`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import rlp
from trie.exceptions import MissingTrieNode
from trie.hexary import HexaryTrie

from suan.core.encoding import from_hex, keccak, to_hex

Json = dict[str, Any]
NODES_MAX: Final = 65_536
"""Nodes of one answer of eth_getProof; a word has at most 64 and shares most of them with its neighbours."""
_HASHES: Final = (
    "parentHash",
    "sha3Uncles",
    "miner",
    "stateRoot",
    "transactionsRoot",
    "receiptsRoot",
    "logsBloom",
)
_NUMBERS: Final = ("difficulty", "number", "gasLimit", "gasUsed", "timestamp")
_BYTES: Final = ("extraData", "mixHash", "nonce")
_LATER: Final = (
    ("baseFeePerGas", int),
    ("withdrawalsRoot", bytes),
    ("blobGasUsed", int),
    ("excessBlobGas", int),
    ("parentBeaconBlockRoot", bytes),
    ("requestsHash", bytes),
    ("blockAccessListHash", bytes),
    ("slotNumber", int),
)
"""Fields that forks appended; a header has all of them up to its fork, and none after."""


class BadProof(ValueError):
    """Nodes that do not lead from the root to the key, or a header that is not readable; the text is for the report."""


@dataclass(frozen=True)
class ProvenAccount:
    """What a state root says of an address: the root of its storage and the keccak256 of its code."""

    storage_root: bytes
    code_hash: bytes


def header_hash(header: Json) -> str:
    """keccak256 of the RLP of a header as the node gave it (eth_getBlockBy…). Raises BadProof when a field is missing."""
    try:
        fields: list[bytes | int] = [from_hex(header[name]) for name in _HASHES]
        fields += [int(header[name], 16) for name in _NUMBERS]
        fields += [from_hex(header[name]) for name in _BYTES]
        for name, kind in _LATER:
            if header.get(name) is None:
                continue
            fields.append(int(header[name], 16) if kind is int else from_hex(header[name]))
    except (KeyError, TypeError, ValueError) as error:
        raise BadProof(f"the header is not readable: {error!r}") from error
    return to_hex(keccak(rlp.encode(fields)))


def prove_account(state_root: bytes, address: str, answer: Json) -> ProvenAccount:
    """The account in an answer of eth_getProof, by its nodes alone. Raises BadProof, also where there is no account."""
    found = _value(state_root, keccak(from_hex(address)), _nodes([answer.get("accountProof")]))
    try:
        _, _, storage_root, code_hash = rlp.decode(found)
    except (rlp.exceptions.RLPException, TypeError, ValueError) as error:
        raise BadProof(f"{address} is no account under this state root") from error
    return ProvenAccount(bytes(storage_root), bytes(code_hash))


def storage_nodes(answer: Json) -> dict[bytes, bytes]:
    """The trie nodes of all storage proofs in an answer of eth_getProof, by their hashes. Raises BadProof."""
    items = answer.get("storageProof")
    if not isinstance(items, list):
        raise BadProof("the answer has no storageProof")
    return _nodes([item.get("proof") if isinstance(item, dict) else None for item in items])


def prove_word(storage_root: bytes, slot: int, nodes: dict[bytes, bytes]) -> int:
    """The word at a slot, 0 where the nodes prove that nothing is stored; the answer's own values are not looked at."""
    found = _value(storage_root, keccak(slot.to_bytes(32, "big")), nodes)
    try:
        return int.from_bytes(rlp.decode(found), "big") if found else 0
    except (rlp.exceptions.RLPException, TypeError) as error:
        raise BadProof(f"slot {slot:#x} holds no word") from error


def _nodes(proofs: list[Any]) -> dict[bytes, bytes]:
    """Trie nodes under their own hashes: a changed node is another node, and missing where it is looked for."""
    nodes: dict[bytes, bytes] = {}
    for proof in proofs:
        if not isinstance(proof, list):
            raise BadProof("a proof is no list of nodes")
        for text in proof:
            try:
                data = from_hex(text)
            except ValueError as error:
                raise BadProof("a node of a proof is not hex") from error
            nodes[keccak(data)] = data
            if len(nodes) > NODES_MAX:
                raise BadProof(f"an answer of more than {NODES_MAX} nodes")
    return nodes


def _value(root: bytes, key: bytes, nodes: dict[bytes, bytes]) -> bytes:
    if root == EMPTY_ROOT:
        return b""
    try:
        return bytes(HexaryTrie(nodes, root_hash=root).get(key))
    except MissingTrieNode as error:
        raise BadProof(f"no node with the hash {to_hex(bytes(error.missing_node_hash))} was given") from error
    except Exception as error:  # A node that hangs on the root and is none: the library answers in many ways.
        raise BadProof(f"the nodes are not readable: {error!r}"[:300]) from error


EMPTY_ROOT: Final = keccak(rlp.encode(b""))
