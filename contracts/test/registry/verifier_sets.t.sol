// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRegistry} from "../../src/interfaces/IRegistry.sol";
import {MarketTest} from "../utils/MarketTest.sol";

contract VerifierSetsTest is MarketTest {
    uint96 private constant CAP = 7 ether;

    function testFuzz_anybody_registers_an_ascending_set(uint8 size, uint8 threshold, uint160 first) external {
        address[] memory members = _members(bound(size, 1, 16), first);
        threshold = uint8(bound(threshold, 1, members.length));
        bytes32 id = keccak256(abi.encode(members, threshold, CAP));
        vm.assume(!registry.isVerifierSet(id));
        vm.expectEmit(true, false, false, true, address(registry));
        emit IRegistry.VerifierSetRegistered(id, members, threshold, CAP);
        vm.prank(stranger);
        vm.assertEq(registry.registerVerifierSet(members, threshold, CAP), id, "id");
        (address[] memory found, uint8 k, uint96 cap) = registry.verifierSetOf(id);
        vm.assertEq(keccak256(abi.encode(found, k, cap)), id, "what was registered");
    }

    function test_the_same_set_again_says_nothing() external {
        vm.recordLogs();
        vm.assertEq(registry.registerVerifierSet(_verifiers(), 2, PAYOUT_CAP), verifierSet, "same id");
        vm.assertEq(vm.getRecordedLogs().length, 0, "no event");
    }

    function testFuzz_threshold_and_payout_cap_are_part_of_the_id(uint8 threshold, uint96 cap) external {
        threshold = uint8(bound(threshold, 1, 3));
        bool same = threshold == 2 && cap == PAYOUT_CAP;
        bytes32 id = registry.registerVerifierSet(_verifiers(), threshold, cap);
        vm.assertTrue((id == verifierSet) == same, "another set unless all is the same");
        vm.assertEq(registry.payoutCapOf(id), cap, "its cap");
    }

    function testFuzz_no_members_and_more_than_16_are_refused(uint8 count) external {
        vm.expectRevert(abi.encodeWithSelector(IRegistry.InvalidMemberCount.selector, 0, 16));
        registry.registerVerifierSet(new address[](0), 1, CAP);
        address[] memory many = _members(bound(count, 17, 90), 1);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.InvalidMemberCount.selector, many.length, 16));
        registry.registerVerifierSet(many, 1, CAP);
    }

    function testFuzz_members_ascend_strictly_from_above_zero(address[3] memory members) external {
        address[] memory given = new address[](3);
        (given[0], given[1], given[2]) = (members[0], members[1], members[2]);
        bool ascend = members[0] != address(0) && members[0] < members[1] && members[1] < members[2];
        if (!ascend) vm.expectPartialRevert(IRegistry.MembersNotAscending.selector);
        registry.registerVerifierSet(given, 1, CAP);
        given[2] = given[1]; // the same one twice
        vm.expectPartialRevert(IRegistry.MembersNotAscending.selector);
        registry.registerVerifierSet(given, 1, CAP);
    }

    function testFuzz_a_threshold_is_between_1_and_the_members(uint8 count, uint8 threshold) external {
        count = uint8(bound(count, 1, 16));
        threshold = uint8(bound(threshold, count + 1, 256)); // 256 wraps to none
        address[] memory members = _members(count, 5);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.InvalidThreshold.selector, threshold, count));
        registry.registerVerifierSet(members, threshold, CAP);
    }

    function testFuzz_an_unknown_set_is_an_error(bytes32 id) external {
        vm.assume(!registry.isVerifierSet(id));
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnknownVerifierSet.selector, id));
        registry.verifierSetOf(id);
    }

    function _members(uint256 count, uint160 first) private pure returns (address[] memory members) {
        members = new address[](count);
        first = uint160(bound(first, 1, type(uint160).max - 100));
        for (uint160 i; i < count; ++i) {
            members[i] = address(first + i);
        }
    }
}
