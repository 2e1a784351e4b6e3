"""The law of the books: triggers.sql, beside this file, is the text."""

from pathlib import Path

from django.db import migrations

LAW = Path(__file__).with_name("triggers.sql").read_text(encoding="utf-8")
# A function takes every trigger that calls it along.
REPEAL = """
ALTER TABLE ledger_transfer DISABLE ROW LEVEL SECURITY;
DROP FUNCTION ledger_apply_transfer(), ledger_guard_account(), ledger_refuse_change() CASCADE;
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_tables")]

    operations = [migrations.RunSQL(LAW, REPEAL)]
