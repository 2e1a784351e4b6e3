"""What must happen on the chain, exactly once: planned as a row, sent by one sender."""

from ledger.outbox.plan import CALLDATA_BYTES_MAX, SIGNERS, plan
from ledger.outbox.sender import Limits, Sender

__all__ = [
    "CALLDATA_BYTES_MAX",
    "Limits",
    "SIGNERS",
    "Sender",
    "plan",
]
