"""The plan of a chaos run: the seed decides it, and it holds everything that was asked for."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from operations.chaos import faults
from operations.chaos.faults import DEEP_REORG, FLUSH, KILL, NODE, NODE_FAULTS, REORG, plan

VICTIMS = ("postgres", "valkey", "anvil", "web", "worker", "sender")


def planned(seed: int, kills: int = 100, reorgs: int = 30, bids: int = 1_000):
    return plan(seed=seed, bids=bids, kills=kills, reorgs=reorgs, victims=VICTIMS, confirmations=12)


def test_the_same_seed_gives_the_same_plan_and_another_seed_another_one() -> None:
    assert planned(7) == planned(7)
    assert planned(7) != planned(8)


@given(
    seed=st.integers(0, 2**32),
    kills=st.integers(1, 200),
    reorgs=st.integers(1, 60),
    bids=st.integers(20, 2_000),
)
def test_a_plan_holds_what_was_asked_for_in_the_order_of_its_bids(
    seed: int, kills: int, reorgs: int, bids: int
) -> None:
    blows = planned(seed, kills, reorgs, bids)
    counts = Counter(blow.kind for blow in blows)
    assert (counts[KILL], counts[REORG], counts[FLUSH], counts[DEEP_REORG]) == (
        kills,
        reorgs,
        faults.FLUSHES,
        1,
    )
    assert [blow.after for blow in blows] == sorted(blow.after for blow in blows)
    assert all(bids // faults.QUIET_PART <= blow.after <= bids for blow in blows)
    killed = Counter(blow.target for blow in blows if blow.kind == KILL)
    assert max(killed.values()) - min(killed[name] for name in VICTIMS) <= 1
    depths = Counter(blow.depth for blow in blows if blow.kind == REORG)
    assert all(1 <= depth <= 10 for depth in depths)
    assert max(depths.values()) - min(depths[depth] for depth in range(1, 11)) <= 1


def test_a_hundred_kills_bring_every_process_every_depth_and_every_fault_of_a_node() -> None:
    blows = planned(1)
    assert {blow.target for blow in blows if blow.kind == KILL} == set(VICTIMS)
    assert {blow.depth for blow in blows if blow.kind == REORG} == set(range(1, 11))
    assert {blow.target for blow in blows if blow.kind == NODE} == set(NODE_FAULTS)
    assert {blow.keeps for blow in blows if blow.kind == REORG} == {True, False}


def test_one_reorganisation_is_deeper_than_final_and_falls_in_the_second_half() -> None:
    blows = planned(3)
    place = next(number for number, blow in enumerate(blows) if blow.kind == DEEP_REORG)
    assert blows[place].depth == 15
    assert place >= len(blows) // 2 - 1
    assert not any(
        blow.kind == DEEP_REORG
        for blow in plan(seed=3, bids=100, kills=5, reorgs=2, victims=VICTIMS, confirmations=12, deep=False)
    )
