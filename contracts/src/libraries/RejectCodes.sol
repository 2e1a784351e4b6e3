// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Why a fill or a voucher was refused
/// @notice The first rule that a fill breaks gives the code. Rules are asked in this order: indexes (13); the offer by itself,
/// then the bid by itself: clearing (13), deliver by passed (2), fee (10), price (6), size (13), signature (1), delegate (11);
/// then the two together: same maker (12), clearing (5), runs (13), deliver by too far (15), nonce too far (4); then of each order,
/// the offer first: cancelled (3), quantity (7), valid until (2), and at last funds (8), bond (9), cap of the verifier set (14),
/// spend caps (11).
library RejectCodes {
    uint256 internal constant NONE = 0;
    uint256 internal constant BAD_SIGNATURE = 1; // malformed, over other fields, or of a key that never was a delegate of the maker
    uint256 internal constant EXPIRED = 2; // deliverBy has passed, or validUntil has and the quantity would trade for the first time
    uint256 internal constant CANCELLED = 3; // by its maker, a match window ago or earlier, or ended by a younger order in its place
    uint256 internal constant NONCE_TOO_FAR = 4; // more than 256 above the newest of its maker and side, or 2^29 or more
    uint256 internal constant CLEARING_DIFFERS = 5; // offer and bid name different clearings, and so perhaps different products
    uint256 internal constant PRICE_OUTSIDE_LIMITS = 6; // offer.price <= clearing.price <= bid.price
    uint256 internal constant NOT_ENOUGH_QUANTITY = 7; // nor runs that had their turn, unless as many came back or all of them were passed over
    uint256 internal constant INSUFFICIENT_FUNDS = 8; // available, and asked out less than a match window ago
    uint256 internal constant INSUFFICIENT_BOND = 9;
    uint256 internal constant FEE_ABOVE_MAXIMUM = 10;
    uint256 internal constant DELEGATE_NOT_ALLOWED = 11; // other side, run out, worst price or spend cap passed
    uint256 internal constant SAME_MAKER = 12;
    uint256 internal constant BAD_INDEX = 13; // outside an array, runs outside the bid, no work at all, or more than can be counted
    uint256 internal constant CAP_REACHED = 14; // with this trade more than the payout cap of its verifier set would be locked
    uint256 internal constant DELIVER_BY_TOO_FAR = 15; // more than 30 days ahead: the lock would last too long
    uint256 internal constant SESSION_NOT_OPEN = 16; // never opened, or closed
    uint256 internal constant VOUCHER_NOT_GREATER = 17; // it adds nothing to what was paid
    uint256 internal constant CEILING_EXCEEDED = 18;
}
