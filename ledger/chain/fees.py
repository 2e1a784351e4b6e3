"""Fees of EIP-1559 transactions, in wei per gas, and gas limits. Pure.

A replacement pays 13 % more on both fees: nodes ask for 10 to 12.5 %, and integer rounding must not fall below it.
"""

from dataclasses import dataclass

PRIORITY_FEE_MIN_WEI = 1_000_000_000
BASE_FEE_HEADROOM = 2
"""The base fee may double before a transaction is stuck: six full blocks in a row."""
REPLACEMENT_PERCENT = 113
MAX_FEE_WEI = 2_000 * 10**9
"""Nobody pays more than this per gas; above it transactions wait."""
GAS_MARGIN_PERCENT = 125
GAS_SLACK = 20_000


@dataclass(frozen=True)
class Fees:
    max_fee_per_gas: int
    max_priority_fee_per_gas: int


def first_fees(*, base_fee: int, priority_fee: int) -> Fees:
    """Fees of a first attempt at the node's present base fee and suggested priority fee."""
    priority = max(priority_fee, PRIORITY_FEE_MIN_WEI)
    return Fees(min(base_fee * BASE_FEE_HEADROOM + priority, MAX_FEE_WEI), min(priority, MAX_FEE_WEI))


def replacement_fees(previous: Fees, *, base_fee: int, priority_fee: int) -> Fees | None:
    """Fees of an attempt that replaces `previous`: at least 13 % more (Up), or today's; None above MAX_FEE_WEI."""
    today = first_fees(base_fee=base_fee, priority_fee=priority_fee)
    raised = Fees(
        max(today.max_fee_per_gas, -(-previous.max_fee_per_gas * REPLACEMENT_PERCENT // 100)),
        max(
            today.max_priority_fee_per_gas, -(-previous.max_priority_fee_per_gas * REPLACEMENT_PERCENT // 100)
        ),
    )
    return raised if raised.max_fee_per_gas <= MAX_FEE_WEI else None


def gas_limit(estimate: int, *, limit: int) -> int:
    """The estimate with a quarter on top and some slack, but at most `limit` (which the estimate itself must meet)."""
    return min(estimate * GAS_MARGIN_PERCENT // 100 + GAS_SLACK, limit)
