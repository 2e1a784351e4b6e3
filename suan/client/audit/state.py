"""The books as an auditor rebuilds them: accounts, orders, batches and keys, folded from events alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol

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
    code_hash: str


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


class Appendable(Protocol):
    """A list that only grows."""

    def append(self, value: Json, /) -> None: ...

    def __getitem__(self, position: int, /) -> Json: ...

    def __iter__(self) -> Iterator[Json]: ...

    def __len__(self) -> int: ...


def _no_seals() -> list[Json]:
    return []


@dataclass
class Books:
    """Everything that the events say, in chain order. An audit keeps the parts that grow in a file (memory.py)."""

    accounts: MutableMapping[str, Account] = field(default_factory=lambda: defaultdict(Account))
    uses: MutableMapping[tuple[str, str], OrderUse] = field(default_factory=lambda: defaultdict(OrderUse))
    trades: MutableMapping[str, TradeView] = field(default_factory=dict)
    runs_by_clearing: MutableMapping[str, int] = field(default_factory=dict)
    """Runs of each locked trade, under "clearing trade"."""
    batches: MutableMapping[str, BatchHead] = field(default_factory=dict)
    open_bits: MutableMapping[str, int] = field(default_factory=lambda: defaultdict(int))
    clearings: MutableMapping[str, Json] = field(default_factory=dict)
    rejected_fills: MutableMapping[str, int] = field(default_factory=dict)
    seals: Appendable = field(default_factory=_no_seals)
    verifier_sets: MutableMapping[str, tuple[list[str], int]] = field(default_factory=dict)
    agents: MutableMapping[tuple[str, str], list[tuple[int, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    delegates: MutableMapping[tuple[str, str, int], Json] = field(default_factory=dict)
    spent: MutableMapping[tuple[str, str, int], int] = field(default_factory=lambda: defaultdict(int))
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
