"""Alarm clock of the ledger: the long-running commands do the rest."""

from celery import shared_task
from django.utils import timezone

from ledger import queries, reconciliation
from ledger.chain import NodeError
from ledger.control import node
from ledger.errors import NotDeployed
from ledger.evidence import anchors


@shared_task(name="ledger.tasks.reconcile")
def reconcile() -> int:
    """Compare the books with the chain; returns the number of open differences, -1 if the chain is out of reach."""
    try:
        reconciliation.reconcile(gateway=node.gateway(), now=timezone.now())
    except (NodeError, NotDeployed):
        return -1
    return queries.differences().count()


@shared_task(name="ledger.tasks.anchor_evidence")
def anchor_evidence() -> int:
    """Plan the next anchors of published evidence; returns how many, -1 while there is no deployment."""
    try:
        return anchors.anchor_all()
    except NotDeployed:
        return -1
