"""Three logins to try the market by hand: provider, buyer, auditor. Idempotent; prints them."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandParser

from marketplace.accounts import actions
from marketplace.accounts.models import Participant, RelayedRequest

LOGINS = ("provider", "buyer", "auditor")
PASSWORD = "try-the-market"  # noqa: S105 - shown to everybody, on a local chain only


class Command(BaseCommand):
    help = "Create the logins provider, buyer and auditor with a known password and test tokens (local chain only)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-faucet", action="store_true", help="do not ask the faucet for tokens")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.LOCAL_CHAIN:
            self.stderr.write(
                "Logins with a known password are made on a local chain only; nothing was done."
            )
            return
        now = int(time.time())
        for name in LOGINS:
            participant = self._participant(name, now)
            granted = RelayedRequest.objects.filter(participant=participant, kind="faucet").exists()
            if not granted and not options["no_faucet"] and name != "auditor":
                actions.faucet(
                    participant=participant,
                    amount=settings.FAUCET_TOKENS,
                    gas_wei=settings.FAUCET_GAS_WEI,
                    is_local_chain=settings.FAUCET,
                    now=now,
                )
            self.stdout.write(f"{name:<9} password {PASSWORD}  account {participant.address} (custodial)")

    def _participant(self, name: str, now: int) -> Participant:
        user = get_user_model().objects.filter(username=name).first()
        if user is None:
            return actions.register_with_password(
                username=name, password=PASSWORD, display_name=f"Demo {name}", now=now
            )
        return Participant.objects.get(user=user)
