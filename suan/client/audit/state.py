"""The books as an auditor rebuilds them: accounts, orders, batches and keys, folded from events alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from suan.core.contract import PLACES, BatchHead, OrderState, Record, Shadow
from suan.core.signing import SIDE_SELL

Json = dict[str, Any]
SHOWN = "0x" + "00" * 19 + "01"
"""Stands in the place of a challenger to whom the receipt was shown: it is asked for once."""
RUNS_IN_WORD = 256
"""Runs whose bits share a word of storage (contracts/src/libraries/Counts.sol)."""


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
    acknowledger: str
    fee_bps: int
    bond_bps: int
    bond_floor_price: int
    verification_grace: int
    withdrawal_delay: int
    match_window: int
    dispute_window: int
    dispute_bond: int
    arbiter_set: str
    code_hash: str


@dataclass
class Account:
    """Base units of one address inside the Market; what is exiting is ready at `ready_at` (unix). `fresh` of it was within reach of
    trades when it last changed, until `fresh_until` (unix).
    """

    available: int = 0
    locked: int = 0
    exiting: int = 0
    ready_at: int = 0
    fresh: int = 0
    fresh_until: int = 0
    newest_offer: int = 0
    newest_bid: int = 0

    def fresh_at(self, now: int) -> int:
        """What of the exit trades can take back."""
        return self.fresh if now < self.fresh_until else 0

    def forget_empty_exit(self) -> None:
        """An exit of nothing has no times."""
        if self.exiting == 0:
            self.ready_at = self.fresh = self.fresh_until = 0

    def newest(self, side: int) -> int:
        """The highest nonce of a side that ever locked a trade or was cancelled."""
        return self.newest_offer if side == SIDE_SELL else self.newest_bid

    def raise_newest(self, side: int, nonce: int) -> None:
        """An order with this nonce locked a trade or was cancelled."""
        if side == SIDE_SELL:
            self.newest_offer = max(self.newest_offer, nonce)
        else:
            self.newest_bid = max(self.newest_bid, nonce)


@dataclass
class TradeView:
    """One locked trade: its record, the hashes of its orders, where it was locked, and how it was closed."""

    record: Record
    offer: bytes
    bid: bytes
    clearing: str
    block: int
    tx_hash: str
    batch: str = ""
    closed: Json | None = None


@dataclass
class VerdictView:
    """What verifiers decided: `bits` are the trades of the batch that still wait for settle_after (unix). outcomes: (kind, runs
    delivered, units) by index.
    """

    batch: str
    receipts_root: str
    bits: int
    settle_after: int
    outcomes: dict[int, tuple[int, int, int]]


@dataclass
class DisputeView:
    """One open dispute; all zero when it has ended. Times in unix seconds, outcome as in VerdictView.

    for_arbiters: (challenger, claim) of those who want a ruling, at most two. missing: receipts that are asked for.
    unbilled: runs that were shown not to be billed.
    """

    claim_by: int = 0
    reveal_by: int = 0
    rule_by: int = 0
    outcome: tuple[int, int, int] = (0, 0, 0)
    verdict: str = ""
    receipts_root: str = ""
    missing: int = 0
    unbilled: int = 0
    for_arbiters: list[tuple[str, int]] = field(default_factory=list)


@dataclass
class SessionView:
    """A session by its terms, what was paid for it in base units, and whether it was closed."""

    buyer: str
    provider: str
    ceiling: int
    expires_at: int
    paid: int = 0
    closed: bool = False


class Appendable(Protocol):
    """A list that only grows."""

    def append(self, value: Json, /) -> None: ...

    def __getitem__(self, position: int, /) -> Json: ...

    def __iter__(self) -> Iterator[Json]: ...

    def __len__(self) -> int: ...


def _nothing() -> list[Json]:
    return []


def orders_in_word(side: int) -> int:
    """Places of one side that share a word of storage (contracts/src/libraries/Places.sol)."""
    return 2 if side == SIDE_SELL else 4


def _places() -> list[OrderState]:
    return [OrderState() for _ in range(4)]


@dataclass
class Books:
    """Everything that the events say, in chain order. An audit keeps the parts that grow in a file (memory.py)."""

    accounts: MutableMapping[str, Account] = field(default_factory=lambda: defaultdict(Account))
    places: MutableMapping[tuple[str, int, int], list[OrderState]] = field(
        default_factory=lambda: defaultdict(_places)
    )
    """What stands in the places of (maker, side, word of storage)."""
    shadows: MutableMapping[tuple[str, int, int], Shadow] = field(default_factory=lambda: defaultdict(Shadow))
    """What cancelled places (maker, side, nonce % 256) were before."""
    skipped: MutableMapping[tuple[str, int, int], int] = field(default_factory=lambda: defaultdict(int))
    """Bits of the runs of (maker of a bid, nonce, word of 256 runs) that fills passed over."""
    generations: MutableMapping[str, tuple[int, int]] = field(default_factory=dict)
    """When a generation took its place and when it was cancelled (unix, 0 if never), by `generation_key`."""
    trades: MutableMapping[str, TradeView] = field(default_factory=dict)
    runs_by_clearing: MutableMapping[str, int] = field(default_factory=dict)
    """Runs of each locked trade, under "clearing trade"."""
    batches: MutableMapping[str, BatchHead] = field(default_factory=dict)
    open_bits: MutableMapping[str, int] = field(default_factory=lambda: defaultdict(int))
    clearings: MutableMapping[str, Json] = field(default_factory=dict)
    rejected_fills: MutableMapping[str, int] = field(default_factory=dict)
    trade_at: MutableMapping[tuple[str, int], str] = field(default_factory=dict)
    """Trade by (batch, index)."""
    verdicts: MutableMapping[str, VerdictView] = field(default_factory=dict)
    exposure: MutableMapping[str, int] = field(default_factory=dict)
    """Payments and bonds, base units, that are locked in trades of a verifier set."""
    disputes: MutableMapping[tuple[str, int], DisputeView] = field(default_factory=dict)
    claims: MutableMapping[tuple[str, int, int], str] = field(default_factory=dict)
    """Who asks for the receipt of (batch, index, run); SHOWN once it was shown, empty when the claim ended otherwise."""
    sessions: MutableMapping[str, SessionView] = field(default_factory=dict)
    given_up: MutableMapping[tuple[str, int], int] = field(default_factory=dict)
    """From when on (unix) a trade that its provider gave up may be refunded, by (batch, index)."""
    seals: Appendable = field(default_factory=_nothing)
    """Every verdict in chain order, with the trades that it decided."""
    settled: Appendable = field(default_factory=_nothing)
    """Every trade that was paid, in chain order."""
    verifier_sets: MutableMapping[str, tuple[list[str], int, int]] = field(default_factory=dict)
    """(members, threshold, payout cap)."""
    agents: MutableMapping[tuple[str, str], list[tuple[int, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    delegates: MutableMapping[tuple[str, str, int], Json] = field(default_factory=dict)
    spent: MutableMapping[str, tuple[int, int]] = field(default_factory=dict)
    """(day, base units) that a delegate's setting locked last, by the hash under which the contract counts it."""
    lock_batches: int = 0
    trades_open: int = 0
    operator: str = ""
    deposits: int = 0
    withdrawals: int = 0

    def place(self, maker: str, side: int, nonce: int) -> OrderState:
        """What stands in the place of the order with this nonce, perhaps another order."""
        place, many = nonce % PLACES, orders_in_word(side)
        return self.places[(maker, side, place // many)][place % many]

    def begin(self, maker: str, side: int, nonce: int, at: int) -> OrderState:
        """The place of an order, which it takes over at unix time `at` if an older one stands there."""
        state, generation = self.place(maker, side, nonce), nonce // PLACES
        key = generation_key(maker, side, nonce)
        if key not in self.generations and generation >= state.generation:
            self.generations[key] = (at, 0)
        state.begin(generation)
        return state

    def shadow(self, maker: str, side: int, nonce: int, at: int) -> OrderState | None:
        """Where trades of a cancelled order still count at unix time `at`; None if they do nowhere."""
        generation = nonce // PLACES
        shadow = self.shadows.get((maker, side, nonce % PLACES))
        if shadow is None or not shadow.covers(generation, at):
            return None
        shadow.kept.begin(generation)
        return shadow.kept if shadow.kept.generation == generation and not shadow.kept.ended else None

    def take_runs(self, state: OrderState, maker: str, nonce: int, first: int, runs: int) -> None:
        """Count runs of the bid in its place or the shadow of it, and remember those that were passed over."""
        changed = state.take_runs(nonce // PLACES, first, runs)
        word = 0
        while changed >> RUNS_IN_WORD * word:
            bits = changed >> RUNS_IN_WORD * word & (1 << RUNS_IN_WORD) - 1
            if bits:
                self.skipped[(maker, nonce, word)] ^= bits
            word += 1

    def agent_at(self, owner: str, key: str, block: int, at: int) -> bool:
        """Whether `key` was a registered agent key of `owner` at a block, and valid at unix time `at`."""
        valid_until = 0
        for set_at, until in self.agents[(owner, key)]:
            if set_at <= block:
                valid_until = until
        return valid_until >= at


def generation_key(maker: str, side: int, nonce: int) -> str:
    """Text that sorts the generations of one place by age."""
    return f"{maker} {side} {nonce % PLACES:03d} {nonce // PLACES:08d}"
