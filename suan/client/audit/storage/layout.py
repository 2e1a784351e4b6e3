"""Where the Market keeps its words: the one table of storage slots, and what each word says.

Source: Solidity's layout of storage (a mapping's word lies at keccak256(key . slot)) and contracts/src/libraries/State.sol. A test
compares SLOTS with the compiler's own table, so that a contract whose variables have moved cannot be read in the old places.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from suan.client.audit.state import DisputeView
from suan.core.contract import OrderState, Shadow, packing
from suan.core.encoding import from_hex, keccak
from suan.core.signing import SIDE_SELL

STATE: Final = 5
SLOTS: Final = {"custody": 4, "_state": STATE}
MEMBERS: Final = {
    name: STATE + place
    for place, name in enumerate((
        "accounts", "sold", "bought", "skipped", "spent", "openBits", "decided", "exposure", "disputes", "claims",
        "sessions", "refundableFrom", "batches", "exits", "shadows",
    ))
}  # fmt: skip
"""Slots of the members of State."""
EXPOSURE_KNOWN: Final = 1 << 255
SESSION_KNOWN: Final = 1 << 255
SESSION_CLOSED: Final = 1 << 254
OFFER_BITS: Final = 52
BID_BITS: Final = 14
SKIPPED_WORDS: Final = 64
"""Words of 256 runs that one bid can have."""


def account_slot(owner: str) -> int:
    return _mapped(from_hex(owner), MEMBERS["accounts"])


def account_word(newest_offer: int, newest_bid: int, available: int, locked: int) -> int:
    """newestOffer 32 | newestBid 32 | locked 96 | available 96."""
    return newest_offer << 224 | newest_bid << 192 | locked << 96 | available


def exit_slot(owner: str) -> int:
    return _mapped(from_hex(owner), MEMBERS["exits"])


def exit_word(amount: int, fresh: int, ready_at: int, fresh_until: int) -> int:
    """lead 24 | readyAt 40 | fresh 96 | amount 96; the lead is from the end of what is fresh to readyAt."""
    return ready_at - fresh_until << 232 | ready_at << 192 | fresh << 96 | amount


def places_slot(maker: str, side: int, number: int) -> int:
    """The word with this number of a maker's places on one side."""
    member = MEMBERS["sold" if side == SIDE_SELL else "bought"]
    return _mapped(_number(number), _mapped(from_hex(maker), member))


def places_word(side: int, states: Sequence[OrderState]) -> int:
    """generation 24 | reached 52 | consumed 52 for each place of an offer, generation 22 | skipped 14 | reached 14 | consumed 14
    for one of a bid, the first in the low bits. An order that ended has all bits of consumed."""
    word = 0
    for state in reversed(states):
        word = word << (128 if side == SIDE_SELL else 64) | _place(side, state)
    return word


def _place(side: int, state: OrderState) -> int:
    bits, head = (OFFER_BITS, 2 * OFFER_BITS) if side == SIDE_SELL else (BID_BITS, 3 * BID_BITS)
    skipped = state.skipped.bit_count() << 2 * bits
    counts = (1 << bits) - 1 if state.ended else skipped | state.reached << bits | state.consumed
    return state.generation << head | counts


def shadow_slot(maker: str, side: int, place: int) -> int:
    """The word of what a cancelled place was before."""
    return _mapped(_number(side << 8 | place), _mapped(from_hex(maker), MEMBERS["shadows"]))


def shadow_word(side: int, shadow: Shadow) -> int:
    """until 40 | last 24 | place 128."""
    return shadow.until << 152 | shadow.last << 128 | _place(side, shadow.kept)


def skipped_slot(maker: str, nonce: int, number: int) -> int:
    """The word with this number of bits of a bid's runs."""
    return _mapped(_number(nonce * SKIPPED_WORDS + number), _mapped(from_hex(maker), MEMBERS["skipped"]))


def state_slot(member: str, key: str) -> int:
    """A word of spent, openBits, decided, exposure or sessions, by the hash that names it."""
    return _mapped(from_hex(key), MEMBERS[member])


def dated_word(when: int, amount: int) -> int:
    """day 128 | base units 128, of spent."""
    return when << 128 | amount


def decided_word(bits: int, settle_after: int) -> int:
    """settleAfter 40 | bits 200. Nothing of a verdict without waiting trades."""
    return settle_after << 200 | bits if bits else 0


def exposure_word(amount: int) -> int:
    """known 1 (bit 255) | base units, of a verifier set that ever locked a trade."""
    return EXPOSURE_KNOWN | amount


def trade_slot(member: str, batch: str, index: int) -> int:
    """The word (of disputes the first of five, of claims none of its own) of a trade in disputes, claims or refundableFrom."""
    return _mapped(_number(index), _mapped(from_hex(batch), MEMBERS[member]))


def claim_slot(batch: str, index: int, run: int) -> int:
    """The word of who asks for the receipt of a run."""
    return _mapped(_number(run), trade_slot("claims", batch, index))


def dispute_words(dispute: DisputeView, index: int, evidence: bytes) -> list[int]:
    """unbilled 32 | missing 32 | ruleBy 40 | revealBy 40 | claimBy 40; claim 8 | challenger 160, twice; verdict 144 |
    outcome 112; evidence. evidence: keccak256(leaf of the record, receipts root)."""
    times = dispute.rule_by << 80 | dispute.reveal_by << 40 | dispute.claim_by
    counts = dispute.unbilled << 152 | dispute.missing << 120
    claims = [claim << 160 | int(who, 16) for who, claim in dispute.for_arbiters]
    decided = (int(dispute.verdict, 16) % 2**144) << 112 | outcome_word(index, dispute.outcome)
    return [counts | times, *(claims + [0, 0])[:2], decided, int.from_bytes(evidence, "big")]


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
