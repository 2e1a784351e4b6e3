"""The append-only folder of published evidence, and its roots on chain."""

from ledger.evidence import anchors
from ledger.evidence.files import KINDS, locate, publish, read

__all__ = [
    "KINDS",
    "anchors",
    "locate",
    "publish",
    "read",
]
