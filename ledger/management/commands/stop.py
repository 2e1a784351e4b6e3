"""manage.py stop trading|contract: the kill switch (docs/runbook.md). One person is enough."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from ledger import conf, queries
from ledger.chain import NodeError
from ledger.control import kill_switch, node, pausing
from ledger.errors import LedgerError
from ledger.management import persons


class Command(BaseCommand):
    help = "Stop trading (no new orders, auctions or locks; cancels work) or pause the contract; the log keeps who and why."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("switch", choices=[kill_switch.TRADING, kill_switch.CONTRACT])
        parser.add_argument("--person", required=True, help="user name of a person with is_staff")
        parser.add_argument("--reason", required=True, help="what everybody may read on the status page")

    def handle(self, *args: Any, switch: str, person: str, reason: str, **options: Any) -> None:
        name = persons.staff(person)
        stop(switch, name, reason, say=self.stdout.write)


def stop(name: str, person: str, reason: str, *, say: Any) -> None:
    row = kill_switch.stop(switch=name, person=person, reason=reason, now=timezone.now())
    say(f"{name} is stopped by {person} since {row.created_at:%Y-%m-%d %H:%M:%S} UTC; two persons resume it")
    if name == kill_switch.CONTRACT:
        try:
            sent = pausing.set_paused(
                paused=True,
                gateway=node.gateway(),
                secrets=conf.secrets_dir(),
                known=queries.deployment(),
                say=say,
            )
        except (NodeError, LedgerError) as error:
            raise CommandError(
                f"the log says stop, the contract is not paused: {error}. Run it again."
            ) from error
        say(f"the contract is paused ({sent})" if sent else "the contract was paused already")
