// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../src/interfaces/IMarket.sol";
import {MarketTest} from "../utils/MarketTest.sol";

contract CancelTest is MarketTest {
    bytes32 internal constant TYPE = keccak256("Cancel(address maker,bytes32 order)");

    function testFuzz_a_maker_cancels_any_order_before_it_was_seen(bytes32 order) external {
        vm.expectEmit(true, true, false, true, address(market));
        emit IMarket.OrderCancelled(buyer, order);
        vm.prank(buyer);
        market.cancel(order);
        (,, bool cancelled) = market.orderState(buyer, order);
        vm.assertTrue(cancelled, "cancelled");
    }

    function test_a_stranger_cannot_cancel_for_a_maker() external {
        bytes32 order = _bidHash(_bid());
        vm.prank(stranger);
        market.cancel(order);
        vm.assertEq(_openOne(1).records.length, 1, "it trades");
    }

    function test_cancelling_keeps_what_is_consumed() external {
        Lock memory lock = _openOne(3);
        vm.prank(buyer);
        market.cancel(lock.records[0].bid);
        (uint64 consumed, uint64 peak, bool cancelled) = market.orderState(buyer, lock.records[0].bid);
        vm.assertEq(consumed, 3, "consumed");
        vm.assertEq(peak, 3, "peak");
        vm.assertTrue(cancelled, "cancelled");
    }

    function test_cancelling_twice_says_it_once() external {
        vm.recordLogs();
        vm.prank(buyer);
        market.cancel(keccak256("order"));
        vm.prank(buyer);
        market.cancel(keccak256("order"));
        vm.assertEq(vm.getRecordedLogs().length, 1, "one event");
    }

    function test_anybody_hands_in_the_makers_cancel() external {
        bytes32 order = _bidHash(_bid());
        market.cancelSigned(buyer, order, _sign(BUYER_KEY, _marketDigest(keccak256(abi.encode(TYPE, buyer, order)))));
        _assertRejected(_open(_opening(_offer(), _bid(), 1)), 3);
    }

    function test_a_strangers_cancel_is_refused() external {
        bytes32 order = _bidHash(_bid());
        bytes memory signature = _sign(STRANGER_KEY, _marketDigest(keccak256(abi.encode(TYPE, buyer, order))));
        vm.expectRevert(abi.encodeWithSelector(IMarket.InvalidSignature.selector, buyer));
        market.cancelSigned(buyer, order, signature);
    }
}
