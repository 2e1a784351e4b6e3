"""What the Market contract stores only as a hash: trades as records, lock batches, and the ids made of them.

Layout: record i of a lock batch is leaf i of an OpenZeppelin standard tree with unsorted leaves; the batch id
is the hash of number, root, verifier set and count. Whoever has the TradeLocked and BatchLocked events of one
transaction can rebuild all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Final

from eth_abi.abi import encode

from suan.core.identity import ZERO_BYTES32, keccak
from suan.core.merkle import HashTree, StandardTree
from suan.core.typed import Struct

BATCH_RECORDS_MAX: Final = 200
"""FILLS_MAX of the Market: one word of open bits per batch, with room to spare."""
VERIFIERS_MAX: Final = 16
RECEIPT_LEAF_TYPES: Final = ("bytes32", "bytes32", "uint32", "uint8")
ORDER_SET_LEAF_TYPES: Final = ("bytes32", "bytes32")


class OutcomeKind(IntEnum):
    """How a trade was closed; the number in Outcome.kind and TradeClosed.kind."""

    REFUNDED = 0
    SETTLED = 1
    SLASHED = 2


class ReceiptVerdict(IntEnum):
    """What is known of one run when its trade is closed; the number in a leaf of the receipts tree."""

    MISSING = 0
    """No receipt came in time, or none with its output; the digest in the leaf is zero."""
    ACCEPTED = 1
    """Recomputed with the same result, or a statement that nothing was delivered (timeout, refused)."""
    REJECTED = 2
    """False: both engines disagree with the receipt."""
    UNDECIDED = 3
    """Our engines disagree with each other or could not finish: unpaid, not slashed."""


class RejectCode(IntEnum):
    """Why the contract refused a fill; the number in FillRejected.code."""

    NONE = 0
    BAD_SIGNATURE = 1
    EXPIRED = 2
    CANCELLED = 3
    WRONG_VERIFIER_SET = 4
    PRODUCT_DIFFERS = 5
    PRICE_OUTSIDE_LIMITS = 6
    NOT_ENOUGH_QUANTITY = 7
    INSUFFICIENT_FUNDS = 8
    INSUFFICIENT_BOND = 9
    FEE_ABOVE_MAXIMUM = 10
    DELEGATE_NOT_ALLOWED = 11
    SAME_MAKER = 12
    BAD_INDEX = 13
    BAD_SIDE = 14
    DELIVER_BY_TOO_FAR = 15


@dataclass(frozen=True)
class Clearing(Struct):
    """One auction of one product: its number, the root of the full order set, the uniform price."""

    TYPE: ClassVar[str] = "Clearing(bytes32 product,uint64 number,bytes32 orderSetRoot,uint96 price)"

    product: bytes
    number: int
    order_set_root: bytes
    price: int

    def id(self) -> bytes:
        """The clearing id: keccak256(abi.encode(clearing))."""
        return keccak(self.abi_encode())


@dataclass(frozen=True)
class Fill(Struct):
    """`runs` runs from `first_run`; the first three index the arrays of the same open() call."""

    TYPE: ClassVar[str] = "Fill(uint32 offer,uint32 bid,uint32 clearing,uint32 firstRun,uint32 runs)"

    offer: int
    bid: int
    clearing: int
    first_run: int
    runs: int


@dataclass(frozen=True)
class Record(Struct):
    """A locked trade as the contract hashes it. Money in base units, ceiling in work units per run."""

    TYPE: ClassVar[str] = (
        "Record(bytes32 trade,bytes32 offer,bytes32 bid,address provider,address buyer,uint32 index,"
        "uint32 firstRun,uint32 runs,uint64 ceiling,uint96 price,uint128 payment,uint128 bond,"
        "uint40 deliverBy)"
    )

    trade: bytes
    offer: bytes
    bid: bytes
    provider: str
    buyer: str
    index: int
    first_run: int
    runs: int
    ceiling: int
    price: int
    payment: int
    bond: int
    deliver_by: int

    def leaf(self) -> bytes:
        """keccak256(keccak256(abi.encode(record)))."""
        return keccak(keccak(self.abi_encode()))


@dataclass(frozen=True)
class BatchHead(Struct):
    """All that is needed to prove a record of a lock batch to the contract."""

    TYPE: ClassVar[str] = "BatchHead(uint64 number,bytes32 root,bytes32 verifierSet,uint32 count)"

    number: int
    root: bytes
    verifier_set: bytes
    count: int

    def id(self) -> bytes:
        """The lock batch id: keccak256(abi.encode(head))."""
        return keccak(self.abi_encode())


@dataclass(frozen=True)
class Outcome(Struct):
    """How one trade ends. units: billed work (settled) or recomputed work (slashed), 0 when refunded."""

    TYPE: ClassVar[str] = "Outcome(uint8 kind,uint32 runsDelivered,uint64 units)"

    kind: int
    runs_delivered: int
    units: int


def trade_id(offer: bytes, bid: bytes, first_run: int, clearing: bytes) -> bytes:
    """keccak256(abi.encode(offer, bid, firstRun, clearingId)): known before the trade is on chain."""
    return keccak(encode(["bytes32", "bytes32", "uint32", "bytes32"], [offer, bid, first_run, clearing]))


def batch_tree(records: Sequence[Record]) -> HashTree:
    """The tree of a lock batch; ValueError unless the records are all of it, in order of their index."""
    if not 0 < len(records) <= BATCH_RECORDS_MAX:
        raise ValueError(f"a lock batch has 1 to {BATCH_RECORDS_MAX} records, got {len(records)}")
    for position, record in enumerate(records):
        if record.index != position:
            raise ValueError(f"record {position} of the batch says that its index is {record.index}")
    return HashTree([record.leaf() for record in records])


def batch_root(records: Sequence[Record]) -> bytes:
    return batch_tree(records).root


def batch_head(number: int, verifier_set: bytes, records: Sequence[Record]) -> BatchHead:
    """The head of the batch that these records make up."""
    return BatchHead(number, batch_root(records), verifier_set, len(records))


def batch_id(head: BatchHead) -> bytes:
    return head.id()


def verifier_set_id(members: Sequence[str], threshold: int, payout_cap: int) -> bytes:
    """keccak256(abi.encode(members ascending, threshold, payout cap)); the cap is in base units per payout window.

    Raises ValueError outside 1 <= threshold <= members or when the cap does not fit into uint96.
    """
    ordered = sorted(member.lower() for member in members)
    if len(set(ordered)) != len(ordered) or not 1 <= threshold <= len(ordered) <= VERIFIERS_MAX:
        raise ValueError(f"a verifier set has 1 to {VERIFIERS_MAX} different members and no higher threshold")
    if not 0 <= payout_cap < 2**96:
        raise ValueError(f"a payout cap lies between 0 and 2^96 - 1 base units, got {payout_cap}")
    return keccak(encode(["address[]", "uint8", "uint96"], [ordered, threshold, payout_cap]))


def outcomes_hash(trades: Sequence[bytes], outcomes: Sequence[Outcome]) -> bytes:
    """keccak256(abi.encode(bytes32[] trades, Outcome[] outcomes)): what a Verdict commits to."""
    if len(trades) != len(outcomes):
        raise ValueError(f"{len(trades)} trades need as many outcomes, got {len(outcomes)}")
    values = [(outcome.kind, outcome.runs_delivered, outcome.units) for outcome in outcomes]
    return keccak(encode(["bytes32[]", "(uint8,uint32,uint64)[]"], [list(trades), values]))


def receipts_tree(leaves: Sequence[tuple[bytes, bytes, int, int]]) -> StandardTree:
    """The tree over (receipt digest, trade, run, verdict), leaves sorted; one leaf for every run closed.

    Raises ValueError without leaves or when a run has two of them.
    """
    if len({(trade, run) for _, trade, run, _ in leaves}) != len(leaves):
        raise ValueError("every run of a closed trade has exactly one leaf in the receipts tree")
    return StandardTree(RECEIPT_LEAF_TYPES, leaves)


def receipts_root(leaves: Sequence[tuple[bytes, bytes, int, int]]) -> bytes:
    """The root that close() carries."""
    return receipts_tree(leaves).root


def order_set_root(entries: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Root over (order hash, keccak256(canonical JSON of the entry)), leaves sorted; zero if empty."""
    return StandardTree(ORDER_SET_LEAF_TYPES, entries).root if entries else ZERO_BYTES32
