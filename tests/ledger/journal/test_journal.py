"""The books: hold, post, void, each exactly once, and never more than there is."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import DatabaseError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import journal, queries
from ledger.errors import HoldResolved, InsufficientFunds, KeyConflict, UnknownHold
from ledger.journal.rows import GENESIS, digest_of
from ledger.models import Account, Transfer
from suan.core.settlement.bookkeeping import AVAILABLE, CUSTODY_REF, LOCKED, Ref

ALICE, BOB = "0x" + "a1" * 20, "0x" + "b0" * 20


def fund(address: str, amount: int, key: str = "deposit") -> None:
    journal.move(
        [
            journal.Movement(
                debit=CUSTODY_REF, credit=Ref(address, AVAILABLE), amount=amount, key=f"{key}:{address}"
            )
        ]
    )


@pytest.mark.django_db
def test_a_hold_makes_money_unavailable_and_a_void_gives_it_back():
    fund(ALICE, 100)
    journal.hold(account=ALICE, amount=60, key="order:1")
    assert queries.balances(ALICE) == queries.Balances(available=40, held=60, locked=0, exiting=0)
    journal.void(key="order:1")
    assert queries.balances(ALICE) == queries.Balances(available=100, held=0, locked=0, exiting=0)


@pytest.mark.django_db
def test_a_post_moves_the_held_money_to_locked_and_frees_what_it_does_not_take():
    fund(ALICE, 100)
    journal.hold(account=ALICE, amount=60, key="trade:1:payment")
    journal.post(key="trade:1:payment", amount=45)
    assert queries.balances(ALICE) == queries.Balances(available=55, held=0, locked=45, exiting=0)


@pytest.mark.django_db
def test_a_hold_of_more_than_is_free_says_how_much_there_is():
    fund(ALICE, 100)
    journal.hold(account=ALICE, amount=60, key="order:1")
    with pytest.raises(InsufficientFunds) as refusal:
        journal.hold(account=ALICE, amount=41, key="order:2")
    assert (refusal.value.available, refusal.value.needed) == (40, 41)


@pytest.mark.django_db
def test_every_verb_is_idempotent_on_its_key_and_refuses_other_content():
    fund(ALICE, 100)
    fund(ALICE, 100)
    first = journal.hold(account=ALICE, amount=60, key="order:1")
    assert journal.hold(account=ALICE.upper().replace("0X", "0x"), amount=60, key="order:1") == first
    with pytest.raises(KeyConflict):
        journal.hold(account=ALICE, amount=61, key="order:1")
    with pytest.raises(KeyConflict):
        journal.hold(account=BOB, amount=60, key="order:1")
    posted = journal.post(key="order:1")
    assert journal.post(key="order:1") == posted
    assert journal.hold(account=ALICE, amount=60, key="order:1") == first
    assert queries.balances(ALICE) == queries.Balances(available=40, held=0, locked=60, exiting=0)
    with pytest.raises(KeyConflict):
        journal.move(
            [
                journal.Movement(
                    debit=CUSTODY_REF, credit=Ref(ALICE, AVAILABLE), amount=7, key=f"deposit:{ALICE}"
                )
            ]
        )


@pytest.mark.django_db
def test_many_movements_are_written_once_in_their_order_and_post_their_holds():
    fund(ALICE, 100)
    journal.hold(account=ALICE, amount=60, key="trade:1:payment")
    journal.hold(account=ALICE, amount=10, key="trade:2:payment")

    def locked(name: str, amount: int) -> journal.Movement:
        held = f"trade:{name}:payment"
        return journal.Movement(Ref(ALICE, AVAILABLE), Ref(ALICE, LOCKED), amount, f"lock:{name}", hold=held)

    back = journal.Movement(Ref(ALICE, LOCKED), Ref(BOB, AVAILABLE), 55, "close:1")
    wanted = [locked("1", 55), back, locked("2", 25), locked("3", 5)]
    assert journal.move(wanted) == 5, "the hold that was too small is let go by a row of its own"
    assert journal.move(wanted) == 0
    kinds = list(Transfer.objects.exclude(kind="hold").order_by("id").values_list("kind", "amount"))
    assert kinds == [("plain", 100), ("post", 55), ("plain", 55), ("void", 10), ("plain", 25), ("plain", 5)]
    assert queries.balances(ALICE) == queries.Balances(available=15, held=0, locked=30, exiting=0)
    assert queries.balances(BOB).available == 55


@pytest.mark.django_db
def test_of_movements_that_contradict_a_stored_one_none_is_written():
    fund(ALICE, 100)
    before = Transfer.objects.count()
    fresh = journal.Movement(Ref(ALICE, AVAILABLE), Ref(BOB, AVAILABLE), 5, "gift")
    stored = journal.Movement(CUSTODY_REF, Ref(ALICE, AVAILABLE), 99, f"deposit:{ALICE}")
    with pytest.raises(KeyConflict):
        journal.move([fresh, stored])
    with pytest.raises(ValueError, match="positive"):
        journal.move([fresh, journal.Movement(Ref(ALICE, AVAILABLE), Ref(BOB, AVAILABLE), 0, "nothing")])
    assert Transfer.objects.count() == before


@pytest.mark.django_db
def test_a_hold_is_resolved_exactly_once():
    fund(ALICE, 100)
    journal.hold(account=ALICE, amount=10, key="a")
    journal.hold(account=ALICE, amount=10, key="b")
    journal.post(key="a")
    journal.void(key="b")
    with pytest.raises(HoldResolved):
        journal.void(key="a")
    with pytest.raises(HoldResolved):
        journal.post(key="b")
    with pytest.raises(UnknownHold):
        journal.post(key="never")


@pytest.mark.django_db
def test_a_split_moves_money_between_holds_without_letting_it_go():
    fund(ALICE, 100)
    journal.hold(account=ALICE, amount=100, key="order:1")
    parts = {"trade:1:payment": 30, "trade:2:payment": 20}
    journal.split(key="order:1", parts=parts, rest=40)
    journal.split(key="order:1", parts=parts, rest=40)
    assert queries.balances(ALICE) == queries.Balances(available=10, held=90, locked=0, exiting=0)
    journal.resize(key="order:1", amount=50)
    assert queries.balances(ALICE).available == 0
    with pytest.raises(InsufficientFunds):
        journal.resize(key="order:1", amount=51)
    assert journal.pending_hold(key="order:1").amount == 50
    journal.resize(key="order:1", amount=0)
    journal.resize(key="order:1", amount=5)
    assert queries.balances(ALICE) == queries.Balances(available=45, held=55, locked=0, exiting=0)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement", ["UPDATE ledger_transfer SET amount = amount + 1", "DELETE FROM ledger_transfer"]
)
def test_the_database_refuses_to_change_or_delete_a_transfer(statement: str):
    fund(ALICE, 100)
    with (
        pytest.raises(DatabaseError, match="is refused"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert Transfer.objects.get().amount == 100


@pytest.mark.django_db
@pytest.mark.parametrize("amount", [0, -1, True, 1.0, "1"])
def test_an_amount_is_a_positive_whole_number(amount: object):
    with pytest.raises(ValueError, match="positive whole number"):
        journal.hold(account=ALICE, amount=amount, key="order:1")


@pytest.mark.django_db
def test_amounts_above_64_bits_are_exact():
    fund(ALICE, 2**128 - 1)
    journal.hold(account=ALICE, amount=2**128 - 2, key="order:1")
    assert queries.balances(ALICE) == queries.Balances(available=1, held=2**128 - 2, locked=0, exiting=0)


@pytest.mark.django_db(transaction=True)
def test_concurrent_holds_never_take_more_than_there_is():
    fund(ALICE, 1000)

    def attempt(number: int) -> bool:
        try:
            journal.hold(account=ALICE, amount=90, key=f"order:{number}")
        except InsufficientFunds:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(attempt, range(32)))
    assert sum(taken) == 11
    assert queries.balances(ALICE) == queries.Balances(available=10, held=990, locked=0, exiting=0)


@pytest.mark.django_db(transaction=True)
def test_the_same_hold_from_many_threads_is_made_once():
    fund(ALICE, 1000)

    def attempt(_: int) -> int:
        try:
            return journal.hold(account=ALICE, amount=90, key="order:1").pk
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(attempt, range(24)))) == 1
    assert queries.balances(ALICE).held == 90


@pytest.mark.django_db(transaction=True)
def test_post_and_void_race_for_a_hold_and_one_of_them_wins():
    fund(ALICE, 1000)
    journal.hold(account=ALICE, amount=90, key="order:1")

    def attempt(number: int) -> str:
        try:
            (journal.post if number % 2 else journal.void)(key="order:1")
            return "post" if number % 2 else "void"
        except HoldResolved:
            return "refused"
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        outcomes = set(pool.map(attempt, range(16)))
    assert len(outcomes - {"refused"}) == 1
    assert Transfer.objects.filter(resolves__isnull=False).count() == 1
    assert queries.balances(ALICE).held == 0


VERBS = st.sampled_from(["hold", "post", "void", "resize", "deposit", "split"])
STEPS = st.lists(
    st.tuples(VERBS, st.sampled_from([ALICE, BOB]), st.integers(1, 5), st.integers(1, 60)), max_size=25
)


@pytest.mark.django_db
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_is_done_the_books_balance_and_nothing_free_is_negative(steps):
    with transaction.atomic():
        for position, (verb, address, number, amount) in enumerate(steps):
            key = f"{address}:{number}"
            try:
                if verb == "hold":
                    journal.hold(account=address, amount=amount, key=key)
                elif verb == "post":
                    journal.post(key=key)
                elif verb == "void":
                    journal.void(key=key)
                elif verb == "resize":
                    journal.resize(key=key, amount=amount)
                elif verb == "split":
                    journal.split(key=key, parts={f"{key}:{position}": amount}, rest=number)
                else:
                    fund(address, amount, key=str(position))
            except (InsufficientFunds, KeyConflict, UnknownHold, HoldResolved):
                pass
            rows = list(Account.objects.all())
            assert sum(row.posted for row in rows) == 0
            for row in rows:
                assert row.kind == "custody" or (row.posted >= 0 and row.free >= 0)
                pending = Transfer.objects.filter(debit=row, kind="hold", resolution=None)
                assert row.debits_pending == sum(hold.amount for hold in pending)
        heads = {}
        for row in Transfer.objects.select_related("debit", "credit", "resolves").order_by("id"):
            assert row.digest == digest_of(row)
            for account, link in ((row.debit_id, row.debit_previous), (row.credit_id, row.credit_previous)):
                assert heads.get(account, GENESIS) == link
                heads[account] = row.digest
        assert LOCKED not in {row.kind for row in Account.objects.filter(address=CUSTODY_REF.address)}
        transaction.set_rollback(True)
