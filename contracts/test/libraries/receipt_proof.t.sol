// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {Test} from "../utils/Test.sol";
import {Vectors} from "../utils/Vectors.sol";

contract ReceiptProofTest is Test {
    struct Proof {
        bytes32 receipt;
        bytes32 trade;
        uint32 run;
        uint8 verdict;
        uint64 units;
        bytes32[] path;
        bytes32 root;
    }

    function _read() private view returns (Proof memory proof) {
        string memory json = Vectors.read("receipt_proof");
        proof.receipt = vm.parseJsonBytes32(json, ".value[0]");
        proof.trade = vm.parseJsonBytes32(json, ".value[1]");
        proof.run = uint32(vm.parseJsonUint(json, ".value[2]"));
        proof.verdict = uint8(vm.parseJsonUint(json, ".value[3]"));
        proof.units = uint64(vm.parseJsonUint(json, ".value[4]"));
        proof.path = vm.parseJsonBytes32Array(json, ".proof");
        proof.root = vm.parseJsonBytes32(json, ".root");
    }

    function _leaf(Proof memory p) private pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(p.receipt, p.trade, p.run, p.verdict, p.units))));
    }

    function _holds(Proof memory p) private pure returns (bool) {
        return MerkleProof.verify(p.path, p.root, _leaf(p));
    }

    function test_the_file_holds_and_names_its_leaf() external view {
        Proof memory p = _read();
        vm.assertGe(p.path.length, 3, "a tree of some depth");
        vm.assertEq(_leaf(p), vm.parseJsonBytes32(Vectors.read("receipt_proof"), ".leaf"), "leaf");
        vm.assertTrue(_holds(p), "the receipt is under the root");
    }

    function testFuzz_one_changed_byte_is_refused(uint8 flip) external view {
        bytes32 mask = bytes32(bound(flip, 1, 255));
        Proof memory p = _read();
        for (uint256 i; i < 32; ++i) {
            bytes32 change = mask << (8 * i);
            p.receipt ^= change;
            vm.assertFalse(_holds(p), "receipt");
            p.receipt ^= change;
            p.trade ^= change;
            vm.assertFalse(_holds(p), "trade");
            p.trade ^= change;
            p.root ^= change;
            vm.assertFalse(_holds(p), "root");
            p.root ^= change;
            for (uint256 node; node < p.path.length; ++node) {
                p.path[node] ^= change;
                vm.assertFalse(_holds(p), "node");
                p.path[node] ^= change;
            }
        }
        p.run ^= uint32(uint256(mask));
        vm.assertFalse(_holds(p), "run");
        p.run ^= uint32(uint256(mask));
        p.verdict ^= uint8(uint256(mask));
        vm.assertFalse(_holds(p), "verdict");
        p.verdict ^= uint8(uint256(mask));
        p.units ^= uint64(uint256(mask));
        vm.assertFalse(_holds(p), "units");
        p.units ^= uint64(uint256(mask));
        vm.assertTrue(_holds(p), "every change was taken back");
    }

    function test_a_longer_or_shorter_path_is_refused() external view {
        Proof memory p = _read();
        bytes32[] memory longer = new bytes32[](p.path.length + 1);
        bytes32[] memory shorter = new bytes32[](p.path.length - 1);
        for (uint256 i; i < p.path.length; ++i) {
            longer[i] = p.path[i];
            if (i < shorter.length) shorter[i] = p.path[i];
        }
        p.path = longer;
        vm.assertFalse(_holds(p), "longer");
        p.path = shorter;
        vm.assertFalse(_holds(p), "shorter");
    }
}
