"""The fold of events into movements: held against a naive second book-keeping, whatever the history was."""

from collections import defaultdict
from dataclasses import asdict, dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suan.core.contract.records import Outcome, OutcomeKind, Record, Session
from suan.core.encoding import keccak, to_hex
from suan.core.settlement.bookkeeping import (
    AVAILABLE,
    CUSTODY_REF,
    EXITING,
    LOCKED,
    MONEY_EVENTS,
    OPENED_BY,
    Books,
    BooksDisagree,
    Ref,
    moves_of,
)
from suan.core.settlement.split import allows, check_outcome, paid_for, split, units_given_back
from suan.core.units import fee
from tests.oracle.market.money import pays, possible, shares

FEE_BPS = 150
PEOPLE = ["0x" + digit * 40 for digit in "abcd"]
TREASURY, POOL, RERUN = ("0x" + digit * 40 for digit in "123")


@dataclass(frozen=True)
class To:
    treasury: str = TREASURY
    pool: str = POOL
    rerun_account: str = RERUN


def locked_args(record: Record) -> dict:
    return asdict(record) | {"trade": to_hex(record.trade), "payment": record.payment}


def closed_args(record: Record, outcome: Outcome) -> dict:
    payout = split(record, outcome, FEE_BPS)
    return asdict(outcome) | {
        "trade": to_hex(record.trade),
        "index": record.index,
        "paid": payout.paid,
        "fee": payout.fee,
        "slashed": payout.slashed,
    }


records = st.builds(
    Record,
    trade=st.integers(0, 2**64).map(lambda n: keccak(str(n).encode())),
    provider=st.sampled_from(PEOPLE[:2]),
    buyer=st.sampled_from(PEOPLE[2:]),
    index=st.integers(0, 199),
    first_run=st.integers(0, 99),
    runs=st.integers(1, 20),
    ceiling=st.integers(1, 10**12),
    price=st.integers(0, 2**96 - 1),
    bond=st.integers(0, 2**96),
    deliver_by=st.just(1_800_000_000),
    offer_nonce=st.integers(0, 999),
    bid_nonce=st.integers(0, 999),
)
claims = st.builds(Outcome, st.integers(0, 5), st.integers(0, 25), st.integers(0, 2**64 - 1))


@st.composite
def possible_ends(draw, record: Record) -> Outcome:
    kind = draw(st.sampled_from(OutcomeKind))
    if kind == OutcomeKind.SETTLED:
        runs = draw(st.integers(1, record.runs))
        least = runs * -(-record.ceiling // 10)
        return Outcome(kind, runs, draw(st.integers(least, runs * record.ceiling)))
    return Outcome(kind, 0, draw(st.integers(0, 2**64 - 1)) if kind == OutcomeKind.SLASHED else 0)


closes = records.flatmap(lambda record: st.tuples(st.just(record), possible_ends(record)))


@given(records, claims)
def test_the_rule_allows_what_the_naive_copy_calls_possible_and_nothing_else(record: Record, claim: Outcome):
    assert allows(record, claim) == possible(record, claim)


@given(closes)
def test_a_close_divides_its_lock_as_the_naive_copy_does(close: tuple[Record, Outcome]):
    record, outcome = close
    check_outcome(record, outcome)
    payout, naive = split(record, outcome, FEE_BPS), shares(record, outcome, FEE_BPS)
    assert (payout.provider_share, payout.to_buyer) == (naive.provider, naive.buyer)
    assert (payout.fee, payout.rerun, payout.pool) == (naive.treasury, naive.rerun_account, naive.pool)
    assert (payout.paid, payout.total) == (paid_for(record, outcome), record.payment + record.bond)
    assert paid_for(record, outcome) == pays(record, outcome)
    units, runs = units_given_back(record, outcome)
    assert 0 <= units <= record.runs * record.ceiling and 0 <= runs <= record.runs


@given(records, claims)
def test_a_split_loses_nothing_even_for_an_outcome_that_only_a_liar_claims(record: Record, claim: Outcome):
    assert split(record, claim, FEE_BPS).total == record.payment + record.bond


class Naive:
    """Accounts as a child would keep them: what is added to one pocket is taken from another."""

    def __init__(self) -> None:
        self.pockets: dict[tuple[str, str], int] = defaultdict(int)
        self.custody = 0

    def put(self, who: str, kind: str, amount: int) -> None:
        self.pockets[who, kind] += amount

    def close(self, record: Record, outcome: Outcome) -> None:
        ends = shares(record, outcome, FEE_BPS)
        self.put(record.buyer, LOCKED, -record.payment)
        self.put(record.provider, LOCKED, -record.bond)
        for who, amount in (
            (record.provider, ends.provider),
            (record.buyer, ends.buyer),
            (TREASURY, ends.treasury),
            (RERUN, ends.rerun_account),
            (POOL, ends.pool),
        ):
            self.put(who, AVAILABLE, amount)


class History:
    """Draws one event after the other and tells it to the books and to the naive copy."""

    def __init__(self, draw) -> None:
        self.draw, self.books, self.naive = draw, Books(To()), Naive()
        self.trades: list[Record] = []
        self.sessions: dict[str, tuple[Session, int]] = {}
        self.bonds: list[tuple[str, int, Record]] = []

    def tell(self, name: str, subject: str, **args: object) -> None:
        self.books.apply(name, subject, args)

    def money(self) -> int:
        return self.draw(st.integers(0, 10**24))

    def deposit(self) -> None:
        who, amount = self.draw(st.sampled_from(PEOPLE)), self.money()
        self.tell("Deposited", who, account=who, amount=amount)
        self.naive.put(who, AVAILABLE, amount)
        self.naive.custody += amount

    def leave(self) -> None:
        who, amount = self.draw(st.sampled_from(PEOPLE)), self.money()
        self.tell("WithdrawalRequested", who, account=who, amount=amount)
        self.naive.put(who, AVAILABLE, -amount)
        if self.draw(st.booleans()):
            self.tell(self.draw(st.sampled_from(["Withdrawn", "Migrated"])), who, account=who, amount=amount)
            self.naive.custody -= amount
        else:
            self.naive.put(who, EXITING, amount)

    def take_back(self) -> None:
        who = self.draw(st.sampled_from(PEOPLE))
        amount = self.draw(st.integers(0, max(self.books.balance(who, EXITING), 0)))
        self.tell("WithdrawalReduced", who, account=who, amount=amount)
        self.naive.put(who, EXITING, -amount)
        self.naive.put(who, AVAILABLE, amount)

    def lock(self) -> None:
        record = self.draw(records)
        self.tell("TradeLocked", to_hex(record.trade), **locked_args(record))
        self.trades.append(record)
        for who, amount in ((record.buyer, record.payment), (record.provider, record.bond)):
            self.naive.put(who, AVAILABLE, -amount)
            self.naive.put(who, LOCKED, amount)

    def close(self) -> None:
        if self.trades:
            record = self.trades.pop()
            outcome = self.draw(possible_ends(record))
            self.tell("TradeClosed", to_hex(record.trade), **closed_args(record, outcome))
            self.naive.close(record, outcome)

    def dispute(self) -> None:
        if self.trades:
            who, bond, record = self.draw(st.sampled_from(PEOPLE)), self.money(), self.trades[-1]
            self.tell("DisputeOpened", to_hex(record.trade), challenger=who, bond=bond)
            self.naive.put(who, AVAILABLE, -bond)
            self.naive.put(who, LOCKED, bond)
            self.bonds.append((who, bond, record))

    def rule(self) -> None:
        if self.bonds:
            who, bond, record = self.bonds.pop()
            opponent, lost = self.draw(st.sampled_from([record.buyer, POOL])), self.draw(st.booleans())
            forfeited, reward = (bond, 0) if lost else (0, self.draw(st.integers(0, bond)))
            self.tell(
                "ClaimEnded", to_hex(record.trade),
                challenger=who, bond=bond, opponent=opponent, forfeited=forfeited, reward=reward,
            )  # fmt: skip
            self.naive.put(who, LOCKED, -bond)
            self.naive.put(who, AVAILABLE, bond - forfeited + reward)
            self.naive.put(opponent, AVAILABLE, forfeited - reward)

    def session(self) -> None:
        session = Session(PEOPLE[2], 1 + self.money(), PEOPLE[0], 1_800_000_000, len(self.sessions))
        name = to_hex(session.id())
        self.tell("SessionOpened", name, session=name, terms=asdict(session))
        self.sessions[name] = (session, 0)
        self.naive.put(session.buyer, EXITING, -session.ceiling)
        self.naive.put(session.buyer, LOCKED, session.ceiling)

    def redeem(self) -> None:
        if self.sessions:
            name, (session, before) = next(iter(self.sessions.items()))
            paid = self.draw(st.integers(0, session.ceiling - before))
            charged = fee(paid, FEE_BPS)
            self.tell("VoucherRedeemed", name, paid=paid, fee=charged, cumulative=before + paid)
            self.sessions[name] = (session, before + paid)
            self.naive.put(session.buyer, LOCKED, -paid)
            self.naive.put(session.provider, AVAILABLE, paid - charged)
            self.naive.put(TREASURY, AVAILABLE, charged)

    def end_session(self) -> None:
        if self.sessions:
            name, (session, paid) = self.sessions.popitem()
            self.tell("SessionClosed", name, released=session.ceiling - paid)
            self.naive.put(session.buyer, LOCKED, paid - session.ceiling)
            self.naive.put(session.buyer, AVAILABLE, session.ceiling - paid)


STEPS = (
    "deposit",
    "leave",
    "take_back",
    "lock",
    "close",
    "dispute",
    "rule",
    "session",
    "redeem",
    "end_session",
)


@given(st.lists(st.sampled_from(STEPS), max_size=40), st.data())
def test_any_history_leaves_the_books_as_the_naive_copy_has_them_and_conserves_money(steps, data):
    history = History(data.draw)
    for step in steps:
        getattr(history, step)()
        assert sum(history.books.balances.values()) == 0
    held = {ref: amount for ref, amount in history.books.balances.items() if amount and ref != CUSTODY_REF}
    assert held == {Ref(*pocket): amount for pocket, amount in history.naive.pockets.items() if amount}
    assert -history.books.balances[CUSTODY_REF] == history.naive.custody


def test_every_money_event_has_its_movements_and_names_what_it_builds_upon():
    for name in set(MONEY_EVENTS) & set(OPENED_BY):
        with pytest.raises(BooksDisagree, match=OPENED_BY[name]):
            moves_of(name, {}, None, payees=To())
    with pytest.raises(BooksDisagree, match="no money that we know of"):
        moves_of("OrderCancelled", {}, None, payees=To())


RECORD = Record(
    keccak(b"trade"), PEOPLE[0], PEOPLE[2], 0, 0, 2, 3_600_000, 10**18, 10**17, 1_800_000_000, 1, 2
)
TRADE = to_hex(RECORD.trade)


def books_with_a_lock() -> Books:
    books = Books(To())
    books.apply("TradeLocked", TRADE, locked_args(RECORD))
    return books


@pytest.mark.parametrize(
    "figures",
    [
        {"paid": 2 * 10**18 + 1},
        {"paid": 5, "fee": 6},
        {"slashed": 10**17 + 1},
    ],
)
def test_a_close_whose_parts_exceed_its_lock_is_refused_and_changes_nothing(figures: dict):
    books = books_with_a_lock()
    before = dict(books.balances)
    lie = closed_args(RECORD, Outcome(OutcomeKind.REFUNDED, 0, 0)) | figures
    with pytest.raises(BooksDisagree, match="do not sum"):
        books.apply("TradeClosed", TRADE, lie)
    assert dict(books.balances) == before
    books.apply("TradeClosed", TRADE, closed_args(RECORD, Outcome(OutcomeKind.REFUNDED, 0, 0)))
    assert books.balance(RECORD.buyer, LOCKED) == 0


def test_a_trade_is_closed_once_for_each_time_it_was_locked():
    books, close = books_with_a_lock(), closed_args(RECORD, Outcome(OutcomeKind.SETTLED, 1, 3_600_000))
    books.apply("TradeLocked", TRADE, locked_args(RECORD))
    books.apply("TradeClosed", TRADE, close)
    books.apply("TradeClosed", TRADE, close)
    with pytest.raises(BooksDisagree, match="without a TradeLocked"):
        books.apply("TradeClosed", TRADE, close)


def test_a_copy_of_the_books_goes_its_own_way():
    books = books_with_a_lock()
    copy = books.copy()
    copy.apply("TradeClosed", TRADE, closed_args(RECORD, Outcome(OutcomeKind.REFUNDED, 0, 0)))
    assert (books.balance(RECORD.buyer, LOCKED), copy.balance(RECORD.buyer, LOCKED)) == (RECORD.payment, 0)
    assert books.balance("0x" + "9" * 40, LOCKED) == 0 and len(books.balances) == 4


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("ClaimEnded", {"challenger": PEOPLE[0], "bond": 5, "opponent": POOL, "forfeited": 6, "reward": 0}),
        ("VoucherRedeemed", {"paid": 5, "fee": 6}),
        ("SessionClosed", {"released": -1}),
    ],
)
def test_an_event_that_would_move_less_than_nothing_is_refused(name: str, args: dict):
    session = Session(PEOPLE[2], 100, PEOPLE[0], 1_800_000_000, 7)
    with pytest.raises(BooksDisagree):
        moves_of(name, args, session, payees=To())


@pytest.mark.parametrize("changed", [{"ceiling": 2**200}, {"surprise": 1}])
def test_a_session_that_cannot_be_is_refused_and_changes_nothing(changed: dict):
    books = books_with_a_lock()
    before = dict(books.balances)
    terms = {
        "buyer": PEOPLE[2],
        "ceiling": 100,
        "provider": PEOPLE[0],
        "expires_at": 1_800_000_000,
        "salt": 7,
    }
    with pytest.raises(BooksDisagree, match="locks what cannot be"):
        books.apply("SessionOpened", "5e" * 32, {"terms": terms | changed})
    assert dict(books.balances) == before
