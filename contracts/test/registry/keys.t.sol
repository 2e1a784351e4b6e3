// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {IRegistry} from "../../src/interfaces/IRegistry.sol";
import {MarketTest} from "../utils/MarketTest.sol";

contract KeysTest is MarketTest {
    uint40 private constant FOREVER = type(uint40).max;

    function testFuzz_a_key_is_valid_for_its_time_in_its_scope(bytes32 scope, address key, uint32 validity) external {
        vm.assume(key != address(0) && scope != "suan/buy" && scope != "suan/sell" && scope != "other");
        vm.expectEmit(true, false, false, true, address(registry));
        emit IRegistry.DIDDelegateChanged(provider, scope, key, uint256(START) + validity, 0);
        vm.prank(provider);
        registry.addDelegate(provider, scope, key, validity);
        vm.assertFalse(registry.validDelegate(provider, "other", key), "in this scope only");
        vm.assertFalse(registry.validDelegate(provider2, scope, key), "for this identity only");
        vm.warp(uint256(START) + validity);
        vm.assertTrue(registry.validDelegate(provider, scope, key), "in its last second");
        vm.warp(uint256(START) + validity + 1);
        vm.assertFalse(registry.validDelegate(provider, scope, key), "and not after it");
    }

    function testFuzz_a_revoked_key_is_invalid_at_once(bytes32 scope, address key) external {
        vm.assume(key != address(0) && scope != "suan/buy" && scope != "suan/sell");
        vm.prank(provider);
        registry.addDelegate(provider, scope, key, 60);
        vm.expectEmit(true, false, false, true, address(registry));
        emit IRegistry.DIDDelegateChanged(provider, scope, key, 0, block.number);
        vm.prank(provider);
        registry.revokeDelegate(provider, scope, key);
        vm.assertFalse(registry.validDelegate(provider, scope, key), "revoked");
    }

    function testFuzz_what_does_not_fit_counts_as_for_ever(uint256 validity, bool near) external {
        if (near) validity = bound(validity, 0, 2 * uint256(FOREVER));
        vm.prank(provider);
        registry.addDelegate(provider, "suan/agent", delegate, validity);
        uint256 expected = validity < FOREVER - START ? START + validity : FOREVER;
        vm.assertEq(registry.agentValidUntil(provider, delegate), expected, "until then, or for ever");
    }

    function testFuzz_an_agent_is_a_key_of_the_scope_agent(uint40 validUntil) external {
        vm.expectEmit(true, false, false, true, address(registry));
        emit IRegistry.DIDDelegateChanged(provider, "suan/agent", delegate, validUntil, 0);
        vm.prank(provider);
        registry.setAgent(delegate, validUntil);
        vm.assertTrue(
            registry.validDelegate(provider, "suan/agent", delegate) == (validUntil >= START), "as the market reads it"
        );
        vm.expectEmit(true, true, false, true, address(registry));
        emit IRegistry.AgentSet(provider, delegate, validUntil == 0 ? 0 : 1);
        vm.prank(provider);
        registry.revokeDelegate(provider, "suan/agent", delegate);
        uint256 was = validUntil == 0 ? 0 : 1;
        vm.assertEq(registry.agentValidUntil(provider, delegate), was, "no agent any more, and known to have been one");
    }

    function testFuzz_a_delegate_key_is_a_key_of_the_scope_of_its_side(bool buy, uint40 validUntil) external {
        (uint8 side, bytes32 scope, bytes32 other) =
            buy ? (1, bytes32("suan/buy"), bytes32("suan/sell")) : (2, bytes32("suan/sell"), bytes32("suan/buy"));
        vm.expectEmit(true, false, false, true, address(registry));
        emit IRegistry.DIDDelegateChanged(buyer, scope, delegate, validUntil, 0);
        vm.prank(buyer);
        registry.setDelegate(delegate, side, 5, 6, validUntil);
        vm.assertTrue(registry.validDelegate(buyer, scope, delegate) == (validUntil >= START), "this side");
        vm.assertFalse(registry.validDelegate(buyer, other, delegate), "not the other");
        vm.expectEmit(true, true, false, true, address(registry));
        emit IRegistry.DelegateSet(buyer, delegate, side, 0, 0, 0);
        vm.prank(buyer);
        registry.revokeDelegate(buyer, scope, delegate);
        vm.assertEq(registry.delegateOf(buyer, delegate, side).validUntil, 0, "revoked");
        vm.assertEq(registry.delegateOf(buyer, delegate, side).version, 2, "a setting like any other");
    }

    function test_a_key_that_may_spend_is_not_named_without_limits() external {
        vm.expectRevert(abi.encodeWithSelector(IRegistry.LimitsMissing.selector, bytes32("suan/buy")));
        vm.prank(buyer);
        registry.addDelegate(buyer, "suan/buy", delegate, 60);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.LimitsMissing.selector, bytes32("suan/sell")));
        vm.prank(buyer);
        registry.addDelegate(buyer, "suan/sell", delegate, 60);
    }

    function testFuzz_the_zero_key_is_refused_in_every_scope(bytes32 scope, uint256 validity) external {
        vm.assume(scope != "suan/buy" && scope != "suan/sell");
        vm.expectRevert(IRegistry.ZeroAddress.selector);
        vm.prank(buyer);
        registry.addDelegate(buyer, scope, address(0), validity);
        vm.expectRevert(IRegistry.ZeroAddress.selector);
        vm.prank(buyer);
        registry.revokeDelegate(buyer, scope, address(0));
    }

    function test_anybody_hands_in_both_permissions_once() external {
        bytes memory signature = _add(BUYER_KEY, 60);
        registry.addDelegateSigned(buyer, "veriKey", delegate, 60, 0, START, signature);
        vm.assertTrue(registry.validDelegate(buyer, "veriKey", delegate), "added");
        vm.expectRevert(abi.encodeWithSelector(Nonces.InvalidAccountNonce.selector, buyer, 1));
        registry.addDelegateSigned(buyer, "veriKey", delegate, 60, 0, START, signature);
        registry.revokeDelegateSigned(buyer, "veriKey", delegate, 1, START, _revoke(BUYER_KEY));
        vm.assertFalse(registry.validDelegate(buyer, "veriKey", delegate), "revoked");
        vm.assertEq(registry.nonces(buyer), 2, "both nonces are used");
    }

    function test_other_values_strangers_and_late_permissions_are_refused() external {
        bytes memory refusal = abi.encodeWithSelector(IRegistry.InvalidSignature.selector, buyer);
        bytes memory signature = _add(BUYER_KEY, 60);
        vm.expectRevert(refusal);
        registry.addDelegateSigned(buyer, "veriKey", delegate, 61, 0, START, signature);
        vm.expectRevert(refusal);
        registry.addDelegateSigned(buyer, "sigAuth", delegate, 60, 0, START, signature);
        signature = _add(DELEGATE_KEY, 60);
        vm.expectRevert(refusal);
        registry.addDelegateSigned(buyer, "veriKey", delegate, 60, 0, START, signature);
        signature = _revoke(DELEGATE_KEY);
        vm.expectRevert(refusal);
        registry.revokeDelegateSigned(buyer, "veriKey", delegate, 1, START, signature);
        signature = _revoke(BUYER_KEY);
        vm.warp(START + 1);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.SignatureExpired.selector, START));
        registry.revokeDelegateSigned(buyer, "veriKey", delegate, 1, START, signature);
    }

    function _add(uint256 key, uint256 validity) private view returns (bytes memory) {
        bytes32 typeHash = keccak256(
            "AddDelegate(address identity,bytes32 delegateType,address delegate,uint256 validity,uint256 nonce,uint40 deadline)"
        );
        bytes32 hash = keccak256(abi.encode(typeHash, buyer, bytes32("veriKey"), delegate, validity, 0, START));
        return _sign(key, _registryDigest(hash));
    }

    function _revoke(uint256 key) private view returns (bytes memory) {
        bytes32 typeHash = keccak256(
            "RevokeDelegate(address identity,bytes32 delegateType,address delegate,uint256 nonce,uint40 deadline)"
        );
        bytes32 hash = keccak256(abi.encode(typeHash, buyer, bytes32("veriKey"), delegate, 1, START));
        return _sign(key, _registryDigest(hash));
    }
}
