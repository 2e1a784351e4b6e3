"""What settlement remembers: the verdicts it planned, when and how each is settled, and which trades it ends.

Amounts are not stored here: they are in the chain's TradeClosed events and in the journal. Times are unix seconds.
Writer: settlement.actions only.
"""

from django.db import models

SETTLEMENT_STATUSES = [(name, name) for name in ("proposed", "planned", "included", "failed")]


class SettlementBatch(models.Model):
    """One decide(...) about trades of one lock batch, committed to by the root of their receipts, and its settle(...).

    `outcomes` is [{trade, kind, runs_delivered, units}] in order of index. It is `proposed` until enough members of the
    verifier set signed `verdict_digest`; then `signatures` are theirs, as they were sent. A batch whose verdict failed on
    chain stays as it was; its trades are cut again with the next `attempt`. `settle_at` is the end of the dispute window,
    unknown until the verdict is on chain. `settle_keys` are the transactions with settle(...): what one leaves, the next
    one takes up a dispute window later.
    """

    lock_batch = models.CharField(max_length=66, db_index=True)
    receipts_root = models.CharField(max_length=66)
    attempt = models.PositiveIntegerField(default=1)
    outcomes = models.JSONField()
    verdict = models.CharField(max_length=66, default="")
    verdict_digest = models.CharField(max_length=66)
    signatures = models.JSONField(default=list)
    outgoing_key = models.CharField(max_length=120, unique=True)
    settle_at = models.BigIntegerField(null=True)
    settle_keys = models.JSONField(default=list)
    status = models.CharField(max_length=10, choices=SETTLEMENT_STATUSES, default="proposed")
    reason = models.CharField(max_length=300, blank=True, default="")
    cut_at = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["receipts_root", "attempt"], name="settlement_once_per_attempt"),
        ]
        indexes = [
            models.Index(fields=["id"], condition=models.Q(status="proposed"), name="settlement_proposed"),
            models.Index(fields=["verdict_digest"], name="settlement_by_digest"),
        ]

    def __str__(self) -> str:
        return f"settlement {self.receipts_root} ({self.status})"


class Closing(models.Model):
    """How one trade leaves the chain: planned by us, then as its TradeClosed event says.

    `event_position` is ledger's position of the event; while it is not final a reorg may replace it by another.
    `returned_at` is set once, when unused units and undelivered runs went back to their orders.
    """

    trade = models.OneToOneField("clearing.Trade", on_delete=models.PROTECT, related_name="closing")
    settlement = models.ForeignKey(
        SettlementBatch, on_delete=models.PROTECT, null=True, related_name="closings"
    )
    kind = models.PositiveSmallIntegerField()
    runs_delivered = models.PositiveBigIntegerField()
    units = models.PositiveBigIntegerField()
    event_position = models.BigIntegerField(null=True)
    transaction = models.CharField(max_length=66, blank=True, default="")
    returned_at = models.BigIntegerField(null=True)
    final = models.BooleanField(default=False)

    class Meta:
        indexes = [
            models.Index(
                fields=["event_position"], condition=models.Q(final=False), name="closing_not_final"
            ),
            models.Index(fields=["-event_position"], name="closing_by_event"),
        ]

    def __str__(self) -> str:
        return f"closing of trade {self.trade_id} (kind {self.kind})"


class Answer(models.Model):
    """What one member of the verifier set says to a proposal: that it signs the digest, or why not.

    `signature` is of the digest itself when the member agrees, else of its dissent (suan.core.signing.messages). A dissent may
    be replaced by an agreement, an agreement by nothing.
    """

    digest = models.CharField(max_length=66)
    member = models.CharField(max_length=42)
    agrees = models.BooleanField()
    signature = models.CharField(max_length=132)
    reason = models.CharField(max_length=300, blank=True, default="")
    outcomes = models.JSONField(null=True)
    answered_at = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["digest", "member"], name="answer_one_per_member"),
            models.CheckConstraint(
                condition=models.Q(agrees=True, reason="") | (models.Q(agrees=False) & ~models.Q(reason="")),
                name="answer_signature_or_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.member} {'signs' if self.agrees else 'refuses'} {self.digest}"
