// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RejectCodes} from "./RejectCodes.sol";
import {State, Word} from "./State.sol";

/// @title How much of an order is taken, and how much ever was: counters packed several to a word
/// @notice Each maker has 256 places on each side, and order n stands in place n % 256. A place holds generation 24 | peak |
/// consumed, where the generation is n / 256. An order takes a place over from an older generation, so a word is created once
/// and then used for ever; an order whose place went to a younger one trades no more. The peak remembers how much had traded in
/// time, since quantity that came back at a close may trade again after validUntil and new quantity may not. Cancelled is
/// consumed above peak, which no count can be.
/// @dev Offers: two places of 128 bits to a word, work units below 2^52 - 1. Bids: four of 64, runs below 2^20 - 1.
library Places {
    uint256 internal constant OFFER_BITS = 52;
    uint256 internal constant BID_BITS = 20;
    uint256 internal constant PLACES = 256;
    /// @notice Units of an offer and runs of a bid stay below these; what is above cancels.
    uint256 internal constant UNITS_END = (1 << OFFER_BITS) - 1;
    uint256 internal constant RUNS_END = (1 << BID_BITS) - 1;

    /// @return word and shift: where the place of the maker's offer with this nonce is.
    function ofOffer(State storage self, address maker, uint256 nonce)
        internal
        view
        returns (Word storage word, uint256 shift)
    {
        mapping(address => mapping(uint256 => Word)) storage makers = self.sold;
        assembly ("memory-safe") {
            // Where Solidity keeps makers[maker][place / 2], computed in the scratch space.
            mstore(0, maker)
            mstore(32, makers.slot)
            mstore(32, keccak256(0, 64))
            mstore(0, shr(1, and(nonce, 255)))
            word.slot := keccak256(0, 64)
            shift := shl(7, and(nonce, 1))
        }
    }

    /// @return word and shift: where the place of the maker's bid with this nonce is.
    function ofBid(State storage self, address maker, uint256 nonce)
        internal
        view
        returns (Word storage word, uint256 shift)
    {
        mapping(address => mapping(uint256 => Word)) storage makers = self.bought;
        assembly ("memory-safe") {
            // Where Solidity keeps makers[maker][place / 4], computed in the scratch space.
            mstore(0, maker)
            mstore(32, makers.slot)
            mstore(32, keccak256(0, 64))
            mstore(0, shr(2, and(nonce, 255)))
            word.slot := keccak256(0, 64)
            shift := shl(6, and(nonce, 3))
        }
    }

    /// @notice Count of the order with this nonce; ended if it was cancelled or its place went to a younger order.
    function read(Word storage word, uint256 shift, uint256 bits, uint256 nonce)
        internal
        view
        returns (uint256 consumed, uint256 peak, bool ended)
    {
        unchecked {
            uint256 count = word.value >> shift;
            uint256 mask = (1 << bits) - 1;
            uint256 generation = (count >> (2 * bits)) & 0xffffff;
            if (generation != nonce / PLACES) return (0, 0, generation > nonce / PLACES);
            consumed = count & mask;
            peak = (count >> bits) & mask;
            ended = consumed > peak;
        }
    }

    /// @notice The word with `more` units taken by the offer in the place at `shift`, or the code of the first rule that
    /// forbids it.
    /// @dev Of a value in hand, so that a word is read once and written once. Without jumps: all rules are looked at together,
    /// and only a refusal asks which it was.
    function takeUnits(uint256 word, uint256 shift, uint256 nonce, uint256 more, uint256 quantity, uint256 validUntil)
        internal
        view
        returns (uint256 code, uint256 next)
    {
        uint256 consumed;
        uint256 ended;
        uint256 wrong;
        assembly ("memory-safe") {
            let count := and(shr(shift, word), 0xffffffffffffffffffffffffffffffff) // generation 24 | peak 52 | consumed 52
            let generation := shr(8, nonce)
            let same := eq(shr(104, count), generation) // else the place is an older order's, or a younger one's
            let before := mul(same, and(count, 0xfffffffffffff))
            let peak := mul(same, and(shr(52, count), 0xfffffffffffff))
            ended := or(gt(before, peak), gt(shr(104, count), generation))
            consumed := add(before, more) // both at most the quantity of an order, far below 2^64
            let first := gt(consumed, peak) // some of it trades for the first time
            wrong := or(or(ended, gt(consumed, quantity)), and(first, gt(timestamp(), validUntil)))
            peak := xor(peak, mul(xor(peak, consumed), first))
            // What changes of the place, as bits.
            next := xor(count, or(or(shl(104, generation), shl(52, peak)), consumed))
            next := xor(word, shl(shift, next))
        }
        if (wrong == 0) return (RejectCodes.NONE, next);
        if (ended != 0) return (RejectCodes.CANCELLED, 0);
        return (consumed > quantity ? RejectCodes.NOT_ENOUGH_QUANTITY : RejectCodes.EXPIRED, 0);
    }

    /// @notice The word with `more` runs taken by the bid in the place at `shift`, or the code of the first rule that
    /// forbids it.
    /// @dev Of a value in hand, so that a word is read once and written once. Without jumps: all rules are looked at together,
    /// and only a refusal asks which it was.
    function takeRuns(uint256 word, uint256 shift, uint256 nonce, uint256 more, uint256 quantity, uint256 validUntil)
        internal
        view
        returns (uint256 code, uint256 next)
    {
        uint256 consumed;
        uint256 ended;
        uint256 wrong;
        assembly ("memory-safe") {
            let count := and(shr(shift, word), 0xffffffffffffffff) // generation 24 | peak 20 | consumed 20
            let generation := shr(8, nonce)
            let same := eq(shr(40, count), generation) // else the place is an older order's, or a younger one's
            let before := mul(same, and(count, 0xfffff))
            let peak := mul(same, and(shr(20, count), 0xfffff))
            ended := or(gt(before, peak), gt(shr(40, count), generation))
            consumed := add(before, more) // both at most the quantity of an order, far below 2^64
            let first := gt(consumed, peak) // some of it trades for the first time
            wrong := or(or(ended, gt(consumed, quantity)), and(first, gt(timestamp(), validUntil)))
            peak := xor(peak, mul(xor(peak, consumed), first))
            // What changes of the place, as bits.
            next := xor(count, or(or(shl(40, generation), shl(20, peak)), consumed))
            next := xor(word, shl(shift, next))
        }
        if (wrong == 0) return (RejectCodes.NONE, next);
        if (ended != 0) return (RejectCodes.CANCELLED, 0);
        return (consumed > quantity ? RejectCodes.NOT_ENOUGH_QUANTITY : RejectCodes.EXPIRED, 0);
    }

    /// @notice The order trades no more, nor does an older one in its place. False if it had ended before.
    function cancel(Word storage word, uint256 shift, uint256 bits, uint256 nonce) internal returns (bool) {
        (,, bool ended) = read(word, shift, bits, nonce);
        if (ended) return false;
        word.value = _put(word.value, shift, bits, nonce, (1 << bits) - 1, 0);
        return true;
    }

    /// @notice consumed -= units, unless the offer ended.
    function giveUnits(Word storage self, uint256 shift, uint256 nonce, uint256 units) internal {
        unchecked {
            uint256 word = self.value;
            uint256 count = (word >> shift) & type(uint128).max;
            if (count >> (2 * OFFER_BITS) != nonce / PLACES) return;
            if (count & UNITS_END > (count >> OFFER_BITS) & UNITS_END) return;
            // What comes back was taken by a trade that is just being closed, so it is there and nothing is borrowed.
            self.value = word - (units << shift);
        }
    }

    /// @notice consumed -= runs, unless the bid ended.
    function giveRuns(Word storage self, uint256 shift, uint256 nonce, uint256 runs) internal {
        unchecked {
            uint256 word = self.value;
            uint256 count = (word >> shift) & type(uint64).max;
            if (count >> (2 * BID_BITS) != nonce / PLACES) return;
            if (count & RUNS_END > (count >> BID_BITS) & RUNS_END) return;
            self.value = word - (runs << shift); // as in giveUnits()
        }
    }

    function _put(uint256 word, uint256 shift, uint256 bits, uint256 nonce, uint256 consumed, uint256 peak)
        private
        pure
        returns (uint256)
    {
        unchecked {
            uint256 width = (1 << (2 * bits + 24)) - 1;
            uint256 count = ((nonce / PLACES) << (2 * bits)) | (peak << bits) | consumed;
            return (word & ~(width << shift)) | (count << shift);
        }
    }
}
