// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SessionTest} from "./SessionTest.sol";

/// @dev Receipts as an agent signs them and verifiers put them under the root of a verdict.
abstract contract ReceiptTest is SessionTest {
    uint256 internal constant AGENT_KEY = 0x61;
    uint8 internal constant MISSING = 0;
    uint8 internal constant ACCEPTED = 1;
    uint8 internal constant REJECTED = 2;

    /// @dev The 20 words of a receipt, as EIP-712 encodes them; what the market does not read is filled with anything.
    function _receipt(bytes32 trade, uint32 run) internal pure returns (bytes memory words) {
        words = abi.encode(trade, run);
        for (uint256 i = 2; i < 20; ++i) {
            words = bytes.concat(words, keccak256(abi.encode(trade, run, i)));
        }
    }

    function _receiptDigest(bytes memory words) internal view returns (bytes32) {
        bytes32 typeHash = keccak256(
            "Receipt(bytes32 trade,uint32 run,bytes32 module,bytes32 input,bytes32 output,bytes32 seed,uint64 fp64,uint64 fp32,uint64 integer,uint64 memoryControl,uint64 fuel,string engine,string profile,uint8 exitReason,uint64 cpuMilliseconds,uint64 wallMilliseconds,uint64 peakMemoryBytes,uint40 startedAt,uint40 endedAt,bytes32 evidence)"
        );
        return _marketDigest(keccak256(bytes.concat(typeHash, words)));
    }

    /// @dev The leaf of a run that came to this verdict and is billed these units.
    function _receiptLeaf(bytes memory words, bytes32 trade, uint32 run, uint8 verdict, uint64 units)
        internal
        view
        returns (bytes32)
    {
        bytes32 receipt = words.length == 0 ? bytes32(0) : _receiptDigest(words);
        return keccak256(bytes.concat(keccak256(abi.encode(receipt, trade, run, verdict, units))));
    }

    function _acknowledgement(bytes memory words, uint256 key) internal view returns (bytes memory) {
        bytes32 typeHash = keccak256("ReceiptAcknowledgement(bytes32 receipt)");
        return _sign(key, _marketDigest(keccak256(abi.encode(typeHash, _receiptDigest(words)))));
    }
}
