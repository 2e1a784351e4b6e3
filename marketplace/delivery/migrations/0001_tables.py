"""The tables of runs and leases, as the models describe them."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("clearing", "0001_tables"),
    ]

    operations = [
        migrations.CreateModel(
            name="SweepClock",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=20, unique=True)),
                ("last_at", models.BigIntegerField()),
                ("resumed_at", models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="Run",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("index", models.PositiveBigIntegerField()),
                ("bid_hash", models.CharField(max_length=66)),
                ("seed", models.CharField(max_length=66)),
                ("agent", models.CharField(max_length=42)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("waiting", "waiting"),
                            ("leased", "leased"),
                            ("delivered", "delivered"),
                            ("verified", "verified"),
                            ("failed", "failed"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("reason", models.CharField(blank=True, default="", max_length=200)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("opened_at", models.BigIntegerField()),
                ("concluded_at", models.BigIntegerField(null=True)),
                (
                    "trade",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="job_runs",
                        to="clearing.trade",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Lease",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("attempt", models.PositiveIntegerField()),
                ("agent", models.CharField(max_length=42)),
                ("granted_at", models.BigIntegerField()),
                ("expires_at", models.BigIntegerField()),
                ("released_at", models.BigIntegerField(null=True)),
                (
                    "reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", ""),
                            ("delivered", "delivered"),
                            ("expired", "expired"),
                            ("lost", "lost"),
                            ("deadline", "deadline"),
                        ],
                        default="",
                        max_length=20,
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="leases", to="delivery.run"
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(fields=["agent", "status"], name="run_agent_status"),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(fields=["bid_hash", "index"], name="run_bid_index"),
        ),
        migrations.AddConstraint(
            model_name="run",
            constraint=models.UniqueConstraint(fields=("trade", "index"), name="run_once_per_trade"),
        ),
        migrations.AddConstraint(
            model_name="run",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["waiting", "leased", "delivered", "verified", "failed"])),
                name="run_status_known",
            ),
        ),
        migrations.AddIndex(
            model_name="lease",
            index=models.Index(
                condition=models.Q(("released_at__isnull", True)),
                fields=["expires_at"],
                name="lease_open_expiry",
            ),
        ),
        migrations.AddIndex(
            model_name="lease",
            index=models.Index(
                condition=models.Q(("released_at__isnull", True)), fields=["agent"], name="lease_open_agent"
            ),
        ),
        migrations.AddConstraint(
            model_name="lease",
            constraint=models.UniqueConstraint(fields=("run", "attempt"), name="lease_once_per_attempt"),
        ),
        migrations.AddConstraint(
            model_name="lease",
            constraint=models.UniqueConstraint(
                condition=models.Q(("released_at__isnull", True)),
                fields=("run",),
                name="lease_one_open_per_run",
            ),
        ),
    ]
