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

from suan.core.contract.packing import (
    OUTCOME,
    OUTCOME_BYTES,
    RECORD_BUYER,
    RECORD_PROVIDER,
    RECORD_TERMS,
    SESSION_BUYER,
    SESSION_PROVIDER,
    pack,
    unpack,
)
from suan.core.encoding import ZERO_BYTES32, keccak
from suan.core.merkle import HashTree, StandardTree
from suan.core.signing import Struct
from suan.core.units import Price, WorkUnits, lock_payment

BATCH_RECORDS_MAX: Final = 200
"""FILLS_MAX of the Market: one word of open bits per batch, with room to spare."""
VERIFIERS_MAX: Final = 16
RECEIPT_LEAF_TYPES: Final = ("bytes32", "bytes32", "uint32", "uint8", "uint64")
ReceiptLeaf = tuple[bytes, bytes, int, int, int]
"""What a verdict says of one run: receipt digest (zero without a receipt), trade, run, verdict, units that it is billed."""
ORDER_SET_LEAF_TYPES: Final = ("bytes32", "bytes32")


class OutcomeKind(IntEnum):
    """How a trade was closed; the number in Outcome.kind and TradeClosed.kind."""

    REFUNDED = 0
    SETTLED = 1
    SLASHED = 2

    @property
    def word(self) -> str:
        """What it is called wherever people or programs read it."""
        return self.name.lower()


PAID_KINDS: Final = frozenset({OutcomeKind.SETTLED})
"""Kinds in which runs were delivered and their work is paid; after all others everything may trade again."""


class Claim(IntEnum):
    """What a challenger claims about what was decided; the number in Market.dispute."""

    NO_RECEIPT = 1
    """Of a run that is paid there is no receipt; of a slash, none that was found false. Whoever has it shows it."""
    FALSE_RECEIPT = 2
    """A receipt says what was not computed: arbiters rule."""
    WRONG_COUNT = 3
    """The outcome is another one than the receipts give: arbiters rule."""

    @property
    def word(self) -> str:
        return self.name.lower().replace("_", " ")


ANY_RUN: Final = 2**32 - 1
"""The run of a claim that names none."""


class DisputeEnd(IntEnum):
    """Why a dispute ended; the number in DisputeEnded.reason."""

    RULED = 1
    FELL = 2
    """A receipt that was asked for was not shown: refunded."""
    STOOD = 3
    """Nobody ruled: as decided."""


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
class Record:
    """A locked trade as the contract hashes it: four words. Money in base units, ceiling in work units per run."""

    trade: bytes
    provider: str
    buyer: str
    index: int
    first_run: int
    runs: int
    ceiling: int
    price: int
    bond: int
    deliver_by: int
    offer_nonce: int
    bid_nonce: int

    @property
    def payment(self) -> int:
        """What the buyer's lock holds, in base units. Up, as when it was locked."""
        return lock_payment(Price(self.price), WorkUnits(self.runs * self.ceiling))

    def words(self) -> tuple[bytes, int, int, int]:
        """The struct of the contract: trade, provider 160 | price 96, buyer 160 | runs 32 | ceiling 64, and terms."""
        return (
            self.trade,
            pack(RECORD_PROVIDER, provider=self.provider, price=self.price),
            pack(RECORD_BUYER, buyer=self.buyer, runs=self.runs, ceiling=self.ceiling),
            pack(
                RECORD_TERMS,
                bond=self.bond,
                deliver_by=self.deliver_by,
                first_run=self.first_run,
                offer_nonce=self.offer_nonce,
                bid_nonce=self.bid_nonce,
                index=self.index,
            ),
        )

    @classmethod
    def from_words(cls, trade: bytes, provider: int, buyer: int, terms: int) -> Record:
        fields = unpack(RECORD_PROVIDER, provider) | unpack(RECORD_BUYER, buyer) | unpack(RECORD_TERMS, terms)
        return cls(trade=trade, **fields)

    def leaf(self) -> bytes:
        """keccak256(keccak256(abi.encode(record)))."""
        trade, *words = self.words()
        return keccak(keccak(trade + b"".join(word.to_bytes(32, "big") for word in words)))


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
class Outcome:
    """How one trade ends. units: billed work (settled) or recomputed work (slashed), 0 when refunded."""

    kind: int
    runs_delivered: int
    units: int

    def packed(self, index: int) -> int:
        """index 8 | kind 8 | runsDelivered 32 | units 64."""
        return pack(
            OUTCOME, index=index, kind=int(self.kind), runs_delivered=self.runs_delivered, units=self.units
        )


@dataclass(frozen=True)
class KeySet:
    """Keys that decide together; at most `payout_cap` base units are locked in trades that name them."""

    members: tuple[str, ...]
    threshold: int
    payout_cap: int

    def id(self) -> bytes:
        return verifier_set_id(self.members, self.threshold, self.payout_cap)


@dataclass(frozen=True)
class Session(Struct):
    """A channel by which a buyer pays a provider by cumulative vouchers."""

    TYPE: ClassVar[str] = (
        "Session(address buyer,uint96 ceiling,address provider,uint40 expiresAt,uint56 salt)"
    )

    buyer: str
    ceiling: int
    provider: str
    expires_at: int
    salt: int

    def words(self) -> tuple[int, int]:
        """buyer 160 | ceiling 96, and provider 160 | expiresAt 40 | salt 56."""
        return (
            pack(SESSION_BUYER, buyer=self.buyer, ceiling=self.ceiling),
            pack(SESSION_PROVIDER, provider=self.provider, expires_at=self.expires_at, salt=self.salt),
        )

    def id(self) -> bytes:
        """keccak256 of the two words."""
        return keccak(b"".join(word.to_bytes(32, "big") for word in self.words()))


def pack_outcomes(outcomes: Sequence[tuple[int, Outcome]]) -> bytes:
    """The bytes of a Verdict or an Acceptance: 14 for each (index, outcome), in strictly ascending order of index."""
    indices = [index for index, _ in outcomes]
    if indices != sorted(set(indices)):
        raise ValueError("outcomes stand in ascending order of their trades' index, each once")
    return b"".join(outcome.packed(index).to_bytes(OUTCOME_BYTES, "big") for index, outcome in outcomes)


def unpack_outcomes(data: bytes) -> list[tuple[int, Outcome]]:
    """(index, outcome) of each 14 bytes; ValueError when the length is none."""
    if len(data) % OUTCOME_BYTES:
        raise ValueError(f"outcomes are {OUTCOME_BYTES} bytes each, got {len(data)} in all")
    result = []
    for start in range(0, len(data), OUTCOME_BYTES):
        fields = unpack(OUTCOME, int.from_bytes(data[start : start + OUTCOME_BYTES], "big"))
        result.append((fields.pop("index"), Outcome(**fields)))
    return result


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
    """keccak256(abi.encode(members ascending, threshold, payoutCap)); ValueError outside 1 <= threshold <= members."""
    ordered = sorted(member.lower() for member in members)
    if len(set(ordered)) != len(ordered) or not 1 <= threshold <= len(ordered) <= VERIFIERS_MAX:
        raise ValueError(f"a verifier set has 1 to {VERIFIERS_MAX} different members and no higher threshold")
    return keccak(encode(["address[]", "uint8", "uint96"], [ordered, threshold, payout_cap]))


def receipts_tree(leaves: Sequence[ReceiptLeaf]) -> StandardTree:
    """The tree over what a verdict says of its runs, leaves sorted; one leaf for every run closed.

    Raises ValueError without leaves or when a run has two of them.
    """
    if len({leaf[1:3] for leaf in leaves}) != len(leaves):
        raise ValueError("every run of a closed trade has exactly one leaf in the receipts tree")
    return StandardTree(RECEIPT_LEAF_TYPES, leaves)


def receipts_root(leaves: Sequence[ReceiptLeaf]) -> bytes:
    """The root that a verdict carries."""
    return receipts_tree(leaves).root


def order_set_root(entries: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Root over (order hash, keccak256(canonical JSON of the entry)), leaves sorted; zero if empty."""
    return StandardTree(ORDER_SET_LEAF_TYPES, entries).root if entries else ZERO_BYTES32
