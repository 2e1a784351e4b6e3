// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev One word: consumed (bits 0-63) | peak (bits 64-127) | cancelled (bit 128).
type OrderState is uint256;

using OrderStates for OrderState global;

/// @title How much of an order is taken, and how much ever was
/// @dev Quantity that came back at a close may trade again after validUntil under the same signature. The peak remembers how
/// much had traded in time, so that nothing trades for the first time after validUntil.
library OrderStates {
    uint256 private constant CANCELLED = 1 << 128;

    function consumed(OrderState self) internal pure returns (uint64) {
        return uint64(OrderState.unwrap(self));
    }

    function peak(OrderState self) internal pure returns (uint64) {
        return uint64(OrderState.unwrap(self) >> 64);
    }

    function cancelled(OrderState self) internal pure returns (bool) {
        return OrderState.unwrap(self) & CANCELLED != 0;
    }

    function cancel(OrderState self) internal pure returns (OrderState) {
        return OrderState.wrap(OrderState.unwrap(self) | CANCELLED);
    }

    /// @notice consumed += quantity, and the peak follows. The caller has checked that the order has that much left.
    function take(OrderState self, uint64 quantity) internal pure returns (OrderState) {
        unchecked {
            // consumed + quantity <= quantity of the order, which has 64 bits
            uint64 next = self.consumed() + quantity;
            uint64 top = next > self.peak() ? next : self.peak();
            return OrderState.wrap((OrderState.unwrap(self) & CANCELLED) | (uint256(top) << 64) | next);
        }
    }

    /// @notice consumed -= quantity. What comes back was taken by a trade that is just being closed, so it is there.
    function give(OrderState self, uint64 quantity) internal pure returns (OrderState) {
        unchecked {
            return OrderState.wrap(OrderState.unwrap(self) - quantity);
        }
    }
}
