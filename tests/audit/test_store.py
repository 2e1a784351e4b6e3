"""The audit's memory on disk behaves as dicts and lists do, comes back after a kill, and forgets a block that went."""

import os
import signal
from collections import defaultdict
from dataclasses import dataclass
from enum import Enum
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suan.client.audit.memory import books_in, codec, open_store, report_in
from suan.client.audit.state import Account, Books, DisputeView, TradeView, VerdictView
from suan.client.audit.store import tables as store_module
from suan.client.audit.store.codec import Codec
from suan.client.audit.store.tables import Rows, Store
from suan.client.errors import UsageError
from suan.core.contract.places import OrderState
from suan.core.contract.records import Record

RECORD = Record(b"\1" * 32, "0x" + "44" * 20, "0x" + "55" * 20, 0, 1, 2, 3, 4, 5, 6, 7, 8)
BID, OFFER = b"\2" * 32, b"\3" * 32
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(PLAIN)
def test_values_come_back_as_they_were(value: Any) -> None:
    found = Codec([]).decode(Codec([]).encode(value))
    assert found == value and type(found) is type(value)


def test_the_books_own_classes_come_back_and_no_others() -> None:
    known = codec()
    for value in (
        Account(1, 2, 3),
        [OrderState(2, 2**52, 5, ended=True), OrderState()],
        TradeView(RECORD, OFFER, BID, "0xab", 3, "0xcd", "0xef", {"kind": 1, "batch": None}),
        VerdictView("0xba", "0x00", 5, 7, {0: (1, 2, 3), 2: (0, 0, 0)}),
        DisputeView(1, 2, 3, (1, 2, 3), "0xaa", "0x00", 1, 2, [("0xcc", 2)]),
    ):
        assert known.decode(known.encode(value)) == value

    class Stranger(Enum):
        ONE = 1

    with pytest.raises(TypeError):
        known.encode(Stranger.ONE)
    for text in ('["c","os",1]', '["x"]', "{", '["c"]', '["e","Account",7]'):
        with pytest.raises(ValueError):
            known.decode(text)


STEP = st.one_of(
    st.tuples(st.just("add"), st.integers(0, 6), st.integers(-5, 5)),
    st.tuples(st.just("set"), st.integers(0, 6), st.integers(-5, 5)),
    st.tuples(st.just("append"), st.integers(0, 9)),
    st.tuples(st.just("settle")),
    st.tuples(st.just("commit")),
    st.tuples(st.just("block")),
    st.tuples(st.just("back"), st.integers(0, 4)),
)


@dataclass
class Plain:
    """The oracle: dicts, and a copy of them at the end of each block."""

    accounts: dict[tuple[str, int], int]
    rows: list[int]
    total: int


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, max_size=40))
def test_a_store_is_what_dicts_and_copies_of_them_are(steps: list[tuple]) -> None:
    store = Store(None, codec())
    table, rows = store.table("accounts", Account), Rows(store, "rows")
    single = {"total": 0}
    store.pin("total", lambda: single["total"], lambda value: single.update(total=value))
    now, number = Plain(defaultdict(int), [], 0), 0
    store.end_block(0, "0x0")
    past = [(0, dict(now.accounts), [], 0)]
    store.block = 1
    for step in steps:
        if step[0] in ("add", "set"):
            key = (f"k{step[1]}", step[1])
            if step[0] == "add":
                table[key].available += step[2]
                now.accounts[key] += step[2]
            else:
                table[key] = Account(step[2])
                now.accounts[key] = step[2]
            single["total"] += 1
            now.total += 1
        elif step[0] == "append":
            rows.append(step[1])
            now.rows.append(step[1])
        elif step[0] == "settle":
            table.flush()
            table.forget()
        elif step[0] == "commit":
            store.commit()
        elif step[0] == "block":
            number += 1
            store.end_block(number, f"0x{number}")
            past.append((number, dict(now.accounts), list(now.rows), now.total))
            store.block = number + 1
        else:
            back = max(0, number - step[1])
            past = [copy for copy in past if copy[0] <= back]
            number, accounts, kept, total = past[-1]
            store.rollback(number)
            now = Plain(defaultdict(int, accounts), list(kept), total)
            store.block = number + 1
        assert {key: account.available for key, account in table.items()} == dict(now.accounts)
        assert list(rows) == now.rows and len(rows) == len(now.rows)
        assert single["total"] == now.total and len(table) == len(now.accounts)
        assert all(key in table for key in now.accounts) and ("never", 1) not in table
    store.close()


def test_iteration_goes_on_while_entries_are_written_and_caches_are_emptied() -> None:
    store = Store(None, codec())
    table = store.table("numbers")
    many = store_module.PAGE_ROWS + 500
    for number in range(many):
        table[f"a {number:05d}"] = number
    seen = 0
    for key, value in table.begin_with("a "):
        table[f"b {key}"] = value
        store.settle()
        seen += 1
    assert seen == many and len(table) == 2 * many
    assert [value for _, value in table.begin_with("a 0000")] == list(range(10))
    store.close()


def test_every_part_of_the_books_that_grows_lies_in_the_store(tmp_path: Path) -> None:
    store = open_store(tmp_path / "state")
    books, report = books_in(store), report_in(store)
    books.accounts["0xa"].available = 5
    books.trades["0xt"] = TradeView(RECORD, OFFER, BID, "0xc", 1, "0xd")
    books.seals.append({"receipts_root": "0xe"})
    books.operator, books.deposits = "0xop", 17
    report.differ("a", "b", 1, 2)
    store.commit()
    books.deposits = 99
    store.close()

    again = open_store(tmp_path / "state")
    found, said = books_in(again), report_in(again)
    assert (found.operator, found.deposits) == ("0xop", 17)
    assert found.accounts["0xa"] == Account(5) and found.trades["0xt"].record == RECORD
    assert list(found.seals) == [{"receipts_root": "0xe"}] and said.differences_total == 1
    assert not any(isinstance(getattr(found, name), dict | list) for name in Books.__dataclass_fields__)
    again.close()


def _die_in_the_middle(path: Path, after: int) -> None:
    store = open_store(path)
    books = books_in(store)
    for number in range(1, 100):
        books.accounts["0xa"].available += 1
        books.deposits += 1
        store.settle()
        if number == after:
            store.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        if number % 10 == 0:
            store.commit()


@pytest.mark.parametrize("after", (5, 10, 37))
def test_a_killed_process_leaves_its_last_commit(tmp_path: Path, after: int) -> None:
    process = get_context("fork").Process(target=_die_in_the_middle, args=(tmp_path / "state", after))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    store = open_store(tmp_path / "state")
    kept = (after - 1) // 10 * 10
    books = books_in(store)
    assert (books.accounts["0xa"].available, books.deposits) == (kept, kept)
    store.close()


def test_blocks_that_keep_no_old_values_cannot_be_gone_back_over() -> None:
    store = Store(None, codec())
    for number in range(3):
        store.block = number
        store.table("t")["k"] = number
        store.end_block(number, f"0x{number}")
    assert [number for number, _ in store.blocks()] == [2, 1, 0]
    store.end_block(3, "0x3")
    assert store.blocks() == [(3, "0x3")] and store.newest() == (3, "0x3")
    for number in range(4, 4 + 2 * store_module.BLOCKS_UNDOABLE):
        store.block = number
        store.end_block(number, f"0x{number}")
    assert len(store.blocks()) == store_module.BLOCKS_UNDOABLE + 1
    store.close()


def test_a_file_that_is_no_state_is_said(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello, this is no database, and long enough to be sure of it" * 20)
    with pytest.raises(UsageError, match="state file"):
        open_store(tmp_path / "text")
    with pytest.raises(UsageError, match="state file"):
        open_store(tmp_path / "nowhere" / "state")
