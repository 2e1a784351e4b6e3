from django.contrib.postgres.indexes import GinIndex
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("ledger", "0004_kill_switch")]

    operations = [
        migrations.AddIndex(
            model_name="chainevent",
            index=GinIndex(fields=["args"], name="event_args", opclasses=["jsonb_path_ops"]),
        ),
    ]
