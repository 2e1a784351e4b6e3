"""manage.py export_view: what this database knows from the chain, as canonical JSON lines on the standard output."""

from typing import Any

from django.core.management.base import BaseCommand

from ledger.reconciliation import view


class Command(BaseCommand):
    help = "Print the view of the chain, one canonical JSON line a row; a fresh index of the same chain prints the same bytes."

    def handle(self, *args: Any, **options: Any) -> None:
        for line in view():
            self.stdout.write(line.decode(), ending="")
