// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketTypes} from "../interfaces/IMarketTypes.sol";
import {Amounts} from "./Amounts.sol";

/// @title The members of a record and of an outcome, by name
/// @dev Layouts: IMarketTypes.Record, and index 8 | kind 8 | runsDelivered 32 | units 64 for an outcome.
library Records {
    uint256 internal constant RECORD_BYTES = 128;
    uint256 internal constant OUTCOME_BYTES = 14;
    uint256 internal constant REFUNDED = 0;
    uint256 internal constant SETTLED = 1;
    uint256 internal constant SLASHED = 2;

    /// @notice Where the first record begins in calldata, where the last one ends, and where the first outcome begins.
    function walk(IMarketTypes.Record[] calldata records, bytes calldata outcomes)
        internal
        pure
        returns (uint256 next, uint256 end, uint256 said)
    {
        assembly ("memory-safe") {
            next := records.offset
            end := add(next, shl(7, records.length))
            said := outcomes.offset
        }
    }

    /// @notice The record and the outcome at these places of a walk().
    function read(uint256 next, uint256 said) internal pure returns (IMarketTypes.Record calldata r, uint256 outcome) {
        assembly ("memory-safe") {
            r := next
            outcome := shr(144, calldataload(said)) // 14 bytes from the high end of the word
        }
    }

    function provider(IMarketTypes.Record calldata r) internal pure returns (address) {
        return address(uint160(r.providerAndPrice >> 96));
    }

    function price(IMarketTypes.Record calldata r) internal pure returns (uint96) {
        return uint96(r.providerAndPrice);
    }

    function buyer(IMarketTypes.Record calldata r) internal pure returns (address) {
        return address(uint160(r.buyerAndWork >> 96));
    }

    function runs(IMarketTypes.Record calldata r) internal pure returns (uint256) {
        return uint32(r.buyerAndWork >> 64);
    }

    function ceiling(IMarketTypes.Record calldata r) internal pure returns (uint64) {
        return uint64(r.buyerAndWork);
    }

    /// @notice Work units locked: open() made sure that they fit 52 bits.
    function lockedUnits(IMarketTypes.Record calldata r) internal pure returns (uint64) {
        unchecked {
            return uint64(runs(r) * ceiling(r));
        }
    }

    function payment(IMarketTypes.Record calldata r) internal pure returns (uint256) {
        return Amounts.lockPaymentUp(price(r), lockedUnits(r));
    }

    function bond(IMarketTypes.Record calldata r) internal pure returns (uint256) {
        return uint96(r.terms >> 144);
    }

    function deliverBy(IMarketTypes.Record calldata r) internal pure returns (uint256) {
        return uint40(r.terms >> 104);
    }

    function firstRun(IMarketTypes.Record calldata r) internal pure returns (uint256) {
        return uint32(r.terms >> 72);
    }

    function offerNonce(IMarketTypes.Record calldata r) internal pure returns (uint256) {
        return uint32(r.terms >> 40);
    }

    function bidNonce(IMarketTypes.Record calldata r) internal pure returns (uint256) {
        return uint32(r.terms >> 8);
    }

    function index(IMarketTypes.Record calldata r) internal pure returns (uint256) {
        return uint8(r.terms);
    }

    // ------------------------------------------------------------------------------------------------ outcomes

    /// @notice The outcome at `position` of a verdict's bytes, which reach that far.
    function outcomeAt(bytes calldata outcomes, uint256 position) internal pure returns (uint256 outcome) {
        assembly ("memory-safe") {
            // 14 bytes from the high end of the word; what is loaded beyond them is shifted out.
            outcome := shr(144, calldataload(add(outcomes.offset, mul(position, 14))))
        }
    }

    function outcomeOf(uint256 index_, uint256 kind_, uint256 runsDelivered_, uint256 units_)
        internal
        pure
        returns (uint256)
    {
        return (index_ << 104) | (kind_ << 96) | (runsDelivered_ << 64) | units_;
    }

    function indexOf(uint256 outcome) internal pure returns (uint256) {
        return outcome >> 104;
    }

    function kindOf(uint256 outcome) internal pure returns (uint256) {
        return uint8(outcome >> 96);
    }

    function runsOf(uint256 outcome) internal pure returns (uint256) {
        return uint32(outcome >> 64);
    }

    function unitsOf(uint256 outcome) internal pure returns (uint64) {
        return uint64(outcome);
    }

    /// @notice What a verdict with this outcome means for the trade: an outcome that it can not have refunds it.
    /// @dev So no verdict, however wrong, opens a trade again, and whoever signs nonsense gains no more than by a refund.
    function possible(IMarketTypes.Record calldata r, uint256 outcome) internal pure returns (uint256) {
        return allows(r, outcome) ? outcome : outcomeOf(index(r), REFUNDED, 0, 0);
    }

    /// @notice Whether the trade can end so.
    function allows(IMarketTypes.Record calldata r, uint256 outcome) internal pure returns (bool) {
        uint256 kind = kindOf(outcome);
        if (kind != SETTLED) return kind == REFUNDED ? uint96(outcome) == 0 : kind == SLASHED && runsOf(outcome) == 0;
        uint256 work = r.buyerAndWork;
        bool wrong;
        assembly ("memory-safe") {
            let delivered := and(shr(64, outcome), 0xffffffff)
            let units := and(outcome, 0xffffffffffffffff)
            let ceiling_ := and(work, 0xffffffffffffffff)
            // delivered and runs have 32 bits, ceiling 64. The least is Amounts.leastUnitsUp().
            wrong := or(iszero(delivered), gt(delivered, and(shr(64, work), 0xffffffff)))
            wrong := or(wrong, lt(units, mul(delivered, div(add(ceiling_, 9), 10))))
            wrong := or(wrong, gt(units, mul(delivered, ceiling_)))
        }
        return !wrong;
    }
}
