"""Alarm clock of delivery: each task looks for rows that nobody handled yet."""

from __future__ import annotations

import time

from celery import shared_task

from marketplace.delivery import actions
from marketplace.delivery.windows import lease_rules


@shared_task
def open_jobs() -> None:
    """Make runs of trades that were locked."""
    actions.open_jobs(now=int(time.time()))


@shared_task
def expire_leases() -> None:
    """Renew, release and fail what time asks for."""
    actions.expire_leases(now=int(time.time()), rules=lease_rules())
