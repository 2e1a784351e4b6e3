"""Where the Market keeps its words: the one table of storage slots, and what each word says.

Source: Solidity's layout of storage (a mapping's word lies at keccak256(key . slot)) and contracts/src/libraries/State.sol. A test
compares SLOTS with the compiler's own table, so that a contract whose variables have moved cannot be read in the old places.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from suan.core.contract import OrderState, packing
from suan.core.encoding import from_hex, keccak
from suan.core.signing import SIDE_SELL

STATE: Final = 5
SLOTS: Final = {"custody": 4, "_state": STATE, "_exits": 17}
MEMBERS: Final = {
    name: STATE + place
    for place, name in enumerate((
        "accounts", "sold", "bought", "spent", "openBits", "decided", "paidOut", "attestations", "disputes", "sessions",
        "refundableFrom", "batches",
    ))
}  # fmt: skip
"""Slots of the members of State."""
REFUSED: Final = 1 << 255
SESSION_KNOWN: Final = 1 << 255
SESSION_CLOSED: Final = 1 << 254
OFFER_BITS: Final = 52
BID_BITS: Final = 20


def account_slot(owner: str) -> int:
    return _mapped(from_hex(owner), MEMBERS["accounts"])


def account_word(available: int, locked: int) -> int:
    """locked 128 | available 128."""
    return locked << 128 | available


def exit_slot(owner: str) -> int:
    return _mapped(from_hex(owner), SLOTS["_exits"])


def exit_word(amount: int, ready_at: int) -> int:
    """readyAt 64 | amount 128."""
    return ready_at << 128 | amount


def places_slot(maker: str, side: int, number: int) -> int:
    """The word with this number of a maker's places on one side."""
    member = MEMBERS["sold" if side == SIDE_SELL else "bought"]
    return _mapped(_number(number), _mapped(from_hex(maker), member))


def places_word(side: int, states: Sequence[OrderState]) -> int:
    """generation 24 | peak | consumed for each place, the first in the low bits. An order that ended has all bits of consumed."""
    bits = OFFER_BITS if side == SIDE_SELL else BID_BITS
    word = 0
    for state in reversed(states):
        consumed, peak = ((1 << bits) - 1, 0) if state.ended else (state.consumed, state.peak)
        word = word << (2 * bits + 24) | state.generation << 2 * bits | peak << bits | consumed
    return word


def state_slot(member: str, key: str) -> int:
    """A word of spent, openBits, decided, paidOut or sessions, by the hash that names it."""
    return _mapped(from_hex(key), MEMBERS[member])


def dated_word(when: int, amount: int) -> int:
    """day or window 128 | base units 128, of spent and paidOut."""
    return when << 128 | amount


def decided_word(bits: int, settle_after: int, *, refused: bool) -> int:
    """refused 1 (bit 255) | settleAfter 40 | bits 200. Nothing of a verdict without waiting trades but that it was refused."""
    return (settle_after << 200 | bits if bits else 0) | (REFUSED if refused else 0)


def trade_slot(member: str, batch: str, index: int) -> int:
    """The word (of disputes the first of three) of a trade in attestations, disputes or refundableFrom."""
    return _mapped(_number(index), _mapped(from_hex(batch), MEMBERS[member]))


def attested_word(runs: int, units: int) -> int:
    """runsDelivered 32 | units 64."""
    return runs << 64 | units


def dispute_words(
    challenger: str, bond: int, reveal_by: int, rule_by: int, outcome: int, evidence: bytes, *, revealed: bool
) -> list[int]:
    """bond 96 | challenger 160; outcome 112 | revealed 8 | ruleBy 40 | revealBy 40; evidence."""
    times = outcome << 88 | int(revealed) << 80 | rule_by << 40 | reveal_by
    return [bond << 160 | int(challenger, 16), times, int.from_bytes(evidence, "big")]


def session_word(paid: int, *, closed: bool) -> int:
    """known 1 (bit 255) | closed 1 | paid 96."""
    return SESSION_KNOWN | (SESSION_CLOSED if closed else 0) | paid


def outcome_word(index: int, outcome: tuple[int, int, int]) -> int:
    """index 8 | kind 8 | runsDelivered 32 | units 64."""
    kind, runs, units = outcome
    return packing.pack(packing.OUTCOME, index=index, kind=kind, runs_delivered=runs, units=units)


def _number(value: int) -> bytes:
    return value.to_bytes(32, "big")


def _mapped(key: bytes, slot: int) -> int:
    return int.from_bytes(keccak(key.rjust(32, b"\0") + slot.to_bytes(32, "big")), "big")
