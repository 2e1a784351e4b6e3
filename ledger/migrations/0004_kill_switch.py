"""The log of the kill switch, which is never rewritten."""

from django.db import migrations, models

import ledger.fields

KEPT = """
CREATE TRIGGER ledger_switchentry_kept BEFORE UPDATE OR DELETE ON ledger_switchentry
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_switchentry_never_emptied BEFORE TRUNCATE ON ledger_switchentry
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
"""
UNDO = """
DROP TRIGGER ledger_switchentry_never_emptied ON ledger_switchentry;
DROP TRIGGER ledger_switchentry_kept ON ledger_switchentry;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("ledger", "0003_books_keep_themselves"),
    ]

    operations = [
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
        migrations.RunSQL([KEPT], [UNDO]),
    ]
