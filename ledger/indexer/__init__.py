"""What happened on the chain: blocks and events, each stored once; the way back after a deep reorganisation."""

from ledger.indexer import rebuild
from ledger.indexer.blocks import Indexer, Progress, decoded
from ledger.indexer.rebuild import register_rebuild
from ledger.indexer.rewind import rewind

__all__ = [
    "Indexer",
    "Progress",
    "decoded",
    "rebuild",
    "register_rebuild",
    "rewind",
]
