"""Alarm clock of settlement."""

from __future__ import annotations

import time

from celery import shared_task
from django.conf import settings

from ledger.errors import NotDeployed
from marketplace.settlement import actions


@shared_task(throws=(NotDeployed,))
def cut_batches() -> None:
    """Conclude trades, take back verdicts that failed, plan verdicts that are due, and settle those whose window is over."""
    now = int(time.time())
    actions.retry_failed(now=now)
    actions.plan_agreed(now=now)
    actions.settle_decided(now=now)
    actions.conclude_trades(now=now)
    actions.cut_batches(
        now=now, pace_seconds=settings.CLOSE_SECONDS, outcomes_max=settings.OUTCOMES_PER_CLOSE_MAX
    )


@shared_task(throws=(NotDeployed,))
def refund_overdue() -> None:
    """Refund what no verdict reached in time, and what was given up."""
    now = int(time.time())
    actions.refund_given_up(now=now)
    actions.refund_overdue(now=now)


@shared_task(throws=(NotDeployed,))
def follow_disputes() -> None:
    """Show the receipts that are asked for, end disputes that nobody rules on, and free the bonds that are left of them."""
    now = int(time.time())
    actions.answer_claims(now=now)
    actions.time_out_disputed(now=now)
    actions.reclaim_bonds()


@shared_task(throws=(NotDeployed,))
def finalize() -> None:
    """Follow the chain: end trades by their closes, and give back what final closes did not use.

    Money moves in ledger.journal.posting when the indexer sees an event become final.
    """
    now = int(time.time())
    actions.reopen_orphaned(now=now)
    actions.observe_closes(now=now)
    actions.return_quantities(now=now)
