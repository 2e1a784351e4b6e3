"""From verified runs to money: nothing is lost, nothing is invented, and each rule has its payer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suan.core.contract.proving import prove_records
from suan.core.contract.records import (
    Outcome,
    OutcomeKind,
    ReceiptVerdict,
    Record,
    batch_head,
    batch_tree,
    pack_outcomes,
    receipts_root,
    trade_id,
    unpack_outcomes,
    verifier_set_id,
)
from suan.core.delivery.receipts import ExitReason
from suan.core.encoding import keccak
from suan.core.lifecycle import Kind, is_end
from suan.core.merkle import verify, verify_multiproof
from suan.core.settlement.money_outcomes import RUN_ENDS, TRADE_ENDS
from suan.core.settlement.outcomes import VerifiedRun, outcome_of
from suan.core.settlement.split import (
    END_STATES,
    InvalidOutcome,
    allows,
    check_outcome,
    split,
    units_given_back,
)
from suan.core.units import bond, bond_price, minimum_units

FEE_BPS = 150
A, B = "0x" + "aa" * 20, "0x" + "bb" * 20


def record(runs=3, ceiling=1_000, price=10**18, first_run=4, index=0):
    return Record(
        trade=keccak(bytes([index])), provider=A, buyer=B, index=index, offer_nonce=5, bid_nonce=9,
        first_run=first_run, runs=runs, ceiling=ceiling, price=price,
        bond=bond(bond_price(price, 2_500, 10**15), runs * ceiling), deliver_by=1_800_000_000,
    )  # fmt: skip


records = st.builds(
    record, st.integers(1, 20), st.integers(1, 10**12), st.integers(0, 2**96 - 1), st.integers(0, 10_000)
)
verdicts = st.sampled_from(ReceiptVerdict)
reasons = st.sampled_from(ExitReason)


@st.composite
def verified_trades(draw, verdict=verdicts):
    trade = draw(records)
    runs = [
        VerifiedRun(
            trade.first_run + i, draw(verdict), draw(reasons), draw(st.integers(0, 2 * trade.ceiling))
        )
        for i in range(trade.runs)
    ]
    return trade, draw(st.permutations(runs))


@given(verified_trades())
def test_whatever_the_runs_were_the_contract_accepts_the_outcome_and_no_base_unit_is_lost(verified):
    trade, runs = verified
    payout = split(trade, outcome_of(trade, runs), FEE_BPS)
    assert payout.total == trade.payment + trade.bond
    assert (
        min(payout.to_provider, payout.fee, payout.to_buyer, payout.bond_back, payout.rerun, payout.pool) >= 0
    )
    assert payout.fee * 10_000 <= payout.paid * FEE_BPS


@given(verified_trades())
def test_one_confirmed_false_receipt_and_nothing_else_slashes_the_trade(verified):
    trade, runs = verified
    outcome = outcome_of(trade, runs)
    assert (outcome.kind == OutcomeKind.SLASHED) == any(r.verdict == ReceiptVerdict.REJECTED for r in runs)
    if outcome.kind == OutcomeKind.SLASHED:
        payout = split(trade, outcome, FEE_BPS)
        assert (payout.to_provider, payout.fee, payout.bond_back) == (0, 0, 0)
        assert payout.to_buyer == trade.payment
        assert payout.rerun + payout.pool == trade.bond


@given(verified_trades(st.sampled_from([v for v in ReceiptVerdict if v != ReceiptVerdict.REJECTED])))
def test_every_delivered_run_is_billed_within_its_bounds_and_no_other_one(verified):
    trade, runs = verified
    outcome = outcome_of(trade, runs)
    billed = [run for run in runs if run.verdict == ReceiptVerdict.ACCEPTED and run.exit_reason.delivers]
    least = minimum_units(trade.ceiling)
    assert outcome.runs_delivered == len(billed)
    assert outcome.units == sum(max(min(run.counted, trade.ceiling), least) for run in billed)
    assert (outcome.kind == OutcomeKind.SETTLED) == bool(billed)
    units, back = units_given_back(trade, outcome)
    assert (units + outcome.units, back + outcome.runs_delivered) == (trade.runs * trade.ceiling, trade.runs)


@pytest.mark.parametrize("end", RUN_ENDS, ids=lambda end: end.name)
def test_the_table_of_run_outcomes_is_what_is_billed(end):
    run = VerifiedRun(4, end.verdict, end.exit_reason or ExitReason.OK, 600)
    outcome = outcome_of(record(runs=1), [run])
    assert (outcome.kind == OutcomeKind.SETTLED) == end.billed
    assert outcome.units == (600 if end.billed or end.verdict == ReceiptVerdict.REJECTED else 0)
    assert (outcome.kind == OutcomeKind.SLASHED) == (end.verdict == ReceiptVerdict.REJECTED)


def test_the_table_of_run_outcomes_leaves_out_no_exit_reason_and_no_verdict():
    assert {end.exit_reason for end in RUN_ENDS} == {None, *ExitReason}
    assert {end.verdict for end in RUN_ENDS} == set(ReceiptVerdict)


@pytest.mark.parametrize(
    "end", [end for end in TRADE_ENDS if end.kind is not None], ids=lambda end: end.event
)
def test_the_table_of_trade_outcomes_says_who_is_paid(end):
    trade = record()
    examples = (Outcome(end.kind, 2, 1_500), Outcome(end.kind, 0, 3_000), Outcome(end.kind, 0, 0))
    outcome = next(outcome for outcome in examples if allows(trade, outcome))
    payout = split(trade, outcome, FEE_BPS)
    assert (payout.to_buyer == trade.payment) == (end.buyer == "whole lock")
    assert (payout.bond_back == trade.bond) == ("bond back" in end.provider)
    assert (payout.paid > 0) == ("payment" in end.provider)
    assert (payout.slashed > 0) == ("pool" in end.others)
    assert (units_given_back(trade, outcome) == (3_000, 3)) == end.quantity.startswith("all units")


def test_every_kind_of_end_leads_to_a_state_in_which_a_trade_rests():
    assert set(END_STATES) == set(OutcomeKind)
    assert all(is_end(Kind.TRADE, state) for state in END_STATES.values())


def test_a_ceiling_is_no_free_reservation_and_never_exceeded():
    trade = record(runs=3)
    runs = [
        VerifiedRun(4 + i, ReceiptVerdict.ACCEPTED, ExitReason.OK, counted)
        for i, counted in enumerate((1, 500, 9_999))
    ]
    assert outcome_of(trade, runs) == Outcome(OutcomeKind.SETTLED, 3, 100 + 500 + 1_000)


def test_a_missing_run_of_a_delivered_trade_returns_to_the_bid():
    trade = record(runs=2)
    runs = [VerifiedRun(4, ReceiptVerdict.ACCEPTED, ExitReason.OK, 700), VerifiedRun.missing(5)]
    outcome = outcome_of(trade, runs)
    assert outcome == Outcome(OutcomeKind.SETTLED, 1, 700)
    assert units_given_back(trade, outcome) == (1_300, 1)


@pytest.mark.parametrize("numbers", [[], [4], [4, 5, 6, 7], [4, 4, 5], [3, 4, 5]])
def test_an_outcome_needs_every_run_of_the_trade_exactly_once(numbers):
    with pytest.raises(ValueError, match="exactly once"):
        outcome_of(record(), [VerifiedRun.missing(number) for number in numbers])


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(1, 0, 0),
        Outcome(1, 4, 400),
        Outcome(1, 2, 199),
        Outcome(1, 2, 2_001),
        Outcome(0, 1, 0),
        Outcome(0, 0, 1),
        Outcome(2, 1, 5),
        Outcome(3, 0, 0),
    ],
)
def test_an_outcome_that_the_contract_refuses_is_refused_here(outcome):
    with pytest.raises(InvalidOutcome):
        check_outcome(record(), outcome)


def test_the_rerun_is_paid_out_of_the_bond_and_never_more_than_it():
    trade = record(price=10**18)
    cheap = split(trade, Outcome(2, 0, 36), FEE_BPS)
    assert (cheap.rerun, cheap.pool) == (10**13, trade.bond - 10**13)
    dear = split(trade, Outcome(2, 0, 2**63), FEE_BPS)
    assert (dear.rerun, dear.pool) == (trade.bond, 0)


@given(st.integers(1, 200), st.data())
def test_any_records_of_a_batch_are_closed_together_in_ascending_order(count, data):
    batch = [record(index=0)] if count == 1 else [record(first_run=i, index=i) for i in range(min(count, 40))]
    chosen = data.draw(st.lists(st.integers(0, len(batch) - 1), min_size=1, unique=True))
    proven = prove_records(batch, chosen)
    assert [r.index for r in proven.records] == sorted(chosen)
    leaves = [r.leaf() for r in proven.records]
    head = batch_head(1, bytes(32), batch)
    if len(chosen) == len(batch):
        assert (proven.proof, proven.proof_flags) == ((), ())
    else:
        assert verify_multiproof(head.root, leaves, proven.proof, proven.proof_flags)
    assert verify(head.root, batch[chosen[0]].leaf(), batch_tree(batch).proof(chosen[0]))


def test_a_batch_whose_records_are_out_of_order_is_refused():
    with pytest.raises(ValueError, match="index is 1"):
        batch_head(1, bytes(32), [record(index=1), record(index=0)])
    with pytest.raises(ValueError):
        batch_head(1, bytes(32), [])


def test_ids_depend_on_everything_they_name():
    words = [keccak(bytes([i])) for i in range(3)]
    ids = {trade_id(words[0], words[1], 0, words[2]), trade_id(words[1], words[0], 0, words[2])}
    ids |= {trade_id(words[0], words[1], 1, words[2]), trade_id(words[0], words[1], 0, words[0])}
    assert len(ids) == 4


outcomes = st.builds(Outcome, st.integers(0, 255), st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1))


@given(st.dictionaries(st.integers(0, 199), outcomes))
def test_outcomes_are_read_back_as_they_were_packed_in_fourteen_bytes_each(named):
    listed = sorted(named.items())
    data = pack_outcomes(listed)
    assert (len(data), unpack_outcomes(data)) == (14 * len(named), listed)


def test_outcomes_out_of_order_twice_or_cut_off_are_refused():
    end = Outcome(0, 0, 0)
    for listed in ([(2, end), (1, end)], [(1, end), (1, end)]):
        with pytest.raises(ValueError, match="ascending"):
            pack_outcomes(listed)
    with pytest.raises(ValueError, match="14 bytes"):
        unpack_outcomes(bytes(15))


def test_a_verifier_set_has_one_id_whatever_the_order_of_its_members():
    assert verifier_set_id([A, B], 2, 5) == verifier_set_id([B, A.upper().replace("X", "x")], 2, 5)
    for members, threshold in (([], 1), ([A, A], 1), ([A], 2), ([A], 0)):
        with pytest.raises(ValueError):
            verifier_set_id(members, threshold, 5)


def test_every_run_has_exactly_one_leaf_in_the_receipts_tree():
    trade = keccak(b"trade")
    leaves = [(keccak(b"receipt"), trade, 0, 1, 360), (bytes(32), trade, 1, 0, 0)]
    assert receipts_root(leaves) == receipts_root(leaves[::-1])
    with pytest.raises(ValueError, match="exactly one leaf"):
        receipts_root([*leaves, (bytes(32), trade, 0, 0, 0)])
    with pytest.raises(ValueError):
        receipts_root([])
