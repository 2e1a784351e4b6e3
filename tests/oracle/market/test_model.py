"""The model of the market's books never makes or loses a base unit, wherever a walk takes it."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from suan.core.contract.records import KeySet, pack_outcomes
from suan.core.contract.reject_codes import RejectCode
from suan.core.signing.domains import market_domain
from suan.core.signing.structs import Verdict
from tests.oracle.market.money import MarketParameters
from tests.oracle.market.walk import Walk

PARAMETERS = MarketParameters(
    fee_bps=150, bond_bps=2_500, bond_floor_price=10**16, verification_grace=60, withdrawal_delay=90, match_window=20,
    dispute_window=40, dispute_bond=10**17,
)  # fmt: skip
STEPS = 150
VERIFIERS = KeySet(("0x" + "11" * 20,), 1, 15 * 10**18)


def walk(seed):
    return Walk(
        seed=seed, now=1_800_000_000, domain=market_domain(31337, "0x" + "5a" * 20), parameters=PARAMETERS,
        verifiers=VERIFIERS,
    )  # fmt: skip


def living_records(world):
    """Trades that have not ended: open, decided or disputed."""
    model = world.model
    for batch in world.batches:
        batch_id = batch.head.id()
        bits = model.open_bits[batch_id]
        for verdict in world.verdicts:
            if verdict.batch is batch:
                name = Verdict(batch_id, pack_outcomes(verdict.outcomes), verdict.root).struct_hash()
                bits |= model.decided.get(name, (0, 0))[0]
        for disputed, index in model.disputes:
            bits |= (disputed == batch_id) << index
        yield from (record for record in batch.records if bits & (1 << record.index))


def challengers(model):
    """Whose bonds are locked, once for each claim."""
    yield from (who for claims in model.claims.values() for who in claims.values())
    yield from (who for found in model.disputes.values() for who, _ in found.for_arbiters)


@pytest.mark.parametrize("seed", range(6))
def test_money_is_conserved_and_locks_are_those_of_living_trades_and_disputes_after_every_step(seed):
    world = walk(seed)
    for _ in range(STEPS):
        world.apply(world.next_step())
        accounts = world.model.accounts
        assert world.model.custody == sum(a.available + a.locked + a.exiting for a in accounts.values())
        assert min((n for a in accounts.values() for n in (a.available, a.locked, a.exiting)), default=0) >= 0
        locked = Counter()
        for record in living_records(world):
            locked[record.buyer] += record.payment
            locked[record.provider] += record.bond
        for challenger in challengers(world.model):
            locked[challenger] += PARAMETERS.dispute_bond
        for session in world.opened:
            locked[session.buyer] += session.ceiling  # nobody redeems here
        assert {owner: a.locked for owner, a in accounts.items() if a.locked} == {
            o: n for o, n in locked.items() if n
        }


@pytest.mark.parametrize("seed", range(6))
def test_what_an_order_has_in_trades_is_what_its_open_and_settled_trades_used(seed):
    world = walk(seed)
    for _ in range(STEPS):
        world.apply(world.next_step())
    for place, state in world.model.orders.items():
        assert 0 <= state.consumed + state.skipped.bit_count() <= state.reached or state.ended, place


def test_the_walks_reach_every_kind_of_end_and_nearly_every_reason_for_a_refusal():
    codes, results = Counter(), Counter()
    for seed in range(10):
        world = walk(seed)
        for _ in range(STEPS):
            step = world.next_step()
            answer = world.apply(step)
            results[step.name, isinstance(answer, Exception)] += 1
            if step.name == "open" and not isinstance(answer, Exception):
                codes.update(rejection.code for rejection in answer.rejections)
    assert {name for name, failed in results if not failed} == {name for name, _ in results}
    of_vouchers = {RejectCode.SESSION_NOT_OPEN, RejectCode.VOUCHER_NOT_GREATER, RejectCode.CEILING_EXCEEDED}
    # A fill of the walk names one clearing for both of its orders.
    assert set(RejectCode) - set(codes) <= {RejectCode.NONE, RejectCode.CLEARING_DIFFERS} | of_vouchers


def test_the_oracle_is_a_second_copy_and_takes_nothing_from_the_rule_that_is_held_against_it():
    oracle = (path for path in Path(__file__).parent.glob("*.py") if not path.name.startswith("test_"))
    for path in oracle:
        imported = {
            node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)
        }
        assert not {name for name in imported if str(name).startswith("suan.core.settlement")}, path
