"""The tables of the order book, as the models describe them, and the one sequence that numbers all orders."""

import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models

import marketplace.fields


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_tables"),
    ]

    operations = [
        migrations.CreateModel(
            name="ChainCursor",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=40, unique=True)),
                ("position", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="Artifact",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("sha256", marketplace.fields.HashField(unique=True)),
                ("size_bytes", models.PositiveBigIntegerField()),
                ("path", models.CharField(max_length=128)),
                ("module_problem", models.TextField(blank=True)),
                ("module_checked_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField()),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="artifacts",
                        to="accounts.participant",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Order",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("order_hash", marketplace.fields.HashField(unique=True)),
                ("client_order_id", models.CharField(max_length=64)),
                ("fingerprint", models.CharField(max_length=64)),
                ("sequence", models.BigIntegerField(unique=True)),
                ("maker", marketplace.fields.AddressField()),
                ("symbol", models.CharField(max_length=96)),
                ("product", marketplace.fields.HashField()),
                ("side", models.PositiveSmallIntegerField(choices=[(1, "buy"), (2, "sell")])),
                ("price", marketplace.fields.UintField()),
                ("units", marketplace.fields.UintField(null=True)),
                ("runs", models.PositiveBigIntegerField(null=True)),
                ("ceiling_units", marketplace.fields.UintField(null=True)),
                ("nonce", models.PositiveBigIntegerField()),
                ("valid_until", models.BigIntegerField()),
                ("deliver_by", models.BigIntegerField()),
                ("verifier_set", marketplace.fields.HashField()),
                ("max_fee_bps", models.PositiveIntegerField()),
                ("terms_hash", marketplace.fields.HashField()),
                ("terms", models.JSONField()),
                ("signature", models.CharField(max_length=132)),
                ("signer", marketplace.fields.AddressField()),
                (
                    "order_status",
                    models.CharField(
                        choices=[
                            ("new", "new"),
                            ("partially_filled", "partially_filled"),
                            ("filled", "filled"),
                            ("canceled", "canceled"),
                            ("expired", "expired"),
                            ("rejected", "rejected"),
                        ],
                        max_length=16,
                    ),
                ),
                ("quantity", marketplace.fields.UintField()),
                ("cum_quantity", marketplace.fields.UintField()),
                ("leaves_quantity", marketplace.fields.UintField()),
                ("headroom_quantity", marketplace.fields.UintField(default=0)),
                ("trimmed", models.BooleanField(default=False)),
                ("free_runs", models.JSONField(default=list)),
                ("held", marketplace.fields.UintField(default=0)),
                ("hold_version", models.PositiveIntegerField(default=0)),
                ("reject_reason", models.CharField(blank=True, max_length=256)),
                ("acknowledgement_at", models.BigIntegerField()),
                ("acknowledgement_signature", models.CharField(max_length=132)),
                ("cancel_signature", models.CharField(blank=True, max_length=132)),
                ("evidence_published", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                (
                    "participant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="orders",
                        to="accounts.participant",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ExecutionReport",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "exec_type",
                    models.CharField(
                        choices=[
                            ("new", "new"),
                            ("trade", "trade"),
                            ("canceled", "canceled"),
                            ("expired", "expired"),
                            ("rejected", "rejected"),
                            ("trade_cancel", "trade_cancel"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "order_status",
                    models.CharField(
                        choices=[
                            ("new", "new"),
                            ("partially_filled", "partially_filled"),
                            ("filled", "filled"),
                            ("canceled", "canceled"),
                            ("expired", "expired"),
                            ("rejected", "rejected"),
                        ],
                        max_length=16,
                    ),
                ),
                ("last_quantity", marketplace.fields.UintField(default=0)),
                ("last_price", marketplace.fields.UintField(null=True)),
                ("cum_quantity", marketplace.fields.UintField()),
                ("leaves_quantity", marketplace.fields.UintField()),
                ("trade_id", models.CharField(blank=True, max_length=70)),
                ("run_ranges", models.JSONField(default=list)),
                ("text", models.CharField(blank=True, max_length=256)),
                ("transact_at", models.BigIntegerField()),
                (
                    "order",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="execution_reports",
                        to="book.order",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ArtifactOwner",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(choices=[("module", "module"), ("data", "data")], max_length=8)),
                ("created_at", models.DateTimeField()),
                (
                    "artifact",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="owners", to="book.artifact"
                    ),
                ),
                (
                    "participant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="owned_artifacts",
                        to="accounts.participant",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("artifact", "participant"), name="artifact_owner_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="NonceReservation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("side", models.PositiveSmallIntegerField(choices=[(1, "buy"), (2, "sell")])),
                ("client_order_id", models.CharField(max_length=64)),
                ("maker", marketplace.fields.AddressField()),
                ("nonce", models.PositiveBigIntegerField()),
                (
                    "participant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="nonces",
                        to="accounts.participant",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("participant", "side", "client_order_id"), name="nonce_name_once"
                    ),
                    models.UniqueConstraint(fields=("maker", "side", "nonce"), name="nonce_reserved_once"),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                fields=["symbol", "order_status", "sequence"], name="book_order_symbol_bce37a_idx"
            ),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(fields=["participant", "-sequence"], name="book_order_partici_b1501a_idx"),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(fields=["order_status", "valid_until"], name="book_order_order_s_117239_idx"),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                condition=models.Q(("evidence_published", False)),
                fields=["evidence_published"],
                name="order_to_publish",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.UniqueConstraint(
                fields=("participant", "client_order_id"), name="order_client_id_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.UniqueConstraint(fields=("maker", "side", "nonce"), name="order_nonce_once"),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "quantity",
                        django.db.models.expressions.CombinedExpression(
                            models.F("cum_quantity"), "+", models.F("leaves_quantity")
                        ),
                    )
                ),
                name="order_quantity_adds_up",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("cum_quantity__gte", 0),
                    ("headroom_quantity__gte", 0),
                    ("held__gte", 0),
                    ("leaves_quantity__gte", 0),
                ),
                name="order_quantities_not_negative",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("ceiling_units__isnull", True),
                        ("runs__isnull", True),
                        ("side", 2),
                        ("units__isnull", False),
                    ),
                    models.Q(
                        ("ceiling_units__isnull", False),
                        ("runs__isnull", False),
                        ("side", 1),
                        ("units__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="order_side_has_its_fields",
            ),
        ),
        migrations.AddIndex(
            model_name="executionreport",
            index=models.Index(fields=["order", "id"], name="book_execut_order_i_c1ee1a_idx"),
        ),
        migrations.AddConstraint(
            model_name="executionreport",
            constraint=models.UniqueConstraint(
                condition=models.Q(("trade_id", ""), _negated=True),
                fields=("order", "exec_type", "trade_id"),
                name="execution_once_per_trade",
            ),
        ),
        # Time priority: the order of acceptance, without two orders in one place.
        migrations.RunSQL("CREATE SEQUENCE book_order_sequence", "DROP SEQUENCE book_order_sequence"),
    ]
