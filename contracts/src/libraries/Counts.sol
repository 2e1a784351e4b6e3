// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../interfaces/IMarketEvents.sol";
import {Accounts} from "./Accounts.sol";
import {Fills} from "./Fills.sol";
import {Orders} from "./Orders.sol";
import {Places} from "./Places.sol";
import {RejectCodes} from "./RejectCodes.sol";
import {State, Word} from "./State.sol";

/// @title What few calls need of the places of orders: reading, cancelling, and runs of a bid that had their turn, which are those
/// that a fill passed over and those that came back
/// @notice Orders are matched off chain, and a trade is locked some seconds later. So a cancel keeps the place as it was, its shadow,
/// for one match window, and trades of orders that the cancel ended count there: until 40 | last 24 | place 128, `last`
/// being the generation of the cancelled order. None of them ever counts in the place again, and no younger order counts
/// in the shadow, so nothing is sold twice. What trades through a shadow never comes back. A further cancel while the place
/// is cancelled keeps the shadow that there is and prolongs it; if a younger order had begun to trade in the place, that order's
/// counts are kept instead, and what it ended stays ended.
/// @dev Code of its own, called by the market; it runs on the market's state.
library Counts {
    using Accounts for State;
    using Fills for uint256;

    /// @dev Words of 256 runs that a bid can need.
    uint256 private constant WORDS = 64;
    /// @dev Where the parts of a shadow begin.
    uint256 private constant LAST = 128;
    uint256 private constant UNTIL = 152;

    /// @dev The place of any order. Reverts with InvalidSide.
    function _of(State storage self, address maker, uint8 side, uint256 nonce)
        private
        view
        returns (Word storage word, uint256 shift, uint256 bits)
    {
        if (side != Orders.BUY && side != Orders.SELL) revert IMarketEvents.InvalidSide(side);
        (word, shift) = side == Orders.SELL ? Places.ofOffer(self, maker, nonce) : Places.ofBid(self, maker, nonce);
        bits = side == Orders.SELL ? Places.OFFER_BITS : Places.BID_BITS;
    }

    /// @notice Count of the order with this nonce, and the peak of an offer or `next` of a bid; ended if it was cancelled or its
    /// place went to a younger order. Reverts with InvalidSide.
    function read(State storage self, address maker, uint8 side, uint256 nonce)
        external
        view
        returns (uint64, uint64, bool)
    {
        (Word storage word, uint256 shift, uint256 bits) = _of(self, maker, side, nonce);
        (uint256 consumed, uint256 reached, bool ended) = _read(word.value >> shift, bits, nonce);
        return (ended ? 0 : uint64(consumed), uint64(reached), ended);
    }

    function _read(uint256 count, uint256 bits, uint256 nonce)
        private
        pure
        returns (uint256 consumed, uint256 reached, bool ended)
    {
        unchecked {
            uint256 mask = (1 << bits) - 1;
            uint256 generation = (count >> _headOf(bits)) & 0x3fffff;
            if (generation != nonce / Places.PLACES) return (0, 0, generation > nonce / Places.PLACES);
            consumed = count & mask;
            reached = (count >> bits) & mask;
            ended = consumed > reached;
        }
    }

    /// @notice The order trades no more, nor does an older one in its place, except for `window` seconds through the shadow. Says nothing
    /// if it had ended before. Reverts with InvalidSide, NonceTooFar.
    function cancel(State storage self, address maker, uint8 side, uint32 nonce, uint256 window) external {
        (Word storage word, uint256 shift, uint256 bits) = _of(self, maker, side, nonce);
        Word storage account = self.accountOf(maker);
        uint256 part = side == Orders.SELL ? Accounts.OFFERS : Accounts.BIDS;
        uint256 balance = account.value;
        if (Accounts.isTooFar(balance, part, nonce)) {
            revert IMarketEvents.NonceTooFar(nonce, uint32(Accounts.newestOf(balance, part)));
        }
        uint256 places = word.value;
        (,, bool ended) = _read(places >> shift, bits, nonce);
        if (ended) return;
        unchecked {
            uint256 width = (1 << (bits == Places.OFFER_BITS ? 128 : 64)) - 1;
            uint256 generation = nonce / Places.PLACES;
            uint256 kept = _keptOf(shadowOf(self, maker, side, nonce).value, (places >> shift) & width, bits);
            shadowOf(self, maker, side, nonce).value =
                ((block.timestamp + window) << UNTIL) | (generation << LAST) | kept;
            uint256 count = (generation << _headOf(bits)) | ((1 << bits) - 1);
            word.value = (places & ~(width << shift)) | (count << shift);
        }
        account.value = Accounts.raising(balance, part, nonce);
        emit IMarketEvents.OrderCancelled(maker, side, nonce);
    }

    // ------------------------------------------------------------------------------------------------ shadows

    /// @notice The shadow of the place of the order with this nonce.
    function shadowOf(State storage self, address maker, uint8 side, uint256 nonce)
        internal
        view
        returns (Word storage)
    {
        return self.shadows[maker][(uint256(side) << 8) | (nonce % Places.PLACES)];
    }

    /// @dev What the new shadow keeps: the place, unless it is cancelled and what it was before is still kept.
    function _keptOf(uint256 shadow, uint256 place, uint256 bits) private view returns (uint256) {
        uint256 mask = (1 << bits) - 1;
        bool cancelled = place & mask > (place >> bits) & mask;
        return cancelled && shadow >> UNTIL > block.timestamp ? uint128(shadow) : place;
    }

    /// @notice Whether the shadow lives and its cancel ended the order with this nonce.
    function covers(uint256 shadow, uint256 nonce) internal view returns (bool) {
        return shadow >> UNTIL > block.timestamp && uint24(shadow >> LAST) >= nonce / Places.PLACES;
    }

    // ------------------------------------------------------------------------------------------------ runs

    /// @notice As Places.takeRuns() where the runs are not new, or not in time, or the order ended.
    function take(State storage self, address maker, uint256 fields, uint256 fill, uint256 word, uint256 shift)
        external
        view
        returns (uint256, uint256, uint256)
    {
        return takeOld(self, maker, fields, fill, word, shift);
    }

    /// @notice take(), for code of a library.
    function takeOld(State storage self, address maker, uint256 fields, uint256 fill, uint256 word, uint256 shift)
        internal
        view
        returns (uint256, uint256, uint256)
    {
        unchecked {
            uint256 count = (word >> shift) & type(uint64).max;
            uint256 nonce = fields.nonce();
            if (count >> Places.BID_HEAD > nonce / Places.PLACES) return (RejectCodes.CANCELLED, 0, 0);
            if (count >> Places.BID_HEAD < nonce / Places.PLACES) return (RejectCodes.EXPIRED, 0, 0); // all its runs are new
            uint256 consumed = count & Places.RUNS_END;
            uint256 next = (count >> Places.BID_BITS) & Places.RUNS_END;
            uint256 skipped = (count >> (2 * Places.BID_BITS)) & Places.RUNS_END;
            if (consumed > next) return (RejectCodes.CANCELLED, 0, 0);
            (uint256 first, uint256 more) = (fill.firstRunOf(), fill.runsOf());
            if (first >= next) return (RejectCodes.EXPIRED, 0, 0);
            if (first + more > next) return (RejectCodes.NOT_ENOUGH_QUANTITY, 0, 0);
            uint256 passed = skipped == 0 ? 0 : _countSkipped(self, maker, nonce, first, first + more);
            if (passed == 0) {
                bool enough = more <= next - skipped - consumed;
                return enough ? (RejectCodes.NONE, word + (more << shift), 0) : (RejectCodes.NOT_ENOUGH_QUANTITY, 0, 0);
            }
            if (passed != more) return (RejectCodes.NOT_ENOUGH_QUANTITY, 0, 0);
            if (block.timestamp > fields.validUntil()) return (RejectCodes.EXPIRED, 0, 0);
            word = word + (more << shift) - (more << (shift + 2 * Places.BID_BITS));
            return (RejectCodes.NONE, word, (first << 16) | (first + more));
        }
    }

    /// @notice Change the bits of runs that the bid was passed over: they are set when a fill leaves them out, cleared when they
    /// trade after all. `flips`: see Places.takeRuns().
    function flip(State storage self, address maker, uint256 nonce, uint256 flips) external {
        flipBits(self, maker, nonce, flips);
    }

    /// @notice flip(), for code of a library.
    function flipBits(State storage self, address maker, uint256 nonce, uint256 flips) internal {
        unchecked {
            mapping(uint256 => uint256) storage words = self.skipped[maker];
            (uint256 run, uint256 end) = (flips >> 16, flips & 0xffff);
            for (uint256 stop; run < end; run = stop) {
                stop = _stopOf(run, end);
                words[nonce * WORDS + run / 256] ^= _bitsOf(run, stop);
            }
        }
    }

    /// @dev How many of the runs were passed over; looks no further than the first word in which not all or none are.
    function _countSkipped(State storage self, address maker, uint256 nonce, uint256 first, uint256 end)
        private
        view
        returns (uint256 passed)
    {
        unchecked {
            mapping(uint256 => uint256) storage words = self.skipped[maker];
            uint256 stop;
            for (uint256 run = first; run < end; run = stop) {
                stop = _stopOf(run, end);
                uint256 bits = _bitsOf(run, stop);
                uint256 found = words[nonce * WORDS + run / 256] & bits;
                if (found == bits) passed += stop - run;
                else if (found != 0) return passed + 1; // some and not all: neither 0 nor the number of runs
            }
        }
    }

    /// @dev Where the runs of one word end.
    function _stopOf(uint256 run, uint256 end) private pure returns (uint256 stop) {
        stop = (run | 255) + 1;
        if (stop > end) stop = end;
    }

    /// @dev The bits of the runs from `run` up to `stop`, which lie in one word.
    function _bitsOf(uint256 run, uint256 stop) private pure returns (uint256) {
        unchecked {
            return ((1 << (stop - run)) - 1) << (run & 255); // all of them for 256 runs, for 1 << 256 is 0
        }
    }

    /// @dev Where the generation begins in a place whose counts have so many bits.
    function _headOf(uint256 bits) private pure returns (uint256) {
        return bits == Places.OFFER_BITS ? Places.OFFER_HEAD : Places.BID_HEAD;
    }
}
