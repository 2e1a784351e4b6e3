// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev One word: available (low 128 bits) | locked (high 128 bits).
type Account is uint256;

/// @title Balances, one storage word for each account
/// @dev Unchecked throughout. Why it is safe: Market admits at most 2^128 - 1 base units in all (custody) and every function
/// here moves amounts that are in the market already, so no half of a word can carry into the other; and nothing is released
/// that lock() did not lock, since a trade's bit is cleared in the same call that releases its payment and bond.
library Accounts {
    function available(mapping(address => Account) storage self, address owner) internal view returns (uint128) {
        return uint128(Account.unwrap(self[owner]));
    }

    function locked(mapping(address => Account) storage self, address owner) internal view returns (uint128) {
        return uint128(Account.unwrap(self[owner]) >> 128);
    }

    /// @notice available += amount.
    function credit(mapping(address => Account) storage self, address owner, uint256 amount) internal {
        unchecked {
            self[owner] = Account.wrap(Account.unwrap(self[owner]) + amount);
        }
    }

    /// @notice available -= amount. The caller has checked that it is there.
    function debit(mapping(address => Account) storage self, address owner, uint256 amount) internal {
        unchecked {
            self[owner] = Account.wrap(Account.unwrap(self[owner]) - amount);
        }
    }

    /// @notice Move `amount` from available to locked. The caller has checked that it is there.
    function lock(mapping(address => Account) storage self, address owner, uint256 amount) internal {
        unchecked {
            self[owner] = Account.wrap(Account.unwrap(self[owner]) - amount + (amount << 128));
        }
    }

    /// @notice locked -= amount, available += credited.
    function release(mapping(address => Account) storage self, address owner, uint256 amount, uint256 credited)
        internal
    {
        unchecked {
            self[owner] = Account.wrap(Account.unwrap(self[owner]) - (amount << 128) + credited);
        }
    }
}
