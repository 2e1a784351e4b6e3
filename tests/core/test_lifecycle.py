"""The one table of states: complete, connected, and strict."""

import pytest

from suan.core.contract.records import OutcomeKind
from suan.core.lifecycle import (
    LIFECYCLE,
    ForbiddenTransition,
    Kind,
    Money,
    advance,
    allowed_from,
    is_end,
    states,
)
from suan.core.settlement.money_outcomes import TRADE_ENDS

STATES = {
    Kind.ORDER: "new partially_filled filled canceled expired rejected",
    Kind.TRADE: "matched locking locked delivered verified closing settled refunded slashed rejected",
    Kind.RUN: "waiting leased delivered verified failed",
    Kind.RECEIPT: "submitted accepted rejected",
    Kind.BATCH: "planned sent included final failed",
    Kind.TRANSACTION: "planned signed sent included final failed",
    Kind.FINALITY: "pending included safe final orphaned",
}
EVERY = [(kind, name) for kind in Kind for name in states(kind)]


@pytest.mark.parametrize("kind", list(Kind))
def test_the_states_are_those_of_the_protocol(kind):
    assert " ".join(states(kind)) == STATES[kind]


@pytest.mark.parametrize("kind", list(Kind))
def test_every_state_can_be_reached_from_the_first(kind):
    reached, frontier = {states(kind)[0]}, [states(kind)[0]]
    while frontier:
        for following in allowed_from(kind, frontier.pop()) - reached:
            reached.add(following)
            frontier.append(following)
    assert reached == set(states(kind))


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_every_transition_leads_to_a_state_that_exists_and_no_other_is_allowed(kind, name):
    for other in states(kind):
        if other in allowed_from(kind, name):
            assert advance(kind, name, other) == other
        else:
            with pytest.raises(ForbiddenTransition) as refused:
                advance(kind, name, other)
            assert (refused.value.kind, refused.value.before, refused.value.after) == (kind, name, other)
    assert allowed_from(kind, name) <= set(states(kind))


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_every_state_names_its_owner_its_deadline_and_its_money(kind, name):
    [entry] = [entry for entry in LIFECYCLE[kind] if entry.name == name]
    assert entry.meaning and entry.owner and entry.deadline
    assert isinstance(entry.money, Money)
    assert not set(entry.next) & set(entry.reorg)


@pytest.mark.parametrize("kind", list(Kind))
def test_from_every_state_an_end_can_be_reached_so_that_nothing_waits_for_ever(kind):
    ends = {name for name in states(kind) if is_end(kind, name)}
    for name in states(kind):
        reached, frontier = {name}, [name]
        while frontier:
            for following in allowed_from(kind, frontier.pop()) - reached:
                reached.add(following)
                frontier.append(following)
        assert reached & ends


def test_ends_are_where_money_has_come_to_rest():
    ends = {name for name in states("trade") if is_end("trade", name)}
    assert ends == {"settled", "refunded", "slashed", "rejected"}
    assert {name for name in states("order") if is_end("order", name)} == {"canceled", "expired", "rejected"}


def test_every_open_state_of_a_trade_has_a_money_outcome_for_its_timeout():
    open_states = {name for name in states("trade") if not is_end("trade", name)}
    assert {end.state for end in TRADE_ENDS} == open_states
    locked = {"locked", "delivered", "verified", "closing"}
    assert locked == {end.state for end in TRADE_ENDS if end.kind is not None}
    assert {end.kind for end in TRADE_ENDS} == {None, *OutcomeKind}


def test_an_unknown_name_is_an_error_of_ours():
    with pytest.raises(KeyError):
        advance("order", "new", "eaten")
    with pytest.raises(KeyError):
        advance("order", "eaten", "new")
    with pytest.raises(ValueError):
        advance("dinner", "new", "filled")


def test_a_final_fact_is_never_undone():
    assert allowed_from("finality", "final") == allowed_from("transaction", "final") == frozenset()
