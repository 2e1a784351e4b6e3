"""Alarm clock of the ledger: the long-running commands do the rest."""

from celery import shared_task
from django.utils import timezone

from ledger import audit, node, queries
from ledger.chain.gateway import NodeError
from ledger.errors import NotDeployed


@shared_task(name="ledger.tasks.reconcile")
def reconcile() -> int:
    """Compare the books with the chain; returns the number of open differences, -1 if the chain is out of reach."""
    try:
        audit.reconcile(gateway=node.gateway(), now=timezone.now())
    except (NodeError, NotDeployed):
        return -1
    return queries.differences().count()
