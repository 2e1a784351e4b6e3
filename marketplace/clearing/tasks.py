"""Alarm clock of clearing. Each wake-up asks the database what is to be done, so a lost or doubled one
is harmless.
"""

import time

from celery import shared_task
from django.conf import settings

from ledger.errors import NotDeployed
from marketplace.clearing import actions, queries


@shared_task
def clear_products() -> list[str]:
    """One call auction for each product whose book changed; returns the ids of the clearings."""
    try:
        symbols = queries.symbols_to_clear()
        rows = [actions.clear_product(symbol=symbol, now=int(time.time())) for symbol in symbols]
    except NotDeployed:
        return []
    return [row.clearing_id for row in rows if row is not None]


@shared_task
def lock_trades() -> str | None:
    """Take over what the chain said, then plan the next open(...); returns the key of its transaction."""
    try:
        actions.publish_missing()
        actions.observe_locks(now=int(time.time()))
        batch = actions.lock_trades(now=int(time.time()), pace_seconds=settings.LOCK_SECONDS)
    except NotDeployed:
        return None
    return batch.outgoing_key if batch else None
