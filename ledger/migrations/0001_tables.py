"""The tables of the books and the chain, as the models describe them; triggers.sql says what may not happen to their rows."""

import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import ledger.fields


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Cursor",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=32, unique=True)),
                ("number", models.BigIntegerField(default=-1)),
                ("hash", models.CharField(blank=True, default="", max_length=66)),
                ("updated_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="CustodialKey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("address", ledger.fields.AddressField(unique=True)),
                ("ciphertext", models.BinaryField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name="Reconciliation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("finished_at", models.DateTimeField()),
                ("head_number", models.BigIntegerField()),
                ("final_number", models.BigIntegerField()),
                ("deep", models.BooleanField(help_text="every block header and every file was read")),
                ("checked", models.JSONField(help_text="rows looked at, by check")),
                ("differences", models.PositiveIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="Reorg",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("ancestor_number", models.BigIntegerField()),
                ("depth", models.PositiveIntegerField(help_text="orphaned blocks")),
                ("old_head", ledger.fields.HashField()),
                ("new_head", ledger.fields.HashField()),
                ("seen_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="SignerNonce",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("signer", models.CharField(max_length=32, unique=True)),
                ("address", ledger.fields.AddressField(unique=True)),
                ("next_nonce", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="Account",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("address", ledger.fields.AddressField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("available", "Available"),
                            ("locked", "Locked"),
                            ("exiting", "Exiting"),
                            ("custody", "Custody"),
                        ],
                        max_length=9,
                    ),
                ),
                ("debits_posted", ledger.fields.UnitsField(default=0)),
                ("credits_posted", ledger.fields.UnitsField(default=0)),
                ("debits_pending", ledger.fields.UnitsField(default=0)),
                (
                    "head",
                    ledger.fields.HashField(
                        help_text="digest of the last transfer that touched this account"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("address", "kind"), name="account_address_kind"),
                    models.CheckConstraint(
                        condition=models.Q(("debits_pending__gte", 0)), name="account_pending_not_negative"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Anchor",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=20)),
                ("number", models.PositiveIntegerField(help_text="from 0, within the kind, as on chain")),
                ("root", ledger.fields.HashField()),
                ("count", models.PositiveIntegerField(help_text="files under the root")),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("kind", "number"), name="anchor_kind_number")
                ],
            },
        ),
        migrations.CreateModel(
            name="Block",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.BigIntegerField()),
                ("hash", ledger.fields.HashField(unique=True)),
                ("parent", ledger.fields.HashField()),
                ("timestamp", models.BigIntegerField()),
                ("canonical", models.BooleanField(default=True)),
                ("seen_at", models.DateTimeField()),
                ("orphaned_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["canonical", "-number"], name="ledger_bloc_canonic_6c0b3c_idx")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("canonical", True)),
                        fields=("number",),
                        name="block_one_canonical_per_number",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ChainEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("position", models.BigIntegerField(unique=True)),
                ("tx_hash", ledger.fields.HashField()),
                ("log_index", models.IntegerField()),
                ("address", ledger.fields.AddressField()),
                ("name", models.CharField(max_length=40)),
                (
                    "subject",
                    models.CharField(
                        blank=True, default="", help_text="first indexed argument", max_length=66
                    ),
                ),
                ("args", models.JSONField()),
                ("posted_at", models.DateTimeField(null=True)),
                (
                    "postings",
                    models.PositiveIntegerField(
                        default=0, help_text="how often it was posted; more than one after a rewind"
                    ),
                ),
                (
                    "block",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="events", to="ledger.block"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Difference",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("check_name", models.CharField(max_length=60)),
                ("table", models.CharField(max_length=60)),
                ("row", models.CharField(max_length=200)),
                ("column", models.CharField(max_length=60)),
                ("stored", models.TextField()),
                ("expected", models.TextField()),
                ("found_at", models.DateTimeField()),
                ("seen_at", models.DateTimeField()),
                ("resolved_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("resolved_at__isnull", True)),
                        fields=("check_name", "table", "row", "column"),
                        name="difference_open_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="EvidenceFile",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=20)),
                ("name", models.CharField(max_length=80)),
                ("size", models.BigIntegerField()),
                ("sha256", ledger.fields.HashField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "anchor",
                    models.ForeignKey(
                        help_text="empty: waits for the next one",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="files",
                        to="ledger.anchor",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Halt",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reason", models.CharField(max_length=500)),
                ("from_number", models.BigIntegerField(help_text="first final block that changed")),
                ("created_at", models.DateTimeField()),
                ("resolved_at", models.DateTimeField(null=True)),
                ("resolved_by", models.CharField(blank=True, default="", max_length=100)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("resolved_at__isnull", True)),
                        fields=("from_number",),
                        name="halt_open_once_per_block",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="OutgoingTx",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=200, unique=True)),
                ("signer", models.CharField(max_length=32)),
                ("to", ledger.fields.AddressField()),
                ("value", ledger.fields.UnitsField(default=0)),
                ("calldata", models.BinaryField()),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("planned", "Planned"),
                            ("signed", "Signed"),
                            ("sent", "Sent"),
                            ("included", "Included"),
                            ("final", "Final"),
                            ("failed", "Failed"),
                        ],
                        default="planned",
                        max_length=8,
                    ),
                ),
                ("nonce", models.BigIntegerField(null=True)),
                ("tx_hash", ledger.fields.HashField(help_text="the attempt that was included", null=True)),
                ("gas_used", models.BigIntegerField(null=True)),
                ("reverted", models.BooleanField(default=False)),
                ("error", models.CharField(blank=True, default="", max_length=500)),
                ("refusals", models.PositiveIntegerField(default=0, help_text="simulations that reverted")),
                ("due_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "block",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="outgoing",
                        to="ledger.block",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Attempt",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("raw", models.BinaryField()),
                ("tx_hash", ledger.fields.HashField(unique=True)),
                ("nonce", models.BigIntegerField()),
                ("gas_limit", models.BigIntegerField()),
                ("max_fee_per_gas", models.BigIntegerField()),
                ("max_priority_fee_per_gas", models.BigIntegerField()),
                ("created_at", models.DateTimeField()),
                ("sent_at", models.DateTimeField(null=True)),
                ("sent_block_number", models.BigIntegerField(null=True)),
                ("broadcasts", models.PositiveIntegerField(default=0)),
                ("error", models.CharField(blank=True, default="", max_length=500)),
                (
                    "outgoing",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="attempts",
                        to="ledger.outgoingtx",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SwitchEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("switch", models.CharField(help_text="trading or contract", max_length=10)),
                (
                    "verb",
                    models.CharField(
                        choices=[("stop", "Stop"), ("ask", "Ask"), ("resume", "Resume")], max_length=6
                    ),
                ),
                ("person", models.CharField(max_length=150)),
                ("reason", models.CharField(max_length=500)),
                ("created_at", models.DateTimeField()),
                ("previous", ledger.fields.HashField()),
                ("digest", ledger.fields.HashField(unique=True)),
            ],
            options={
                "indexes": [models.Index(fields=["switch", "-id"], name="ledger_swit_switch_bb1e6f_idx")],
            },
        ),
        migrations.CreateModel(
            name="Transfer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=200, unique=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[("plain", "Plain"), ("hold", "Hold"), ("post", "Post"), ("void", "Void")],
                        max_length=5,
                    ),
                ),
                ("hold_name", models.CharField(blank=True, default="", max_length=160)),
                ("amount", ledger.fields.UnitsField()),
                ("batch", models.CharField(blank=True, default="", max_length=200)),
                ("memo", models.CharField(blank=True, default="", max_length=200)),
                ("debit_previous", ledger.fields.HashField()),
                ("credit_previous", ledger.fields.HashField()),
                ("digest", ledger.fields.HashField()),
                ("created_at", models.DateTimeField()),
                (
                    "credit",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="credits",
                        to="ledger.account",
                    ),
                ),
                (
                    "debit",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="debits",
                        to="ledger.account",
                    ),
                ),
                (
                    "event",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="transfers",
                        to="ledger.chainevent",
                    ),
                ),
                (
                    "resolves",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="resolution",
                        to="ledger.transfer",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="chainevent",
            index=models.Index(fields=["name", "position"], name="ledger_chai_name_19a4c0_idx"),
        ),
        migrations.AddIndex(
            model_name="chainevent",
            index=models.Index(fields=["name", "subject"], name="ledger_chai_name_b5d388_idx"),
        ),
        migrations.AddIndex(
            model_name="chainevent",
            index=models.Index(fields=["tx_hash"], name="ledger_chai_tx_hash_233b8b_idx"),
        ),
        migrations.AddIndex(
            model_name="chainevent",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["args"], name="event_args", opclasses=["jsonb_path_ops"]
            ),
        ),
        migrations.AddConstraint(
            model_name="chainevent",
            constraint=models.UniqueConstraint(fields=("block", "log_index"), name="event_block_log_index"),
        ),
        migrations.AddIndex(
            model_name="evidencefile",
            index=models.Index(fields=["kind", "id"], name="ledger_evid_kind_0f8ab5_idx"),
        ),
        migrations.AddIndex(
            model_name="evidencefile",
            index=models.Index(
                condition=models.Q(("anchor", None)), fields=["kind", "id"], name="evidence_to_anchor"
            ),
        ),
        migrations.AddConstraint(
            model_name="evidencefile",
            constraint=models.UniqueConstraint(fields=("kind", "name"), name="evidence_kind_name"),
        ),
        migrations.AddIndex(
            model_name="outgoingtx",
            index=models.Index(fields=["status", "signer", "id"], name="ledger_outg_status_180ead_idx"),
        ),
        migrations.AddIndex(
            model_name="outgoingtx",
            index=models.Index(fields=["tx_hash"], name="ledger_outg_tx_hash_9235b4_idx"),
        ),
        migrations.AddConstraint(
            model_name="outgoingtx",
            constraint=models.UniqueConstraint(fields=("signer", "nonce"), name="outgoing_one_row_per_nonce"),
        ),
        migrations.AddIndex(
            model_name="transfer",
            index=models.Index(fields=["hold_name", "id"], name="ledger_tran_hold_na_fc149f_idx"),
        ),
        migrations.AddIndex(
            model_name="transfer",
            index=models.Index(fields=["batch"], name="ledger_tran_batch_146427_idx"),
        ),
        migrations.AddConstraint(
            model_name="transfer",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gt", 0)), name="transfer_amount_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="transfer",
            constraint=models.CheckConstraint(
                condition=models.Q(("debit", models.F("credit")), _negated=True), name="transfer_two_accounts"
            ),
        ),
        migrations.AddConstraint(
            model_name="transfer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind__in", ["post", "void"]), ("resolves__isnull", False)),
                    models.Q(("kind__in", ["plain", "hold"]), ("resolves__isnull", True)),
                    _connector="OR",
                ),
                name="transfer_resolves_a_hold",
            ),
        ),
    ]
