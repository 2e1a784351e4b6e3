"""The tables of verdicts, answers and closes, as the models describe them."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("clearing", "0001_tables"),
    ]

    operations = [
        migrations.CreateModel(
            name="Answer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("digest", models.CharField(max_length=66)),
                ("member", models.CharField(max_length=42)),
                ("agrees", models.BooleanField()),
                ("signature", models.CharField(max_length=132)),
                ("reason", models.CharField(blank=True, default="", max_length=300)),
                ("outcomes", models.JSONField(null=True)),
                ("answered_at", models.BigIntegerField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("digest", "member"), name="answer_one_per_member"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("agrees", True), ("reason", "")),
                            models.Q(("agrees", False), models.Q(("reason", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="answer_signature_or_reason",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="SettlementBatch",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("lock_batch", models.CharField(db_index=True, max_length=66)),
                ("receipts_root", models.CharField(max_length=66)),
                ("attempt", models.PositiveIntegerField(default=1)),
                ("outcomes", models.JSONField()),
                ("verdict", models.CharField(default="", max_length=66)),
                ("verdict_digest", models.CharField(max_length=66)),
                ("signatures", models.JSONField(default=list)),
                ("outgoing_key", models.CharField(max_length=120, unique=True)),
                ("settle_at", models.BigIntegerField(null=True)),
                ("settle_keys", models.JSONField(default=list)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("proposed", "proposed"),
                            ("planned", "planned"),
                            ("included", "included"),
                            ("failed", "failed"),
                        ],
                        default="proposed",
                        max_length=10,
                    ),
                ),
                ("reason", models.CharField(blank=True, default="", max_length=300)),
                ("cut_at", models.BigIntegerField()),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("status", "proposed")), fields=["id"], name="settlement_proposed"
                    ),
                    models.Index(fields=["verdict_digest"], name="settlement_by_digest"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("receipts_root", "attempt"), name="settlement_once_per_attempt"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Closing",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.PositiveSmallIntegerField()),
                ("runs_delivered", models.PositiveBigIntegerField()),
                ("units", models.PositiveBigIntegerField()),
                ("event_position", models.BigIntegerField(null=True)),
                ("transaction", models.CharField(blank=True, default="", max_length=66)),
                ("returned_at", models.BigIntegerField(null=True)),
                ("final", models.BooleanField(default=False)),
                (
                    "trade",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="closing",
                        to="clearing.trade",
                    ),
                ),
                (
                    "settlement",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="closings",
                        to="settlement.settlementbatch",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("final", False)),
                        fields=["event_position"],
                        name="closing_not_final",
                    ),
                    models.Index(fields=["-event_position"], name="closing_by_event"),
                ],
            },
        ),
    ]
