"""The EIP-712 structs that owners, delegates, the exchange and verifiers sign, receipts apart.

Names and order of the fields are those of docs/protocol.md and of the contracts; `suan.core.orders`
re-exports them all. SetAgent and SetDelegate belong to the Registry's domain, Permit to the token's,
everything else to the Market's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from suan.core.signing.typed import Struct

SIDE_BUY: Final = 1
SIDE_SELL: Final = 2
"""Side as in FIX (tag 54)."""


@dataclass(frozen=True)
class Offer(Struct):
    """A provider sells up to `units` work units at `price` or more (base units per GFLOPS·h)."""

    TYPE: ClassVar[str] = (
        "Offer(address maker,bytes32 product,uint8 side,uint96 price,uint64 units,uint32 nonce,"
        "uint40 validUntil,uint40 deliverBy,bytes32 verifierSet,uint16 maxFeeBps,bytes32 terms)"
    )

    maker: str
    product: bytes
    side: int
    price: int
    units: int
    nonce: int
    valid_until: int
    deliver_by: int
    verifier_set: bytes
    max_fee_bps: int
    terms: bytes


@dataclass(frozen=True)
class Bid(Struct):
    """A buyer wants `runs` runs of a job, each of at most `ceiling` work units, at `price` or less."""

    TYPE: ClassVar[str] = (
        "Bid(address maker,bytes32 product,uint8 side,uint96 price,uint32 runs,uint64 ceiling,uint32 nonce,"
        "uint40 validUntil,uint40 deliverBy,bytes32 verifierSet,uint16 maxFeeBps,bytes32 terms)"
    )

    maker: str
    product: bytes
    side: int
    price: int
    runs: int
    ceiling: int
    nonce: int
    valid_until: int
    deliver_by: int
    verifier_set: bytes
    max_fee_bps: int
    terms: bytes


@dataclass(frozen=True)
class Cancel(Struct):
    """The maker ends its order with this nonce; takes effect on chain at once."""

    TYPE: ClassVar[str] = "Cancel(address maker,uint8 side,uint32 nonce)"

    maker: str
    side: int
    nonce: int


@dataclass(frozen=True)
class Acknowledgement(Struct):
    """The exchange accepted an order as number `sequence` at `accepted_at` (unix seconds)."""

    TYPE: ClassVar[str] = "Acknowledgement(bytes32 order,uint64 sequence,uint64 acceptedAt)"

    order: bytes
    sequence: int
    accepted_at: int


@dataclass(frozen=True)
class ReceiptAcknowledgement(Struct):
    """The exchange has the receipt with this digest: its agent need not fear that it is withheld."""

    TYPE: ClassVar[str] = "ReceiptAcknowledgement(bytes32 receipt)"

    receipt: bytes


@dataclass(frozen=True)
class WithdrawalRequest(Struct):
    """The owner asks for `amount` base units back; payable after the market's delay."""

    TYPE: ClassVar[str] = "WithdrawalRequest(address account,uint128 amount,uint256 nonce,uint40 deadline)"

    account: str
    amount: int
    nonce: int
    deadline: int


@dataclass(frozen=True)
class SetAgent(Struct):
    """The owner lets `key` sign receipts until `valid_until` (Registry domain)."""

    TYPE: ClassVar[str] = (
        "SetAgent(address owner,address key,uint40 validUntil,uint256 nonce,uint40 deadline)"
    )

    owner: str
    key: str
    valid_until: int
    nonce: int
    deadline: int


@dataclass(frozen=True)
class SetDelegate(Struct):
    """The owner lets `key` sign orders of one side within a spend cap and a worst price (Registry domain)."""

    TYPE: ClassVar[str] = (
        "SetDelegate(address owner,address key,uint8 side,uint96 spendCap,uint96 worstPrice,"
        "uint40 validUntil,uint256 nonce,uint40 deadline)"
    )

    owner: str
    key: str
    side: int
    spend_cap: int
    worst_price: int
    valid_until: int
    nonce: int
    deadline: int


@dataclass(frozen=True)
class Permit(Struct):
    """The owner lets `spender` take `value` base units of the token (EIP-2612, the token's own domain)."""

    TYPE: ClassVar[str] = "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"

    owner: str
    spender: str
    value: int
    nonce: int
    deadline: int


@dataclass(frozen=True)
class Migration(Struct):
    """The owner moves what is exiting into its account in another market."""

    TYPE: ClassVar[str] = "Migration(address account,address market,uint256 nonce,uint40 deadline)"

    account: str
    market: str
    nonce: int
    deadline: int


@dataclass(frozen=True)
class Verdict(Struct):
    """Verifiers decide trades of one lock batch; outcomes as `records.pack_outcomes` writes them."""

    TYPE: ClassVar[str] = "Verdict(bytes32 batch,bytes outcomes,bytes32 receiptsRoot)"

    batch: bytes
    outcomes: bytes
    receipts_root: bytes


@dataclass(frozen=True)
class Acceptance(Struct):
    """A buyer accepts what it pays; for less than the whole lock the provider or its agent signs the same."""

    TYPE: ClassVar[str] = "Acceptance(bytes32 batch,bytes outcomes)"

    batch: bytes
    outcomes: bytes


@dataclass(frozen=True)
class GivingUp(Struct):
    """A provider gives trades of one lock batch up: bit i of `trades` is set for the one with index i."""

    TYPE: ClassVar[str] = "GivingUp(bytes32 batch,uint256 trades)"

    batch: bytes
    trades: int


@dataclass(frozen=True)
class Ruling(Struct):
    """Arbiters end a disputed trade."""

    TYPE: ClassVar[str] = "Ruling(bytes32 batch,bytes32 trade,uint8 kind,uint32 runsDelivered,uint64 units)"

    batch: bytes
    trade: bytes
    kind: int
    runs_delivered: int
    units: int


@dataclass(frozen=True)
class Voucher(Struct):
    """The buyer of a session owes `cumulative` base units in all."""

    TYPE: ClassVar[str] = "Voucher(bytes32 session,uint128 cumulative)"

    session: bytes
    cumulative: int
