// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Why a fill was refused
/// @notice The first rule that a fill breaks gives the code. Rules are asked in this order: indexes (13); the offer by itself,
/// then the bid by itself: side (14), verifier set (4), deliver by passed (2), fee (10), signature (1), delegate (11); then the
/// two together: same maker (12), product (5), price (6), runs (13), deliver by too far (15); then of each order, the offer
/// first: cancelled (3), quantity (7), valid until (2), and at last funds (8), bond (9), spend caps (11).
library RejectCodes {
    uint8 internal constant NONE = 0;
    uint8 internal constant BAD_SIGNATURE = 1; // malformed, or of a key that never was a delegate of the maker
    uint8 internal constant EXPIRED = 2; // deliverBy has passed, or validUntil has and the quantity would trade for the first time
    uint8 internal constant CANCELLED = 3;
    uint8 internal constant WRONG_VERIFIER_SET = 4;
    uint8 internal constant PRODUCT_DIFFERS = 5; // of offer, bid and clearing
    uint8 internal constant PRICE_OUTSIDE_LIMITS = 6; // offer.price <= clearing.price <= bid.price
    uint8 internal constant NOT_ENOUGH_QUANTITY = 7;
    uint8 internal constant INSUFFICIENT_FUNDS = 8;
    uint8 internal constant INSUFFICIENT_BOND = 9;
    uint8 internal constant FEE_ABOVE_MAXIMUM = 10;
    uint8 internal constant DELEGATE_NOT_ALLOWED = 11; // other side, run out, worst price or spend cap passed
    uint8 internal constant SAME_MAKER = 12;
    uint8 internal constant BAD_INDEX = 13; // outside an array, runs outside the bid, or no work at all
    uint8 internal constant BAD_SIDE = 14;
    uint8 internal constant DELIVER_BY_TOO_FAR = 15; // more than 30 days ahead: the lock would last too long
}
