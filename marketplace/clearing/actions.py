"""Everything that clearing does. The verbs live beside this file by group; other rooms import them from
here only.
"""

from marketplace.clearing.verbs.auctions import clear_product, publish_clearing, publish_missing
from marketplace.clearing.verbs.locks import advance_trades, lock_trades, observe_locks, open_calldata

__all__ = [
    "advance_trades",
    "clear_product",
    "lock_trades",
    "observe_locks",
    "open_calldata",
    "publish_clearing",
    "publish_missing",
]
