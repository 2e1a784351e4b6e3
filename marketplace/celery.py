"""The six steps and their pace, on one page.

Celery is the alarm clock and never the record: each task looks for rows that its step has not handled yet, so a lost
wake-up costs time only, and a doubled one finds nothing to do. A wake-up that waited longer than its own pace expires,
since the next one asks the same question.
"""

import logging
import os

from celery import Celery
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings

from ledger.errors import NotDeployed

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")

log = logging.getLogger(__name__)

app = Celery("suan")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.task
def wake(names: list[str]) -> None:
    """Take these steps one after the other, in one message; one that fails holds up no other.

    A message per step would cost more than most steps, and a machine that cannot keep up would spend its turns on
    messages that expired.
    """
    for name in names:
        try:
            app.tasks[name]()
        except NotDeployed:
            log.info("%s: there is no market yet", name)
        except SoftTimeLimitExceeded:
            raise
        except Exception:
            log.exception("%s failed; the next wake-up tries again", name)


def every(seconds: float, *names: str) -> dict:
    options = {"expires": max(2 * seconds, 5)}
    if len(names) == 1:
        return {"task": names[0], "schedule": seconds, "options": options}
    return {"task": wake.name, "args": [list(names)], "schedule": seconds, "options": options}


def schedule() -> dict[str, dict]:
    return {
        # One auction per product; a queue of its own, so that nothing holds it up.
        "clear": every(settings.CLEARING_SECONDS, "marketplace.clearing.tasks.clear_products"),
        # What trades go through, in their order: fills go to the chain together, locked trades become runs that agents
        # lease, outcomes go to the chain, closes end trades; orders past their time leave the book.
        "follow": every(
            settings.SWEEP_SECONDS,
            "marketplace.clearing.tasks.lock_trades",
            "marketplace.delivery.tasks.open_jobs",
            "marketplace.settlement.tasks.cut_batches",
            "marketplace.settlement.tasks.finalize",
            "marketplace.book.tasks.expire_orders",
        ),
        # What challengers ask for is shown while its window lasts; a step of its own, so that nothing holds it up.
        "answer": every(settings.SWEEP_SECONDS, "marketplace.settlement.tasks.follow_disputes"),
        # Every receipt is recomputed, by workers of their own.
        "verify": every(settings.SWEEP_SECONDS, "marketplace.receipts.tasks.verify_receipts"),
        # Deadlines: a silent agent loses its lease, what is late is refunded, exits whose delay is over are paid out.
        "watch": every(
            settings.WATCH_SECONDS,
            "marketplace.delivery.tasks.expire_leases",
            "marketplace.settlement.tasks.refund_overdue",
            "marketplace.accounts.tasks.sweep_withdrawals",
        ),
        # The journal against the chain.
        "reconcile": every(settings.RECONCILE_SECONDS, "ledger.tasks.reconcile"),
        "anchor evidence": every(settings.ANCHOR_SECONDS, "ledger.tasks.anchor_evidence"),
    }


app.conf.beat_schedule = schedule()
