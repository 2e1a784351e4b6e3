"""Trees, proofs and multiproofs agree with the npm library and prove nothing else."""

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suan.core.encoding import keccak, to_hex
from suan.core.merkle import (
    HashTree,
    StandardTree,
    leaf_hash,
    multiproof_root,
    node_hash,
    verify,
    verify_multiproof,
)

REFERENCE = Path(__file__).with_name("merkle_reference.mjs")
words = st.binary(min_size=32, max_size=32)
leaf_lists = st.lists(words, min_size=1, max_size=40, unique=True)


def reference(trees):
    node = shutil.which("node")
    assert node is not None, "node is needed, as for the contracts' compiler"
    answer = subprocess.run(
        [node, REFERENCE], input=json.dumps(trees), capture_output=True, text=True, timeout=60
    )
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def random_tree(chance, size, sorted_leaves):
    values = [
        [str(chance.getrandbits(96)), to_hex(chance.randbytes(32)), to_hex(chance.randbytes(20))]
        for _ in range(size)
    ]
    chosen = sorted(chance.sample(range(size), chance.randint(0, min(size, 12))))
    return {
        "types": ["uint96", "bytes32", "address"],
        "values": values,
        "sorted": sorted_leaves,
        "chosen": chosen,
    }


def test_random_trees_agree_with_the_npm_library_in_roots_proofs_and_multiproofs():
    chance = random.Random(20261120)
    trees = [random_tree(chance, size, bool(size % 2)) for size in [*range(1, 34), 64, 100, 200]]
    trees += [random_tree(chance, size, not size % 2) for size in range(1, 34)]
    for tree, answer in zip(trees, reference(trees), strict=True):
        values = [(int(a), bytes.fromhex(b[2:]), c) for a, b, c in tree["values"]]
        ours = StandardTree(tree["types"], values, sort_leaves=tree["sorted"])
        assert to_hex(ours.root) == answer["root"]
        assert [to_hex(leaf) for leaf in ours.leaves] == answer["leaves"]
        assert [[to_hex(n) for n in ours.proof(i)] for i in range(len(values))] == answer["proofs"]
        proof, flags, order = ours.multiproof(tree["chosen"])
        assert [to_hex(node) for node in proof] == answer["multiproof"]
        assert (flags, order) == (answer["flags"], answer["order"])


@given(leaf_lists, st.data())
def test_every_leaf_is_proved_and_no_other_word_is(leaves, data):
    tree = HashTree(leaves)
    index = data.draw(st.integers(0, len(leaves) - 1))
    assert verify(tree.root, leaves[index], tree.proof(index))
    stranger = data.draw(words.filter(lambda word: word not in leaves))
    assert not verify(tree.root, stranger, tree.proof(index))


@given(leaf_lists, st.data())
def test_any_subset_is_proved_at_once_and_a_changed_leaf_breaks_it(leaves, data):
    tree = HashTree(leaves)
    chosen = data.draw(st.lists(st.integers(0, len(leaves) - 1), unique=True))
    proof, flags, order = tree.multiproof(chosen)
    assert sorted(order) == sorted(chosen) and order == sorted(order)
    claimed = [leaves[index] for index in order]
    assert verify_multiproof(tree.root, claimed, proof, flags)
    if claimed:
        claimed[0] = keccak(claimed[0])
        assert not verify_multiproof(tree.root, claimed, proof, flags)


@given(leaf_lists)
def test_the_whole_of_an_unsorted_tree_is_proved_without_any_sibling(leaves):
    proof, flags, order = HashTree(leaves).multiproof(range(len(leaves)))
    assert (proof, flags, order) == ([], [True] * (len(leaves) - 1), list(range(len(leaves))))


@given(st.lists(st.tuples(st.integers(0, 2**64), words), min_size=1, max_size=20), st.randoms())
def test_a_sorted_tree_has_one_root_whatever_the_order_of_its_values(values, chance):
    shuffled = list(values)
    chance.shuffle(shuffled)
    types = ["uint256", "bytes32"]
    assert StandardTree(types, values).root == StandardTree(types, shuffled).root


@given(
    st.lists(st.tuples(st.integers(0, 2**64)), min_size=1, max_size=20, unique=True), st.booleans(), st.data()
)
def test_indices_are_those_of_the_values_even_when_leaves_are_sorted(values, sort_leaves, data):
    tree = StandardTree(["uint256"], values, sort_leaves=sort_leaves)
    index = data.draw(st.integers(0, len(values) - 1))
    assert verify(tree.root, leaf_hash(["uint256"], values[index]), tree.proof(index))


def test_a_node_cannot_pass_for_a_leaf():
    values = [(number,) for number in range(4)]
    tree = StandardTree(["uint256"], values, sort_leaves=False)
    inner = node_hash(tree.leaves[2], tree.leaves[3])
    forged = leaf_hash(["bytes32", "bytes32"], sorted([tree.leaves[2], tree.leaves[3]]))
    assert verify(tree.root, inner, tree.proof(0)[1:]) is False
    assert forged != inner


def test_an_empty_tree_a_short_leaf_and_a_foreign_index_are_refused():
    with pytest.raises(ValueError):
        HashTree([])
    with pytest.raises(ValueError):
        HashTree([b"short"])
    tree = StandardTree(["uint256"], [(1,), (2,)])
    for index in (-1, 2):
        with pytest.raises(IndexError):
            tree.proof(index)
        with pytest.raises(IndexError):
            tree.multiproof([index])
    with pytest.raises(ValueError, match="twice"):
        tree.multiproof([0, 0])


@given(st.lists(words, max_size=4), st.lists(words, max_size=4), st.lists(st.booleans(), max_size=6))
def test_a_malformed_multiproof_proves_nothing_and_raises_nothing_else(leaves, proof, flags):
    assert verify_multiproof(keccak(b"some root"), leaves, proof, flags) is False
    try:
        multiproof_root(leaves, proof, flags)
    except ValueError:
        pass
