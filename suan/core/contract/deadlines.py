"""Moments after deliver by from which anybody may end a trade that nobody ended."""

from __future__ import annotations


def refund_after(deliver_by: int, verification_grace: int) -> int:
    """The first second (unix) at which anyone may refund a trade that no verdict decided, delivered or not."""
    return deliver_by + verification_grace
