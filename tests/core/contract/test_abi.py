"""Calls, events and errors survive encoding and decoding, and strangers' bytes are refused by name."""

from dataclasses import replace

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from suan.core.contract import abi
from suan.core.contract.abi import AbiError
from suan.core.contract.calls import Proven
from suan.core.contract.records import BatchHead, Clearing, Fill, KeySet, Outcome, Record
from suan.core.encoding import keccak, to_hex
from suan.core.signing.structs import SIDE_BUY, SIDE_SELL, Bid, Offer
from tests.core.signing.test_typed import instances

words = st.binary(min_size=32, max_size=32)
addresses = st.binary(min_size=20, max_size=20).map(to_hex)


def lists(strategy):
    return st.lists(strategy, max_size=3)


def as_json(struct):
    return {name: to_hex(v) if isinstance(v, bytes) else v for name, v in vars(struct).items()}


def test_selectors_are_those_of_the_solidity_signatures():
    assert abi.FUNCTIONS["refund"].signature == (
        "refund((uint64,bytes32,bytes32,uint32),((bytes32,uint256,uint256,uint256)[],bytes32[],bool[]))"
    )
    assert abi.FUNCTIONS["balanceOf"].selector.hex() == "70a08231"
    assert abi.EVENT_TOPICS["Transfer"] == to_hex(keccak(b"Transfer(address,address,uint256)"))


def test_no_two_functions_events_or_errors_share_a_selector():
    for table in (abi.FUNCTIONS, abi.EVENTS, abi.ERRORS):
        assert len({entry.topic[:4] for entry in table.values()}) == len(table)


trades = st.builds(
    Record,
    trade=words,
    provider=addresses,
    buyer=addresses,
    index=st.integers(0, 199),
    first_run=st.integers(0, 2**32 - 1),
    runs=st.integers(0, 2**20),
    ceiling=st.integers(0, 2**40),
    price=st.integers(0, 2**96 - 1),
    bond=st.integers(0, 2**96 - 1),
    deliver_by=st.integers(0, 2**40 - 1),
    offer_nonce=st.integers(0, 2**32 - 1),
    bid_nonce=st.integers(0, 2**32 - 1),
)
proven = st.builds(
    Proven,
    lists(trades).map(tuple),
    lists(words).map(tuple),
    lists(st.booleans()).map(tuple),
)
outcomes = st.dictionaries(
    st.integers(0, 199),
    st.builds(Outcome, st.integers(0, 2), st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)),
    max_size=4,
).map(lambda named: sorted(named.items()))
SET = KeySet(("0x" + "11" * 20, "0x" + "22" * 20), 2, 10**24)


@given(words, instances(Clearing), instances(Offer), instances(Bid), st.data())
def test_an_opening_is_read_back_with_the_orders_that_its_fills_name(word, clearing, offer, bid, data):
    seen = {"product": clearing.product, "verifier_set": word}
    offer, bid = replace(offer, side=SIDE_SELL, **seen), replace(bid, side=SIDE_BUY, **seen)
    signed = data.draw(st.binary(min_size=63, max_size=63))
    short = b"\x11" + signed[:31] + b"\x22" + signed[32:] + b"\x1b"
    long = data.draw(st.sampled_from([b"", short + b"\x00", b"a wallet's own form"]))
    fills = [Fill(0, 0, 0, 3, 2), Fill(0, 0, 0, 5, 1)]
    calldata = abi.encode_open(
        verifier_set=word, clearings=[clearing], offers=[offer, offer], offer_signatures=[short, short],
        bids=[bid], bid_signatures=[long], fills=fills,
    )  # fmt: skip
    name, arguments = abi.decode_call(to_hex(calldata))
    assert name == "open"
    assert arguments == {
        "verifier_set": to_hex(word),
        "clearings": [as_json(clearing)],
        "offers": [as_json(offer)],
        "offer_signatures": [to_hex(short)],
        "offer_clearings": [0],
        "bids": [as_json(bid)],
        "bid_signatures": [to_hex(long)],
        "bid_clearings": [0],
        "fills": [as_json(fill) for fill in fills],
    }
    assert [abi.struct_of("Offer", value) for value in arguments["offers"]] == [offer]


@given(instances(BatchHead), proven, outcomes, words)
def test_a_settlement_is_read_back_as_it_was_written(head, records, decided, root):
    calldata = abi.encode_settle(head=head, outcomes=decided, receipts_root=root, proven=records)
    name, arguments = abi.decode_call(calldata)
    assert name == "settle"
    assert abi.struct_of("BatchHead", arguments["head"]) == head
    assert [abi.struct_of("Record", value) for value in arguments["records"]] == list(records.records)
    assert [value["payment"] for value in arguments["records"]] == [r.payment for r in records.records]
    read = [
        (value["index"], Outcome(value["kind"], value["runs_delivered"], value["units"]))
        for value in arguments["outcomes"]
    ]
    assert (read, arguments["receipts_root"]) == (decided, to_hex(root))
    assert arguments["proof_flags"] == list(records.proof_flags)


@given(trades)
def test_a_locked_trade_is_read_from_its_log(record):
    trade, *rest = record.words()
    data = b"".join(word.to_bytes(32, "big") for word in rest)
    name, values = abi.decode_event([to_hex(abi.EVENTS["TradeLocked"].topic), to_hex(trade)], data)
    assert (name, abi.struct_of("Record", values)) == ("TradeLocked", record)
    assert values["payment"] == record.payment


def test_a_closed_trade_says_a_fee_or_a_slash_and_never_both():
    topics = [abi.EVENTS["TradeClosed"].topic, bytes(32)]
    for kind, fee, slashed in ((1, 7, 0), (2, 0, 7)):
        words_ = [Outcome(kind, 3, 900).packed(5), (11 << 128) | 7]
        data = b"".join(word.to_bytes(32, "big") for word in words_)
        assert abi.decode_event(topics, data)[1] == {
            "trade": to_hex(bytes(32)), "index": 5, "kind": kind, "runs_delivered": 3, "units": 900,
            "paid": 11, "fee": fee, "slashed": slashed,
        }  # fmt: skip


def test_an_event_with_an_array_and_one_with_the_name_of_a_keyword_are_read():
    members = ["0x" + "11" * 20, "0x" + "22" * 20]
    entry = abi.EVENTS["VerifierSetRegistered"]
    data = encode(["address[]", "uint8", "uint96"], [members, 2, 5])
    assert abi.decode_event([entry.topic, b"\x07" * 32], data)[1] == {
        "id": "0x" + "07" * 32, "members": members, "threshold": 2, "payout_cap": 5,
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
        abi.FUNCTIONS["settle"].selector,
        abi.encode_call("cancel", 1, 5)[:-1],
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
