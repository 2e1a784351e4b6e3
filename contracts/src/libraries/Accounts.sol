// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {State, Word} from "./State.sol";

/// @title Accounts, one storage word each: newestOffer 32 | newestBid 32 | locked 96 | available 96
/// @notice The newest of a side is the highest nonce that ever locked a trade or was cancelled there. No nonce may run more than
/// AHEAD_MAX ahead of it: whoever may sign orders for an owner can not use up all nonces at once.
/// @dev Unchecked throughout. Why it is safe: the market admits at most 2^96 - 1 base units in all (custody) and every function
/// here moves amounts that are in the market already, so no part of a word can carry into another; and nothing is released
/// that lock() did not lock, since what was locked is released in the call that forgets it (bit, dispute or session).
library Accounts {
    /// @notice How far a nonce may be ahead of the newest of its side.
    uint256 internal constant AHEAD_MAX = 256;
    /// @notice Nonces end here, so that the highest bit of each place is zero.
    uint256 internal constant NONCES_END = 1 << 29;
    /// @notice Where the newest nonces begin in a word.
    uint256 internal constant OFFERS = 224;
    uint256 internal constant BIDS = 192;

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
        return availableOf(self.value);
    }

    function locked(Word storage self) internal view returns (uint256) {
        return uint96(self.value >> 96);
    }

    /// @notice The same of a word in hand.
    function availableOf(uint256 word) internal pure returns (uint256) {
        return uint96(word);
    }

    /// @notice The newest nonce of the side whose part of the word begins at `side`: OFFERS or BIDS.
    function newestOf(uint256 word, uint256 side) internal pure returns (uint256) {
        return uint32(word >> side);
    }

    /// @notice Whether a nonce runs too far ahead, or beyond the last one.
    function isTooFar(uint256 word, uint256 side, uint256 nonce) internal pure returns (bool far) {
        (uint256 ahead, uint256 end) = (AHEAD_MAX, NONCES_END);
        assembly ("memory-safe") {
            far := or(gt(nonce, add(and(shr(side, word), 0xffffffff), ahead)), iszero(lt(nonce, end))) // without a jump
        }
    }

    /// @notice The word with this nonce as the newest, if it is newer.
    function raising(uint256 word, uint256 side, uint256 nonce) internal pure returns (uint256) {
        unchecked {
            uint256 newest = newestOf(word, side);
            return nonce > newest ? word + ((nonce - newest) << side) : word;
        }
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

    /// @notice The word with `amount` moved from available to locked. The caller has checked that it is there.
    function locking(uint256 word, uint256 amount) internal pure returns (uint256) {
        unchecked {
            return word - amount + (amount << 96);
        }
    }

    /// @notice locked += amount, which the caller took out of what the account has on its way out.
    function hold(Word storage self, uint256 amount) internal {
        unchecked {
            self.value += amount << 96;
        }
    }

    /// @notice locked -= amount, available += credited.
    function release(Word storage self, uint256 amount, uint256 credited) internal {
        unchecked {
            self.value = self.value - (amount << 96) + credited;
        }
    }
}
