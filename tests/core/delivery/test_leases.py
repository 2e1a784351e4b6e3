"""Leases: nobody who is heard loses a run, nobody who is gone keeps one, and time ends everything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suan.core.contract.deadlines import refund_after
from suan.core.delivery.leases import (
    LeaseRules,
    OpenRun,
    Step,
    delivers_in_time,
    is_lost,
    lease_expiry,
    may_lease,
    sweep,
)

RULES = LeaseRules(lease_seconds=10, silence_seconds=40)
DUE = 1_000
times = st.integers(0, 2_000)


def step(*, now, heard_at, lease_expires_at=None, listening_since=0, deliver_by=DUE):
    run = OpenRun(deliver_by, heard_at, lease_expires_at)
    return sweep(run, now=now, listening_since=listening_since, rules=RULES).step


def test_a_lease_is_kept_while_it_lives_and_renewed_while_its_agent_is_heard():
    assert step(now=509, heard_at=500, lease_expires_at=510) is Step.KEEP
    assert step(now=510, heard_at=505, lease_expires_at=510) is Step.RENEW
    assert step(now=515, heard_at=505, lease_expires_at=510) is Step.RELEASE


def test_a_renewed_lease_counts_from_when_the_agent_was_heard_and_ends_with_deliver_by():
    decision = sweep(OpenRun(DUE, 505, 510), now=510, listening_since=0, rules=RULES)
    assert decision.expires_at == 515
    assert lease_expiry(995, deliver_by=DUE, rules=RULES) == DUE


def test_a_silent_agent_is_lost_whether_its_run_waits_or_is_leased():
    assert step(now=539, heard_at=500) is Step.KEEP
    assert step(now=540, heard_at=500) is Step.FAIL_LOST
    assert step(now=540, heard_at=500, lease_expires_at=545) is Step.FAIL_LOST


def test_nobody_is_silent_while_the_exchange_was_down():
    assert step(now=900, heard_at=500, listening_since=890) is Step.KEEP
    assert step(now=930, heard_at=500, listening_since=890) is Step.FAIL_LOST


def test_deliver_by_ends_a_run_whoever_holds_it_but_its_last_second_still_counts():
    assert step(now=DUE, heard_at=DUE) is Step.KEEP
    assert step(now=DUE + 1, heard_at=DUE + 1, lease_expires_at=DUE + 9) is Step.FAIL_LATE
    assert delivers_in_time(DUE, DUE) and not delivers_in_time(DUE + 1, DUE)


@given(times, times, st.none() | times, times)
def test_a_run_that_can_still_be_delivered_never_fails_for_being_late(now, heard_at, lease, listening):
    decision = sweep(OpenRun(DUE, heard_at, lease), now=now, listening_since=listening, rules=RULES)
    assert (decision.step is Step.FAIL_LATE) == (not delivers_in_time(now, DUE))
    if decision.step in (Step.FAIL_LATE, Step.FAIL_LOST):
        assert decision.reason
    if decision.step is Step.RENEW:
        assert now < decision.expires_at <= DUE


@given(times, times, times, st.integers(0, 500))
def test_who_is_lost_stays_lost_and_being_heard_never_makes_it_worse(heard_at, listening, now, later):
    if is_lost(heard_at, now=now, listening_since=listening, rules=RULES):
        assert is_lost(heard_at, now=now + later, listening_since=listening, rules=RULES)
    else:
        assert not is_lost(heard_at + later, now=now, listening_since=listening, rules=RULES)


def test_a_run_is_handed_out_only_before_its_time():
    assert may_lease(DUE, now=DUE - 1) and not may_lease(DUE, now=DUE)


def test_refunds_begin_after_the_grace():
    assert refund_after(DUE, 60) == 1_060


@pytest.mark.parametrize(("lease", "silence"), [(0, 5), (5, 5), (6, 5), (-1, 5)])
def test_a_silence_must_be_longer_than_a_lease(lease, silence):
    with pytest.raises(ValueError):
        LeaseRules(lease, silence)
