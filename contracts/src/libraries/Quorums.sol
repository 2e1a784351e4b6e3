// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../interfaces/IMarketTypes.sol";
import {Signatures} from "./Signatures.sol";

/// @title k of n keys
/// @dev A set comes along in calldata and is compared with its id: cheaper than to read it from the registry, which made sure
/// when the set was registered that members ascend and 1 <= threshold <= n.
library Quorums {
    function idOf(IMarketTypes.KeySet calldata set) internal pure returns (bytes32) {
        return keccak256(abi.encode(set.members, set.threshold, set.payoutCap));
    }

    /// @notice Reverts with WrongKeySet unless `set` is the one with this id.
    function check(bytes32 id, IMarketTypes.KeySet calldata set) internal pure {
        bytes32 given = idOf(set);
        if (given != id) revert IMarketEvents.WrongKeySet(id, given);
    }

    /// @notice Reverts with WrongKeySet or QuorumNotReached unless threshold members signed, and nobody else.
    function require_(bytes32 id, IMarketTypes.KeySet calldata set, bytes32 digest, bytes[] calldata signatures)
        internal
        pure
    {
        check(id, set);
        uint256 accepted = Signatures.countMembers(digest, signatures, set.members);
        if (accepted < set.threshold || accepted != signatures.length) {
            revert IMarketEvents.QuorumNotReached(id, accepted, set.threshold);
        }
    }
}
