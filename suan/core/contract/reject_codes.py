"""Why the contract refused a fill or a voucher: the numbers of contracts/src/libraries/RejectCodes.sol, in words."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class RejectCode(IntEnum):
    """The number in FillRejected.code and VoucherRejected.code."""

    NONE = 0
    BAD_SIGNATURE = 1
    EXPIRED = 2
    CANCELLED = 3
    NONCE_TOO_FAR = 4
    CLEARING_DIFFERS = 5
    PRICE_OUTSIDE_LIMITS = 6
    NOT_ENOUGH_QUANTITY = 7
    INSUFFICIENT_FUNDS = 8
    INSUFFICIENT_BOND = 9
    FEE_ABOVE_MAXIMUM = 10
    DELEGATE_NOT_ALLOWED = 11
    SAME_MAKER = 12
    BAD_INDEX = 13
    CAP_REACHED = 14
    DELIVER_BY_TOO_FAR = 15
    SESSION_NOT_OPEN = 16
    VOUCHER_NOT_GREATER = 17
    CEILING_EXCEEDED = 18


FILL_CODES: Final = frozenset(
    code for code in RejectCode if RejectCode.NONE < code < RejectCode.SESSION_NOT_OPEN
)
"""Codes of a refused fill; the others but NONE are those of a refused voucher."""

REJECT_WORDS: Final[dict[RejectCode, str]] = {
    RejectCode.NONE: "not refused",
    RejectCode.BAD_SIGNATURE: "a signature does not hold",
    RejectCode.EXPIRED: "an order has expired",
    RejectCode.CANCELLED: "an order was canceled on chain",
    RejectCode.NONCE_TOO_FAR: "a nonce is too far above the newest of its maker",
    RejectCode.CLEARING_DIFFERS: "offer and bid name different clearings",
    RejectCode.PRICE_OUTSIDE_LIMITS: "the price is outside a limit",
    RejectCode.NOT_ENOUGH_QUANTITY: "not enough of an order is left on chain",
    RejectCode.INSUFFICIENT_FUNDS: "the buyer's account does not cover the payment",
    RejectCode.INSUFFICIENT_BOND: "the provider's account does not cover the bond",
    RejectCode.FEE_ABOVE_MAXIMUM: "the fee is above an order's maximum",
    RejectCode.DELEGATE_NOT_ALLOWED: "a delegate may not sign this",
    RejectCode.SAME_MAKER: "both orders have one maker",
    RejectCode.BAD_INDEX: "it names no order, or a quantity that no order has",
    RejectCode.CAP_REACHED: "as much is locked in trades of its verifiers as their cap allows",
    RejectCode.DELIVER_BY_TOO_FAR: "deliver by is too far ahead",
    RejectCode.SESSION_NOT_OPEN: "the session is not open",
    RejectCode.VOUCHER_NOT_GREATER: "an earlier voucher was as great",
    RejectCode.CEILING_EXCEEDED: "above the ceiling of the session",
}


def reject_words(code: int) -> str:
    """Why the contract refused, for people; a number that it does not know stays a number."""
    return REJECT_WORDS[RejectCode(code)] if code in set(RejectCode) else f"code {code}"
