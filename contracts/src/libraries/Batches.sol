// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {IMarket} from "../interfaces/IMarket.sol";

/// @title The Merkle tree of a lock batch
/// @dev OpenZeppelin's standard tree with unsorted leaves: leaf i is the record with index i. Leaves are hashed twice, so that no
/// inner node can pose as one.
library Batches {
    function leafOf(IMarket.Record memory record) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(record))));
    }

    function idOf(IMarket.BatchHead memory head) internal pure returns (bytes32) {
        return keccak256(abi.encode(head));
    }

    /// @notice Root over the first `count` of `leaves`; there is at least one.
    /// @dev The standard layout fills an array of 2n - 1 nodes from its end, and node k is the hash of 2k + 1 and 2k + 2. Read
    /// from the end that is a queue: take two nodes from the front, append their hash.
    function rootOf(bytes32[] memory leaves, uint256 count) internal pure returns (bytes32) {
        bytes32[] memory queue = new bytes32[](2 * count - 1);
        for (uint256 i; i < count; ++i) {
            queue[i] = leaves[i];
        }
        for (uint256 next = count; next < queue.length; ++next) {
            uint256 first = 2 * (next - count);
            queue[next] = Hashes.commutativeKeccak256(queue[first], queue[first + 1]);
        }
        return queue[queue.length - 1];
    }

    function contains(IMarket.BatchHead calldata head, bytes32[] calldata proof, bytes32 leaf)
        internal
        pure
        returns (bool)
    {
        return MerkleProof.verifyCalldata(proof, head.root, leaf);
    }

    function containsAll(
        IMarket.BatchHead calldata head,
        bytes32[] calldata proof,
        bool[] calldata proofFlags,
        bytes32[] memory leaves
    ) internal pure returns (bool) {
        // Checked here, because the library reverts without a name on a proof of the wrong length.
        if (leaves.length + proof.length != proofFlags.length + 1) return false;
        return MerkleProof.multiProofVerifyCalldata(proof, proofFlags, head.root, leaves);
    }
}
