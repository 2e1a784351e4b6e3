"""Where the Market keeps its words: the one table of storage slots, and how each word is read.

Source: Solidity's layout of storage (a mapping's word lies at keccak256(key . slot)). A test compares SLOTS with the
compiler's own table, so that a contract whose variables have moved cannot be read in the old places.
"""

from __future__ import annotations

from typing import Final

from suan.core.identity import from_hex, keccak

SLOTS: Final = {"custody": 4, "_accounts": 5, "_exits": 6, "_orders": 8, "openBits": 10}
_WORD128: Final = 2**128 - 1
_WORD64: Final = 2**64 - 1


def custody_slot() -> int:
    """Base units in the market."""
    return SLOTS["custody"]


def account_slot(owner: str) -> int:
    """available 128 | locked 128, from the low bits."""
    return _mapped(from_hex(owner), SLOTS["_accounts"])


def exit_slot(owner: str) -> int:
    """amount 128 | ready at 64, from the low bits."""
    return _mapped(from_hex(owner), SLOTS["_exits"])


def order_slot(maker: str, order: str) -> int:
    """consumed 64 | peak 64 | cancelled 1, from the low bits."""
    return _mapped(from_hex(order), _mapped(from_hex(maker), SLOTS["_orders"]))


def open_bits_slot(batch: str) -> int:
    """One bit for each open trade of a lock batch."""
    return _mapped(from_hex(batch), SLOTS["openBits"])


def read_account(word: int) -> tuple[int, int]:
    """(available, locked)."""
    return word & _WORD128, word >> 128


def read_exit(word: int) -> int:
    """Amount on its way out."""
    return word & _WORD128


def read_order(word: int) -> tuple[int, int, bool]:
    """(consumed, peak, cancelled)."""
    return word & _WORD64, word >> 64 & _WORD64, bool(word >> 128 & 1)


def _mapped(key: bytes, slot: int) -> int:
    return int.from_bytes(keccak(key.rjust(32, b"\0") + slot.to_bytes(32, "big")), "big")
