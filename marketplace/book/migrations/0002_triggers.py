"""What is written once stays: triggers.sql, beside this file, is the text."""

from pathlib import Path

from django.db import migrations

LAW = Path(__file__).with_name("triggers.sql").read_text(encoding="utf-8")


class Migration(migrations.Migration):
    dependencies = [("book", "0001_tables")]

    operations = [
        # The function takes the trigger that calls it along.
        migrations.RunSQL(LAW, "DROP FUNCTION book_refuse_change() CASCADE"),
    ]
