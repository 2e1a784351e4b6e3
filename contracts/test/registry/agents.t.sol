// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {IRegistry} from "../../src/interfaces/IRegistry.sol";
import {MarketTest} from "../utils/MarketTest.sol";

contract AgentsTest is MarketTest {
    function testFuzz_an_owner_names_and_revokes_a_key(address key, uint40 validUntil) external {
        vm.assume(key != address(0));
        vm.expectEmit(true, true, false, true, address(registry));
        emit IRegistry.AgentSet(provider, key, validUntil);
        vm.prank(provider);
        registry.setAgent(key, validUntil);
        vm.assertEq(registry.agentValidUntil(provider, key), validUntil, "set");
        vm.assertEq(registry.agentValidUntil(provider2, key), 0, "for this owner only");
        vm.prank(provider);
        registry.setAgent(key, 0);
        vm.assertEq(
            registry.agentValidUntil(provider, key), validUntil == 0 ? 0 : 1, "revoked, and known to have been one"
        );
    }

    function test_the_zero_key_is_refused() external {
        vm.expectRevert(IRegistry.ZeroAddress.selector);
        registry.setAgent(address(0), 1);
    }

    function testFuzz_anybody_hands_in_the_owners_signature_once(uint40 until, uint40 deadline, address caller)
        external
    {
        deadline = uint40(bound(deadline, START, type(uint40).max));
        bytes memory signature = _permission(PROVIDER_KEY, until, 0, deadline);
        vm.prank(caller);
        registry.setAgentSigned(provider, delegate, until, 0, deadline, signature);
        vm.assertEq(registry.agentValidUntil(provider, delegate), until, "set");
        vm.assertEq(registry.nonces(provider), 1, "the nonce is used");
        vm.expectRevert(abi.encodeWithSelector(Nonces.InvalidAccountNonce.selector, provider, 1));
        registry.setAgentSigned(provider, delegate, until, 0, deadline, signature);
    }

    function testFuzz_a_strangers_signature_is_refused(uint256 key, uint40 until) external {
        key = bound(key, 1, type(uint128).max);
        vm.assume(key != PROVIDER_KEY);
        bytes memory signature = _permission(key, until, 0, START);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.InvalidSignature.selector, provider));
        registry.setAgentSigned(provider, delegate, until, 0, START, signature);
    }

    function testFuzz_another_time_than_signed_is_refused(uint40 signed, uint40 sent) external {
        vm.assume(signed != sent);
        bytes memory signature = _permission(PROVIDER_KEY, signed, 0, START);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.InvalidSignature.selector, provider));
        registry.setAgentSigned(provider, delegate, sent, 0, START, signature);
    }

    function testFuzz_after_the_deadline_a_permission_is_refused(uint40 deadline, uint40 late) external {
        deadline = uint40(bound(deadline, 1, type(uint40).max - 1));
        bytes memory signature = _permission(PROVIDER_KEY, 77, 0, deadline);
        vm.warp(bound(late, uint256(deadline) + 1, type(uint40).max));
        vm.expectRevert(abi.encodeWithSelector(IRegistry.SignatureExpired.selector, deadline));
        registry.setAgentSigned(provider, delegate, 77, 0, deadline, signature);
    }

    function test_the_zero_address_signs_nothing() external {
        vm.expectRevert(abi.encodeWithSelector(IRegistry.InvalidSignature.selector, address(0)));
        registry.setAgentSigned(address(0), delegate, 77, 0, START, new bytes(65));
    }

    function _permission(uint256 key, uint40 validUntil, uint256 nonce, uint40 deadline)
        private
        view
        returns (bytes memory)
    {
        bytes32 typeHash =
            keccak256("SetAgent(address owner,address key,uint40 validUntil,uint256 nonce,uint40 deadline)");
        bytes32 hash = keccak256(abi.encode(typeHash, provider, delegate, validUntil, nonce, deadline));
        return _sign(key, _registryDigest(hash));
    }
}
