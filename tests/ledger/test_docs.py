"""docs/ledger.md names every table and column of the ledger."""

import re

from django.apps import apps
from django.conf import settings


def test_every_column_of_the_ledger_is_documented_under_its_table():
    text = (settings.BASE_DIR / "docs" / "ledger.md").read_text()
    words_by_table: dict[str, set[str]] = {}
    for section in re.split(r"(?=^### )|(?=^\| ledger_)", text, flags=re.MULTILINE):
        found = re.match(r"(?:### |\| )(ledger_\w+)", section)
        if found:
            words_by_table[found.group(1)] = set(re.findall(r"\w+", section))
    for model in apps.get_app_config("ledger").get_models():
        table = model._meta.db_table
        columns = {field.name for field in model._meta.concrete_fields}
        assert table in words_by_table, table
        assert columns <= words_by_table[table], (table, columns - words_by_table[table])
