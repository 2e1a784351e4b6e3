// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IRegistry} from "../../src/interfaces/IRegistry.sol";
import {Vm} from "../utils/Test.sol";
import {MarketTest} from "../utils/MarketTest.sol";

contract IdentityTest is MarketTest {
    function testFuzz_every_address_controls_itself_at_first(address identity) external view {
        vm.assertEq(registry.identityOwner(identity), identity, "controller");
        vm.assertEq(registry.changed(identity), 0, "never changed");
    }

    function testFuzz_a_controller_hands_an_identity_on(address next, address last) external {
        vm.assume(next != address(0) && last != address(0) && next != provider);
        vm.roll(70);
        vm.expectEmit(true, false, false, true, address(registry));
        emit IRegistry.DIDOwnerChanged(provider, next, 0);
        vm.prank(provider);
        registry.changeOwner(provider, next);
        vm.assertEq(registry.identityOwner(provider), next, "handed on");
        vm.assertEq(registry.changed(provider), 70, "the block of the change");
        vm.roll(71);
        vm.expectEmit(true, false, false, true, address(registry));
        emit IRegistry.DIDOwnerChanged(provider, last, 70);
        vm.prank(next);
        registry.changeOwner(provider, last);
        vm.assertEq(registry.identityOwner(provider), last, "and again");
    }

    function test_an_identity_is_not_given_to_nobody() external {
        vm.expectRevert(IRegistry.ZeroAddress.selector);
        vm.prank(provider);
        registry.changeOwner(provider, address(0));
    }

    function testFuzz_a_stranger_changes_nothing_of_an_identity(address caller) external {
        vm.assume(caller != provider);
        bytes memory refusal = abi.encodeWithSelector(IRegistry.NotController.selector, provider, caller);
        vm.expectRevert(refusal);
        vm.prank(caller);
        registry.changeOwner(provider, caller);
        vm.expectRevert(refusal);
        vm.prank(caller);
        registry.addDelegate(provider, "veriKey", caller, 1);
        vm.expectRevert(refusal);
        vm.prank(caller);
        registry.revokeDelegate(provider, "veriKey", caller);
        vm.expectRevert(refusal);
        vm.prank(caller);
        registry.setAttribute(provider, "name", "value", 1);
        vm.expectRevert(refusal);
        vm.prank(caller);
        registry.revokeAttribute(provider, "name", "value");
    }

    function test_anybody_hands_in_the_controllers_signature_once() external {
        bytes memory signature = _changeOwner(PROVIDER_KEY, delegate, 0, START);
        vm.prank(stranger);
        registry.changeOwnerSigned(provider, delegate, 0, START, signature);
        vm.assertEq(registry.identityOwner(provider), delegate, "handed on");
        vm.expectRevert(abi.encodeWithSelector(IRegistry.InvalidSignature.selector, delegate));
        registry.changeOwnerSigned(provider, delegate, 0, START, signature);
        signature = _changeOwner(DELEGATE_KEY, provider, 0, START);
        vm.expectRevert(abi.encodeWithSelector(Nonces.InvalidAccountNonce.selector, provider, 1));
        registry.changeOwnerSigned(provider, provider, 0, START, signature);
        registry.changeOwnerSigned(provider, provider, 1, START, _changeOwner(DELEGATE_KEY, provider, 1, START));
        vm.assertEq(registry.identityOwner(provider), provider, "given back by the signature of the controller");
    }

    function test_another_controller_than_signed_and_a_late_signature_are_refused() external {
        bytes memory signature = _changeOwner(PROVIDER_KEY, delegate, 0, START);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.InvalidSignature.selector, provider));
        registry.changeOwnerSigned(provider, stranger, 0, START, signature);
        vm.warp(START + 1);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.SignatureExpired.selector, START));
        registry.changeOwnerSigned(provider, delegate, 0, START, signature);
    }

    function test_a_controller_names_keys_and_the_address_itself_no_more() external {
        _give(provider, stranger);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.NotController.selector, provider, provider));
        vm.prank(provider);
        registry.setAgent(delegate, 9);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.NotController.selector, provider, provider));
        vm.prank(provider);
        registry.setDelegate(delegate, 2, 1, 1, START);
        vm.prank(stranger);
        registry.addDelegate(provider, "suan/agent", delegate, 60);
        vm.assertEq(registry.agentValidUntil(provider, delegate), START + 60, "an agent");
        registry.setDelegateSigned(provider, delegate, 2, 7, 8, START, 0, START, _setDelegate(STRANGER_KEY));
        vm.assertEq(registry.delegateOf(provider, delegate, 2).spendCap, 7, "a delegate key with its limits");
        vm.prank(stranger);
        registry.revokeDelegate(provider, "suan/sell", delegate);
        vm.assertEq(registry.delegateOf(provider, delegate, 2).validUntil, 0, "and revokes it");
    }

    function test_what_the_controller_before_signed_is_void() external {
        bytes memory signature = _setDelegate(PROVIDER_KEY);
        _give(provider, stranger);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.InvalidSignature.selector, stranger));
        registry.setDelegateSigned(provider, delegate, 2, 7, 8, START, 0, START, signature);
    }

    /// @dev The money stays with the address: the whole reason why a controller can be changed at all.
    function test_a_controller_withdraws_nothing_and_the_address_itself_everything() external {
        _give(provider, stranger);
        bytes memory theirs = _withdrawal(STRANGER_KEY);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, provider));
        market.requestWithdrawalSigned(provider, FUNDS, 0, START, theirs);
        vm.expectPartialRevert(IMarketEvents.InsufficientAvailable.selector);
        vm.prank(stranger);
        market.requestWithdrawal(FUNDS);
        market.requestWithdrawalSigned(provider, FUNDS, 0, START, _withdrawal(PROVIDER_KEY));
        vm.warp(START + DELAY);
        market.withdraw(provider);
        vm.assertEq(token.balanceOf(provider), FUNDS, "all of it");
        vm.assertEq(token.balanceOf(stranger), 0, "and nothing to the controller");
    }

    /// @dev What a did:ethr resolver does: from changed() back through the blocks that previousChange names.
    function test_the_history_is_a_chain_of_blocks() external {
        vm.roll(10);
        vm.prank(provider);
        registry.setAgent(delegate, 1);
        vm.roll(20);
        vm.recordLogs();
        vm.prank(provider);
        registry.setAttribute(provider, "did/svc/Market", "https://example.org", 60);
        vm.prank(provider);
        registry.setDelegate(delegate, 2, 1, 1, 1);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        (,,, uint256 first) = abi.decode(logs[0].data, (bytes32, bytes, uint256, uint256));
        (,,, uint256 second) = abi.decode(logs[2].data, (bytes32, address, uint256, uint256));
        vm.assertEq(first, 10, "the block of the agent");
        vm.assertEq(second, 20, "an earlier change of the same block");
        vm.assertEq(registry.changed(provider), 20, "where a resolver begins");
    }

    function _give(address identity, address controller) private {
        vm.prank(identity);
        registry.changeOwner(identity, controller);
    }

    function _changeOwner(uint256 key, address newOwner, uint256 nonce, uint40 deadline)
        private
        view
        returns (bytes memory)
    {
        bytes32 typeHash = keccak256("ChangeOwner(address identity,address newOwner,uint256 nonce,uint40 deadline)");
        return _sign(key, _registryDigest(keccak256(abi.encode(typeHash, provider, newOwner, nonce, deadline))));
    }

    function _setDelegate(uint256 key) private view returns (bytes memory) {
        bytes32 typeHash = keccak256(
            "SetDelegate(address owner,address key,uint8 side,uint96 spendCap,uint96 worstPrice,uint40 validUntil,uint256 nonce,uint40 deadline)"
        );
        return
            _sign(key, _registryDigest(keccak256(abi.encode(typeHash, provider, delegate, 2, 7, 8, START, 0, START))));
    }

    function _withdrawal(uint256 key) private view returns (bytes memory) {
        bytes32 typeHash = keccak256("WithdrawalRequest(address account,uint128 amount,uint256 nonce,uint40 deadline)");
        return _sign(key, _marketDigest(keccak256(abi.encode(typeHash, provider, FUNDS, 0, START))));
    }
}
