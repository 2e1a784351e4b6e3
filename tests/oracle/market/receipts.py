"""What a verdict of the walk rests on: receipts, their leaves, and what somebody shows of them."""

from __future__ import annotations

import random
from dataclasses import dataclass

from suan.core.contract.records import Outcome, ReceiptLeaf, Record, receipts_root
from suan.core.delivery.receipts import Receipt
from suan.core.encoding import ZERO_BYTES32
from suan.core.signing.domains import Domain

MISSING, ACCEPTED, REJECTED = 0, 1, 2


@dataclass(frozen=True)
class Published:
    """The leaves under the root of a verdict, and the receipts behind them by (trade, run)."""

    leaves: tuple[ReceiptLeaf, ...]
    receipts: dict[tuple[bytes, int], Receipt]

    @property
    def root(self) -> bytes:
        return receipts_root(self.leaves)

    def leaf_of(self, trade: bytes, run: int) -> ReceiptLeaf:
        (leaf,) = (leaf for leaf in self.leaves if leaf[1:3] == (trade, run))
        return leaf


@dataclass(frozen=True)
class Showing:
    """What is shown of a run, by whom; `agent` signed the receipt, `acknowledged` says that the exchange has it."""

    published: Published
    run: int
    verdict: int
    units: int
    receipt: Receipt | None
    agent: str
    revealer: str
    acknowledged: bool = False

    def leaf(self, record: Record, run: int, domain: Domain) -> ReceiptLeaf:
        """The leaf that this would be."""
        digest = ZERO_BYTES32 if self.receipt is None else self.receipt.digest(domain)
        return digest, record.trade, run, self.verdict, self.units


def published(chance: random.Random, ended: list[tuple[Record, Outcome]], domain: Domain) -> Published:
    """Leaves of all runs of the trades, mostly as their outcomes say; now and then a run that is billed has no receipt."""
    leaves, receipts = [], {}
    for record, outcome in ended:
        for place in range(record.runs):
            run, verdict, units = record.first_run + place, MISSING, 0
            if outcome.kind == 1 and place < outcome.runs_delivered and chance.random() < 0.9:
                verdict, units = ACCEPTED, chance.randint(1, record.ceiling)
            elif outcome.kind == 2 and not place:
                verdict = REJECTED
            digest = ZERO_BYTES32
            if verdict:
                receipts[record.trade, run] = receipt_of(record, run)
                digest = receipts[record.trade, run].digest(domain)
            leaves.append((digest, record.trade, run, verdict, units))
    return Published(tuple(leaves), receipts)


def receipt_of(record: Record, run: int) -> Receipt:
    """A receipt of a run; the contract looks at its trade and its run alone."""
    hashes = dict.fromkeys(("module", "input", "output", "seed"), ZERO_BYTES32)
    counters = dict.fromkeys(("fp64", "fp32", "integer", "memory_control", "fuel"), 7)
    measured = dict.fromkeys(("cpu_milliseconds", "wall_milliseconds", "peak_memory_bytes"), 9)
    return Receipt(
        trade=record.trade, run=run, **hashes, **counters, engine="engine", profile="profile", exit_reason=0,
        **measured, started_at=1, ended_at=2,
    )  # fmt: skip
