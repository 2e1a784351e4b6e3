"""Header, account and storage proofs against a real node, and against what a liar would have to send."""

import copy
from typing import Any

import pytest
import solcx
from hypothesis import given, settings
from hypothesis import strategies as st
from trie.hexary import HexaryTrie

from ledger.deployment import compile
from suan.client.audit.source import proofs
from suan.client.audit.source.proofs import BadProof, header_hash, prove_account, prove_word, storage_nodes
from suan.client.audit.storage import layout
from suan.client.rpc import Rpc
from suan.core.encoding import from_hex, keccak
from tests.nodes import AnvilNode

ADDRESS = "0x" + "5a" * 20
WORDS = {slot: slot**5 + 1 for slot in range(1, 40)}


@pytest.fixture(scope="module")
def node(module_anvil: AnvilNode) -> AnvilNode:
    """A node with one account that has code and words in storage."""
    module_anvil.rpc("anvil_setCode", ADDRESS, "0x6001")
    for slot, word in WORDS.items():
        module_anvil.rpc("anvil_setStorageAt", ADDRESS, hex(slot), f"0x{word:064x}")
    module_anvil.mine(2)
    return module_anvil


@pytest.fixture(scope="module")
def header(node: AnvilNode) -> dict[str, Any]:
    return Rpc(node.url).block(node.head())


@pytest.fixture(scope="module")
def answer(node: AnvilNode, header: dict[str, Any]) -> dict[str, Any]:
    return Rpc(node.url).proof(ADDRESS, [*WORDS, 1000], header["hash"])


def root(header: dict[str, Any]) -> bytes:
    return from_hex(header["stateRoot"])


@pytest.mark.chain
def test_the_hash_of_a_header_follows_from_its_fields(header: dict[str, Any]) -> None:
    assert header_hash(header) == header["hash"]
    for name in ("stateRoot", "timestamp", "number", "parentHash", "extraData", "gasUsed", "baseFeePerGas"):
        digits = header[name][2:]
        changed = header | {name: "0x" + digits[:-1] + ("1" if digits[-1:] != "1" else "2") * bool(digits)}
        if digits:
            assert header_hash(changed) != header["hash"], name
    with pytest.raises(BadProof):
        header_hash({name: value for name, value in header.items() if name != "stateRoot"})
    with pytest.raises(BadProof):
        header_hash(header | {"timestamp": None})


@pytest.mark.chain
def test_words_and_their_absence_are_proven_by_the_state_root(
    header: dict[str, Any], answer: dict[str, Any]
) -> None:
    account = prove_account(root(header), ADDRESS, answer)
    assert account.code_hash == keccak(bytes.fromhex("6001"))
    nodes = storage_nodes(answer)
    assert {slot: prove_word(account.storage_root, slot, nodes) for slot in WORDS} == WORDS
    assert prove_word(account.storage_root, 1000, nodes) == 0


@pytest.mark.chain
def test_a_changed_value_beside_its_proof_is_not_believed(
    header: dict[str, Any], answer: dict[str, Any]
) -> None:
    lie = copy.deepcopy(answer)
    for item in lie["storageProof"]:
        item["value"] = "0x63"
    account = prove_account(root(header), ADDRESS, lie | {"storageHash": "0x" + "11" * 32})
    assert prove_word(account.storage_root, 7, storage_nodes(lie)) == WORDS[7]


@pytest.mark.chain
def test_every_changed_byte_of_a_proof_breaks_it(header: dict[str, Any], answer: dict[str, Any]) -> None:
    account = prove_account(root(header), ADDRESS, answer)
    place = next(i for i, item in enumerate(answer["storageProof"]) if int(item["key"], 16) == 7)
    for depth, node in enumerate(answer["storageProof"][place]["proof"]):
        for position in range(2, len(node), 7):
            lie = {"storageProof": [copy.deepcopy(answer["storageProof"][place])]}
            digit = "0" if node[position] != "0" else "f"
            lie["storageProof"][0]["proof"][depth] = node[:position] + digit + node[position + 1 :]
            with pytest.raises(BadProof):
                prove_word(account.storage_root, 7, storage_nodes(lie))
    for depth, node in enumerate(answer["accountProof"]):
        lie = copy.deepcopy(answer)
        lie["accountProof"][depth] = node[:-1] + ("0" if node[-1] != "0" else "f")
        with pytest.raises(BadProof):
            prove_account(root(header), ADDRESS, lie)


@pytest.mark.chain
def test_an_account_that_is_not_there_and_garbage_are_bad_proofs(
    node: AnvilNode, header: dict[str, Any], answer: dict[str, Any]
) -> None:
    nobody = "0x" + "77" * 20
    with pytest.raises(BadProof, match="no account"):
        prove_account(root(header), nobody, Rpc(node.url).proof(nobody, [], header["hash"]))
    for garbage in (
        {},
        {"storageProof": None},
        {"storageProof": [None]},
        {"storageProof": [{"proof": ["zz"]}]},
    ):
        with pytest.raises(BadProof):
            storage_nodes(garbage)
    with pytest.raises(BadProof):
        prove_account(root(header), ADDRESS, answer | {"accountProof": ["0xc0"]})


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.integers(0, 2**256 - 1), st.integers(1, 2**256 - 1), min_size=1, max_size=12),
    st.data(),
)
def test_whatever_is_stored_is_proven_and_nothing_else(words: dict[int, int], data: st.DataObject) -> None:
    trie = HexaryTrie({})
    for slot, word in words.items():
        trie[keccak(slot.to_bytes(32, "big"))] = proofs.rlp.encode(word)
    asked = data.draw(st.one_of(st.sampled_from(sorted(words)), st.integers(0, 2**256 - 1)))
    key = keccak(asked.to_bytes(32, "big"))
    nodes = ["0x" + proofs.rlp.encode(node).hex() for node in trie.get_proof(key)]
    found = storage_nodes({"storageProof": [{"proof": nodes}]})
    assert prove_word(trie.root_hash, asked, found) == words.get(asked, 0)
    with pytest.raises(BadProof):
        prove_word(keccak(b"another root"), asked, found)


def test_an_empty_storage_needs_no_nodes() -> None:
    assert prove_word(HexaryTrie({}).root_hash, 5, {}) == 0


@pytest.mark.slow
def test_the_places_of_storage_are_those_of_the_compiler() -> None:
    source = compile.standard_json()
    source["settings"]["outputSelection"] = {"src/Market.sol": {"Market": ["storageLayout"]}}
    output = solcx.compile_standard(source, solc_binary=compile.CONTRACTS / "solc")
    table = output["contracts"]["src/Market.sol"]["Market"]["storageLayout"]
    places = {entry["label"]: (int(entry["slot"]), entry["offset"]) for entry in table["storage"]}
    assert {name: (slot, 0) for name, slot in layout.SLOTS.items()} == {
        name: places[name] for name in layout.SLOTS
    }
    (state,) = [kind for name, kind in table["types"].items() if name.startswith("t_struct(State)")]
    assert layout.MEMBERS == {entry["label"]: layout.STATE + int(entry["slot"]) for entry in state["members"]}
    (leaving,) = [kind for name, kind in table["types"].items() if name.startswith("t_struct(Exit)")]
    assert [(entry["label"], int(entry["slot"]), entry["offset"]) for entry in leaving["members"]] == [
        ("amount", 0, 0),
        ("fresh", 0, 12),
        ("readyAt", 0, 24),
        ("lead", 0, 29),
    ]
    (dispute,) = [kind for name, kind in table["types"].items() if name.startswith("t_struct(Dispute)")]
    assert [(entry["label"], int(entry["slot"]), entry["offset"]) for entry in dispute["members"]] == [
        ("claimBy", 0, 0),
        ("revealBy", 0, 5),
        ("ruleBy", 0, 10),
        ("missing", 0, 15),
        ("unbilled", 0, 19),
        ("challenger", 1, 0),
        ("claim", 1, 20),
        ("second", 2, 0),
        ("secondClaim", 2, 20),
        ("outcome", 3, 0),
        ("verdict", 3, 14),
        ("evidence", 4, 0),
    ]
