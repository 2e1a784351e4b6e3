"""What clearing remembers: each auction with its document, each trade, and the transactions that lock
trades on chain.

Hashes and addresses are lower-case hex, amounts token base units, prices base units per GFLOPS·h,
quantities work units, times unix seconds. Rows of Clearing never change; Trade.status moves as
suan.core.lifecycle allows.
Writer: clearing.actions only; delivery and settlement move a trade on through
`clearing.actions.advance_trades`.
"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from ledger.journal import keys
from marketplace.book.models import Order
from marketplace.fields import AddressField, HashField, UintField
from suan.core.lifecycle import Kind, is_end, states

MATCHED, LOCKING, LOCKED = "matched", "locking", "locked"
DELIVERED, VERIFIED, CLOSING = "delivered", "verified", "closing"
SETTLED, REFUNDED, SLASHED, REJECTED = "settled", "refunded", "slashed", "rejected"
TRADE_STATUSES = states(Kind.TRADE)
ENDED_STATUSES = tuple(status for status in TRADE_STATUSES if is_end(Kind.TRADE, status))
# The chain has not accepted these yet, so nothing may run.
UNLOCKED_STATUSES = (MATCHED, LOCKING)

BATCH_PLANNED, BATCH_SENT, BATCH_INCLUDED, BATCH_FINAL = "planned", "sent", "included", "final"
BATCH_FAILED = "failed"
BATCH_STATUSES = (BATCH_PLANNED, BATCH_SENT, BATCH_INCLUDED, BATCH_FINAL, BATCH_FAILED)


class PriceMissing(ValueError):
    """A clearing that made trades has no price: at none, nothing may be locked."""


class Clearing(models.Model):
    """One auction of one product. `book_digest` fingerprints the book without its time, to tell whether
    it changed.
    """

    symbol = models.CharField(max_length=96)
    product = HashField()
    number = models.PositiveBigIntegerField()
    clearing_hash = HashField(unique=True)
    cut_sequence = models.BigIntegerField()
    cut_at = models.BigIntegerField()
    price = UintField(null=True)
    order_set_root = HashField()
    order_count = models.PositiveIntegerField()
    trade_count = models.PositiveIntegerField()
    executed_units = UintField()
    # keccak256 of the published file; the file itself until it is in the evidence folder.
    document_hash = HashField()
    document = models.BinaryField(null=True)
    book_digest = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["symbol", "number"], name="clearing_number_once"),
            models.CheckConstraint(
                condition=Q(price__isnull=True, trade_count=0) | Q(price__isnull=False, trade_count__gt=0),
                name="clearing_has_a_price_if_it_has_trades",
            ),
        ]
        indexes = [
            models.Index(fields=["symbol", "-number"]),
            models.Index(fields=["id"], condition=Q(document__isnull=False), name="clearing_to_publish"),
        ]

    def __str__(self) -> str:
        return self.clearing_id

    @property
    def clearing_id(self) -> str:
        return f"clr_{self.clearing_hash}"

    @property
    def trade_price(self) -> int:
        """The price of its trades. Raises PriceMissing."""
        if self.price is None:
            raise PriceMissing(f"{self.clearing_id} has trades and no price")
        return int(self.price)


class LockBatch(models.Model):
    """One open(...) transaction: up to 100 fills that are locked together. `tx_hash` and what follows it
    are the chain's answer.

    `batch_id`, `chain_number`, `root` and `count` are null until BatchLocked was seen, and for ever
    if the contract accepted no fill. `block_hash` is the block in which they were seen.
    """

    outgoing_key = models.CharField(max_length=200, unique=True)
    status = models.CharField(max_length=10, choices=[(s, s) for s in BATCH_STATUSES], default=BATCH_PLANNED)
    verifier_set = HashField()
    fill_count = models.PositiveIntegerField()
    planned_at = models.BigIntegerField()
    batch_id = HashField(null=True)
    chain_number = models.PositiveBigIntegerField(null=True)
    root = HashField(null=True)
    count = models.PositiveIntegerField(null=True)
    tx_hash = HashField(null=True)
    block_hash = HashField(null=True)
    reason = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        indexes = [
            models.Index(fields=["batch_id"]),
            models.Index(fields=["block_hash"]),
            models.Index(
                fields=["id"], condition=~Q(status__in=[BATCH_FINAL, BATCH_FAILED]), name="lock_batch_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.outgoing_key} ({self.status})"


class Trade(models.Model):
    """`runs` consecutive runs of a bid from `first_run` at an offer, all at the clearing's price.

    `position` is the place of the fill in the open(...) call, `index` the one among the accepted
    fills, which is the leaf of the lock batch's tree. `payment` and `bond` are what the contract
    locks.
    """

    trade_hash = HashField(unique=True)
    clearing = models.ForeignKey(Clearing, on_delete=models.PROTECT, related_name="trades")
    offer = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="offer_trades")
    bid = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="bid_trades")
    offer_hash = HashField()
    bid_hash = HashField()
    provider = AddressField()
    buyer = AddressField()
    symbol = models.CharField(max_length=96)
    verifier_set = HashField()
    first_run = models.PositiveBigIntegerField()
    runs = models.PositiveBigIntegerField()
    ceiling_units = UintField()
    price = UintField()
    payment = UintField()
    bond = UintField()
    deliver_by = models.BigIntegerField()
    status = models.CharField(max_length=10, choices=[(s, s) for s in TRADE_STATUSES], default=MATCHED)
    lock_batch = models.ForeignKey(LockBatch, on_delete=models.PROTECT, null=True, related_name="trades")
    position = models.PositiveIntegerField(null=True)
    index = models.PositiveIntegerField(null=True)
    lock_attempts = models.PositiveSmallIntegerField(default=0)
    reject_code = models.PositiveSmallIntegerField(null=True)
    reject_reason = models.CharField(max_length=200, blank=True, default="")
    # Which orders the refusal is about; they wait before they trade again.
    offer_at_fault = models.BooleanField(default=False)
    bid_at_fault = models.BooleanField(default=False)
    matched_at = models.BigIntegerField()
    updated_at = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["lock_batch", "position"], name="trade_position_once_per_batch"),
            models.CheckConstraint(condition=Q(runs__gte=1, price__gte=1), name="trade_not_empty"),
            models.CheckConstraint(condition=~Q(provider=F("buyer")), name="trade_between_two_makers"),
            models.CheckConstraint(condition=Q(status__in=TRADE_STATUSES), name="trade_status_known"),
        ]
        indexes = [
            models.Index(fields=["status", "id"]),
            models.Index(fields=["lock_batch", "index"]),
            models.Index(fields=["bid", "id"]),
            models.Index(fields=["offer", "id"]),
        ]

    def __str__(self) -> str:
        return f"{self.trade_id} ({self.status})"

    @property
    def trade_id(self) -> str:
        return f"trd_{self.trade_hash}"

    @property
    def units(self) -> int:
        """Work units that the trade may cost at most."""
        return self.runs * self.ceiling_units

    @property
    def payment_hold(self) -> str:
        return keys.payment_hold(self.trade_id)

    @property
    def bond_hold(self) -> str:
        return keys.bond_hold(self.trade_id)
