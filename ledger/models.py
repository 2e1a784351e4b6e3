"""What the books and the chain remember. docs/ledger.md names unit and writer of every column.

Writers: Transfer by journal/verbs.py, Account by the trigger on Transfer; OutgoingTx by outbox/plan.py and then by the
sender's objects, of which attempts.py and inclusion.py write Attempt, and nonces.py SignerNonce; Block, ChainEvent, Cursor,
Reorg and Halt by indexer/ (ChainEvent.posted_at and the cursor `posted` by journal/posting.py); SwitchEntry by
control/kill_switch.py; Difference and Reconciliation by reconciliation/run.py; EvidenceFile and Anchor by evidence/;
CustodialKey by custodial.py. Triggers in the database refuse every change of facts (migrations/triggers.sql), the rights of
its role every write that is not a process's own (control/roles.py).
"""

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from ledger.fields import AddressField, HashField, UnitsField
from suan.core import settlement


class Account(models.Model):
    """One column of the books. Balances are caches of the fold over Transfer, checked by verify_ledger."""

    class Kind(models.TextChoices):
        AVAILABLE = settlement.AVAILABLE
        LOCKED = settlement.LOCKED
        EXITING = settlement.EXITING
        CUSTODY = settlement.CUSTODY

    address = AddressField()
    kind = models.CharField(max_length=9, choices=Kind.choices)
    debits_posted = UnitsField(default=0)
    credits_posted = UnitsField(default=0)
    debits_pending = UnitsField(default=0)
    head = HashField(help_text="digest of the last transfer that touched this account")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["address", "kind"], name="account_address_kind"),
            models.CheckConstraint(condition=Q(debits_pending__gte=0), name="account_pending_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.address}:{self.kind}"

    @property
    def posted(self) -> int:
        """Credits minus debits in base units; negative only for custody (what the contract owes everybody)."""
        return self.credits_posted - self.debits_posted

    @property
    def free(self) -> int:
        """What a new hold may take: posted minus pending holds, in base units."""
        return self.posted - self.debits_pending


class Transfer(models.Model):
    """One movement: append-only. A hold is resolved by a later row (post or void) that names it, exactly once."""

    class Kind(models.TextChoices):
        PLAIN = "plain"
        HOLD = "hold"
        POST = "post"
        VOID = "void"

    key = models.CharField(max_length=200, unique=True)
    kind = models.CharField(max_length=5, choices=Kind.choices)
    hold_name = models.CharField(max_length=160, blank=True, default="")
    debit = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="debits")
    credit = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="credits")
    amount = UnitsField()
    resolves = models.OneToOneField("self", null=True, on_delete=models.PROTECT, related_name="resolution")
    event = models.ForeignKey("ChainEvent", null=True, on_delete=models.PROTECT, related_name="transfers")
    batch = models.CharField(max_length=200, blank=True, default="")
    memo = models.CharField(max_length=200, blank=True, default="")
    debit_previous = HashField()
    credit_previous = HashField()
    digest = HashField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="transfer_amount_positive"),
            models.CheckConstraint(condition=~Q(debit=F("credit")), name="transfer_two_accounts"),
            models.CheckConstraint(
                condition=Q(kind__in=["post", "void"], resolves__isnull=False)
                | Q(kind__in=["plain", "hold"], resolves__isnull=True),
                name="transfer_resolves_a_hold",
            ),
        ]
        indexes = [models.Index(fields=["hold_name", "id"]), models.Index(fields=["batch"])]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class OutgoingTx(models.Model):
    """A transaction that must reach the chain exactly once. `id` orders the transactions of a signer."""

    class Status(models.TextChoices):
        PLANNED = "planned"
        SIGNED = "signed"
        SENT = "sent"
        INCLUDED = "included"
        FINAL = "final"
        FAILED = "failed"

    key = models.CharField(max_length=200, unique=True)
    signer = models.CharField(max_length=32)
    to = AddressField()
    value = UnitsField(default=0)
    calldata = models.BinaryField()
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.PLANNED)
    nonce = models.BigIntegerField(null=True)
    tx_hash = HashField(null=True, help_text="the attempt that was included")
    block = models.ForeignKey("Block", null=True, on_delete=models.PROTECT, related_name="outgoing")
    gas_used = models.BigIntegerField(null=True)
    reverted = models.BooleanField(default=False)
    error = models.CharField(max_length=500, blank=True, default="")
    refusals = models.PositiveIntegerField(default=0, help_text="simulations that reverted")
    due_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["signer", "nonce"], name="outgoing_one_row_per_nonce"),
        ]
        indexes = [models.Index(fields=["status", "signer", "id"]), models.Index(fields=["tx_hash"])]

    def __str__(self) -> str:
        return f"{self.key} ({self.status})"


class Attempt(models.Model):
    """Signed bytes of an outgoing transaction, stored before they are broadcast."""

    outgoing = models.ForeignKey(OutgoingTx, on_delete=models.PROTECT, related_name="attempts")
    raw = models.BinaryField()
    tx_hash = HashField(unique=True)
    nonce = models.BigIntegerField()
    gas_limit = models.BigIntegerField()
    max_fee_per_gas = models.BigIntegerField()
    max_priority_fee_per_gas = models.BigIntegerField()
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    sent_block_number = models.BigIntegerField(null=True)
    broadcasts = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=500, blank=True, default="")

    def __str__(self) -> str:
        return self.tx_hash


class SignerNonce(models.Model):
    """The row that is locked to take a nonce: one per signer."""

    signer = models.CharField(max_length=32, unique=True)
    address = AddressField(unique=True)
    next_nonce = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.signer} {self.next_nonce}"


class Block(models.Model):
    """A block seen by the indexer. A reorganisation flips `canonical` and deletes nothing."""

    number = models.BigIntegerField()
    hash = HashField(unique=True)
    parent = HashField()
    timestamp = models.BigIntegerField()
    canonical = models.BooleanField(default=True)
    seen_at = models.DateTimeField()
    orphaned_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["number"], condition=Q(canonical=True), name="block_one_canonical_per_number"
            ),
        ]
        indexes = [models.Index(fields=["canonical", "-number"])]

    def __str__(self) -> str:
        return f"{self.number} {self.hash}"


class ChainEvent(models.Model):
    """A decoded event of the Market or the Registry. `position` is the cursor that rooms keep.

    `position` equals `id` when the row is made; a block that becomes canonical again gives its events new positions,
    so that a reader who stands behind them sees them again.
    """

    block = models.ForeignKey(Block, on_delete=models.PROTECT, related_name="events")
    position = models.BigIntegerField(unique=True)
    tx_hash = HashField()
    log_index = models.IntegerField()
    address = AddressField()
    name = models.CharField(max_length=40)
    subject = models.CharField(max_length=66, blank=True, default="", help_text="first indexed argument")
    args = models.JSONField()
    posted_at = models.DateTimeField(null=True)
    postings = models.PositiveIntegerField(
        default=0, help_text="how often it was posted; more than one after a rewind"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["block", "log_index"], name="event_block_log_index"),
        ]
        indexes = [
            models.Index(fields=["name", "position"]),
            models.Index(fields=["name", "subject"]),
            models.Index(fields=["tx_hash"]),
            # Auditors ask which events name an address, an order or a batch.
            GinIndex(fields=["args"], opclasses=["jsonb_path_ops"], name="event_args"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.tx_hash}:{self.log_index}"


class Cursor(models.Model):
    """A height that only its writer moves: `final` (highest number ever final), `posted`, `indexed`."""

    name = models.CharField(max_length=32, unique=True)
    number = models.BigIntegerField(default=-1)
    hash = models.CharField(max_length=66, blank=True, default="")
    updated_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} {self.number}"


class Halt(models.Model):
    """Settlement stands still from `created_at` until an operator resolved it with rewind_chain."""

    reason = models.CharField(max_length=500)
    from_number = models.BigIntegerField(help_text="first final block that changed")
    created_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.CharField(max_length=100, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["from_number"], condition=Q(resolved_at__isnull=True), name="halt_open_once_per_block"
            ),
        ]

    def __str__(self) -> str:
        return self.reason


class SwitchEntry(models.Model):
    """One word about the kill switch: append-only, each row linked to the one before by its digest."""

    class Verb(models.TextChoices):
        STOP = "stop"
        ASK = "ask"
        RESUME = "resume"

    switch = models.CharField(max_length=10, help_text="trading or contract")
    verb = models.CharField(max_length=6, choices=Verb.choices)
    person = models.CharField(max_length=150)
    reason = models.CharField(max_length=500)
    created_at = models.DateTimeField()
    previous = HashField()
    digest = HashField(unique=True)

    class Meta:
        indexes = [models.Index(fields=["switch", "-id"])]

    def __str__(self) -> str:
        return f"{self.verb} {self.switch} by {self.person}"


class Reorg(models.Model):
    """A reorganisation that the indexer followed."""

    ancestor_number = models.BigIntegerField()
    depth = models.PositiveIntegerField(help_text="orphaned blocks")
    old_head = HashField()
    new_head = HashField()
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.depth} blocks above {self.ancestor_number}"


class Difference(models.Model):
    """Something that reconciliation found: a row that says other than the chain, or than its own digest."""

    check_name = models.CharField(max_length=60)
    table = models.CharField(max_length=60)
    row = models.CharField(max_length=200)
    column = models.CharField(max_length=60)
    stored = models.TextField()
    expected = models.TextField()
    found_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["check_name", "table", "row", "column"],
                condition=Q(resolved_at__isnull=True),
                name="difference_open_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.table} {self.row} {self.column}"


class Reconciliation(models.Model):
    """One comparison of the books with the chain: how much was looked at, and what was found."""

    finished_at = models.DateTimeField()
    head_number = models.BigIntegerField()
    final_number = models.BigIntegerField()
    deep = models.BooleanField(help_text="every block header and every file was read")
    checked = models.JSONField(help_text="rows looked at, by check")
    differences = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.finished_at} {self.differences}"


class Anchor(models.Model):
    """One entry of a chain of roots in the EvidenceLog contract, over files of one kind; never changed."""

    kind = models.CharField(max_length=20)
    number = models.PositiveIntegerField(help_text="from 0, within the kind, as on chain")
    root = HashField()
    count = models.PositiveIntegerField(help_text="files under the root")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "number"], name="anchor_kind_number")]

    def __str__(self) -> str:
        return f"{self.kind}/{self.number}"


class EvidenceFile(models.Model):
    """Index of the evidence folder; the files are the evidence, this row only finds them."""

    kind = models.CharField(max_length=20)
    name = models.CharField(max_length=80)
    size = models.BigIntegerField()
    sha256 = HashField()
    anchor = models.ForeignKey(
        Anchor,
        on_delete=models.PROTECT,
        null=True,
        related_name="files",
        help_text="empty: waits for the next one",
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "name"], name="evidence_kind_name")]
        indexes = [
            models.Index(fields=["kind", "id"]),
            models.Index(fields=["kind", "id"], condition=Q(anchor=None), name="evidence_to_anchor"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


class CustodialKey(models.Model):
    """A key that the platform keeps for a participant, encrypted with the master key of var/secrets."""

    address = AddressField(unique=True)
    ciphertext = models.BinaryField()
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.address
