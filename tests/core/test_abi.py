"""Calls, events and errors survive encoding and decoding, and strangers' bytes are refused by name."""

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from suan.core import abi
from suan.core.abi import AbiError
from suan.core.identity import keccak, to_hex
from suan.core.orders import Bid, Offer
from suan.core.settlement import BatchHead, Clearing, Fill, Outcome, Record
from tests.core.test_typed import instances

words = st.binary(min_size=32, max_size=32)
signatures = st.binary(min_size=65, max_size=65)


def lists(strategy):
    return st.lists(strategy, max_size=3)


def as_json(struct):
    return {name: to_hex(v) if isinstance(v, bytes) else v for name, v in vars(struct).items()}


def test_selectors_are_those_of_the_solidity_signatures():
    assert abi.FUNCTIONS["refund"].signature == (
        "refund((uint64,bytes32,bytes32,uint32),(bytes32,bytes32,bytes32,address,address,uint32,uint32,uint32,"
        "uint64,uint96,uint128,uint128,uint40)[],bytes32[],bool[])"
    )
    assert abi.FUNCTIONS["balanceOf"].selector.hex() == "70a08231"
    assert abi.EVENT_TOPICS["Transfer"] == to_hex(keccak(b"Transfer(address,address,uint256)"))


def test_no_two_functions_events_or_errors_share_a_selector():
    for table in (abi.FUNCTIONS, abi.EVENTS, abi.ERRORS):
        assert len({entry.topic[:4] for entry in table.values()}) == len(table)


@given(
    words, lists(instances(Clearing)), lists(instances(Offer)), lists(signatures), lists(instances(Bid)),
    lists(signatures), lists(instances(Fill)),
)  # fmt: skip
def test_an_opening_is_read_back_as_it_was_written(
    verifier_set, clearings, offers, offer_signatures, bids, bid_signatures, fills
):
    data = abi.encode_open(
        verifier_set=verifier_set, clearings=clearings, offers=offers, offer_signatures=offer_signatures,
        bids=bids, bid_signatures=bid_signatures, fills=fills,
    )  # fmt: skip
    name, arguments = abi.decode_call(to_hex(data))
    assert name == "open"
    assert arguments == {
        "verifier_set": to_hex(verifier_set),
        "clearings": [as_json(clearing) for clearing in clearings],
        "offers": [as_json(offer) for offer in offers],
        "offer_signatures": [to_hex(signature) for signature in offer_signatures],
        "bids": [as_json(bid) for bid in bids],
        "bid_signatures": [to_hex(signature) for signature in bid_signatures],
        "fills": [as_json(fill) for fill in fills],
    }
    assert [abi.struct_of("Offer", value) for value in arguments["offers"]] == offers


@given(
    instances(BatchHead),
    lists(instances(Record)),
    lists(instances(Outcome)),
    lists(words),
    lists(st.booleans()),
    words,
)
def test_a_close_is_read_back_as_it_was_written(head, records, outcomes, proof, flags, root):
    data = abi.encode_close(
        head=head, records=records, outcomes=outcomes, proof=proof, proof_flags=flags, receipts_root=root,
        signatures=[],
    )  # fmt: skip
    name, arguments = abi.decode_call(data)
    assert name == "close"
    assert abi.struct_of("BatchHead", arguments["head"]) == head
    assert [abi.struct_of("Record", value) for value in arguments["records"]] == records
    assert [abi.struct_of("Outcome", value) for value in arguments["outcomes"]] == outcomes
    assert (arguments["proof_flags"], arguments["receipts_root"]) == (flags, to_hex(root))


@given(instances(Record))
def test_the_abi_encoding_of_a_struct_equals_that_of_eth_abi(record):
    kinds = [
        "bytes32", "bytes32", "bytes32", "address", "address", "uint32", "uint32", "uint32", "uint64",
        "uint96", "uint128", "uint128", "uint40",
    ]  # fmt: skip
    assert record.abi_encode() == encode(kinds, list(vars(record).values()))


@given(instances(Record))
def test_a_locked_trade_is_read_from_its_log(record):
    topics = [abi.EVENTS["TradeLocked"].topic, record.trade, record.offer, record.bid]
    name, values = abi.decode_event([to_hex(topic) for topic in topics], record.abi_encode()[96:])
    assert (name, values) == ("TradeLocked", as_json(record))


def test_an_event_with_an_array_and_one_with_the_name_of_a_keyword_are_read():
    members = ["0x" + "11" * 20, "0x" + "22" * 20]
    entry = abi.EVENTS["VerifierSetRegistered"]
    data = encode(["address[]", "uint8", "uint96"], [members, 2, 9])
    assert abi.decode_event([entry.topic, b"\x07" * 32], data)[1] == {
        "id": "0x" + "07" * 32, "members": members, "threshold": 2, "payout_cap": 9,
    }  # fmt: skip
    topics = [abi.EVENTS["Deposited"].topic, *(encode(["address"], [member]) for member in members)]
    assert abi.decode_event(topics, encode(["uint128"], [5]))[1] == {
        "account": members[0], "from": members[1], "amount": 5,
    }  # fmt: skip


def test_results_of_views_and_reverts_are_read_by_name():
    data = encode(["uint128", "uint128"], [7, 9])
    assert abi.decode_result("accountOf", data) == {"available": 7, "locked": 9}
    revert = abi.ERRORS["TooEarly"].selector + encode(["bytes32", "uint256"], [bytes(32), 12])
    assert abi.decode_error(revert) == ("TooEarly", {"trade": to_hex(bytes(32)), "from": 12})


def test_what_is_none_of_ours_is_refused_and_never_guessed():
    for data in (
        b"",
        b"\x00" * 4,
        abi.FUNCTIONS["close"].selector,
        abi.encode_call("cancel", bytes(32))[:-1],
    ):
        with pytest.raises(AbiError):
            abi.decode_call(data)
    with pytest.raises(AbiError):
        abi.decode_event([], b"")
    with pytest.raises(AbiError):
        abi.decode_event([abi.EVENTS["Deposited"].topic], b"")
    with pytest.raises(AbiError):
        abi.decode_error(b"\x00" * 4)
    with pytest.raises(AbiError):
        abi.encode_call("nothing")
    with pytest.raises(AbiError):
        abi.encode_call("cancel")


def test_topics_can_be_asked_for_by_name():
    assert abi.event_topics("Paused") == [abi.EVENT_TOPICS["Paused"]]
    assert len(abi.event_topics()) == len(abi.EVENTS)
