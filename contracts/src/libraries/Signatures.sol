// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IMarketEvents} from "../interfaces/IMarketEvents.sol";
import {Orders} from "./Orders.sol";

/// @title Who signed this
/// @dev 65 bytes r || s || v with v in {27, 28} and s in the lower half, or its short form (ERC-2098); else an ERC-1271 wallet is
/// asked. Anything malformed counts as signed by nobody.
library Signatures {
    /// @notice Gas that a wallet may use to answer, so that none can burn a batch.
    uint256 internal constant WALLET_GAS = 100_000;

    /// @notice The signer of the short form, or the zero address.
    /// @dev The form has no room for an s beyond 2^255. What the precompile still takes twice does no harm here: no signature is
    /// an id, and each voucher, order and nonce counts what it was used for.
    function signerOf(bytes32 digest, bytes32 r, bytes32 vs) internal view returns (address signer) {
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, digest)
            mstore(add(m, 32), add(27, shr(255, vs)))
            mstore(add(m, 64), r)
            mstore(add(m, 96), shr(1, shl(1, vs)))
            // The precompile at 1 (ecrecover) fails for want of gas only, and answers nothing about a malformed signature.
            mstore(0, 0)
            if iszero(staticcall(gas(), 1, m, 128, 0, 32)) { revert(0, 0) }
            signer := mload(0)
        }
    }

    /// @notice The signer, or the zero address for a malformed signature.
    function signerOf(bytes32 digest, bytes calldata signature) internal pure returns (address signer) {
        (signer,,) = ECDSA.tryRecoverCalldata(digest, signature);
    }

    /// @notice Whether `account` itself signed, by key or as a wallet. Never true for the zero address.
    /// @dev ECDSA first: an account with code may still have a key (EIP-7702).
    function isSignedBy(address account, bytes32 digest, bytes calldata signature) internal view returns (bool) {
        if (account == address(0)) return false;
        return signerOf(digest, signature) == account || isValidWallet(account, digest, signature);
    }

    /// @notice Reverts with SignatureExpired, InvalidSignature unless isSignedBy().
    /// @dev Code of its own, which the market calls where gas matters less than the size of its code.
    function check(bytes32 domain, address account, bytes32 structHash, uint40 deadline, bytes calldata signature)
        external
        view
    {
        if (block.timestamp > deadline) revert IMarketEvents.SignatureExpired(deadline);
        if (!isSignedBy(account, Orders.digestOf(domain, structHash), signature)) {
            revert IMarketEvents.InvalidSignature(account);
        }
    }

    /// @notice Whether the code at `account` accepts the signature (ERC-1271). False without code, on a revert, and when the gas
    /// runs out.
    function isValidWallet(address account, bytes32 digest, bytes memory signature) internal view returns (bool valid) {
        if (account.code.length == 0) return false;
        bytes memory call_ = abi.encodeCall(IERC1271.isValidSignature, (digest, signature));
        bytes32 answer;
        assembly ("memory-safe") {
            // Only one word of the answer is copied, however long it is.
            let ok := staticcall(WALLET_GAS, account, add(call_, 32), mload(call_), 0, 32)
            if and(ok, gt(returndatasize(), 31)) { answer := mload(0) }
        }
        return answer == bytes32(IERC1271.isValidSignature.selector);
    }

    /// @notice Count signatures of `members` up to the first that is not good: malformed, not of a member, or not of a higher
    /// address than the one before. Both lists ascend, so one walk over the members is enough and nobody counts twice.
    /// @return accepted Equal to signatures.length if all are good.
    function countMembers(bytes32 digest, bytes[] calldata signatures, address[] calldata members)
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
