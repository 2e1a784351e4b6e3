"""Every row that can be recomputed from the chain, recomputed; each difference by name."""

from ledger.reconciliation.dump import view
from ledger.reconciliation.finding import ChainView, Finding
from ledger.reconciliation.run import compare, reconcile, register_check

__all__ = [
    "ChainView",
    "Finding",
    "compare",
    "reconcile",
    "register_check",
    "view",
]
