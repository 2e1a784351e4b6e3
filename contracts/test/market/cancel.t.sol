// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {MarketTest} from "../utils/MarketTest.sol";

contract CancelTest is MarketTest {
    bytes32 internal constant TYPE = keccak256("Cancel(address maker,uint8 side,uint32 nonce)");

    function testFuzz_a_maker_cancels_any_order_before_it_was_seen(bool sells, uint32 nonce) external {
        uint8 side = sells ? SELL : BUY;
        nonce = uint32(bound(nonce, 0, 256));
        vm.expectEmit(true, true, false, true, address(market));
        emit IMarketEvents.OrderCancelled(buyer, side, nonce);
        vm.prank(buyer);
        market.cancel(side, nonce);
        vm.assertTrue(_ended(buyer, side, nonce), "cancelled");
        vm.assertFalse(_ended(buyer, 3 - side, nonce), "the other side is not");
        vm.assertFalse(_ended(buyer2, side, nonce), "the order of another maker is not");
    }

    function testFuzz_no_cancel_runs_ahead_of_the_newest_by_more_than_256(uint32[3] memory steps, bool sells) external {
        uint8 side = sells ? SELL : BUY;
        uint32 newest;
        for (uint256 i; i < steps.length; ++i) {
            uint32 step = uint32(bound(steps[i], 0, 600));
            if (step > 256) {
                vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NonceTooFar.selector, newest + step, newest));
            }
            vm.prank(buyer);
            market.cancel(side, newest + step);
            if (step <= 256) newest += step;
            (uint32 offer, uint32 bid) = market.newestNonces(buyer);
            vm.assertEq(sells ? offer : bid, newest, "it rises with each cancel");
            vm.assertEq(sells ? bid : offer, 0, "the other side stays");
        }
        _assertAccount(buyer, FUNDS, 0, "no money moves in the same word");
    }

    function test_the_makers_signature_lets_its_next_orders_trade() external {
        IMarketTypes.Bid memory bid = _bid();
        bid.nonce = 257;
        _assertRejected(_open(_opening(_offer(), bid, 1)), 4);
        market.cancelSigned(buyer, BUY, 1, _cancellation(BUYER_KEY));
        vm.assertEq(_open(_opening(_offer(), bid, 1)).records.length, 1, "one further than before");
        bid.nonce = 257 + 257;
        _assertRejected(_open(_opening(_offer(), bid, 1)), 4);
    }

    function testFuzz_a_side_is_1_or_2(uint8 side) external {
        vm.assume(side != BUY && side != SELL);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSide.selector, side));
        market.cancel(side, 1);
    }

    function testFuzz_nobody_else_cancels_for_a_maker(address caller, bool sells) external {
        vm.assume(caller != buyer && caller != provider);
        vm.prank(caller);
        market.cancel(sells ? SELL : BUY, 1);
        vm.assertEq(_openOne(1).records.length, 1, "it trades");
    }

    function test_a_cancelled_order_counts_nothing_and_its_open_trade_goes_on() external {
        Lock memory lock = _openOne(3);
        vm.prank(buyer);
        market.cancel(BUY, 1);
        (uint64 consumed,, bool ended) = market.orderState(buyer, BUY, 1);
        vm.assertEq(consumed, 0, "consumed");
        vm.assertTrue(ended, "cancelled");
        _closeOne(lock, SETTLED, 1, CEILING);
        _assertAccount(buyer, FUNDS - PRICE, 0, "the trade was paid");
        vm.assertTrue(_ended(buyer, BUY, 1), "still cancelled");
    }

    function testFuzz_cancelling_twice_says_it_once(uint32 nonce, bool sells) external {
        nonce = uint32(bound(nonce, 0, 256));
        vm.recordLogs();
        for (uint256 i; i < 2; ++i) {
            vm.prank(buyer);
            market.cancel(sells ? SELL : BUY, nonce);
        }
        vm.assertEq(vm.getRecordedLogs().length, 1, "one event");
    }

    function test_anybody_hands_in_the_makers_cancel() external {
        market.cancelSigned(buyer, BUY, 1, _cancellation(BUYER_KEY));
        vm.warp(START + MATCH);
        _assertRejected(_open(_opening(_offer(), _bid(), 1)), 3);
    }

    function testFuzz_a_strangers_cancel_is_refused(uint256 key) external {
        key = bound(key, 1, type(uint128).max);
        vm.assume(key != BUYER_KEY);
        bytes memory signature = _cancellation(key);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, buyer));
        market.cancelSigned(buyer, BUY, 1, signature);
    }

    function testFuzz_a_cancel_of_another_order_is_refused(uint8 side, uint32 nonce, bool another) external {
        vm.assume(side != BUY || nonce != 1);
        bytes memory signature = _cancellation(BUYER_KEY);
        address maker = another ? buyer2 : buyer;
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, maker));
        market.cancelSigned(maker, side, nonce, signature);
    }

    function _cancellation(uint256 key) private view returns (bytes memory) {
        return _sign(key, _marketDigest(keccak256(abi.encode(TYPE, buyer, BUY, uint32(1)))));
    }

    function _ended(address maker, uint8 side, uint32 nonce) private view returns (bool ended) {
        (,, ended) = market.orderState(maker, side, nonce);
    }
}
