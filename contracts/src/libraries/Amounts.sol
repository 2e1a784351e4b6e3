// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Prices times work, with the rounding in the name
/// @dev A price has 96 bits and work 64, so no product here passes 160 bits and nothing can overflow 256. Results are not cut
/// to 128 bits: callers compare them with what an account holds first.
library Amounts {
    uint256 internal constant UNITS_PER_GFLOPS_HOUR = 3_600_000;
    uint256 internal constant BPS = 10_000;

    /// @notice What a buyer reserves for `units` at `price`. Up: at most one base unit too much, given back at the close.
    function lockPaymentUp(uint96 price, uint64 units) internal pure returns (uint256) {
        unchecked {
            return (uint256(price) * units + UNITS_PER_GFLOPS_HOUR - 1) / UNITS_PER_GFLOPS_HOUR;
        }
    }

    /// @notice What `units` cost at `price`. Down: the dust stays with the buyer.
    function paymentDown(uint96 price, uint64 units) internal pure returns (uint256) {
        unchecked {
            return (uint256(price) * units) / UNITS_PER_GFLOPS_HOUR;
        }
    }

    /// @notice The treasury's part of a payment. Down: the dust stays with the provider.
    /// @dev `payment` has at most 128 bits and `feeBps` 16.
    function feeDown(uint256 payment, uint16 feeBps) internal pure returns (uint256) {
        unchecked {
            return (payment * feeBps) / BPS;
        }
    }

    /// @notice The price a bond is computed from: known from the signed offer alone, so the provider can foresee it.
    function bondPriceDown(uint96 offerPrice, uint16 bondBps, uint96 bondFloorPrice) internal pure returns (uint96) {
        unchecked {
            // bondBps <= BPS, so the quotient is at most offerPrice and fits.
            uint96 share = uint96((uint256(offerPrice) * bondBps) / BPS);
            return share > bondFloorPrice ? share : bondFloorPrice;
        }
    }

    /// @notice The least that `runs` delivered runs may be billed: a tenth of the ceiling each. Up: a ceiling is no free
    /// reservation.
    function leastUnitsUp(uint32 runs, uint64 ceiling) internal pure returns (uint256) {
        unchecked {
            return uint256(runs) * ((uint256(ceiling) + 9) / 10);
        }
    }
}
