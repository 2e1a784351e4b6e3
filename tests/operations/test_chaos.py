"""A small storm: what `make chaos` does to a thousand trades, done to two dozen."""

from collections import Counter
from pathlib import Path

import pytest

from operations import chaos
from operations.faults import DEEP_REORG, KILL, REORG, plan

pytestmark = [pytest.mark.slow, pytest.mark.chain]
BIDS, KILLS, REORGS, SEED = 24, 6, 3, 5


def test_a_market_in_a_small_storm_loses_nothing_and_pays_nothing_twice(tmp_path: Path) -> None:
    blows = plan(
        seed=SEED,
        bids=BIDS,
        kills=KILLS,
        reorgs=REORGS,
        victims=chaos.victims(),
        confirmations=chaos.CONFIRMATIONS,
    )
    found = chaos.run(tmp_path / "chaos", seed=SEED, bids=BIDS, blows=blows)
    assert found["failures"] == []
    assert found["trades"] >= BIDS
    assert found["kills"] == Counter(blow.target for blow in blows if blow.kind == KILL)
    assert sum(found["reorgs_asked"].values()) == sum(blow.kind in (REORG, DEEP_REORG) for blow in blows)
    assert found["fresh_index"]["equal"] and found["fresh_index"]["lines"] > 4 * BIDS
    assert len(found["halts"]) == 1
