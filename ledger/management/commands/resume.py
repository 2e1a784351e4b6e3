"""manage.py resume trading|contract: the way back after `stop`. Two persons, each with a password."""

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
    help = "Ask to resume what was stopped; when a second person has asked too, it goes on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("switch", choices=[kill_switch.TRADING, kill_switch.CONTRACT])
        parser.add_argument(
            "--person", required=True, help="user name of a person with is_staff; the password is asked"
        )
        parser.add_argument("--reason", default="looked at", help="what was found and done")

    def handle(self, *args: Any, switch: str, person: str, reason: str, **options: Any) -> None:
        name = persons.proven(person)
        resume(switch, name, reason, say=self.stdout.write)


def resume(name: str, person: str, reason: str, *, say: Any) -> None:
    try:
        row = kill_switch.resume(switch=name, person=person, reason=reason, now=timezone.now())
    except LedgerError as error:
        # Two persons have agreed before, and the transaction was lost on the way: it may go out again.
        if name != kill_switch.CONTRACT or not kill_switch.is_resumed(name):
            raise CommandError(str(error)) from error
    else:
        say(f"{name} goes on since {row.created_at:%Y-%m-%d %H:%M:%S} UTC")
    if name == kill_switch.CONTRACT:
        unpause(say)


def unpause(say: Any) -> None:
    try:
        sent = pausing.set_paused(
            paused=False,
            gateway=node.gateway(),
            secrets=conf.secrets_dir(),
            known=queries.deployment(),
            say=say,
        )
    except (NodeError, LedgerError) as error:
        raise CommandError(
            f"the log says resume, the contract is still paused: {error}. Run it again."
        ) from error
    say(f"the contract goes on ({sent})" if sent else "the contract was not paused")
