"""What the book remembers: orders with their signatures, every change of an order, and job bytes by content.

Quantities are work units for an offer and runs for a bid. `quantity = cum_quantity + leaves_quantity` always holds:
what was filled and did not come back, and what was not filled. Only an order whose status is open can trade its leaves.
Rows are locked in this order: product (advisory), orders by id, then the journal's accounts.
"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from ledger.journal import keys
from marketplace.accounts.models import Participant
from marketplace.fields import AddressField, HashField, UintField

SIDE_BUY = 1
SIDE_SELL = 2
SIDE_NAMES = {SIDE_BUY: "buy", SIDE_SELL: "sell"}

NEW, PARTIALLY_FILLED, FILLED = "new", "partially_filled", "filled"
CANCELED, EXPIRED, REJECTED = "canceled", "expired", "rejected"
OPEN_STATUSES = (NEW, PARTIALLY_FILLED)
STATUSES = [(status, status) for status in (NEW, PARTIALLY_FILLED, FILLED, CANCELED, EXPIRED, REJECTED)]

ARTIFACT_KINDS = [(kind, kind) for kind in ("module", "data")]


class Artifact(models.Model):
    """Bytes of a job (module, input or output) by SHA-256. The file is `var/objects/<path>`, written once.

    `module_problem` is what the runtime's check said about the bytes as a module, empty when they are one.
    """

    sha256 = HashField(unique=True)
    owner = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="artifacts")
    size_bytes = models.PositiveBigIntegerField()
    path = models.CharField(max_length=128)
    module_problem = models.TextField(blank=True)
    module_checked_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.sha256} ({self.size_bytes} bytes)"


class ArtifactOwner(models.Model):
    """Who uploaded the same bytes: content is stored once, and each uploader may read it."""

    artifact = models.ForeignKey(Artifact, on_delete=models.PROTECT, related_name="owners")
    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="owned_artifacts")
    kind = models.CharField(max_length=8, choices=ARTIFACT_KINDS)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["artifact", "participant"], name="artifact_owner_once")
        ]

    def __str__(self) -> str:
        return f"{self.participant_id} {self.artifact_id}"


class Order(models.Model):
    """A signed Offer (side 2) or Bid (side 1) that was accepted, with its state in this book."""

    order_hash = HashField(unique=True)
    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="orders")
    client_order_id = models.CharField(max_length=64)
    fingerprint = models.CharField(max_length=64)
    sequence = models.BigIntegerField(unique=True)

    # The signed struct, field by field (docs/protocol.md, section 3).
    maker = AddressField()
    symbol = models.CharField(max_length=96)
    product = HashField()
    side = models.PositiveSmallIntegerField(choices=[(SIDE_BUY, "buy"), (SIDE_SELL, "sell")])
    price = UintField()
    units = UintField(null=True)
    runs = models.PositiveBigIntegerField(null=True)
    ceiling_units = UintField(null=True)
    nonce = models.PositiveBigIntegerField()
    valid_until = models.BigIntegerField()
    deliver_by = models.BigIntegerField()
    verifier_set = HashField()
    max_fee_bps = models.PositiveIntegerField()
    terms_hash = HashField()
    terms = models.JSONField()
    signature = models.CharField(max_length=132)
    signer = AddressField()

    # Its state here.
    order_status = models.CharField(max_length=16, choices=STATUSES)
    quantity = UintField()
    cum_quantity = UintField()
    leaves_quantity = UintField()
    # What came back at closes on chain and has not traded again: after valid_until only this may trade.
    headroom_quantity = UintField(default=0)
    trimmed = models.BooleanField(default=False)  # After valid_until: the hold covers the headroom only.
    free_runs = models.JSONField(default=list)
    held = UintField(default=0)
    hold_version = models.PositiveIntegerField(default=0)
    reject_reason = models.CharField(max_length=256, blank=True)

    acknowledgement_at = models.BigIntegerField()
    acknowledgement_signature = models.CharField(max_length=132)
    cancel_signature = models.CharField(max_length=132, blank=True)
    evidence_published = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["participant", "client_order_id"], name="order_client_id_once"),
            models.UniqueConstraint(fields=["maker", "side", "nonce"], name="order_nonce_once"),
            models.CheckConstraint(
                condition=Q(quantity=F("cum_quantity") + F("leaves_quantity")), name="order_quantity_adds_up"
            ),
            models.CheckConstraint(
                condition=Q(
                    cum_quantity__gte=0, leaves_quantity__gte=0, held__gte=0, headroom_quantity__gte=0
                ),
                name="order_quantities_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(
                    side=SIDE_SELL, units__isnull=False, runs__isnull=True, ceiling_units__isnull=True
                )
                | Q(side=SIDE_BUY, units__isnull=True, runs__isnull=False, ceiling_units__isnull=False),
                name="order_side_has_its_fields",
            ),
        ]
        indexes = [
            models.Index(fields=["symbol", "order_status", "sequence"]),
            models.Index(fields=["participant", "-sequence"]),
            models.Index(fields=["order_status", "valid_until"]),
            models.Index(
                fields=["evidence_published"], condition=Q(evidence_published=False), name="order_to_publish"
            ),
        ]

    def __str__(self) -> str:
        return self.order_id

    @property
    def order_id(self) -> str:
        return f"ord_{self.order_hash}"

    @property
    def is_bid(self) -> bool:
        return self.side == SIDE_BUY

    @property
    def side_name(self) -> str:
        return SIDE_NAMES[self.side]

    @property
    def is_open(self) -> bool:
        return self.order_status in OPEN_STATUSES

    @property
    def hold_key(self) -> str:
        return keys.order_hold(self.order_hash)


class NonceReservation(models.Model):
    """The nonce that an order of this name has, or will have when it comes."""

    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="nonces")
    side = models.PositiveSmallIntegerField(choices=[(SIDE_BUY, "buy"), (SIDE_SELL, "sell")])
    client_order_id = models.CharField(max_length=64)
    maker = AddressField()
    nonce = models.PositiveBigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["participant", "side", "client_order_id"], name="nonce_name_once"
            ),
            models.UniqueConstraint(fields=["maker", "side", "nonce"], name="nonce_reserved_once"),
        ]

    def __str__(self) -> str:
        return f"{self.maker} {self.side} {self.nonce}"


class ExecutionReport(models.Model):
    """One immutable line of an order's story: what happened (`exec_type`) and what the order was after it."""

    EXEC_TYPES = [(t, t) for t in ("new", "trade", "canceled", "expired", "rejected", "trade_cancel")]

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="execution_reports")
    exec_type = models.CharField(max_length=16, choices=EXEC_TYPES)
    order_status = models.CharField(max_length=16, choices=STATUSES)
    last_quantity = UintField(default=0)
    last_price = UintField(null=True)
    cum_quantity = UintField()
    leaves_quantity = UintField()
    trade_id = models.CharField(max_length=70, blank=True)
    run_ranges = models.JSONField(default=list)
    text = models.CharField(max_length=256, blank=True)
    transact_at = models.BigIntegerField()

    class Meta:
        constraints = [
            # A trade fills an order once and comes back once, however often the caller repeats itself.
            models.UniqueConstraint(
                fields=["order", "exec_type", "trade_id"],
                condition=~Q(trade_id=""),
                name="execution_once_per_trade",
            )
        ]
        indexes = [models.Index(fields=["order", "id"])]

    def __str__(self) -> str:
        return f"{self.exec_type} {self.order_id}"


class ChainCursor(models.Model):
    """How far the book has read a kind of chain event: the position of the last one handled."""

    name = models.CharField(max_length=40, unique=True)
    position = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name} {self.position}"
