"""The faults of a chaos run, chosen by a seed before it begins: what happens after which bid. Pure.

Moments are counted in bids, never in seconds, so that the same seed gives the same plan on every machine. Kills fall on
all processes in turn, in an order that the seed shuffles; every depth of a reorganisation occurs before one is repeated.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from operations.chaos.proxy import (
    CutAfter,
    CutBefore,
    Delay,
    Fault,
    Garbage,
    LoseAnswer,
    Result,
    already_known,
    underpriced,
)

T = TypeVar("T")
KILL, REORG, DEEP_REORG, FLUSH, NODE = "kill", "reorg", "deep reorg", "flush", "node"
DEEPER_THAN_FINAL = 3
REORG_MARGIN = 2
"""A depth stays so far below N: the node may have mined blocks between our look and the reorganisation."""
FLUSHES = 2
QUIET_PART = 20
"""Nothing happens before the first bids, one in so many, are in the book."""
LOST_SECONDS, LATE_SECONDS = 6.0, 1.5
NODE_FAULT_TIMES_MAX = 3
# What a node, or the way to it, does wrong: JSON-RPC method and how the call goes wrong.
NODE_FAULTS: dict[str, tuple[str, Fault]] = {
    "timeout after acceptance": ("eth_sendRawTransaction", LoseAnswer(LOST_SECONDS)),
    "connection cut after acceptance": ("eth_sendRawTransaction", CutAfter()),
    "connection cut before": ("eth_sendRawTransaction", CutBefore()),
    "already known": ("eth_sendRawTransaction", already_known(accepted=True)),
    "already known, but dropped": ("eth_sendRawTransaction", already_known()),
    "underpriced": ("eth_sendRawTransaction", underpriced()),
    "no logs of a lagging node": ("eth_getLogs", Result([])),
    "no receipt of a lagging node": ("eth_getTransactionReceipt", Result(None)),
    "no block of a lagging node": ("eth_getBlockByNumber", Result(None)),
    "an old nonce of a lagging node": ("eth_getTransactionCount", Result("0x0")),
    "slow": ("eth_getBlockByNumber", Delay(LATE_SECONDS)),
    "a page in place of JSON": ("eth_estimateGas", Garbage()),
}


@dataclass(frozen=True)
class Blow:
    """One fault. `after`: it falls when so many bids are in the book. `target`: a process, or a name of NODE_FAULTS.

    `depth` of a reorganisation in blocks; `keeps`: its transactions are in the new branch again, other blocks apart.
    `times`: so many calls to the node go wrong.
    """

    after: int
    kind: str
    target: str = ""
    depth: int = 0
    keeps: bool = False
    times: int = 1

    def __str__(self) -> str:
        parts = {
            KILL: f"kill -9 {self.target}",
            REORG: f"reorg of {self.depth} blocks{', transactions kept' if self.keeps else ''}",
            DEEP_REORG: f"reorg of {self.depth} blocks, deeper than final",
            FLUSH: "FLUSHALL",
            NODE: f"the node's answers: {self.target}, {self.times} times",
        }
        return parts[self.kind]


def plan(
    *,
    seed: int,
    bids: int,
    kills: int,
    reorgs: int,
    victims: Sequence[str],
    confirmations: int,
    deep: bool = True,
) -> tuple[Blow, ...]:
    """All blows in the order in which they fall, spread over the bids.

    confirmations: N of the deployment; ordinary reorganisations go N - REORG_MARGIN blocks deep at most. `deep`: one
    goes DEEPER_THAN_FINAL blocks below the final block, in the second half. Two flushes of the broker, and each fault
    of NODE_FAULTS at least once when there are as many as kills.
    """
    chance = random.Random(seed)  # noqa: S311 - the seed is to be reproduced, not to be secret
    depths = list(range(1, confirmations - REORG_MARGIN + 1))
    node_faults = min(max(kills // 2, 1), 4 * len(NODE_FAULTS))
    wanted = [
        *(Blow(0, KILL, victim) for victim in _in_turn(victims, kills, chance)),
        *(
            Blow(0, REORG, depth=depth, keeps=chance.random() < 1 / 3)
            for depth in _in_turn(depths, reorgs, chance)
        ),
        *(
            Blow(0, NODE, name, times=chance.randint(1, NODE_FAULT_TIMES_MAX))
            for name in _in_turn(list(NODE_FAULTS), node_faults, chance)
        ),
        *(Blow(0, FLUSH) for _ in range(FLUSHES)),
    ]
    chance.shuffle(wanted)
    if deep:
        place = chance.randint(len(wanted) // 2, len(wanted) * 3 // 4)
        wanted.insert(place, Blow(0, DEEP_REORG, depth=confirmations + DEEPER_THAN_FINAL))
    first = bids // QUIET_PART
    moments = sorted(chance.randint(first, bids) for _ in wanted)
    return tuple(replace(blow, after=at) for blow, at in zip(wanted, moments, strict=True))


def _in_turn(things: Sequence[T], count: int, chance: random.Random) -> list[T]:
    """`count` of the things: all of them, shuffled, then all of them again."""
    chosen: list[T] = []
    while len(chosen) < count and things:
        chosen += chance.sample(things, len(things))
    return chosen[:count]
