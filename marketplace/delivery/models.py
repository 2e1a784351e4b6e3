"""What delivery remembers: runs of trades, and the leases under which agents execute them.

Times are unix seconds. Hashes are lower-case 0x hex. Writers: delivery.actions for leases and openings;
receipts.actions moves a run to delivered, verified or failed through delivery.actions.
"""

from django.db import models

RUN_STATUSES = [(name, name) for name in ("waiting", "leased", "delivered", "verified", "failed")]
LEASE_ENDINGS = [(name, name) for name in ("", "delivered", "expired", "lost", "deadline")]


class Run(models.Model):
    """One run of a trade: atomic, executed by one agent, billed by what was counted.

    `index` counts within the bid (first_run .. first_run + runs - 1 of the trade). A run that failed in one trade
    comes back as another row under another trade, after the chain has returned it to its bid.
    """

    trade = models.ForeignKey("clearing.Trade", on_delete=models.PROTECT, related_name="job_runs")
    index = models.PositiveBigIntegerField()
    bid_hash = models.CharField(max_length=66)
    seed = models.CharField(max_length=66)
    agent = models.CharField(max_length=42)
    status = models.CharField(max_length=10, choices=RUN_STATUSES, default="waiting")
    reason = models.CharField(max_length=200, blank=True, default="")
    attempts = models.PositiveIntegerField(default=0)
    opened_at = models.BigIntegerField()
    concluded_at = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["trade", "index"], name="run_once_per_trade"),
            models.CheckConstraint(
                condition=models.Q(status__in=[name for name, _ in RUN_STATUSES]), name="run_status_known"
            ),
        ]
        indexes = [
            models.Index(fields=["agent", "status"], name="run_agent_status"),
            models.Index(fields=["bid_hash", "index"], name="run_bid_index"),
        ]

    def __str__(self) -> str:
        return f"run {self.index} of trade {self.trade_id} ({self.status})"


class Lease(models.Model):
    """The right of one agent to execute one run until `expires_at`; at most one open lease per run."""

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="leases")
    attempt = models.PositiveIntegerField()
    agent = models.CharField(max_length=42)
    granted_at = models.BigIntegerField()
    expires_at = models.BigIntegerField()
    released_at = models.BigIntegerField(null=True)
    reason = models.CharField(max_length=20, choices=LEASE_ENDINGS, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "attempt"], name="lease_once_per_attempt"),
            models.UniqueConstraint(
                fields=["run"], condition=models.Q(released_at__isnull=True), name="lease_one_open_per_run"
            ),
        ]
        indexes = [
            models.Index(
                fields=["expires_at"], condition=models.Q(released_at__isnull=True), name="lease_open_expiry"
            ),
            models.Index(
                fields=["agent"], condition=models.Q(released_at__isnull=True), name="lease_open_agent"
            ),
        ]

    def __str__(self) -> str:
        return self.lease_id

    @property
    def lease_id(self) -> str:
        return f"lse_{self.run_id}_{self.attempt}"


class SweepClock(models.Model):
    """When the lease sweep last ran, so that the exchange's own silence is not taken for the agents'."""

    name = models.CharField(max_length=20, unique=True)
    last_at = models.BigIntegerField()
    resumed_at = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.name} {self.last_at}"
