"""Chains of Merkle roots in the EvidenceLog contract: the root over published files, and the head that commits to all.

An *anchor* is one entry of the chain of a publisher and a kind of evidence. Its root stands over the files of that kind
that were published since the anchor before, so whoever has the files and the head of the chain knows that none was
changed, left out or put in between. Definition: contracts/src/interfaces/IEvidenceLog.sol.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from eth_abi.abi import encode

from suan.core.encoding import keccak
from suan.core.merkle import StandardTree

EMPTY_HEAD: Final = bytes(28)
"""The head of a chain without entries."""
FILE_LEAF_TYPES: Final = ("bytes32", "bytes32")


def kind_word(kind: str) -> bytes:
    """The kind as the contract names it: ASCII, padded with zeros to 32 bytes. ValueError for an empty or longer one."""
    word = kind.encode("ascii")
    if not 0 < len(word) <= 32:
        raise ValueError(f"a kind of evidence has 1 to 32 characters, got {kind!r}")
    return word.ljust(32, b"\0")


def files_root(files: Sequence[tuple[str, bytes]]) -> bytes:
    """The root over (name, SHA-256 of the content): a standard tree of (keccak256(utf8 name), SHA-256), sorted leaves.

    Raises ValueError without files or when a name comes twice.
    """
    if len({name for name, _ in files}) != len(files):
        raise ValueError("every file has exactly one leaf under an anchor")
    leaves = [(keccak(name.encode("utf-8")), sha256) for name, sha256 in files]
    return StandardTree(FILE_LEAF_TYPES, leaves).root


def next_head(head: bytes, *, publisher: str, kind: bytes, number: int, root: bytes, count: int) -> bytes:
    """The 28 bytes after entry `number` (from 0), a tree of `count` leaves under `root`, was appended to `head`."""
    types = ["bytes28", "address", "bytes32", "uint32", "bytes32", "uint64"]
    return keccak(encode(types, [head, publisher, kind, number, root, count]))[:28]
