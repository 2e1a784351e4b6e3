// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title Who signed this
/// @dev 65 bytes r || s || v with v in {27, 28} and s in the lower half; anything else counts as signed by nobody.
library Signatures {
    /// @notice The signer, or the zero address for a malformed signature.
    function signerOf(bytes32 digest, bytes calldata signature) internal pure returns (address signer) {
        (signer,,) = ECDSA.tryRecoverCalldata(digest, signature);
    }

    /// @notice Whether `account` itself signed. Never true for the zero address.
    function isSignedBy(address account, bytes32 digest, bytes calldata signature) internal pure returns (bool) {
        return account != address(0) && signerOf(digest, signature) == account;
    }

    /// @notice Count signatures of `members` up to the first that is not good: malformed, not of a member, or not of a higher
    /// address than the one before. Both lists ascend, so one walk over the members is enough and nobody counts twice.
    /// @return accepted Equal to signatures.length if all are good.
    function countMembers(bytes32 digest, bytes[] calldata signatures, address[] memory members)
        internal
        pure
        returns (uint256 accepted)
    {
        uint256 member;
        for (; accepted < signatures.length; ++accepted) {
            address signer = signerOf(digest, signatures[accepted]);
            while (member < members.length && members[member] < signer) ++member;
            if (member == members.length || members[member] != signer) return accepted;
            ++member;
        }
    }
}
