"""The books as an auditor rebuilds them: accounts, orders, batches and keys, folded from events alone."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from suan.core.records import BatchHead, Record

Json = dict[str, Any]


@dataclass(frozen=True)
class Parameters:
    """Immutable figures of a Market contract, read from it."""

    chain_id: int
    market: str
    registry: str
    token: str
    treasury: str
    pool: str
    rerun_account: str
    fee_bps: int
    bond_bps: int
    bond_floor_price: int
    verification_grace: int
    withdrawal_delay: int


@dataclass
class Account:
    """Base units of one address inside the Market."""

    available: int = 0
    locked: int = 0
    exiting: int = 0


@dataclass
class OrderUse:
    """How much of a signed order the contract counts as used, the most it ever was, and when it was cancelled (unix)."""

    consumed: int = 0
    peak: int = 0
    cancelled: bool = False
    cancelled_at: int = 0


@dataclass
class TradeView:
    """One locked trade: its record, where it was locked, and how it was closed."""

    record: Record
    clearing: str
    block: int
    tx_hash: str
    batch: str = ""
    attested: tuple[int, int] | None = None
    closed: Json | None = None


@dataclass
class Books:
    """Everything that the events say, in chain order."""

    accounts: dict[str, Account] = field(default_factory=lambda: defaultdict(Account))
    uses: dict[tuple[str, str], OrderUse] = field(default_factory=lambda: defaultdict(OrderUse))
    trades: dict[str, TradeView] = field(default_factory=dict)
    batches: dict[str, BatchHead] = field(default_factory=dict)
    open_bits: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    clearings: dict[str, Json] = field(default_factory=dict)
    rejected_fills: dict[str, int] = field(default_factory=dict)
    seals: list[Json] = field(default_factory=list)
    verifier_sets: dict[str, tuple[list[str], int]] = field(default_factory=dict)
    agents: dict[tuple[str, str], list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    delegates: dict[tuple[str, str, int], Json] = field(default_factory=dict)
    spent: dict[tuple[str, str, int], int] = field(default_factory=lambda: defaultdict(int))
    operator: str = ""
    deposits: int = 0
    withdrawals: int = 0

    def agent_at(self, owner: str, key: str, block: int, at: int) -> bool:
        """Whether `key` was a registered agent key of `owner` at a block, and valid at unix time `at`."""
        valid_until = 0
        for set_at, until in self.agents[(owner, key)]:
            if set_at <= block:
                valid_until = until
        return valid_until >= at
