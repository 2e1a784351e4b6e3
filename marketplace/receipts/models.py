"""What receipts remembers: one signed receipt per run, and what the verifier found when it ran the job again.

Counters, fuel and sizes are whole numbers below 2^63 (a larger claim is refused on arrival, naming the field).
Times are unix seconds. Writer: receipts.actions only.
"""

from django.db import models

from suan.core.contract import ReceiptVerdict

RECEIPT_STATUSES = [(name, name) for name in ("submitted", "accepted", "rejected")]


class Receipt(models.Model):
    """A provider's signed statement about one run (docs/protocol.md section 3) and the verdict on it.

    `parked_at` marks a receipt on which our own two engines disagree, or whose job our verifier could not finish:
    it stays `submitted`, is shown with its reason, pays nothing and returns the bond.
    """

    receipt_id = models.CharField(max_length=70, unique=True)
    run = models.OneToOneField("delivery.Run", on_delete=models.PROTECT, related_name="receipt")
    # the struct, field by field
    trade = models.CharField(max_length=66, db_index=True)
    run_index = models.PositiveBigIntegerField()
    module = models.CharField(max_length=66)
    input = models.CharField(max_length=66)
    output = models.CharField(max_length=66)
    seed = models.CharField(max_length=66)
    fp64 = models.PositiveBigIntegerField()
    fp32 = models.PositiveBigIntegerField()
    integer = models.PositiveBigIntegerField()
    memory_control = models.PositiveBigIntegerField()
    fuel = models.PositiveBigIntegerField()
    engine = models.CharField(max_length=64)
    profile = models.CharField(max_length=32)
    exit_reason = models.PositiveSmallIntegerField()
    cpu_milliseconds = models.PositiveBigIntegerField()
    wall_milliseconds = models.PositiveBigIntegerField()
    peak_memory_bytes = models.PositiveBigIntegerField()
    started_at = models.BigIntegerField()
    ended_at = models.BigIntegerField()
    evidence = models.CharField(max_length=66)
    # who signed, and when it came
    signature = models.CharField(max_length=132)
    agent = models.CharField(max_length=42)
    submitted_at = models.BigIntegerField()
    acknowledgement = models.CharField(
        max_length=132, blank=True, default=""
    )  # ours, over ReceiptAcknowledgement
    # what became of it
    status = models.CharField(max_length=10, choices=RECEIPT_STATUSES, default="submitted")
    verdict = models.PositiveSmallIntegerField(default=int(ReceiptVerdict.MISSING))
    reason = models.CharField(max_length=300, blank=True, default="")
    units = models.PositiveBigIntegerField(
        default=0
    )  # billed units of the run when accepted, recomputed ones when rejected
    verified_at = models.BigIntegerField(null=True)
    parked_at = models.BigIntegerField(null=True)
    recount = models.JSONField(
        null=True
    )  # {exit_reason, output, fp64, …, fuel, engine, wall_milliseconds} of our run
    confirmed_by = models.CharField(max_length=64, blank=True, default="")
    seal = models.CharField(max_length=66)  # keccak256 of everything above; written with every change of it
    # the claim of a verifying worker; a killed worker's claim runs out
    claim = models.CharField(max_length=64, blank=True, default="")
    claim_expires_at = models.BigIntegerField(null=True)
    attempts = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=[name for name, _ in RECEIPT_STATUSES]),
                name="receipt_status_known",
            ),
        ]
        indexes = [
            *(
                models.Index(fields=[name], name=f"receipt_by_{name}")
                for name in ("module", "input", "output")
            ),
            models.Index(
                fields=["submitted_at"],
                condition=models.Q(status="submitted", parked_at__isnull=True),
                name="receipt_to_verify",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.receipt_id} ({self.status})"
