"""Set-up steps of a market whose services run: tables, contracts, demo logins, static files. Safe to repeat.

One process for all of them, since loading Django and the chain library takes longer than most steps. Lines that begin
with "- " are shown to the person who waits.
"""

import os
import time
from collections.abc import Callable

import django
from django.core.management import call_command


def step(text: str, do: Callable[[], object]) -> None:
    began = time.monotonic()
    do()
    print(f"- done     {text} ({time.monotonic() - began:.1f} s)", flush=True)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")
    django.setup()
    from django.conf import settings

    step("database tables", lambda: call_command("migrate", interactive=False, verbosity=1))
    step("rights of the processes", lambda: call_command("grant_roles"))
    step("contracts on the chain", lambda: call_command("deploy_contracts"))
    if settings.FAUCET:
        step("demo logins", lambda: call_command("create_demo_logins"))
    settings.STATICFILES_DIRS = [folder for folder in settings.STATICFILES_DIRS if folder.exists()]
    step("static files", lambda: call_command("collectstatic", interactive=False, verbosity=0))


if __name__ == "__main__":
    main()
