// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEvidenceLog} from "../../src/interfaces/IEvidenceLog.sol";
import {Test} from "../utils/Test.sol";
import {Trees} from "../utils/Trees.sol";
import {Vectors} from "../utils/Vectors.sol";

contract VerifyTest is Test {
    IEvidenceLog private log;

    function setUp() external {
        log = IEvidenceLog(vm.deployCode("EvidenceLog.sol:EvidenceLog", ""));
    }

    function testFuzz_every_leaf_is_proven_and_nothing_else(bytes32 seed, uint8 size, uint8 chosen) external view {
        bytes32[] memory leaves = new bytes32[](bound(size, 2, 40));
        for (uint256 i; i < leaves.length; ++i) {
            leaves[i] = keccak256(bytes.concat(keccak256(abi.encode(seed, i))));
        }
        bytes32 root = Trees.build(leaves)[0];
        uint256 index = bound(chosen, 0, leaves.length - 1);
        bytes32[] memory proof = Trees.proof(leaves, index);
        vm.assertTrue(log.verify(root, proof, leaves[index]), "proven");
        vm.assertFalse(log.verify(root, proof, keccak256(abi.encode(seed))), "another leaf");
        vm.assertFalse(log.verify(keccak256(abi.encode(root)), proof, leaves[index]), "another root");
        proof[0] = ~proof[0];
        vm.assertFalse(log.verify(root, proof, leaves[index]), "another proof");
    }

    function test_proofs_of_the_golden_file_hold() external view {
        string memory json = Vectors.read("merkle");
        uint256 count = vm.parseJsonUint(json, ".count");
        for (uint256 i; i < count; ++i) {
            bytes32[] memory leaves = Vectors.words(json, Vectors.row("leaves", i));
            bytes32[] memory proof = Vectors.words(json, Vectors.row("proof", i));
            bytes32 leaf = leaves[Vectors.numbers(json, "proof_index")[i]];
            vm.assertTrue(log.verify(Vectors.words(json, "root")[i], proof, leaf), "golden proof");
        }
    }
}
