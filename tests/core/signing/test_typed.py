"""The signed structs are byte for byte what wallets sign."""

from dataclasses import fields

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from suan.core.contract.records import BatchHead, Clearing, Fill, Session
from suan.core.delivery.receipts import Receipt
from suan.core.encoding import keccak
from suan.core.problems import FieldError
from suan.core.signing.domains import market_domain
from suan.core.signing.recover import recover
from suan.core.signing.structs import (
    Acceptance,
    Acknowledgement,
    Bid,
    Cancel,
    GivingUp,
    Migration,
    Offer,
    Permit,
    Ruling,
    SetAgent,
    SetDelegate,
    Verdict,
    Voucher,
    WithdrawalRequest,
)
from suan.core.signing.typed import layout
from tests.core.signing.keys import Key

SIGNED = (
    Offer,
    Bid,
    Cancel,
    Acknowledgement,
    WithdrawalRequest,
    SetAgent,
    SetDelegate,
    Permit,
    Verdict,
    Acceptance,
    GivingUp,
    Ruling,
    Voucher,
    Migration,
    Receipt,
)
STORED = (Clearing, Fill, BatchHead, Session)
words = st.binary(min_size=32, max_size=32)
domains = st.builds(
    market_domain,
    st.integers(1, 2**64),
    st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex()),
)


def values_of(kind):
    if kind.startswith("uint"):
        return st.integers(0, 2 ** int(kind[4:]) - 1)
    if kind == "bytes32":
        return words
    if kind == "bytes":
        return st.binary(max_size=60)
    if kind == "address":
        return st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex())
    return st.text(st.characters(codec="utf-8"), max_size=40)


def instances(struct):
    return st.builds(struct, **{name: values_of(kind) for kind, _, name in layout(struct.TYPE)})


any_signed = st.one_of([instances(struct) for struct in SIGNED])


@given(any_signed, domains)
@settings(max_examples=200)
def test_digests_equal_those_of_eth_account_byte_for_byte(struct, domain):
    message = encode_typed_data(full_message=struct.typed_data(domain))
    assert struct.digest(domain) == keccak(b"\x19" + message.version + message.header + message.body)
    assert message.header == domain.separator()


@given(st.one_of([instances(struct) for struct in SIGNED + STORED]))
def test_structs_survive_json_and_back(struct):
    assert type(struct).from_json(struct.to_json()) == struct


@given(instances(Offer), domains)
def test_what_a_wallet_signs_recovers_to_its_owner(offer, domain):
    key = Key("wallet")
    signed = Account.sign_typed_data(key.secret, full_message=offer.typed_data(domain))
    assert recover(offer.digest(domain), bytes(signed.signature)) == key.address


@given(instances(Bid), domains, st.data())
def test_changing_any_field_changes_the_digest(bid, domain, data):
    kind, _, name = data.draw(st.sampled_from(layout(Bid.TYPE)))
    other = data.draw(values_of(kind).filter(lambda value: value != getattr(bid, name)))
    changed = Bid(**{field: getattr(bid, field) for _, _, field in layout(Bid.TYPE)} | {name: other})
    assert changed.digest(domain) != bid.digest(domain)


@pytest.mark.parametrize("struct", SIGNED + STORED)
def test_fields_stand_in_the_order_of_the_type_string(struct):
    assert tuple(field.name for field in fields(struct)) == tuple(name for _, _, name in layout(struct.TYPE))


def offer(**changes):
    values = dict.fromkeys(("price", "units", "nonce", "valid_until", "deliver_by", "max_fee_bps"), 1)
    values |= {"maker": "0x" + "11" * 20, "side": 2}
    values |= dict.fromkeys(("product", "verifier_set", "terms"), bytes(32))
    return Offer(**values | changes)


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"price": 2**96}, "price", "out_of_range"),
        ({"units": -1}, "units", "out_of_range"),
        ({"valid_until": 1.0}, "valid_until", "not_an_integer"),
        ({"nonce": True}, "nonce", "not_an_integer"),
        ({"product": b"short"}, "product", "not_bytes32"),
        ({"maker": "0x12"}, "maker", "not_an_address"),
    ],
)
def test_a_struct_that_could_not_be_signed_cannot_be_made(changes, field, code):
    with pytest.raises(FieldError) as refused:
        offer(**changes)
    assert (refused.value.field, refused.value.code) == (field, code)


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"extra": 1}, "extra", "unknown_field"),
        ({"validUntil": "x"}, "validUntil", "not_an_integer"),
        ({"validUntil": "01"}, "validUntil", "not_an_integer"),
        ({"validUntil": None}, "validUntil", "not_an_integer"),
        ({"terms": "0x12"}, "terms", "wrong_length"),
        ({"terms": 12}, "terms", "not_hex"),
        ({"maker": []}, "maker", "not_an_address"),
    ],
)
def test_json_that_is_not_an_order_is_refused_by_the_name_of_its_field(change, field, code):
    with pytest.raises(FieldError) as refused:
        Offer.from_json(offer().to_json() | change)
    assert (refused.value.field, refused.value.code) == (field, code)


def test_a_missing_field_is_named():
    value = offer().to_json()
    del value["deliverBy"]
    with pytest.raises(FieldError) as refused:
        Offer.from_json(value)
    assert (refused.value.field, refused.value.code) == ("deliverBy", "missing")


@pytest.mark.parametrize("value", [None, [], "text", 1])
def test_json_that_is_no_object_is_refused(value):
    with pytest.raises(FieldError):
        Offer.from_json(value)


def test_wide_integers_are_decimal_strings_and_numbers_are_read_too():
    value = offer(price=2**96 - 1).to_json()
    assert (value["price"], value["units"], value["validUntil"]) == (str(2**96 - 1), "1", 1)
    assert Offer.from_json(value | {"units": 1, "validUntil": "1"}) == offer(price=2**96 - 1)
