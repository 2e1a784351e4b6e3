// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

/// @title The array layout of OpenZeppelin's standard tree, written down independently of the contracts
library Trees {
    /// @dev Root first, leaf i at 2n - 2 - i.
    function build(bytes32[] memory leaves) internal pure returns (bytes32[] memory tree) {
        uint256 n = leaves.length;
        tree = new bytes32[](2 * n - 1);
        for (uint256 i; i < n; ++i) {
            tree[2 * n - 2 - i] = leaves[i];
        }
        for (uint256 k = n - 1; k > 0; --k) {
            tree[k - 1] = Hashes.commutativeKeccak256(tree[2 * k - 1], tree[2 * k]);
        }
    }

    function proof(bytes32[] memory leaves, uint256 index) internal pure returns (bytes32[] memory path) {
        bytes32[] memory tree = build(leaves);
        uint256 depth;
        for (uint256 k = tree.length - 1 - index; k > 0; k = (k - 1) / 2) {
            ++depth;
        }
        path = new bytes32[](depth);
        uint256 next;
        for (uint256 k = tree.length - 1 - index; k > 0; k = (k - 1) / 2) {
            path[next++] = tree[k % 2 == 0 ? k - 1 : k + 1];
        }
    }

    /// @dev `indices` ascend. The leaves are used in that order.
    function multiproof(bytes32[] memory leaves, uint256[] memory indices)
        internal
        pure
        returns (bytes32[] memory path, bool[] memory flags)
    {
        bytes32[] memory tree = build(leaves);
        uint256[] memory queue = new uint256[](2 * tree.length);
        uint256 back;
        for (; back < indices.length; ++back) {
            queue[back] = tree.length - 1 - indices[back];
        }
        bytes32[] memory paths = new bytes32[](tree.length);
        bool[] memory allFlags = new bool[](tree.length);
        uint256 pathLength;
        uint256 flagLength;
        for (uint256 front; front < back && queue[front] > 0;) {
            uint256 k = queue[front++];
            uint256 sibling = k % 2 == 0 ? k - 1 : k + 1;
            if (front < back && queue[front] == sibling) {
                allFlags[flagLength++] = true;
                ++front;
            } else {
                allFlags[flagLength++] = false;
                paths[pathLength++] = tree[sibling];
            }
            queue[back++] = (k - 1) / 2;
        }
        path = new bytes32[](pathLength);
        for (uint256 i; i < pathLength; ++i) {
            path[i] = paths[i];
        }
        flags = new bool[](flagLength);
        for (uint256 i; i < flagLength; ++i) {
            flags[i] = allFlags[i];
        }
    }
}
