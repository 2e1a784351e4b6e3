"""From verified runs to an outcome, from an outcome to money: the one rule that all readers of money share."""

from suan.core.settlement.levels import Judgement, Level, level_of
from suan.core.settlement.money_outcomes import RUN_ENDS, TRADE_ENDS
from suan.core.settlement.outcomes import (
    InvalidOutcome,
    VerifiedRun,
    allows,
    check_outcome,
    outcome_of,
    units_given_back,
)

__all__ = [
    "InvalidOutcome",
    "Judgement",
    "Level",
    "RUN_ENDS",
    "TRADE_ENDS",
    "VerifiedRun",
    "allows",
    "check_outcome",
    "level_of",
    "outcome_of",
    "units_given_back",
]
