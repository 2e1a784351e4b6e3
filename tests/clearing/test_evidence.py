"""The published clearing: read back as it was, replayed, and every changed byte noticed."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from suan.core.clearing import BadBook, ClearingBook, Exclusion, clear_document, read_document, replay
from suan.core.encoding import canonical_json, keccak
from suan.core.ids import ord_id
from suan.core.merkle import StandardTree, leaf_hash, verify
from suan.core.problems import FieldError
from tests.clearing.books import NOW, bid, book, books, offer, order_hash

KEPT_OUT = (Exclusion(order_hash(99), "unfunded"),)


def document() -> bytes:
    cut = book(offer(1, 50, 100), offer(2, 70, 100), bid(3, 90, 15, 10), bid(4, 20, 1, 10))
    return clear_document(cut, number=7, now=NOW, kept_out=KEPT_OUT).to_bytes()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(books())
def test_a_published_clearing_reads_back_as_it_was_and_replays_without_difference(cut: ClearingBook) -> None:
    published = clear_document(cut, number=3, now=NOW)
    read = read_document(published.to_bytes())
    assert read.clearing_id == published.clearing_id
    assert read.order_set_root == published.order_set_root
    assert set(read.book.entries) == set(cut.entries)
    assert replay(read) == []


def test_orders_that_the_exchange_kept_out_stay_named() -> None:
    read = read_document(document())
    assert {exclusion.order: exclusion.reason for exclusion in read.result.excluded} == {
        order_hash(99): "unfunded"
    }
    assert replay(read) == []


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_one_changed_byte_is_refused_or_replays_with_a_difference_or_changes_the_root(
    data: st.DataObject,
) -> None:
    original = document()
    place = data.draw(st.integers(0, len(original) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != original[place]))
    changed = original[:place] + bytes([byte]) + original[place + 1 :]
    before = read_document(original)
    try:
        after = read_document(changed)
    except FieldError:
        return
    # What is left are other orders kept out, or another time that gives the same outcome: named by no root, and the
    # digest that the index of evidence keeps still differs.
    same_trades = after.clearing_id == before.clearing_id and replay(after) == []
    changes = {key for key, value in before.to_json().items() if after.to_json()[key] != value}
    assert not same_trades or changes <= {"excluded", "cut_at", "cut_sequence"}


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("price",), "71", "id"),
        (("trades", 0, "runs"), 9, "follows from the rule"),
        (("excluded", 0, "reason"), "because", "reason"),
        (("orders", 0, "units"), "10", "id"),
        (("orders", 0, "rate"), 1, "fields differ"),
        (("version",), 2, "version"),
        (("orders", 0, "limit_price"), 1.5, "integer"),
    ],
)
def test_a_changed_field_is_named(path: tuple, value: object, says: str) -> None:
    changed = json.loads(document())
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    data = json.dumps(changed, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    try:
        differences = replay(read_document(data))
    except FieldError as refused:
        differences = [str(refused)]
    assert any(says in difference for difference in differences), differences


def test_a_trade_that_is_left_out_is_named_by_the_replay() -> None:
    changed = json.loads(document())
    del changed["trades"][0]
    (difference,) = replay(read_document(canonical_json(changed)))
    assert "follows from the rule, it is not published" in difference


def test_the_root_proves_each_entry_in_standard_merkle_tree_format() -> None:
    cut = book(offer(1, 50, 100), offer(2, 70, 100), bid(3, 90, 15, 10))
    root = clear_document(cut, number=7, now=NOW).order_set_root
    types = ["bytes32", "bytes32"]
    head = {"cut_sequence": cut.cut_sequence, "cut_at": NOW, "excluded": []}
    leaves = [(entry.order, keccak(canonical_json(entry.to_json()))) for entry in cut.entries]
    leaves.append((bytes(32), keccak(canonical_json(head))))
    tree = StandardTree(types, leaves)
    for index, leaf in enumerate(leaves):
        assert verify(root, leaf_hash(types, leaf), tree.proof(index))


def test_another_cut_time_or_another_excluded_order_is_another_root() -> None:
    cut = book(offer(1, 50, 100), bid(3, 90, 15, 10))
    roots = {
        clear_document(cut, number=7, now=NOW).order_set_root,
        clear_document(cut, number=7, now=NOW + 1).order_set_root,
        clear_document(cut, number=7, now=NOW, kept_out=KEPT_OUT).order_set_root,
    }
    assert len(roots) == 3


def test_an_order_is_never_kept_out_for_a_reason_that_nobody_can_read() -> None:
    with pytest.raises(BadBook, match="nobody could read"):
        clear_document(
            book(offer(1, 50, 100)), number=1, now=NOW, kept_out=(Exclusion(order_hash(9), "mood"),)
        )


def test_entries_carry_ids_and_amounts_as_the_protocol_says() -> None:
    (entry,) = book(offer(1, 2**80, 2**60)).orders_json()
    assert entry["order"] == ord_id(order_hash(1))
    assert (entry["limit_price"], entry["units"]) == (str(2**80), str(2**60))
