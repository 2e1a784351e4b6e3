"""Alarm clock of receipts: recompute what agents delivered, one receipt at a time."""

from __future__ import annotations

import logging
import threading
import time
import uuid

from celery import shared_task
from django.db import close_old_connections, connection

from marketplace.receipts import actions
from suan.runtime import runner_for
from suan.runtime.verify import recompute

TURN_SECONDS = 20
VERIFY_SECONDS_MAX = 6 * 3600
"""A receipt of a long job may take this long; its claim is renewed meanwhile, and runs out if this process dies."""
RENEW_SECONDS = 5.0

log = logging.getLogger(__name__)


@shared_task(time_limit=VERIFY_SECONDS_MAX, soft_time_limit=VERIFY_SECONDS_MAX - 60)
def verify_receipts() -> None:
    """Recompute receipts until none waits or the turn is over; several workers share them."""
    until = time.monotonic() + TURN_SECONDS
    while time.monotonic() < until:
        if not verify_next():
            return


def verify_next() -> bool:
    """Recompute one receipt; False when there was none. No transaction is open while the job runs."""
    assignment = actions.claim_receipt(claim=uuid.uuid4().hex, now=int(time.time()))
    if assignment is None:
        return False
    stop = threading.Event()
    keeper = threading.Thread(
        target=_keep_claim, args=(assignment.receipt, assignment.claim, stop), daemon=True
    )
    keeper.start()
    try:
        request = assignment.request
        finding = recompute(request, assignment.claimed, runner_for(request.resource_class))
    finally:
        stop.set()
        keeper.join()
    close_old_connections()
    kept = actions.record_finding(
        receipt_key=assignment.receipt, claim=assignment.claim, finding=finding, now=int(time.time())
    )
    if not kept:
        log.warning("the claim on receipt %s was lost; its finding is dropped", assignment.receipt)
    return True


def _keep_claim(receipt_key: int, claim: str, stop: threading.Event) -> None:
    """Renew a claim until told to stop, or until it is lost."""
    try:
        while not stop.wait(RENEW_SECONDS):
            if not actions.renew_claim(receipt_key=receipt_key, claim=claim, now=int(time.time())):
                return
    except Exception:
        # The claim then runs out and the receipt is verified again, here or elsewhere.
        log.exception("the claim on receipt %s is not renewed", receipt_key)
    finally:
        connection.close()
