"""A receipt's proof file: what it holds, and that no byte of it can change, in Python and with the npm library."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suan.core.contract.records import RECEIPT_LEAF_TYPES, ReceiptLeaf, receipts_root
from suan.core.encoding import canonical_json, keccak, to_hex
from suan.core.evidence.proofs import Anchor, check_anchor, check_proof, passed, read_proof, receipt_proof
from suan.core.merkle import leaf_hash
from suan.core.problems import FieldError

SCRIPT = Path(__file__).with_name("receipt_proofs.mjs")
ANCHOR = Anchor(b"\x0b" * 32, 31_337, "0x" + "c0" * 20, "0x" + "aa" * 32, 12, "0x" + "bb" * 32)
TRADE = keccak(b"a trade")
words = st.binary(min_size=32, max_size=32)


def leaves_of(count: int) -> list[ReceiptLeaf]:
    return [(keccak(b"receipt %d" % run), TRADE, run, 1 + run % 3, 360 * run) for run in range(count)]


def holds(data: bytes) -> bool:
    try:
        return passed(check_proof(data))
    except FieldError:
        return False


def with_npm(files: list[bytes]) -> list[str]:
    """What the npm library says of each file; "" when it holds."""
    node = shutil.which("node")
    assert node is not None, "node is needed, as for the contracts' compiler"
    texts = json.dumps([file.decode("utf-8", "replace") for file in files])
    done = subprocess.run([node, SCRIPT], input=texts, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64, 100])
def test_every_receipt_of_a_close_is_proved_in_python_and_with_the_npm_library(count):
    leaves = leaves_of(count)
    files = [receipt_proof(leaves, index, ANCHOR) for index in range(count)]
    assert all(holds(file) for file in files)
    assert with_npm(files) == [""] * count
    assert {read_proof(file)["root"] for file in files} == {to_hex(receipts_root(leaves))}


def test_one_changed_byte_anywhere_is_refused_in_python_and_with_the_npm_library():
    file = receipt_proof(leaves_of(11), 7, ANCHOR)
    changed = [
        file[:place] + bytes([file[place] ^ flip]) + file[place + 1 :]
        for place in range(len(file))
        for flip in (0x01, 0x20)
    ]
    assert not [data for data in changed if holds(data)]
    assert "" not in with_npm(changed)


def test_a_missing_or_an_added_byte_is_refused_in_python_and_with_the_npm_library():
    file = receipt_proof(leaves_of(5), 2, ANCHOR)
    changed = [file[:place] + file[place + 1 :] for place in range(len(file))]
    changed += [file[:place] + b" " + file[place:] for place in range(len(file) + 1)]
    assert not [data for data in changed if holds(data)]
    assert "" not in with_npm(changed)


@settings(max_examples=60)
@given(st.integers(1, 20), st.data())
def test_a_forger_who_mends_the_digest_still_needs_the_tree(count, data):
    leaves = leaves_of(count)
    body = read_proof(receipt_proof(leaves, data.draw(st.integers(0, count - 1)), ANCHOR))
    stranger = data.draw(words.filter(lambda word: word not in {leaf[0] for leaf in leaves}))
    body["value"] = [to_hex(stranger), *body["value"][1:]]
    body["receipt"] = f"rcp_{to_hex(stranger)}"
    forged_leaf = (stranger, TRADE, *map(int, body["value"][2:]))
    body["leaf"] = to_hex(leaf_hash(RECEIPT_LEAF_TYPES, forged_leaf))
    rest = {name: value for name, value in body.items() if name != "digest"}
    forged = canonical_json(rest | {"digest": to_hex(keccak(canonical_json(rest)))})
    failed = [check.name for check in check_proof(forged) if not check.passed]
    assert failed == ["root"]


def test_what_the_file_says_of_the_chain_is_compared_with_the_log():
    body = read_proof(receipt_proof(leaves_of(3), 0, ANCHOR))
    logged = {
        name: body[name] for name in ("root", "batch", "contract", "chain_id", "transaction", "block_hash")
    }
    assert passed(check_anchor(body, logged))
    for name in logged:
        other = logged | {name: "0x" + "ee" * 32}
        assert [check.name for check in check_anchor(body, other) if not check.passed] == [f"anchored {name}"]
    (missing,) = check_anchor(body, None)
    assert missing.passed is None and not passed([missing])


def test_a_proof_before_its_root_is_on_chain_says_so_with_nulls():
    early = Anchor(b"\x0b" * 32, 31_337, "0x" + "c0" * 20)
    file = receipt_proof(leaves_of(4), 1, early)
    body = read_proof(file)
    assert holds(file) and body["transaction"] is body["block_number"] is body["block_hash"] is None


def test_a_run_without_a_receipt_has_nothing_to_prove():
    with pytest.raises(ValueError, match="no receipt"):
        receipt_proof([(bytes(32), TRADE, 0, 0, 0)], 0, ANCHOR)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"null", b"[]", b"{}", b"\xff", b"[" * 100_000, b"1e999", b'{"kind":"receipt-inclusion"}', b"0" * 70_000,
        b'{"kind":"receipt-inclusion","kind":"receipt-inclusion"}',
    ],
)  # fmt: skip
def test_what_is_no_proof_is_refused_with_a_reason(data):
    with pytest.raises(FieldError):
        check_proof(data)


WRONG = [None, 1.5, -1, True, [], {}, "", "0x", "٣", "9" * 400, ["0x"], [1, 2, 3, 4], ["x"] * 4, 2**70]


@given(
    st.sampled_from(["value", "proof", "leaf", "root", "chain_id", "contract", "batch", "block_number"]),
    st.sampled_from(WRONG),
)
def test_a_field_of_the_wrong_kind_is_refused_and_never_an_accident(name, value):
    body = read_proof(receipt_proof(leaves_of(4), 1, ANCHOR))
    assert not holds(json.dumps(body | {name: value}).encode())
