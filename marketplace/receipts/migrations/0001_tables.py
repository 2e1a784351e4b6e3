"""The table of receipts, as the models describe it."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("delivery", "0001_tables"),
    ]

    operations = [
        migrations.CreateModel(
            name="Receipt",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("receipt_id", models.CharField(max_length=70, unique=True)),
                ("trade", models.CharField(db_index=True, max_length=66)),
                ("run_index", models.PositiveBigIntegerField()),
                ("module", models.CharField(max_length=66)),
                ("input", models.CharField(max_length=66)),
                ("output", models.CharField(max_length=66)),
                ("seed", models.CharField(max_length=66)),
                ("fp64", models.PositiveBigIntegerField()),
                ("fp32", models.PositiveBigIntegerField()),
                ("integer", models.PositiveBigIntegerField()),
                ("memory_control", models.PositiveBigIntegerField()),
                ("fuel", models.PositiveBigIntegerField()),
                ("engine", models.CharField(max_length=64)),
                ("profile", models.CharField(max_length=32)),
                ("exit_reason", models.PositiveSmallIntegerField()),
                ("cpu_milliseconds", models.PositiveBigIntegerField()),
                ("wall_milliseconds", models.PositiveBigIntegerField()),
                ("peak_memory_bytes", models.PositiveBigIntegerField()),
                ("started_at", models.BigIntegerField()),
                ("ended_at", models.BigIntegerField()),
                ("evidence", models.CharField(max_length=66)),
                ("signature", models.CharField(max_length=132)),
                ("agent", models.CharField(max_length=42)),
                ("submitted_at", models.BigIntegerField()),
                ("acknowledgement", models.CharField(blank=True, default="", max_length=132)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("submitted", "submitted"),
                            ("accepted", "accepted"),
                            ("rejected", "rejected"),
                        ],
                        default="submitted",
                        max_length=10,
                    ),
                ),
                ("verdict", models.PositiveSmallIntegerField(default=0)),
                ("reason", models.CharField(blank=True, default="", max_length=300)),
                ("units", models.PositiveBigIntegerField(default=0)),
                ("verified_at", models.BigIntegerField(null=True)),
                ("parked_at", models.BigIntegerField(null=True)),
                ("recount", models.JSONField(null=True)),
                ("confirmed_by", models.CharField(blank=True, default="", max_length=64)),
                ("seal", models.CharField(max_length=66)),
                ("claim", models.CharField(blank=True, default="", max_length=64)),
                ("claim_expires_at", models.BigIntegerField(null=True)),
                ("attempts", models.PositiveIntegerField(default=0)),
                (
                    "run",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="receipt", to="delivery.run"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["module"], name="receipt_by_module"),
                    models.Index(fields=["input"], name="receipt_by_input"),
                    models.Index(fields=["output"], name="receipt_by_output"),
                    models.Index(
                        condition=models.Q(("parked_at__isnull", True), ("status", "submitted")),
                        fields=["submitted_at"],
                        name="receipt_to_verify",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["submitted", "accepted", "rejected"])),
                        name="receipt_status_known",
                    )
                ],
            },
        ),
    ]
