// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEvidenceLog} from "../../src/interfaces/IEvidenceLog.sol";
import {Test} from "../utils/Test.sol";

contract AppendTest is Test {
    bytes32 private constant KIND = "clearings";
    address private constant PUBLISHER = address(0x9B);

    IEvidenceLog private log;

    function setUp() external {
        log = IEvidenceLog(vm.deployCode("EvidenceLog.sol:EvidenceLog", ""));
    }

    function testFuzz_a_chain_begins_empty(address publisher, bytes32 kind) external view {
        vm.assertEq(bytes32(log.headOf(publisher, kind)), 0, "head");
        vm.assertEq(log.lengthOf(publisher, kind), 0, "length");
    }

    function testFuzz_the_head_commits_to_every_root_in_order(bytes32[8] memory roots, uint64 count) external {
        bytes28 head;
        for (uint32 number; number < roots.length; ++number) {
            bytes32 root = _notZero(roots[number]);
            uint64 leaves = uint64(bound(count, 1, type(uint64).max - number)) + number;
            head = bytes28(keccak256(abi.encode(head, PUBLISHER, KIND, number, root, leaves)));
            vm.expectEmit(true, true, false, true, address(log));
            emit IEvidenceLog.EvidenceAnchored(PUBLISHER, KIND, number, root, leaves, head);
            vm.prank(PUBLISHER);
            vm.assertEq(log.append(KIND, root, leaves), number, "number");
            vm.assertEq(bytes32(log.headOf(PUBLISHER, KIND)), bytes32(head), "head");
            vm.assertEq(log.lengthOf(PUBLISHER, KIND), number + 1, "length");
        }
    }

    function testFuzz_chains_of_other_publishers_and_kinds_stay(address other, bytes32 kind, bytes32 root) external {
        vm.assume(other != PUBLISHER || kind != KIND);
        root = _notZero(root);
        vm.prank(PUBLISHER);
        log.append(KIND, root, 1);
        bytes28 head = log.headOf(PUBLISHER, KIND);
        vm.prank(other);
        vm.assertEq(log.append(kind, root, 1), 0, "a chain of its own");
        vm.assertEq(bytes32(log.headOf(PUBLISHER, KIND)), bytes32(head), "ours is as it was");
        vm.assertTrue(log.headOf(other, kind) != head, "the same root has another head in another chain");
    }

    function testFuzz_two_orders_of_the_same_roots_have_two_heads(bytes32 first, bytes32 second) external {
        first = _notZero(first);
        second = _notZero(second);
        vm.assume(first != second);
        vm.prank(PUBLISHER);
        log.append("a", first, 1);
        vm.prank(PUBLISHER);
        log.append("a", second, 1);
        bytes28 forth = log.headOf(PUBLISHER, "a");
        IEvidenceLog fresh = IEvidenceLog(vm.deployCode("EvidenceLog.sol:EvidenceLog", ""));
        vm.prank(PUBLISHER);
        fresh.append("a", second, 1);
        vm.prank(PUBLISHER);
        fresh.append("a", first, 1);
        vm.assertTrue(fresh.headOf(PUBLISHER, "a") != forth, "order counts");
    }

    function test_a_root_of_nothing_is_refused() external {
        bytes memory refusal = abi.encodeWithSelector(IEvidenceLog.NothingToAppend.selector, KIND);
        vm.expectRevert(refusal);
        log.append(KIND, 0, 1);
        vm.expectRevert(refusal);
        log.append(KIND, bytes32(uint256(1)), 0);
    }

    function _notZero(bytes32 root) private pure returns (bytes32) {
        return root == 0 ? bytes32(uint256(1)) : root;
    }
}
