"""The bond of a dispute: who pays whom, against the oracle of the tests and in words."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suan.core.contract.records import Outcome, OutcomeKind, Record
from suan.core.encoding import ZERO_ADDRESS, keccak
from suan.core.settlement.disputes import BondEnd, bond_end, revealed_end, without_ruling
from tests.oracle.market.money import shares

FEE_BPS, BOND = 150, 10**17
PROVIDER, BUYER, STRANGER, POOL = ("0x" + digit * 40 for digit in "abc2")
RECORD = Record(keccak(b"trade"), PROVIDER, BUYER, 0, 0, 4, 3_600_000, 10**18, 10**18, 1_800_000_000, 1, 2)
REFUND = Outcome(OutcomeKind.REFUNDED, 0, 0)
SLASH = Outcome(OutcomeKind.SLASHED, 0, 360_000)


def paid(runs: int) -> Outcome:
    return Outcome(OutcomeKind.SETTLED, runs, runs * 3_600_000)


def ends(challenger: str, decided: Outcome, becomes: Outcome, record: Record = RECORD) -> BondEnd:
    return bond_end(
        record, challenger=challenger, bond=BOND, decided=decided, becomes=becomes, fee_bps=FEE_BPS, pool=POOL
    )


@pytest.mark.parametrize(
    ("challenger", "decided", "becomes", "expected"),
    [
        (BUYER, paid(4), paid(4), BondEnd(PROVIDER, BOND, 0)),
        (STRANGER, paid(4), paid(4), BondEnd(POOL, BOND, 0)),
        (STRANGER, REFUND, REFUND, BondEnd(POOL, BOND, 0)),
        (PROVIDER, REFUND, REFUND, BondEnd(BUYER, BOND, 0)),
        (BUYER, paid(4), REFUND, BondEnd(PROVIDER, 0, BOND)),
        (BUYER, paid(4), paid(1), BondEnd(PROVIDER, 0, BOND)),
        (STRANGER, paid(4), SLASH, BondEnd(POOL, 0, BOND)),
        (PROVIDER, REFUND, paid(2), BondEnd(BUYER, 0, BOND)),
        (PROVIDER, paid(2), REFUND, BondEnd(BUYER, BOND, 0)),
        (PROVIDER, paid(2), SLASH, BondEnd(BUYER, BOND, 0)),
        (BUYER, REFUND, paid(2), BondEnd(PROVIDER, BOND, 0)),
        (PROVIDER, SLASH, REFUND, BondEnd(ZERO_ADDRESS, 0, 0)),
    ],
)
def test_the_loser_by_the_ruling_pays_and_a_wrong_challenger_loses_its_bond(
    challenger: str, decided: Outcome, becomes: Outcome, expected: BondEnd
):
    assert ends(challenger, decided, becomes) == expected


outcomes = st.sampled_from([REFUND, SLASH, Outcome(OutcomeKind.SLASHED, 0, 10**9), *map(paid, range(1, 5))])


@given(st.sampled_from([PROVIDER, BUYER, STRANGER]), outcomes, outcomes, st.integers(0, 10**19))
def test_nobody_pays_more_than_the_bond_or_than_the_close_just_gave_it(challenger, decided, becomes, bond):
    record = replace(RECORD, bond=bond)
    end = ends(challenger, decided, becomes, record)
    assert end.forfeited in (0, BOND) and 0 <= end.reward <= BOND and not (end.forfeited and end.reward)
    got = shares(record, becomes, FEE_BPS)
    purse = {PROVIDER: got.provider, BUYER: got.buyer, POOL: got.pool, ZERO_ADDRESS: 0}
    assert end.reward <= purse[end.opponent]
    assert end.opponent != challenger


def test_a_slash_of_no_bond_still_names_the_pool_as_the_one_to_pay():
    assert ends(STRANGER, paid(1), SLASH, replace(RECORD, bond=0)) == BondEnd(POOL, 0, 0)


def test_two_challengers_who_were_right_share_the_reward_and_the_dust_stays_with_the_payer():
    known = {"decided": paid(4), "becomes": paid(1), "fee_bps": FEE_BPS, "pool": POOL}
    assert bond_end(RECORD, challenger=BUYER, bond=11, shared=True, **known) == BondEnd(PROVIDER, 0, 5)
    assert bond_end(RECORD, challenger=PROVIDER, bond=11, shared=True, **known) == BondEnd(BUYER, 11, 0)


def test_a_receipt_that_is_shown_costs_its_challenger_a_tenth_for_the_gas():
    assert revealed_end(109, STRANGER) == BondEnd(STRANGER, 10, 0)


@given(st.integers(0, 3), st.booleans(), st.lists(st.integers(0, 2**40 - 1), min_size=3, max_size=3))
def test_without_a_ruling_what_lacks_a_receipt_falls_and_all_else_stands(missing, for_arbiters, times):
    claim_by, reveal_by, rule_by = sorted(times)
    found = without_ruling(
        missing=missing, for_arbiters=for_arbiters, claim_by=claim_by, reveal_by=reveal_by, rule_by=rule_by
    )
    assert found.falls == (missing > 0)
    assert found.due == (reveal_by if missing else rule_by if for_arbiters else claim_by)
