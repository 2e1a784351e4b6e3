"""manage.py send_transactions: bring planned transactions to the chain, for ever."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from ledger.control import loop, node
from ledger.outbox import Sender


class Command(BaseCommand):
    help = "Sign, broadcast and watch the planned transactions of operator and relayer, until it is stopped."
    requires_system_checks = ()  # Set-up ran them; they load all pages, which nothing here needs.

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--steps", type=int, help="stop after so many rounds")

    def handle(self, *args: Any, steps: int | None, **options: Any) -> None:
        senders: list[Sender] = []

        def step(now: datetime) -> None:
            if not senders:
                senders.extend(node.senders())
            for sender in senders:
                sender.step(now=now)

        loop.run(
            "send_transactions", step, seconds=settings.SEND_SECONDS, say=self.stdout.write, steps_max=steps
        )
