"""Hashes, addresses, signatures, ids and canonical JSON."""

import json

import pytest
from eth_account import Account
from eth_utils import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from suan.core.encoding import canonical_json, checksum, from_hex, keccak, normalise_address, sha256_hex
from suan.core.ids import clr_id, ord_id, parse_id, run_seed, trd_id
from suan.core.problems import FieldError
from suan.core.signing.domains import market_domain, registry_domain
from suan.core.signing.recover import BadSignature, recover
from tests.core.signing.keys import Key

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
words = st.binary(min_size=32, max_size=32)


def test_keccak_is_the_hash_of_ethereum_and_not_sha3():
    assert keccak(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


def test_job_bytes_are_addressed_by_sha256():
    assert sha256_hex(b"abc") == "0xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@given(words, st.binary(min_size=1, max_size=8))
def test_a_signature_of_either_library_recovers_to_its_signer(digest, label):
    key = Key(label.hex())
    theirs = Account.unsafe_sign_hash(digest, key.secret).signature
    assert recover(digest, key.sign(digest)) == key.address == recover(digest, bytes(theirs))


@given(words)
def test_the_high_s_twin_of_a_signature_is_refused(digest):
    signature = Key("twin").sign(digest)
    s = CURVE_ORDER - int.from_bytes(signature[32:64], "big")
    twin = signature[:32] + s.to_bytes(32, "big") + bytes([27 + (28 - signature[64])])
    assert Account._recover_hash(digest, signature=twin).lower() == Key("twin").address
    with pytest.raises(BadSignature, match="lower half"):
        recover(digest, twin)


@pytest.mark.parametrize("v", [0, 1, 26, 29, 255])
def test_a_recovery_byte_other_than_27_and_28_is_refused(v):
    with pytest.raises(BadSignature, match="v must be"):
        recover(bytes(32), Key("v").sign(bytes(32))[:64] + bytes([v]))


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        bytes(64),
        bytes(66),
        bytes(64) + b"\x1b",
        bytes(31) + b"\x01" + bytes(32) + b"\x1b",
        b"\xff" * 32 + bytes(31) + b"\x01\x1b",
        bytes(31) + b"\x05" + bytes(31) + b"\x01\x1b",
    ],
)
def test_a_malformed_signature_recovers_to_nobody(signature):
    with pytest.raises(BadSignature):
        recover(keccak(b"message"), signature)


def test_a_digest_of_another_length_is_refused():
    with pytest.raises(BadSignature, match="32 bytes"):
        recover(b"short", Key("x").sign(bytes(32)))


@given(st.binary(min_size=20, max_size=20))
def test_checksums_agree_with_eth_utils_and_are_read_back(raw):
    text = "0x" + raw.hex()
    assert checksum(text) == to_checksum_address(text)
    assert normalise_address(checksum(text)) == normalise_address(text.upper().replace("X", "x")) == text


def test_an_address_with_one_letter_in_the_wrong_case_is_refused():
    good = checksum("0x" + "ab" * 20)
    bad = "0x" + "".join(c.swapcase() if i == 0 else c for i, c in enumerate(good[2:]))
    with pytest.raises(FieldError) as refused:
        normalise_address(bad)
    assert refused.value.code == "bad_checksum"


@pytest.mark.parametrize(
    "text", ["", "0x", "ab" * 20, "0x" + "a" * 39, "0x" + "g" * 40, None, 7, "0x" + "a" * 40 + "\n"]
)
def test_what_is_not_an_address_is_refused_and_named(text):
    with pytest.raises(FieldError) as refused:
        normalise_address(text)
    assert refused.value.code == "not_an_address"


@given(words)
def test_ids_are_read_back_in_any_case(digest):
    assert parse_id(ord_id(digest), prefix="ord") == digest
    assert parse_id("trd_0x" + digest.hex().upper()) == digest


@pytest.mark.parametrize(
    "text",
    ["", "ord_", "0x" + "00" * 32, "abc_0x" + "00" * 32, "ord_0x" + "00" * 31, "ord_0x" + "zz" * 32, None],
)
def test_what_is_not_an_id_is_refused_and_named(text):
    with pytest.raises(FieldError) as refused:
        parse_id(text)
    assert refused.value.field == "id"


def test_an_id_of_another_kind_is_refused():
    with pytest.raises(FieldError):
        parse_id(trd_id(bytes(32)), prefix="ord")
    with pytest.raises(ValueError):
        clr_id(b"short")


def test_every_run_of_a_bid_has_a_seed_of_its_own():
    seeds = {run_seed(keccak(b"bid"), run) for run in range(100)} | {run_seed(keccak(b"other"), 0)}
    assert len(seeds) == 101


def test_one_contract_on_one_chain_has_one_domain():
    here, there = "0x" + "11" * 20, "0x" + "22" * 20
    separators = {
        market_domain(1, here).separator(),
        market_domain(2, here).separator(),
        market_domain(1, there).separator(),
        registry_domain(1, here).separator(),
    }
    assert len(separators) == 4


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_canonical_json_reads_back_and_does_not_depend_on_the_order_of_keys(value):
    data = canonical_json(value)
    assert json.loads(data) == value
    assert canonical_json(json.loads(data)) == data
    if isinstance(value, dict):
        assert canonical_json(dict(reversed(value.items()))) == data


def test_canonical_json_has_sorted_keys_no_spaces_and_unescaped_text():
    assert canonical_json({"b": [1, True, None], "a": "ü/中"}) == '{"a":"ü/中","b":[1,true,null]}'.encode()


@pytest.mark.parametrize(
    ("value", "field", "code"),
    [
        ({"a": [0, 1.5]}, "a[1]", "not_canonical"),
        ({"a": {"b": 2**53}}, "a.b", "too_large"),
        ({1: 2}, "json", "bad_key"),
        (b"bytes", "json", "not_canonical"),
        ("\ud800", "json", "not_unicode"),
    ],
)
def test_what_has_no_canonical_form_is_refused_and_named(value, field, code):
    with pytest.raises(FieldError) as refused:
        canonical_json(value)
    assert (refused.value.field, refused.value.code) == (field, code)


def test_json_nested_without_end_is_refused_before_it_hurts():
    value = []
    for _ in range(200):
        value = [value]
    with pytest.raises(FieldError) as refused:
        canonical_json(value)
    assert refused.value.code == "too_deep"


def test_hex_of_the_wrong_length_is_refused_and_named():
    with pytest.raises(FieldError) as refused:
        from_hex("0x00", field="module", length=32)
    assert (refused.value.field, refused.value.code) == ("module", "wrong_length")
    with pytest.raises(FieldError):
        from_hex("0x0")
