"""Three logins to try the market by hand: provider, buyer, auditor. Idempotent; prints them.

What a program needs to act for them lies in var/secrets/demo_logins.json (mode 600), a list of
`{username, password, role, address, api_key}`: an API key is shown once, so the file is its only place.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandParser

from marketplace.accounts import actions
from marketplace.accounts.models import SCOPES, Participant, RelayedRequest

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
        path = Path(settings.SUAN_VAR) / "secrets" / "demo_logins.json"
        logins = {entry["username"]: entry for entry in json.loads(path.read_text())} if path.exists() else {}
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
            if logins.get(name, {}).get("address") != participant.address:
                logins[name] = self._login(name, participant, now)
            self.stdout.write(f"{name:<9} password {PASSWORD}  account {participant.address} (custodial)")

        self._store(path, list(logins.values()))

    def _login(self, name: str, participant: Participant, now: int) -> dict[str, str]:
        _, text = actions.create_api_key(
            participant=participant,
            name="demo",
            scopes=SCOPES,
            expires_at=None,
            secret=secrets.token_hex(24),
            keys_max=settings.API_KEYS_MAX,
            now=now,
        )
        return {
            "username": name,
            "password": PASSWORD,
            "role": name,
            "address": participant.address,
            "api_key": text,
        }

    def _store(self, path: Path, logins: list[dict[str, str]]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_suffix(".draft")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(logins, file, indent=1)
        os.replace(draft, path)

    def _participant(self, name: str, now: int) -> Participant:
        user = get_user_model().objects.filter(username=name).first()
        if user is None:
            return actions.register_with_password(
                username=name, password=PASSWORD, display_name=f"Demo {name}", now=now
            )
        return Participant.objects.get(user=user)
