"""The six steps and their pace, on one page.

Celery is the alarm clock and never the record: each task looks for rows that its step has not handled yet, so a lost
wake-up costs time only, and a doubled one finds nothing to do. A wake-up that waited longer than its own pace expires,
since the next one asks the same question.
"""

import os

from celery import Celery
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")

app = Celery("suan")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def every(task: str, seconds: float) -> dict:
    return {"task": task, "schedule": seconds, "options": {"expires": max(2 * seconds, 5)}}


def schedule() -> dict[str, dict]:
    return {
        # accounts: exits whose delay is over are paid out.
        "sweep withdrawals": every("marketplace.accounts.tasks.sweep_withdrawals", settings.SWEEP_SECONDS),
        # book: an order past its time leaves the book.
        "expire orders": every("marketplace.book.tasks.expire_orders", settings.SWEEP_SECONDS),
        # clearing: one auction per product, then the fills go to the chain together.
        "clear products": every("marketplace.clearing.tasks.clear_products", settings.CLEARING_SECONDS),
        "lock trades": every("marketplace.clearing.tasks.lock_trades", settings.SWEEP_SECONDS),
        # delivery: locked trades become runs that agents lease; a silent agent loses its lease.
        "open jobs": every("marketplace.delivery.tasks.open_jobs", settings.SWEEP_SECONDS),
        "expire leases": every("marketplace.delivery.tasks.expire_leases", settings.SWEEP_SECONDS),
        # receipts: every receipt is recomputed.
        "verify receipts": every("marketplace.receipts.tasks.verify_receipts", settings.SWEEP_SECONDS),
        # settlement: outcomes go to the chain; what is late is refunded; what is final moves the journal.
        "cut batches": every("marketplace.settlement.tasks.cut_batches", settings.SWEEP_SECONDS),
        "refund overdue": every("marketplace.settlement.tasks.refund_overdue", settings.SWEEP_SECONDS),
        "finalize": every("marketplace.settlement.tasks.finalize", settings.SWEEP_SECONDS),
        # ledger: the journal against the chain.
        "reconcile": every("ledger.tasks.reconcile", settings.RECONCILE_SECONDS),
        # ledger: roots over new evidence go to the log on the chain.
        "anchor evidence": every("ledger.tasks.anchor_evidence", settings.ANCHOR_SECONDS),
    }


app.conf.beat_schedule = schedule()
