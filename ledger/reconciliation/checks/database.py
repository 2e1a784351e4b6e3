"""The database's own guards, foreign keys, and the log of the kill switch."""

import re
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps
from django.db import connection
from django.db.models import Exists, OuterRef

from ledger.control import kill_switch
from ledger.journal import GENESIS
from ledger.models import SwitchEntry
from ledger.reconciliation.finding import ChainView, Finding

REFERENCES_SHOWN_MAX = 20
REFERRING = ("ledger.", "marketplace.")
LAW = Path(__file__).parents[2] / "migrations" / "triggers.sql"
TRIGGERS = tuple(re.findall(r"^CREATE TRIGGER (\w+)", LAW.read_text(encoding="utf-8"), re.MULTILINE))


def check_triggers(view: ChainView) -> Iterator[Finding]:
    """The database still refuses what it must refuse."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgname, tgenabled FROM pg_trigger WHERE tgname = ANY(%s)", [list(TRIGGERS)])
        states = dict(cursor.fetchall())
    view.checked["triggers"] = len(TRIGGERS)
    for name in TRIGGERS:
        state = states.get(name, "missing")
        if state != "O":
            yield Finding("pg_trigger", name, "tgenabled", str(state), "O")


def check_references(view: ChainView) -> Iterator[Finding]:
    """Every foreign key of the ledger's and the market's rows leads to a row; a join would hide one that does not."""
    for model in apps.get_models():
        if not model.__module__.startswith(REFERRING):
            continue
        for field in model._meta.concrete_fields:
            target = field.related_model
            if target is None or isinstance(target, str):
                continue
            view.checked["references"] = view.checked.get("references", 0) + 1
            there = target._base_manager.filter(pk=OuterRef(field.attname))
            lost = model._base_manager.filter(~Exists(there), **{f"{field.attname}__isnull": False})
            for key, value in lost.values_list("pk", field.attname)[:REFERENCES_SHOWN_MAX]:
                yield Finding(
                    model._meta.db_table, str(key), field.attname, str(value), f"a row of {target.__name__}"
                )


def check_switch(view: ChainView) -> Iterator[Finding]:
    """Digests and links of the kill switch's log."""
    previous = GENESIS
    for row in SwitchEntry.objects.order_by("id").iterator(chunk_size=500):
        view.checked["switch"] = view.checked.get("switch", 0) + 1
        for column, stored, wanted in (
            ("previous", row.previous, previous),
            ("digest", row.digest, kill_switch.digest_of(row)),
        ):
            if stored != wanted:
                yield Finding("ledger_switchentry", str(row.pk), column, stored, wanted)
        previous = row.digest
