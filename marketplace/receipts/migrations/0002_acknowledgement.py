"""The exchange's signed word that it has a receipt; receipts of before have none."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("receipts", "0001_tables")]

    operations = [
        migrations.AddField(
            model_name="receipt",
            name="acknowledgement",
            field=models.CharField(blank=True, default="", max_length=132),
        ),
    ]
