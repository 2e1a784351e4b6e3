"""The tables of auctions, trades and lock batches, as the models describe them."""

import django.db.models.deletion
from django.db import migrations, models

import marketplace.fields


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("book", "0001_tables"),
    ]

    operations = [
        migrations.CreateModel(
            name="Clearing",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("symbol", models.CharField(max_length=96)),
                ("product", marketplace.fields.HashField()),
                ("number", models.PositiveBigIntegerField()),
                ("clearing_hash", marketplace.fields.HashField(unique=True)),
                ("cut_sequence", models.BigIntegerField()),
                ("cut_at", models.BigIntegerField()),
                ("price", marketplace.fields.UintField(null=True)),
                ("order_set_root", marketplace.fields.HashField()),
                ("order_count", models.PositiveIntegerField()),
                ("trade_count", models.PositiveIntegerField()),
                ("executed_units", marketplace.fields.UintField()),
                ("document_hash", marketplace.fields.HashField()),
                ("document", models.BinaryField(null=True)),
                ("book_digest", models.CharField(max_length=64)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["symbol", "-number"], name="clearing_cl_symbol_86dbfd_idx"),
                    models.Index(
                        condition=models.Q(("document__isnull", False)),
                        fields=["id"],
                        name="clearing_to_publish",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("symbol", "number"), name="clearing_number_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("price__isnull", True), ("trade_count", 0)),
                            models.Q(("price__isnull", False), ("trade_count__gt", 0)),
                            _connector="OR",
                        ),
                        name="clearing_has_a_price_if_it_has_trades",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="LockBatch",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("outgoing_key", models.CharField(max_length=200, unique=True)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("planned", "planned"),
                            ("sent", "sent"),
                            ("included", "included"),
                            ("final", "final"),
                            ("failed", "failed"),
                        ],
                        default="planned",
                        max_length=10,
                    ),
                ),
                ("verifier_set", marketplace.fields.HashField()),
                ("fill_count", models.PositiveIntegerField()),
                ("planned_at", models.BigIntegerField()),
                ("batch_id", marketplace.fields.HashField(null=True)),
                ("chain_number", models.PositiveBigIntegerField(null=True)),
                ("root", marketplace.fields.HashField(null=True)),
                ("count", models.PositiveIntegerField(null=True)),
                ("tx_hash", marketplace.fields.HashField(null=True)),
                ("block_hash", marketplace.fields.HashField(null=True)),
                ("reason", models.CharField(blank=True, default="", max_length=300)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["batch_id"], name="clearing_lo_batch_i_bcc219_idx"),
                    models.Index(fields=["block_hash"], name="clearing_lo_block_h_af7b75_idx"),
                    models.Index(
                        condition=models.Q(("status__in", ["final", "failed"]), _negated=True),
                        fields=["id"],
                        name="lock_batch_open",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Trade",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("trade_hash", marketplace.fields.HashField(unique=True)),
                ("offer_hash", marketplace.fields.HashField()),
                ("bid_hash", marketplace.fields.HashField()),
                ("provider", marketplace.fields.AddressField()),
                ("buyer", marketplace.fields.AddressField()),
                ("symbol", models.CharField(max_length=96)),
                ("verifier_set", marketplace.fields.HashField()),
                ("first_run", models.PositiveBigIntegerField()),
                ("runs", models.PositiveBigIntegerField()),
                ("ceiling_units", marketplace.fields.UintField()),
                ("price", marketplace.fields.UintField()),
                ("payment", marketplace.fields.UintField()),
                ("bond", marketplace.fields.UintField()),
                ("deliver_by", models.BigIntegerField()),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("matched", "matched"),
                            ("locking", "locking"),
                            ("locked", "locked"),
                            ("delivered", "delivered"),
                            ("verified", "verified"),
                            ("closing", "closing"),
                            ("settled", "settled"),
                            ("refunded", "refunded"),
                            ("slashed", "slashed"),
                            ("rejected", "rejected"),
                        ],
                        default="matched",
                        max_length=10,
                    ),
                ),
                ("position", models.PositiveIntegerField(null=True)),
                ("index", models.PositiveIntegerField(null=True)),
                ("lock_attempts", models.PositiveSmallIntegerField(default=0)),
                ("reject_code", models.PositiveSmallIntegerField(null=True)),
                ("reject_reason", models.CharField(blank=True, default="", max_length=200)),
                ("offer_at_fault", models.BooleanField(default=False)),
                ("bid_at_fault", models.BooleanField(default=False)),
                ("matched_at", models.BigIntegerField()),
                ("updated_at", models.BigIntegerField()),
                (
                    "bid",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="bid_trades",
                        to="book.order",
                    ),
                ),
                (
                    "clearing",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="trades",
                        to="clearing.clearing",
                    ),
                ),
                (
                    "lock_batch",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="trades",
                        to="clearing.lockbatch",
                    ),
                ),
                (
                    "offer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="offer_trades",
                        to="book.order",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["status", "id"], name="clearing_tr_status_916296_idx"),
                    models.Index(fields=["lock_batch", "index"], name="clearing_tr_lock_ba_0606ef_idx"),
                    models.Index(fields=["bid", "id"], name="clearing_tr_bid_id_15cc1c_idx"),
                    models.Index(fields=["offer", "id"], name="clearing_tr_offer_i_20bf1f_idx"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("lock_batch", "position"), name="trade_position_once_per_batch"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("price__gte", 1), ("runs__gte", 1)), name="trade_not_empty"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("provider", models.F("buyer")), _negated=True),
                        name="trade_between_two_makers",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "status__in",
                                (
                                    "matched",
                                    "locking",
                                    "locked",
                                    "delivered",
                                    "verified",
                                    "closing",
                                    "settled",
                                    "refunded",
                                    "slashed",
                                    "rejected",
                                ),
                            )
                        ),
                        name="trade_status_known",
                    ),
                ],
            },
        ),
    ]
