"""Verdicts and attestations are proposed first and planned when enough members of the verifier set signed them.

What was planned before keeps its one signature. Of an old attestation the digest is not known here; its row's own number
stands for it, which is nobody's digest.
"""

from typing import Any

from django.db import migrations, models


def keep_signatures(apps: Any, schema_editor: Any) -> None:
    attestation = apps.get_model("settlement", "Attestation")
    for row in attestation.objects.all():
        row.signatures, row.digest, row.proposed_at = [row.signature], f"0x{row.pk:064x}", row.planned_at
        row.save(update_fields=["signatures", "digest", "proposed_at"])


class Migration(migrations.Migration):
    dependencies = [("settlement", "0002_settlementbatch_settle_at_and_more")]

    operations = [
        migrations.AlterField(
            model_name="settlementbatch",
            name="status",
            field=models.CharField(
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
        migrations.AlterField(
            model_name="settlementbatch", name="signatures", field=models.JSONField(default=list)
        ),
        migrations.AddIndex(
            model_name="settlementbatch",
            index=models.Index(
                fields=["id"], condition=models.Q(status="proposed"), name="settlement_proposed"
            ),
        ),
        migrations.AddIndex(
            model_name="settlementbatch",
            index=models.Index(fields=["verdict_digest"], name="settlement_by_digest"),
        ),
        migrations.AddField(
            model_name="attestation", name="signatures", field=models.JSONField(default=list)
        ),
        migrations.AddField(
            model_name="attestation", name="digest", field=models.CharField(max_length=66, null=True)
        ),
        migrations.AddField(
            model_name="attestation", name="proposed_at", field=models.BigIntegerField(null=True)
        ),
        migrations.RunPython(keep_signatures, migrations.RunPython.noop),
        migrations.RemoveField(model_name="attestation", name="signature"),
        migrations.AlterField(
            model_name="attestation", name="digest", field=models.CharField(max_length=66, unique=True)
        ),
        migrations.AlterField(model_name="attestation", name="proposed_at", field=models.BigIntegerField()),
        migrations.AlterField(
            model_name="attestation", name="planned_at", field=models.BigIntegerField(null=True)
        ),
        migrations.AddIndex(
            model_name="attestation",
            index=models.Index(
                fields=["id"], condition=models.Q(planned_at=None), name="attestation_proposed"
            ),
        ),
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
                    models.UniqueConstraint(fields=["digest", "member"], name="answer_one_per_member"),
                    models.CheckConstraint(
                        condition=models.Q(agrees=True, reason="")
                        | (models.Q(agrees=False) & ~models.Q(reason="")),
                        name="answer_signature_or_reason",
                    ),
                ]
            },
        ),
    ]
