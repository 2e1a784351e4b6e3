"""manage.py index_chain: follow the chain and post what is final, for ever or up to the head."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from ledger import queries
from ledger.control import loop, node
from ledger.indexer import Indexer, Progress
from ledger.journal import post_final_events

PROGRESS_BLOCKS = 1_000


class Command(BaseCommand):
    help = "Store blocks and events of the chain and post final ones to the books, until it is stopped."
    requires_system_checks = ()  # Set-up ran them; they load all pages, which nothing here needs.
    reader: Indexer | None = None

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--steps", type=int, help="stop after so many looks at the chain")
        parser.add_argument(
            "--until-head",
            action="store_true",
            help="read what there is as fast as possible and stop: a fresh index, or one after a restore",
        )

    def handle(self, *args: Any, steps: int | None, until_head: bool, **options: Any) -> None:
        if until_head:
            self._catch_up()
            return
        loop.run(
            "index_chain",
            self._step,
            seconds=settings.INDEX_SECONDS,
            say=self.stdout.write,
            steps_max=steps,
        )

    def _step(self, now: datetime) -> tuple[Progress, int]:
        """One look at the chain and one turn of posting: what was read, how many events were posted."""
        if self.reader is None:
            self.reader = node.indexer()
        progress = self.reader.step(now=now)
        if progress.reorg_depth:
            self.stdout.write(f"index_chain: followed a reorg of {progress.reorg_depth} blocks")
        return progress, post_final_events(now=now)

    def _catch_up(self) -> None:
        """Read and post until a look brings nothing new. A node that does not answer ends the command with its error."""
        said = -PROGRESS_BLOCKS
        while True:
            progress, posted = self._step(timezone.now())
            if progress.halted:
                raise CommandError("settlement is halted: run python manage.py rewind_chain first")
            newest = queries.head()
            if not progress.blocks and not posted:
                self.stdout.write(f"index_chain: at block {newest.number if newest else 'none'}")
                return
            if newest and newest.number >= said + PROGRESS_BLOCKS:
                said = newest.number
                self.stdout.write(f"index_chain: read up to block {said}")
