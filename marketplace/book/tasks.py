"""Alarm clock of the book."""

import time

from celery import shared_task

from ledger.errors import NotDeployed
from marketplace.book import actions


@shared_task
def expire_orders() -> int:
    """Let go what is late, cancelled on chain or not covered, and publish what a crash left unpublished."""
    now = int(time.time())
    try:
        changed = actions.expire_orders(now=now)
        changed += actions.apply_chain_cancels(now=now)
        changed += actions.cancel_uncovered(now=now)
        actions.publish_missing()
    except NotDeployed:
        return 0
    return changed
