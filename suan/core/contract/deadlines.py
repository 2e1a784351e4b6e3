"""Moments after deliver by from which anybody may end a trade that nobody ended."""

from __future__ import annotations


def refund_after(deliver_by: int, verification_grace: int, given_up: int = 0) -> int:
    """The first second (unix) at which anyone may refund a trade that no verdict decided, delivered or not.

    given_up: from when on its provider's giving up allows that (TradeGivenUp.refundAfter), 0 if it did not give up.
    """
    silent = deliver_by + verification_grace
    return min(silent, given_up) if given_up else silent
