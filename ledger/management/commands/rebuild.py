"""manage.py rebuild [NAME …]: derived tables made again from their sources (ledger/indexer/rebuild.py). Safe to repeat."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from ledger.chain import NodeError
from ledger.control import node
from ledger.errors import LedgerError
from ledger.indexer import rebuild


class Command(BaseCommand):
    help = "Rebuild accounts, events and the derived columns of the rooms; run as the owner of the tables."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "names", nargs="*", help=f"of: events, accounts, {', '.join(rebuild.rooms())}; default: all"
        )
        parser.add_argument(
            "--from-block", type=int, default=0, help="events: read the chain from this block on"
        )

    def handle(self, *args: Any, names: list[str], from_block: int, **options: Any) -> None:
        verbs: dict[str, rebuild.Rebuild] = {
            "events": lambda say: rebuild.rebuild_events(
                gateway=node.gateway(), from_block=from_block, now=timezone.now(), say=say
            ),
            "accounts": rebuild.rebuild_accounts,
            **rebuild.rooms(),
        }
        unknown = sorted(set(names) - set(verbs))
        if unknown:
            raise CommandError(f"nothing is called {', '.join(unknown)}; names are {', '.join(verbs)}")
        for name, verb in verbs.items():
            if names and name not in names:
                continue
            try:
                changed = verb(self.stdout.write)
            except (NodeError, LedgerError) as error:
                raise CommandError(f"{name}: {error}") from error
            self.stdout.write(f"{name}: {changed} rows changed")
