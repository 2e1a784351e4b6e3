"""Moments after deliver by from which anybody may end a trade that nobody ended."""

from __future__ import annotations


def refund_after(deliver_by: int, verification_grace: int) -> int:
    """The first second (unix) at which anyone may refund a trade whose delivery was not attested."""
    return deliver_by + verification_grace


def pay_attested_after(deliver_by: int, verification_grace: int) -> int:
    """The first second (unix) at which anyone may have an attested delivery paid."""
    return deliver_by + 2 * verification_grace
