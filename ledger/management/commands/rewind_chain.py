"""manage.py rewind_chain: an operator's way out of a halt (docs/runbook.md)."""

import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from ledger import queries
from ledger.control import node
from ledger.errors import LedgerError
from ledger.indexer import rewind


class Command(BaseCommand):
    help = (
        "Go back to the newest block shared with the node, undo what was posted above it, resume settlement."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--yes", action="store_true", help="do it; without it only say what would happen")
        parser.add_argument("--operator", default="", help="who decided; default: your user name")

    def handle(self, *args: Any, yes: bool, operator: str, **options: Any) -> None:
        for halt in queries.halts():
            self.stdout.write(f"halted since {halt.created_at:%Y-%m-%d %H:%M:%S} UTC: {halt.reason}")
        name = operator or getpass.getuser()
        try:
            result = rewind(indexer=node.indexer(), operator=name, now=timezone.now(), dry_run=not yes)
        except LedgerError as error:
            raise CommandError(str(error)) from error
        if not yes:
            self.stdout.write(
                f"would go back to block {result.ancestor_number} ({result.depth} blocks) and resolve "
                f"{result.halts} halts; add --yes to do it"
            )
            return
        self.stdout.write(
            f"went back to block {result.ancestor_number} ({result.depth} blocks), reversed {result.events} posted "
            f"events, resolved {result.halts} halts; index_chain and send_transactions go on by themselves"
        )
