"""manage.py index_chain: follow the chain and post what is final, for ever."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from ledger import loop, node
from ledger.incoming import Indexer
from ledger.posting import post_final_events


class Command(BaseCommand):
    help = "Store blocks and events of the chain and post final ones to the books, until it is stopped."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--steps", type=int, help="stop after so many looks at the chain")

    def handle(self, *args: Any, steps: int | None, **options: Any) -> None:
        reader: list[Indexer] = []

        def step(now: datetime) -> None:
            if not reader:
                reader.append(node.indexer())
            progress = reader[0].step(now=now)
            if progress.reorg_depth:
                self.stdout.write(f"index_chain: followed a reorg of {progress.reorg_depth} blocks")
            post_final_events(now=now)

        loop.run("index_chain", step, seconds=settings.INDEX_SECONDS, say=self.stdout.write, steps_max=steps)
