// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {IRegistry} from "../../src/interfaces/IRegistry.sol";
import {MarketTest} from "../utils/MarketTest.sol";

contract DelegatesTest is MarketTest {
    function testFuzz_an_owner_sets_a_key_for_one_side(uint96 cap, uint96 worst, uint40 until) external {
        vm.expectEmit(true, true, false, true, address(registry));
        emit IRegistry.DelegateSet(buyer, delegate, 1, cap, worst, until);
        vm.prank(buyer);
        registry.setDelegate(delegate, 1, cap, worst, until);
        _assertDelegate(1, cap, worst, until, 1);
        _assertDelegate(2, 0, 0, 0, 0);
    }

    function test_every_setting_counts_up_the_version() external {
        for (uint24 version = 1; version <= 3; ++version) {
            vm.prank(buyer);
            registry.setDelegate(delegate, 1, version, 2, 3);
            _assertDelegate(1, version, 2, 3, version);
        }
    }

    function testFuzz_a_side_is_1_or_2(uint8 side) external {
        vm.assume(side != 1 && side != 2);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.InvalidSide.selector, side));
        registry.setDelegate(delegate, side, 1, 1, 1);
    }

    function test_the_zero_key_is_refused() external {
        vm.expectRevert(IRegistry.ZeroAddress.selector);
        registry.setDelegate(address(0), 1, 1, 1, 1);
    }

    function test_anybody_hands_in_the_owners_signature_once() external {
        bytes memory signature = _permission(BUYER_KEY);
        registry.setDelegateSigned(buyer, delegate, 1, 10, 20, 30, 0, START, signature);
        _assertDelegate(1, 10, 20, 30, 1);
        vm.expectRevert(abi.encodeWithSelector(Nonces.InvalidAccountNonce.selector, buyer, 1));
        registry.setDelegateSigned(buyer, delegate, 1, 10, 20, 30, 0, START, signature);
    }

    function testFuzz_other_limits_than_signed_are_refused(uint96 cap, uint96 worst, uint40 until) external {
        vm.assume(cap != 10 || worst != 20 || until != 30);
        bytes memory signature = _permission(BUYER_KEY);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.InvalidSignature.selector, buyer));
        registry.setDelegateSigned(buyer, delegate, 1, cap, worst, until, 0, START, signature);
    }

    function testFuzz_no_key_appoints_itself(uint256 key) external {
        key = bound(key, 1, type(uint128).max);
        vm.assume(key != BUYER_KEY);
        bytes memory signature = _permission(key);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.InvalidSignature.selector, buyer));
        registry.setDelegateSigned(buyer, delegate, 1, 10, 20, 30, 0, START, signature);
    }

    function testFuzz_after_the_deadline_a_permission_is_refused(uint40 late) external {
        bytes memory signature = _permission(BUYER_KEY);
        vm.warp(bound(late, START + 1, type(uint40).max));
        vm.expectRevert(abi.encodeWithSelector(IRegistry.SignatureExpired.selector, START));
        registry.setDelegateSigned(buyer, delegate, 1, 10, 20, 30, 0, START, signature);
    }

    function _permission(uint256 key) private view returns (bytes memory) {
        bytes32 typeHash = keccak256(
            "SetDelegate(address owner,address key,uint8 side,uint96 spendCap,uint96 worstPrice,uint40 validUntil,uint256 nonce,uint40 deadline)"
        );
        return _sign(key, _registryDigest(keccak256(abi.encode(typeHash, buyer, delegate, 1, 10, 20, 30, 0, START))));
    }

    function _assertDelegate(uint8 side, uint96 cap, uint96 worst, uint40 until, uint24 version) private view {
        IRegistry.Delegate memory found = registry.delegateOf(buyer, delegate, side);
        vm.assertEq(found.spendCap, cap, "spend cap");
        vm.assertEq(found.worstPrice, worst, "worst price");
        vm.assertEq(found.validUntil, until, "valid until");
        vm.assertEq(found.version, version, "version");
    }
}
