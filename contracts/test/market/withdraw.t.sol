// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {MarketTest} from "../utils/MarketTest.sol";

contract WithdrawTest is MarketTest {
    function testFuzz_request_delay_withdraw(uint128 amount) external {
        amount = uint128(bound(amount, 1, FUNDS));
        vm.expectEmit(true, false, false, true, address(market));
        emit IMarketEvents.WithdrawalRequested(buyer, amount, START + DELAY);
        vm.prank(buyer);
        market.requestWithdrawal(amount);
        _assertAccount(buyer, FUNDS - amount, 0, "after the request");
        vm.warp(START + DELAY);
        vm.expectEmit(true, false, false, true, address(market));
        emit IMarketEvents.Withdrawn(buyer, amount);
        vm.prank(stranger);
        market.withdraw(buyer);
        vm.assertEq(token.balanceOf(buyer), amount, "tokens go to the owner");
        vm.assertEq(token.balanceOf(stranger), 0, "not to the caller");
        vm.assertEq(market.custody(), 4 * uint256(FUNDS) - amount, "custody");
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NothingToWithdraw.selector, buyer));
        market.withdraw(buyer);
    }

    function test_a_second_before_it_is_not_ready() external {
        vm.prank(buyer);
        market.requestWithdrawal(1);
        vm.warp(START + DELAY - 1);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.WithdrawalNotReady.selector, buyer, START + DELAY));
        market.withdraw(buyer);
    }

    function test_a_second_request_adds_up_and_delays_all_of_it() external {
        vm.prank(buyer);
        market.requestWithdrawal(2 ether);
        vm.warp(START + DELAY - 1);
        vm.prank(buyer);
        market.requestWithdrawal(3 ether);
        (uint128 amount, uint64 readyAt) = market.exitOf(buyer);
        vm.assertEq(amount, 5 ether, "amount");
        vm.assertEq(readyAt, START + DELAY - 1 + DELAY, "ready at");
        vm.warp(START + DELAY);
        vm.expectPartialRevert(IMarketEvents.WithdrawalNotReady.selector);
        market.withdraw(buyer);
    }

    function test_what_is_locked_cannot_leave() external {
        _openOne(10);
        uint128 available = uint128(FUNDS - 10 * PRICE);
        vm.expectRevert(
            abi.encodeWithSelector(IMarketEvents.InsufficientAvailable.selector, buyer, available, available + 1)
        );
        vm.prank(buyer);
        market.requestWithdrawal(available + 1);
        vm.prank(buyer);
        market.requestWithdrawal(available);
        _assertAccount(buyer, 0, 10 * PRICE, "buyer");
    }

    function test_zero_is_no_request() external {
        vm.expectRevert(IMarketEvents.ZeroAmount.selector);
        vm.prank(buyer);
        market.requestWithdrawal(0);
    }

    function test_what_is_exiting_cannot_be_locked() external {
        vm.prank(buyer);
        market.requestWithdrawal(FUNDS);
        _assertRejected(_open(_opening(_offer(), _bid(), 1)), 8);
    }

    function test_the_owners_signature_is_enough() external {
        market.requestWithdrawalSigned(buyer, 4 ether, 0, START, _request(BUYER_KEY, 4 ether, 0, START));
        (uint128 amount,) = market.exitOf(buyer);
        vm.assertEq(amount, 4 ether, "exiting");
        vm.assertEq(market.nonces(buyer), 1, "the nonce is used");
    }

    function test_a_replay_is_refused() external {
        bytes memory signature = _request(BUYER_KEY, 4 ether, 0, START);
        market.requestWithdrawalSigned(buyer, 4 ether, 0, START, signature);
        vm.expectRevert(abi.encodeWithSelector(Nonces.InvalidAccountNonce.selector, buyer, 1));
        market.requestWithdrawalSigned(buyer, 4 ether, 0, START, signature);
    }

    function test_a_nonce_out_of_turn_is_refused() external {
        bytes memory signature = _request(BUYER_KEY, 4 ether, 1, START);
        vm.expectRevert(abi.encodeWithSelector(Nonces.InvalidAccountNonce.selector, buyer, 0));
        market.requestWithdrawalSigned(buyer, 4 ether, 1, START, signature);
    }

    function test_another_amount_than_signed_is_refused() external {
        bytes memory signature = _request(BUYER_KEY, 4 ether, 0, START);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, buyer));
        market.requestWithdrawalSigned(buyer, 5 ether, 0, START, signature);
    }

    function test_a_strangers_signature_is_refused() external {
        bytes memory signature = _request(STRANGER_KEY, 4 ether, 0, START);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, buyer));
        market.requestWithdrawalSigned(buyer, 4 ether, 0, START, signature);
    }

    function test_after_its_deadline_a_request_is_refused() external {
        bytes memory signature = _request(BUYER_KEY, 4 ether, 0, START);
        vm.warp(START + 1);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.SignatureExpired.selector, START));
        market.requestWithdrawalSigned(buyer, 4 ether, 0, START, signature);
    }

    function test_a_failed_request_leaves_its_nonce() external {
        bytes memory signature = _request(BUYER_KEY, FUNDS + 1, 0, START);
        vm.expectPartialRevert(IMarketEvents.InsufficientAvailable.selector);
        market.requestWithdrawalSigned(buyer, FUNDS + 1, 0, START, signature);
        vm.assertEq(market.nonces(buyer), 0, "nonce");
    }

    function test_nobody_is_kept_inside_by_a_pause() external {
        vm.prank(admin);
        market.setPaused(true);
        vm.prank(buyer);
        market.requestWithdrawal(FUNDS);
        vm.warp(START + DELAY);
        market.withdraw(buyer);
        vm.assertEq(token.balanceOf(buyer), FUNDS, "out");
    }

    function _request(uint256 key, uint128 amount, uint256 nonce, uint40 deadline) private view returns (bytes memory) {
        bytes32 typeHash = keccak256("WithdrawalRequest(address account,uint128 amount,uint256 nonce,uint40 deadline)");
        return _sign(key, _marketDigest(keccak256(abi.encode(typeHash, buyer, amount, nonce, deadline))));
    }
}
