// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {State, Word} from "./State.sol";

/// @title Balances, one storage word for each account: locked 128 | available 128
/// @dev Unchecked throughout. Why it is safe: the market admits at most 2^96 - 1 base units in all (custody) and every function
/// here moves amounts that are in the market already, so no half of a word can carry into the other; and nothing is released
/// that lock() did not lock, since what was locked is released in the call that forgets it (bit, dispute or session).
library Accounts {
    /// @notice The account of `owner`.
    function accountOf(State storage self, address owner) internal view returns (Word storage word) {
        mapping(address => Word) storage accounts = self.accounts;
        assembly ("memory-safe") {
            // Where Solidity keeps accounts[owner], computed in the scratch space.
            mstore(0, owner)
            mstore(32, accounts.slot)
            word.slot := keccak256(0, 64)
        }
    }

    function available(Word storage self) internal view returns (uint256) {
        return uint128(self.value);
    }

    function locked(Word storage self) internal view returns (uint256) {
        return self.value >> 128;
    }

    /// @notice available += amount.
    function credit(Word storage self, uint256 amount) internal {
        unchecked {
            self.value += amount;
        }
    }

    /// @notice available -= amount. The caller has checked that it is there.
    function debit(Word storage self, uint256 amount) internal {
        unchecked {
            self.value -= amount;
        }
    }

    /// @notice Move `amount` from available to locked. The caller has checked that it is there.
    function lock(Word storage self, uint256 amount) internal {
        unchecked {
            self.value = locking(self.value, amount);
        }
    }

    /// @notice The balance with `amount` moved from available to locked. The caller has checked that it is there.
    function locking(uint256 balance, uint256 amount) internal pure returns (uint256) {
        unchecked {
            return balance - amount + (amount << 128);
        }
    }

    /// @notice locked -= amount, available += credited.
    function release(Word storage self, uint256 amount, uint256 credited) internal {
        unchecked {
            self.value = self.value - (amount << 128) + credited;
        }
    }
}
