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

    function testFuzz_until_its_time_it_is_not_ready(uint128 amount, uint40 pause, address caller) external {
        vm.prank(buyer);
        market.requestWithdrawal(uint128(bound(amount, 1, FUNDS)));
        vm.warp(START + bound(pause, 0, DELAY - 1));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.WithdrawalNotReady.selector, buyer, START + DELAY));
        vm.prank(caller);
        market.withdraw(buyer);
    }

    function testFuzz_a_second_request_adds_up_and_delays_all_of_it(uint128 first, uint128 second, uint40 pause)
        external
    {
        first = uint128(bound(first, 1, FUNDS - 1));
        second = uint128(bound(second, 1, FUNDS - first));
        uint40 time = uint40(START + bound(pause, 1, 10 * DELAY));
        vm.prank(buyer);
        market.requestWithdrawal(first);
        vm.warp(time);
        vm.prank(buyer);
        market.requestWithdrawal(second);
        (uint128 amount, uint64 readyAt) = market.exitOf(buyer);
        vm.assertEq(amount, first + second, "amount");
        vm.assertEq(readyAt, time + DELAY, "ready at");
        vm.warp(time + DELAY - 1);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.WithdrawalNotReady.selector, buyer, time + DELAY));
        market.withdraw(buyer);
    }

    function testFuzz_what_is_locked_cannot_leave(uint32 runs, uint128 more) external {
        runs = uint32(bound(runs, 1, 10));
        _openOne(runs);
        uint128 available = uint128(FUNDS - runs * PRICE);
        more = uint128(bound(more, available + 1, type(uint128).max));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InsufficientAvailable.selector, buyer, available, more));
        vm.prank(buyer);
        market.requestWithdrawal(more);
        vm.prank(buyer);
        market.requestWithdrawal(available);
        _assertAccount(buyer, 0, runs * PRICE, "buyer");
    }

    function test_zero_is_no_request() external {
        vm.expectRevert(IMarketEvents.ZeroAmount.selector);
        vm.prank(buyer);
        market.requestWithdrawal(0);
    }

    function testFuzz_what_is_exiting_cannot_be_locked_once_the_match_window_is_over(uint128 amount, uint32 runs)
        external
    {
        amount = uint128(bound(amount, 1, FUNDS));
        runs = uint32(bound(runs, 1, 10));
        vm.prank(buyer);
        market.requestWithdrawal(amount);
        vm.warp(START + MATCH);
        Lock memory lock = _open(_opening(_offer(), _bid(), runs));
        if (FUNDS - amount < runs * PRICE) _assertRejected(lock, 8);
        else _assertAccount(buyer, FUNDS - amount - runs * PRICE, runs * PRICE, "there is enough left");
    }

    function testFuzz_the_owners_signature_is_enough(uint128 amount, uint40 deadline, address caller) external {
        amount = uint128(bound(amount, 1, FUNDS));
        deadline = uint40(bound(deadline, START, type(uint40).max));
        bytes memory signature = _request(BUYER_KEY, amount, 0, deadline);
        vm.prank(caller);
        market.requestWithdrawalSigned(buyer, amount, 0, deadline, signature);
        (uint128 exiting,) = market.exitOf(buyer);
        vm.assertEq(exiting, amount, "exiting");
        vm.assertEq(market.nonces(buyer), 1, "the nonce is used");
    }

    function testFuzz_a_replay_is_refused(uint128 amount) external {
        amount = uint128(bound(amount, 1, FUNDS / 2));
        bytes memory signature = _request(BUYER_KEY, amount, 0, START);
        market.requestWithdrawalSigned(buyer, amount, 0, START, signature);
        vm.expectRevert(abi.encodeWithSelector(Nonces.InvalidAccountNonce.selector, buyer, 1));
        market.requestWithdrawalSigned(buyer, amount, 0, START, signature);
    }

    function testFuzz_a_nonce_out_of_turn_is_refused(uint256 nonce) external {
        vm.assume(nonce != 0);
        bytes memory signature = _request(BUYER_KEY, 4 ether, nonce, START);
        vm.expectRevert(abi.encodeWithSelector(Nonces.InvalidAccountNonce.selector, buyer, 0));
        market.requestWithdrawalSigned(buyer, 4 ether, nonce, START, signature);
    }

    function testFuzz_another_amount_time_or_nonce_than_signed_is_refused(uint128 amount, uint40 later, uint8 field)
        external
    {
        vm.assume(amount != 4 ether && later != 0 && later < type(uint40).max - START);
        bytes memory signature = _request(BUYER_KEY, 4 ether, 0, START);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, buyer));
        if (field % 3 == 0) market.requestWithdrawalSigned(buyer, amount, 0, START, signature);
        if (field % 3 == 1) market.requestWithdrawalSigned(buyer, 4 ether, 0, START + later, signature);
        if (field % 3 == 2) market.requestWithdrawalSigned(buyer, 4 ether, later, START, signature);
    }

    function testFuzz_a_strangers_signature_is_refused(uint256 key, uint128 amount) external {
        key = bound(key, 1, type(uint128).max);
        vm.assume(key != BUYER_KEY);
        bytes memory signature = _request(key, amount, 0, START);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, buyer));
        market.requestWithdrawalSigned(buyer, amount, 0, START, signature);
    }

    function testFuzz_after_its_deadline_a_request_is_refused(uint40 deadline, uint40 late) external {
        deadline = uint40(bound(deadline, START, START + 365 days));
        bytes memory signature = _request(BUYER_KEY, 4 ether, 0, deadline);
        vm.warp(bound(late, uint256(deadline) + 1, type(uint40).max));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.SignatureExpired.selector, deadline));
        market.requestWithdrawalSigned(buyer, 4 ether, 0, deadline, signature);
    }

    function testFuzz_a_failed_request_leaves_its_nonce(uint128 amount) external {
        amount = uint128(bound(amount, FUNDS + 1, type(uint128).max));
        bytes memory signature = _request(BUYER_KEY, amount, 0, START);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InsufficientAvailable.selector, buyer, FUNDS, amount));
        market.requestWithdrawalSigned(buyer, amount, 0, START, signature);
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
