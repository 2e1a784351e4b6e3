"""The time windows of this deployment, read where time enters: api and tasks."""

from __future__ import annotations

from django.conf import settings

from suan.core.delivery import LeaseRules


def lease_rules() -> LeaseRules:
    """Life of a lease, and the silence after which a node is lost."""
    return LeaseRules(lease_seconds=settings.LEASE_SECONDS, silence_seconds=settings.NODE_SILENCE_SECONDS)
