// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../interfaces/IMarket.sol";
import {IRegistry} from "../interfaces/IRegistry.sol";
import {OrderState} from "./OrderStates.sol";
import {Orders} from "./Orders.sol";
import {RejectCodes} from "./RejectCodes.sol";

/// @dev An offer or a bid after the checks that concern it alone; what its fills need is here, so calldata is read once.
struct CheckedOrder {
    bytes32 hash;
    address maker;
    bytes32 product;
    uint96 price;
    uint64 quantity; // work units of an offer, runs of a bid
    uint64 ceiling; // work units per run; bids only
    uint40 validUntil;
    uint40 deliverBy;
    bytes32 grant; // the delegate's setting that signed, zero if the maker did
    uint96 spendCap; // of that setting
    uint8 code; // RejectCodes
}

/// @dev A clearing with its id.
struct CheckedClearing {
    bytes32 id;
    bytes32 product;
    uint96 price;
}

/// @title The rules of a fill that need no storage
library Fills {
    /// @notice Longest time ahead that a trade may be due: a lock must not hold money for ever.
    uint256 internal constant TERM_MAX = 30 days;

    /// @notice The first rule of the pair that is broken, in the order of RejectCodes.
    function codeOfPair(
        CheckedOrder memory offer,
        CheckedOrder memory bid,
        CheckedClearing memory clearing,
        IMarket.Fill calldata fill
    ) internal view returns (uint8) {
        if (offer.code != RejectCodes.NONE) return offer.code;
        if (bid.code != RejectCodes.NONE) return bid.code;
        if (offer.maker == bid.maker) return RejectCodes.SAME_MAKER;
        if (offer.product != clearing.product || bid.product != clearing.product) return RejectCodes.PRODUCT_DIFFERS;
        if (clearing.price < offer.price || clearing.price > bid.price) return RejectCodes.PRICE_OUTSIDE_LIMITS;
        if (fill.runs == 0 || bid.ceiling == 0) return RejectCodes.BAD_INDEX;
        if (uint256(fill.firstRun) + fill.runs > bid.quantity) return RejectCodes.BAD_INDEX;
        if (dueOf(offer, bid) > block.timestamp + TERM_MAX) return RejectCodes.DELIVER_BY_TOO_FAR;
        return RejectCodes.NONE;
    }

    /// @notice Whether `state` of `order` leaves room for `quantity` more. 256 bits, since runs * ceiling may pass 64.
    function codeOfQuantity(CheckedOrder memory order, OrderState state, uint256 quantity)
        internal
        view
        returns (uint8)
    {
        if (state.cancelled()) return RejectCodes.CANCELLED;
        uint256 consumed = quantity + state.consumed();
        if (consumed > order.quantity) return RejectCodes.NOT_ENOUGH_QUANTITY;
        if (block.timestamp > order.validUntil && consumed > state.peak()) return RejectCodes.EXPIRED;
        return RejectCodes.NONE;
    }

    /// @notice Whether a delegate's setting lets it sign an order with this limit price.
    function codeOfDelegate(IRegistry.Delegate memory delegate, uint8 side, uint96 price)
        internal
        view
        returns (uint8)
    {
        if (delegate.version == 0 || block.timestamp > delegate.validUntil) {
            return RejectCodes.DELEGATE_NOT_ALLOWED;
        }
        bool worse = side == Orders.BUY ? price > delegate.worstPrice : price < delegate.worstPrice;
        return worse ? RejectCodes.DELEGATE_NOT_ALLOWED : RejectCodes.NONE;
    }

    /// @notice When a trade of these two must be delivered.
    function dueOf(CheckedOrder memory offer, CheckedOrder memory bid) internal pure returns (uint40) {
        return offer.deliverBy < bid.deliverBy ? offer.deliverBy : bid.deliverBy;
    }
}
