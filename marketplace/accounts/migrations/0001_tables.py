"""The tables of who may act, as the models describe them."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import marketplace.fields


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="SiweNonce",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("nonce", models.CharField(max_length=32, unique=True)),
                ("address", marketplace.fields.AddressField()),
                ("message", models.TextField()),
                ("issued_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Participant",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("address", marketplace.fields.AddressField(unique=True)),
                ("custodial", models.BooleanField()),
                ("display_name", models.CharField(blank=True, max_length=64)),
                ("created_at", models.DateTimeField()),
                (
                    "user",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="participant",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Node",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("agent", marketplace.fields.AddressField()),
                ("region", models.CharField(max_length=32)),
                ("resource_class", models.CharField(max_length=32)),
                ("rate_mflops", models.PositiveBigIntegerField()),
                ("benchmark", models.JSONField(default=dict)),
                ("measured_at", models.DateTimeField()),
                ("last_seen", models.DateTimeField()),
                ("created_at", models.DateTimeField()),
                (
                    "participant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="nodes",
                        to="accounts.participant",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=64)),
                ("prefix", models.CharField(max_length=16, unique=True)),
                ("key_hash", models.CharField(max_length=64, unique=True)),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=16), size=None
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField(null=True)),
                ("revoked_at", models.DateTimeField(null=True)),
                ("last_used_at", models.DateTimeField(null=True)),
                (
                    "participant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="api_keys",
                        to="accounts.participant",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="RelayedRequest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("deposit", "deposit"),
                            ("withdrawal", "withdrawal"),
                            ("delegate", "delegate"),
                            ("agent", "agent"),
                            ("cancel", "cancel"),
                            ("faucet", "faucet"),
                            ("sweep", "sweep"),
                        ],
                        max_length=16,
                    ),
                ),
                ("key", models.CharField(max_length=128, unique=True)),
                ("amount", marketplace.fields.UintField(null=True)),
                ("request", models.JSONField()),
                ("settled", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField()),
                (
                    "participant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="relayed",
                        to="accounts.participant",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="participant",
            constraint=models.CheckConstraint(
                condition=models.Q(("address__regex", "^0x[0-9a-f]{40}$")), name="participant_address_lower"
            ),
        ),
        migrations.AddConstraint(
            model_name="node",
            constraint=models.UniqueConstraint(
                fields=("agent", "resource_class"), name="node_once_per_class"
            ),
        ),
        migrations.AddIndex(
            model_name="relayedrequest",
            index=models.Index(
                fields=["participant", "kind", "created_at"], name="accounts_re_partici_930b1a_idx"
            ),
        ),
    ]
