// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {IMarketEvents} from "../interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../interfaces/IMarketTypes.sol";
import {Records} from "./Records.sol";

/// @title The Merkle tree of a lock batch
/// @dev OpenZeppelin's standard tree with unsorted leaves: leaf i is the record with index i. Leaves are hashed twice, so that no
/// inner node can pose as one.
library Batches {
    function leafOf(bytes32 trade, uint256 providerAndPrice, uint256 buyerAndWork, uint256 terms)
        internal
        pure
        returns (bytes32 leaf)
    {
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, trade)
            mstore(add(m, 32), providerAndPrice)
            mstore(add(m, 64), buyerAndWork)
            mstore(add(m, 96), terms)
            mstore(0, keccak256(m, 128))
            leaf := keccak256(0, 32)
        }
    }

    function idOf(IMarketTypes.BatchHead memory head) internal pure returns (bytes32) {
        return keccak256(abi.encode(head));
    }

    /// @notice Root over the first `count` of `leaves`; there is at least one.
    /// @dev The standard layout fills an array of 2n - 1 nodes from its end, and node k is the hash of 2k + 1 and 2k + 2. Read
    /// from the end that is a queue: take two nodes from the front, append their hash. `leaves` has room for the queue.
    function rootOf(bytes32[] memory leaves, uint256 count) internal pure returns (bytes32 root) {
        assembly ("memory-safe") {
            let first := add(leaves, 32)
            let next := add(first, shl(5, count))
            let end := add(next, shl(5, sub(count, 1)))
            for {} lt(next, end) { next := add(next, 32) } {
                // Of a pair the smaller one comes first, at 0 of the scratch space, the other at 32.
                let left := mload(first)
                let right := mload(add(first, 32))
                let swapped := shl(5, gt(left, right))
                mstore(swapped, left)
                mstore(xor(swapped, 32), right)
                mstore(next, keccak256(0, 64))
                first := add(first, 64)
            }
            root := mload(sub(end, 32))
        }
    }

    /// @notice The leaves of `records`, with room behind them for rootOf().
    function leavesOf(IMarketTypes.Record[] calldata records, bool roomForQueue)
        internal
        pure
        returns (bytes32[] memory leaves)
    {
        uint256 count = records.length;
        assembly ("memory-safe") {
            leaves := mload(0x40)
            let length := count
            if roomForQueue { length := sub(shl(1, count), 1) }
            mstore(leaves, length)
            // Behind the array there is room to hash a record, as it stands in calldata, for as long as this loop runs.
            let next := add(leaves, 32)
            let free := add(next, shl(5, length))
            mstore(0x40, free)
            let record := records.offset
            for { let end := add(next, shl(5, count)) } lt(next, end) { next := add(next, 32) } {
                calldatacopy(free, record, 128)
                mstore(0, keccak256(free, 128))
                mstore(next, keccak256(0, 32))
                record := add(record, 128)
            }
        }
    }

    /// @notice An array for `count` leaves with room behind them for rootOf(). It is not cleared: who takes the root has written
    /// every leaf of it.
    function roomFor(uint256 count) internal pure returns (bytes32[] memory leaves) {
        assembly ("memory-safe") {
            leaves := mload(0x40)
            mstore(leaves, shl(1, count))
            mstore(0x40, add(leaves, shl(5, add(shl(1, count), 1))))
        }
    }

    /// @notice Report a new trade and return its leaf: both are made of the same words.
    function locked(bytes32 trade, uint256 providerAndPrice, uint256 buyerAndWork, uint256 terms)
        internal
        returns (bytes32 leaf)
    {
        bytes32 topic = IMarketEvents.TradeLocked.selector;
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, trade)
            mstore(add(m, 32), providerAndPrice)
            mstore(add(m, 64), buyerAndWork)
            mstore(add(m, 96), terms)
            log2(add(m, 32), 96, topic, trade) // the data of TradeLocked are three words
            mstore(0, keccak256(m, 128))
            leaf := keccak256(0, 32)
        }
    }

    /// @notice Whether the records are of the batch with this head.
    function contains(IMarketTypes.BatchHead calldata head, IMarketTypes.Proven calldata proven)
        internal
        pure
        returns (bool)
    {
        IMarketTypes.Record[] calldata records = proven.records;
        bytes32[] calldata proof = proven.proof;
        bool[] calldata flags = proven.proofFlags;
        if (records.length == head.count && proof.length == 0 && flags.length == 0) {
            return rootOf(leavesOf(records, true), records.length) == head.root;
        }
        // Checked here, because the library reverts without a name on a proof of the wrong length.
        if (records.length + proof.length != flags.length + 1) return false;
        return MerkleProof.multiProofVerifyCalldata(proof, flags, head.root, leavesOf(records, false));
    }

    /// @notice Id of the batch that the records are of. Reverts with InvalidLength, InvalidProof.
    function prove(IMarketTypes.BatchHead calldata head, IMarketTypes.Proven calldata proven)
        internal
        pure
        returns (bytes32 batchId)
    {
        uint256 length = proven.records.length;
        if (length == 0 || length > head.count) revert IMarketEvents.InvalidLength(length, head.count);
        batchId = idOf(head);
        if (!contains(head, proven)) revert IMarketEvents.InvalidProof(batchId);
    }

    /// @notice The same with an outcome for each record. Reverts with LengthMismatch besides.
    function proveAll(
        IMarketTypes.BatchHead calldata head,
        IMarketTypes.Proven calldata proven,
        bytes calldata outcomes
    ) internal pure returns (bytes32) {
        uint256 length = proven.records.length * Records.OUTCOME_BYTES;
        if (outcomes.length != length) revert IMarketEvents.LengthMismatch(length, outcomes.length);
        return prove(head, proven);
    }

    /// @notice The same for exactly one record.
    function proveOne(IMarketTypes.BatchHead calldata head, IMarketTypes.Proven calldata proven)
        internal
        pure
        returns (bytes32, IMarketTypes.Record calldata)
    {
        if (proven.records.length != 1) revert IMarketEvents.InvalidLength(proven.records.length, 1);
        return (prove(head, proven), proven.records[0]);
    }
}
