// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Counts} from "./Counts.sol";
import {RejectCodes} from "./RejectCodes.sol";
import {State, Word} from "./State.sol";

/// @title How much of an order is taken, and how much ever was: counters packed several to a word
/// @notice Each maker has 256 places on each side, and order n stands in place n % 256. A place begins with the generation of
/// its order, n / 256. An order takes a place over from an older generation, so a word is created once and then used for ever; an
/// order whose place went to a younger one trades no more. Nonces end below 2^29 (Accounts), so the highest bit of each place is zero.
///
/// An offer counts work units: generation 24 | peak 52 | consumed 52, units below 2^52 - 1, two places to a word. The peak
/// remembers how much had traded in time, since quantity that came back at a close may trade again after validUntil and new
/// quantity may not.
///
/// A bid counts runs, which have numbers: generation 22 | skipped 14 | next 14 | consumed 14, runs below 2^14 - 1, four places to a
/// word. Runs from `next` on are new. Below it, `consumed` runs are in trades that are open or settled, `skipped` runs never
/// traded because a fill passed over them, and the rest came back. A fill takes one of three kinds: new runs, and `next` moves
/// behind them; runs that were passed over, which one bit each remembers; or as many as came back. The first two trade
/// until validUntil. So nobody can sell a run twice while fewer came back.
///
/// Cancelled is consumed above peak or next, which no count can be. What the place was before is kept for a match window (Counts).
/// @dev Known limit: a close says how many runs were delivered, not which, so of those that came back only the number is known.
/// Verifiers read all trades of a bid and bill none of its runs twice.
library Places {
    uint256 internal constant OFFER_BITS = 52;
    uint256 internal constant BID_BITS = 14;
    uint256 internal constant PLACES = 256;
    /// @notice Units of an offer and runs of a bid stay below these; what is above cancels.
    uint256 internal constant UNITS_END = (1 << OFFER_BITS) - 1;
    uint256 internal constant RUNS_END = (1 << BID_BITS) - 1;
    /// @dev Where the generation begins in a place.
    uint256 internal constant OFFER_HEAD = 2 * OFFER_BITS;
    uint256 internal constant BID_HEAD = 3 * BID_BITS;

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

    /// @notice The word with the runs of a fill taken by the bid in the place at `shift`, or the code of the first rule that
    /// forbids it; and the runs whose bits change, as from 16 | to 16 for Counts.flip(), zero if none do.
    /// @dev `fields` of the bid and `fill` are as in Fills, where it was checked that the bid asks for these runs.
    function takeRuns(State storage self, address maker, uint256 fields, uint256 fill, uint256 word, uint256 shift)
        internal
        view
        returns (uint256, uint256 next, uint256 flips)
    {
        uint256 wrong;
        (wrong, next, flips) = takeNewRuns(fields, fill, word, shift);
        return wrong == 0 ? (RejectCodes.NONE, next, flips) : Counts.take(self, maker, fields, fill, word, shift);
    }

    /// @notice The same where all runs are new and in time; else `wrong` is not zero.
    function takeNewRuns(uint256 fields, uint256 fill, uint256 word, uint256 shift)
        internal
        view
        returns (uint256 wrong, uint256 next, uint256 flips)
    {
        assembly ("memory-safe") {
            let count := and(shr(shift, word), 0xffffffffffffffff) // generation 22 | skipped 14 | next 14 | consumed 14
            let generation := and(shr(120, fields), 0xffffff)
            let same := eq(shr(42, count), generation) // else the place is an older order's, or a younger one's
            let consumed := mul(same, and(count, 0x3fff))
            let new := mul(same, and(shr(14, count), 0x3fff))
            let first := and(shr(32, fill), 0xffffffff)
            let runs := and(fill, 0xffffffff)
            // New runs, in time, of an order that has not ended: nothing else is asked then.
            wrong := or(gt(consumed, new), gt(shr(42, count), generation))
            wrong := or(wrong, or(lt(first, new), gt(timestamp(), and(shr(72, fields), 0xffffffffff))))
            let skipped := add(mul(same, and(shr(28, count), 0x3fff)), sub(first, new))
            next := or(or(shl(42, generation), shl(28, skipped)), or(shl(14, add(first, runs)), add(consumed, runs)))
            next := xor(word, shl(shift, xor(count, next))) // what changes of the place, as bits
            flips := mul(gt(first, new), or(shl(16, new), first))
        }
    }

    /// @notice consumed -= units, unless the offer ended.
    function giveUnits(Word storage self, uint256 shift, uint256 nonce, uint256 units) internal {
        unchecked {
            uint256 word = self.value;
            uint256 count = (word >> shift) & type(uint128).max;
            if (count >> OFFER_HEAD != nonce / PLACES) return;
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
            if (count >> BID_HEAD != nonce / PLACES) return;
            if (count & RUNS_END > (count >> BID_BITS) & RUNS_END) return;
            self.value = word - (runs << shift); // as in giveUnits()
        }
    }
}
