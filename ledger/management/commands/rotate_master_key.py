"""manage.py rotate_master_key: a new key over the platform-held keys, without a moment in which one of them is lost."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ledger import custodial


class Command(BaseCommand):
    help = "Encrypt every platform-held key under a new master key. Safe to repeat; an interrupted run is finished by the next."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            changed = custodial.rotate_master_key(say=self.stdout.write)
        except custodial.UnreadableKey as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{changed} platform-held keys are under the new master key; the old one opens nothing"
        )
