"""Merkle trees in OpenZeppelin's StandardMerkleTree format, with proofs and multiproofs.

Layout: a leaf is keccak256(keccak256(abi.encode(value))), a node is keccak256 of its two children in
ascending order, so leaf and node cannot be confused (second preimage). The tree of n leaves is one list of
2n - 1 nodes, root first, leaves last in reverse order; children of node i stand at 2i + 1 and 2i + 2.

Source: @openzeppelin/merkle-tree and MerkleProof.sol of @openzeppelin/contracts; tests compare with both.
Limit: no proof of absence; an empty tree has no root and is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eth_abi.abi import encode

from suan.core.encoding import keccak


def leaf_hash(types: Sequence[str], value: Sequence[Any]) -> bytes:
    """keccak256(keccak256(abi.encode(value))): hashed twice, so that no node can pass for a leaf."""
    return keccak(keccak(encode(list(types), list(value))))


def node_hash(left: bytes, right: bytes) -> bytes:
    """keccak256 of two children in ascending order, so that a proof needs no directions."""
    return keccak(left + right if left < right else right + left)


class HashTree:
    """A tree over leaf hashes that stand in a given order.

    leaves: 32-byte hashes, at least one. Indices below are positions in that list.
    """

    def __init__(self, leaves: Sequence[bytes]) -> None:
        if not leaves:
            raise ValueError("a Merkle tree needs at least one leaf")
        if any(len(leaf) != 32 for leaf in leaves):
            raise ValueError("every leaf of a Merkle tree has 32 bytes")
        size = 2 * len(leaves) - 1
        nodes = [b""] * size
        for position, leaf in enumerate(leaves):
            nodes[size - 1 - position] = leaf
        for position in range(size - 1 - len(leaves), -1, -1):
            nodes[position] = node_hash(nodes[2 * position + 1], nodes[2 * position + 2])
        self._nodes = nodes
        self.count = len(leaves)

    @property
    def root(self) -> bytes:
        return self._nodes[0]

    def proof(self, index: int) -> list[bytes]:
        """Siblings from the leaf up to the root."""
        node = self._node_of(index)
        path = []
        while node > 0:
            path.append(self._nodes[_sibling(node)])
            node = (node - 1) // 2
        return path

    def multiproof(self, indices: Sequence[int]) -> tuple[list[bytes], list[bool], list[int]]:
        """(proof, flags, order) for several leaves at once, as MerkleProof.multiProofVerify reads them.

        `order` are the given indices in the order in which the verifier must be given their leaves.
        """
        queue = sorted((self._node_of(index) for index in indices), reverse=True)
        if len(set(queue)) != len(queue):
            raise ValueError("the same leaf cannot be proved twice in one multiproof")
        order = [len(self._nodes) - 1 - node for node in queue]
        proof: list[bytes] = []
        flags: list[bool] = []
        head = 0
        while head < len(queue) and queue[head] > 0:
            node = queue[head]
            head += 1
            if head < len(queue) and queue[head] == _sibling(node):
                flags.append(True)
                head += 1
            else:
                flags.append(False)
                proof.append(self._nodes[_sibling(node)])
            queue.append((node - 1) // 2)
        if not indices:
            proof.append(self.root)
        return proof, flags, order

    def _node_of(self, index: int) -> int:
        if not 0 <= index < self.count:
            raise IndexError(f"leaf {index} is outside a tree of {self.count} leaves")
        return len(self._nodes) - 1 - index


class StandardTree:
    """The tree of ABI-encoded values, one tuple of `types` each.

    sort_leaves: as StandardMerkleTree does by default; False keeps the given order (lock batches).
    Indices are always positions in `values`, whatever the order of the leaves.
    """

    def __init__(
        self, types: Sequence[str], values: Sequence[Sequence[Any]], sort_leaves: bool = True
    ) -> None:
        hashes = [leaf_hash(types, value) for value in values]
        order = list(range(len(hashes)))
        if sort_leaves:
            order.sort(key=hashes.__getitem__)
        self._tree = HashTree([hashes[index] for index in order])
        self._order = order
        self._place = {index: place for place, index in enumerate(order)}
        self.leaves = hashes

    @property
    def root(self) -> bytes:
        return self._tree.root

    def proof(self, index: int) -> list[bytes]:
        """Siblings from the leaf of value `index` up to the root."""
        return self._tree.proof(self._placed(index))

    def multiproof(self, indices: Sequence[int]) -> tuple[list[bytes], list[bool], list[int]]:
        """(proof, flags, order): the indices in the order in which the verifier needs the leaves."""
        proof, flags, places = self._tree.multiproof([self._placed(index) for index in indices])
        return proof, flags, [self._order[place] for place in places]

    def _placed(self, index: int) -> int:
        if index not in self._place:
            raise IndexError(f"value {index} is outside a tree of {len(self.leaves)} values")
        return self._place[index]


def verify(root: bytes, leaf: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the leaf hash belongs to the root."""
    node = leaf
    for sibling in proof:
        node = node_hash(node, sibling)
    return node == root


def multiproof_root(leaves: Sequence[bytes], proof: Sequence[bytes], flags: Sequence[bool]) -> bytes:
    """The root that a multiproof leads to, as MerkleProof.processMultiProof computes it.

    leaves: hashes in the order that `multiproof` returned. Raises ValueError when the parts do not fit.
    """
    if len(leaves) + len(proof) != len(flags) + 1:
        raise ValueError("a multiproof needs one node less in flags than in leaves and proof together")
    if not flags:
        return leaves[0] if leaves else proof[0]
    queue = list(leaves)
    head = used = 0
    for flag in flags:
        if head >= len(queue) or (flag and head + 1 >= len(queue)) or (not flag and used >= len(proof)):
            raise ValueError("the flags of a multiproof ask for more nodes than there are")
        first = queue[head]
        head += 1
        if flag:
            second = queue[head]
            head += 1
        else:
            second = proof[used]
            used += 1
        queue.append(node_hash(first, second))
    if used != len(proof):
        raise ValueError("a multiproof has unused nodes")
    return queue[-1]


def verify_multiproof(
    root: bytes, leaves: Sequence[bytes], proof: Sequence[bytes], flags: Sequence[bool]
) -> bool:
    """Whether all leaf hashes belong to the root; a malformed multiproof is simply not a proof."""
    try:
        return multiproof_root(leaves, proof, flags) == root
    except ValueError:
        return False


def _sibling(node: int) -> int:
    return node - 1 if node % 2 == 0 else node + 1
