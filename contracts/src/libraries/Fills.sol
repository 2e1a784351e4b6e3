// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketTypes} from "../interfaces/IMarketTypes.sol";
import {IRegistry} from "../interfaces/IRegistry.sol";
import {Orders} from "./Orders.sol";
import {Places} from "./Places.sol";
import {RejectCodes} from "./RejectCodes.sol";

/// @dev An offer or a bid after the checks that concern it and its clearing alone; each is read and checked once, whatever
/// number of fills it has.
struct CheckedOrder {
    bytes32 hash;
    uint256 makerAndPrice; // as in PackedOffer and PackedBid
    uint256 fields;
    uint256 code; // RejectCodes
    bytes32 grant; // the delegate's setting that signed, zero if the maker did
    uint256 spendCap; // of that setting, if there is one
    // The rest is of offers that have no code. Bids lack it: most have one fill, and each word of memory costs gas.
    CheckedClearing clearing;
    uint256 account; // the slot of the maker's account
    uint256 place; // the slot of the offer's place
    uint256 shift; // of the place in its word
    uint256 bondPrice;
}

/// @dev Bytes of memory between checked offers, bids and clearings. They lie in a row, and are found by adding to the pointer of
/// the first: a variable of a struct's type that is set to nothing, or returned, would be allocated and cleared first.
uint256 constant OFFER_SIZE = 352;
uint256 constant BID_SIZE = 192;
uint256 constant CLEARING_SIZE = 96;

/// @dev Bytes of calldata between packed offers, and between packed bids.
uint256 constant PACKED_SIZE = 160;

/// @dev A clearing with its id.
struct CheckedClearing {
    bytes32 id;
    bytes32 product;
    uint256 price; // 96 bits
}

/// @title The members of packed orders and fills, and the rules of a fill that need no storage
library Fills {
    /// @notice Longest time ahead that a trade may be due: a lock must not hold money for ever.
    uint256 internal constant TERM_MAX = 30 days;

    function maker(uint256 makerAndPrice) internal pure returns (address) {
        return address(uint160(makerAndPrice >> 96));
    }

    /// @notice Memory for `count` checked orders, not cleared: the checks write every word that a fill reads.
    function allocate(uint256 count, uint256 size) internal pure returns (CheckedOrder memory first) {
        assembly ("memory-safe") {
            first := mload(0x40)
            mstore(0x40, add(first, mul(count, size)))
        }
    }

    /// @notice Memory for `count` clearings.
    function allocate(uint256 count) internal pure returns (CheckedClearing memory first) {
        assembly ("memory-safe") {
            first := mload(0x40)
            mstore(0x40, add(first, mul(count, CLEARING_SIZE)))
        }
    }

    /// @notice Where the offers begin in calldata; the next one is PACKED_SIZE further.
    function firstOf(IMarketTypes.PackedOffer[] calldata offers)
        internal
        pure
        returns (IMarketTypes.PackedOffer calldata first)
    {
        assembly ("memory-safe") {
            first := offers.offset
        }
    }

    /// @notice Where the bids begin in calldata.
    function firstOf(IMarketTypes.PackedBid[] calldata bids)
        internal
        pure
        returns (IMarketTypes.PackedBid calldata first)
    {
        assembly ("memory-safe") {
            first := bids.offset
        }
    }

    /// @notice The fill at a position of bytes that reach that far.
    function fillAt(bytes calldata fills, uint256 position) internal pure returns (uint256 fill) {
        assembly ("memory-safe") {
            // 10 bytes from the high end of the word; what is loaded beyond them is shifted out.
            fill := shr(176, calldataload(add(fills.offset, mul(position, 10))))
        }
    }

    /// @notice Units of an offer, ceiling of a bid: both stand in the same bits.
    function work(uint256 fields) internal pure returns (uint256) {
        return uint64(fields >> 144);
    }

    function runs(uint256 fields) internal pure returns (uint256) {
        return uint32(fields >> 208);
    }

    function nonce(uint256 fields) internal pure returns (uint256) {
        return uint32(fields >> 112);
    }

    function validUntil(uint256 fields) internal pure returns (uint256) {
        return uint40(fields >> 72);
    }

    function deliverBy(uint256 fields) internal pure returns (uint256) {
        return uint40(fields >> 32);
    }

    function maxFeeBps(uint256 fields) internal pure returns (uint256) {
        return uint16(fields >> 16);
    }

    function clearing(uint256 fields) internal pure returns (uint256) {
        return uint8(fields >> 8);
    }

    function wallet(uint256 fields) internal pure returns (uint256) {
        return uint8(fields);
    }

    /// @dev A fill is offer 8 | bid 8 | firstRun 32 | runs 32.
    function runsOf(uint256 fill) internal pure returns (uint256) {
        return uint32(fill);
    }

    function firstRunOf(uint256 fill) internal pure returns (uint256) {
        return uint32(fill >> 32);
    }

    /// @notice Not zero if some rule of the pair is broken: codeOfPair() says which.
    /// @dev All rules together, without jumps. Members of CheckedOrder are 32 bytes each.
    function isWrong(CheckedOrder memory offer, CheckedOrder memory bid, uint256 fill, uint256 due)
        internal
        view
        returns (uint256 wrong)
    {
        uint256 term = TERM_MAX;
        assembly ("memory-safe") {
            let bought := mload(add(bid, 64))
            let taken := and(fill, 0xffffffff)
            wrong := or(mload(add(offer, 96)), mload(add(bid, 96))) // codes
            wrong := or(wrong, iszero(shr(96, xor(mload(add(offer, 32)), mload(add(bid, 32)))))) // makers
            wrong := or(wrong, and(xor(mload(add(offer, 64)), bought), 0xff00)) // clearings
            wrong := or(wrong, iszero(taken))
            wrong := or(wrong, gt(add(taken, and(shr(32, fill), 0xffffffff)), and(shr(208, bought), 0xffffffff)))
            wrong := or(wrong, gt(due, add(timestamp(), term)))
        }
    }

    /// @notice The first rule of the pair that is broken, in the order of RejectCodes. `due`: see dueBy().
    function codeOfPair(CheckedOrder memory offer, CheckedOrder memory bid, uint256 fill, uint256 due)
        internal
        view
        returns (uint256)
    {
        unchecked {
            // 32 + 32 bits cannot pass 256
            if (offer.code != RejectCodes.NONE) return offer.code;
            if (bid.code != RejectCodes.NONE) return bid.code;
            if ((offer.makerAndPrice ^ bid.makerAndPrice) >> 96 == 0) return RejectCodes.SAME_MAKER;
            if (clearing(offer.fields ^ bid.fields) != 0) return RejectCodes.CLEARING_DIFFERS;
            uint256 taken = runsOf(fill);
            if (taken == 0 || firstRunOf(fill) + taken > runs(bid.fields)) return RejectCodes.BAD_INDEX;
            return due > block.timestamp + TERM_MAX ? RejectCodes.DELIVER_BY_TOO_FAR : RejectCodes.NONE;
        }
    }

    /// @notice When a trade of orders with these fields must be delivered: by the earlier of both times.
    function dueBy(uint256 sold, uint256 bought) internal pure returns (uint256 due) {
        (uint256 left, uint256 right) = (deliverBy(sold), deliverBy(bought));
        assembly ("memory-safe") {
            due := xor(right, mul(xor(left, right), lt(left, right))) // the smaller, without a jump
        }
    }

    /// @notice Whether a delegate's setting lets it sign an order with this limit price.
    function codeOfDelegate(IRegistry.Delegate memory delegate, uint8 side, uint96 limitPrice)
        internal
        view
        returns (uint256)
    {
        if (delegate.version == 0 || block.timestamp > delegate.validUntil) {
            return RejectCodes.DELEGATE_NOT_ALLOWED;
        }
        bool worse = side == Orders.BUY ? limitPrice > delegate.worstPrice : limitPrice < delegate.worstPrice;
        return worse ? RejectCodes.DELEGATE_NOT_ALLOWED : RejectCodes.NONE;
    }
}
