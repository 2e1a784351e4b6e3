"""The model of the market's books never makes or loses a base unit, wherever a walk takes it."""

from collections import Counter

import pytest

from suan.core.identity import keccak, market_domain
from suan.core.settlement import MarketParameters, RejectCode
from tests.core.market_walk import Walk

PARAMETERS = MarketParameters(
    fee_bps=150, bond_bps=2_500, bond_floor_price=10**16, verification_grace=60, withdrawal_delay=90
)
STEPS = 150


def walk(seed):
    return Walk(
        seed=seed, now=1_800_000_000, domain=market_domain(31337, "0x" + "5a" * 20), parameters=PARAMETERS,
        verifier_set=keccak(b"set"),
    )  # fmt: skip


def open_records(world):
    for batch in world.batches:
        bits = world.model.open_bits[batch.head.id()]
        yield from (record for record in batch.records if bits & (1 << record.index))


@pytest.mark.parametrize("seed", range(6))
def test_money_is_conserved_and_locks_are_those_of_the_open_trades_after_every_step(seed):
    world = walk(seed)
    for _ in range(STEPS):
        world.apply(world.next_step())
        accounts = world.model.accounts
        assert world.model.custody == sum(a.available + a.locked + a.exiting for a in accounts.values())
        assert min((n for a in accounts.values() for n in (a.available, a.locked, a.exiting)), default=0) >= 0
        locked = Counter()
        for record in open_records(world):
            locked[record.buyer] += record.payment
            locked[record.provider] += record.bond
        assert {owner: a.locked for owner, a in accounts.items() if a.locked} == {
            o: n for o, n in locked.items() if n
        }


@pytest.mark.parametrize("seed", range(6))
def test_what_an_order_has_in_trades_is_what_its_open_and_settled_trades_used(seed):
    world = walk(seed)
    for _ in range(STEPS):
        world.apply(world.next_step())
    for (maker, order), state in world.model.orders.items():
        assert 0 <= state.consumed <= state.peak, (maker, order.hex())


def test_the_walks_reach_every_kind_of_end_and_nearly_every_reason_for_a_refusal():
    codes, results = Counter(), Counter()
    for seed in range(6):
        world = walk(seed)
        for _ in range(STEPS):
            step = world.next_step()
            answer = world.apply(step)
            results[step.name, isinstance(answer, Exception)] += 1
            if step.name == "open" and not isinstance(answer, Exception):
                codes.update(rejection.code for rejection in answer.rejections)
    assert {name for name, failed in results if not failed} == {name for name, _ in results}
    assert set(RejectCode) - set(codes) <= {RejectCode.NONE}
