"""Records of a lock batch with their multiproof."""

from __future__ import annotations

from collections.abc import Sequence

from suan.core.contract.calls import Proven
from suan.core.contract.records import Record, batch_tree
from suan.core.merkle import HashTree


def prove_records(records: Sequence[Record], indices: Sequence[int]) -> Proven:
    """The chosen records of a whole lock batch, in ascending order of index, with their multiproof.

    records: all records of the batch, in order of their index. Of the whole batch the proof is empty: whoever has all
    leaves builds the root.
    """
    if len(indices) == len(records):
        return Proven(tuple(records))
    tree: HashTree = batch_tree(records)
    proof, flags, order = tree.multiproof(indices)
    return Proven(tuple(records[index] for index in order), tuple(proof), tuple(flags))
