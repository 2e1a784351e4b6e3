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

    function test_the_threshold_is_part_of_the_id() external {
        vm.assertTrue(registry.registerVerifierSet(_verifiers(), 3, PAYOUT_CAP) != verifierSet, "another set");
    }

    function test_the_payout_cap_is_part_of_the_id() external {
        vm.assertTrue(registry.registerVerifierSet(_verifiers(), 2, PAYOUT_CAP + 1) != verifierSet, "another set");
    }

    function test_no_members_and_17_members_are_refused() external {
        vm.expectRevert(abi.encodeWithSelector(IRegistry.InvalidMemberCount.selector, 0, 16));
        registry.registerVerifierSet(new address[](0), 1, CAP);
        address[] memory many = _members(17, 1);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.InvalidMemberCount.selector, 17, 16));
        registry.registerVerifierSet(many, 1, CAP);
    }

    function test_members_ascend_strictly_from_above_zero() external {
        address[] memory members = _members(3, 5);
        members[2] = members[1];
        vm.expectRevert(abi.encodeWithSelector(IRegistry.MembersNotAscending.selector, members[1], members[2]));
        registry.registerVerifierSet(members, 1, CAP);
        (members[0], members[1]) = (members[1], members[0]);
        vm.expectPartialRevert(IRegistry.MembersNotAscending.selector);
        registry.registerVerifierSet(members, 1, CAP);
        vm.expectPartialRevert(IRegistry.MembersNotAscending.selector);
        registry.registerVerifierSet(new address[](1), 1, CAP);
    }

    function test_a_threshold_is_between_1_and_the_members() external {
        address[] memory members = _members(3, 5);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.InvalidThreshold.selector, 0, 3));
        registry.registerVerifierSet(members, 0, CAP);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.InvalidThreshold.selector, 4, 3));
        registry.registerVerifierSet(members, 4, CAP);
    }

    function test_an_unknown_set_is_an_error() external {
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnknownVerifierSet.selector, bytes32(uint256(1))));
        registry.verifierSetOf(bytes32(uint256(1)));
    }

    function _members(uint256 count, uint160 first) private pure returns (address[] memory members) {
        members = new address[](count);
        first = uint160(bound(first, 1, type(uint160).max - 100));
        for (uint160 i; i < count; ++i) {
            members[i] = address(first + i);
        }
    }
}
