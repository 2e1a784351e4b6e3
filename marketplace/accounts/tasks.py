"""Alarm clock of accounts."""

import time

from celery import shared_task

from ledger.errors import NotDeployed
from marketplace.accounts import actions


@shared_task
def sweep_withdrawals() -> int:
    """Pay out exits whose delay has passed, and free what they held."""
    try:
        return actions.execute_ready_withdrawals(now=int(time.time()))
    except NotDeployed:
        return 0
