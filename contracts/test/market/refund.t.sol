// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {MarketTest} from "../utils/MarketTest.sol";
import {Fill, Outcome, Packing} from "../utils/Packing.sol";

contract RefundTest is MarketTest {
    uint40 internal constant REFUND_AFTER = START + 2 hours + GRACE;

    function testFuzz_anybody_refunds_when_the_verifiers_stayed_silent(uint32 runs, uint40 late, address who) external {
        Lock memory lock = _openOne(uint32(bound(runs, 1, 10)));
        IMarketTypes.Proven memory proven = _proveOne(lock, 0);
        vm.warp(bound(late, REFUND_AFTER, type(uint40).max));
        vm.expectEmit(true, false, false, true, address(market));
        emit IMarketEvents.TradeClosed(lock.records[0].trade, Packing.outcomeWord(0, Outcome(REFUNDED, 0, 0)), 0);
        vm.prank(who);
        market.refund(lock.head, proven);
        _assertAccount(buyer, FUNDS, 0, "buyer");
        _assertAccount(provider, FUNDS, 0, "provider");
        vm.assertEq(_sold(lock.records[0]), 0, "offer");
        vm.assertEq(_bought(lock.records[0]), 0, "bid");
        vm.assertEq(market.openBits(lock.id), 0, "closed");
    }

    function testFuzz_until_a_second_before_it_is_too_early(uint40 time) external {
        Lock memory lock = _openOne(5);
        vm.warp(bound(time, START, REFUND_AFTER - 1));
        vm.expectRevert(
            abi.encodeWithSelector(IMarketEvents.TooEarly.selector, lock.records[0].trade, uint256(REFUND_AFTER))
        );
        this.refund(lock, _indices(1));
    }

    function test_one_early_trade_stops_the_call_and_the_others_go_without_it() external {
        Opening memory o = _emptyOpening(1, 2, 2);
        o.offers[0] = _offer();
        (o.bids[0], o.bids[1]) = (_bid(), _bid());
        (o.bids[0].deliverBy, o.bids[1].nonce) = (START + 1 hours, 2);
        o.offerSignatures[0] = _sign(PROVIDER_KEY, _offerHash(o.offers[0]));
        o.bidSignatures[0] = _sign(BUYER_KEY, _bidHash(o.bids[0]));
        o.bidSignatures[1] = _sign(BUYER_KEY, _bidHash(o.bids[1]));
        (o.fills[0], o.fills[1]) = (Fill(0, 0, 0, 1), Fill(0, 1, 0, 1));
        Lock memory lock = _open(o);
        vm.warp(START + 1 hours + GRACE);
        vm.expectPartialRevert(IMarketEvents.TooEarly.selector);
        this.refund(lock, _indices(2));
        _refund(lock, _indices(1));
        vm.assertEq(market.openBits(lock.id), 2, "the later one stays");
    }

    function testFuzz_any_part_is_refunded_and_what_ended_is_passed_over(uint8 size, uint8 part) external {
        uint32 count = uint32(bound(size, 2, 20));
        part = uint8(bound(part, 1, count - 1));
        Lock memory lock = _openMany(count);
        Outcome[] memory outcomes = new Outcome[](part);
        for (uint256 i; i < part; ++i) {
            outcomes[i] = Outcome(SETTLED, 1, CEILING);
        }
        _close(lock, _indices(part), outcomes);
        vm.warp(REFUND_AFTER);
        _refund(lock, _indices(count));
        _assertAccount(buyer, FUNDS - part * PRICE, 0, "buyer");
        vm.assertEq(market.openBits(lock.id), 0, "all ended");
    }

    function testFuzz_what_was_given_up_is_refunded_earlier_never_later(uint40 pause, uint40 early) external {
        Lock memory lock = _openMany(2);
        uint256 time = bound(pause, START, REFUND_AFTER - 1);
        uint256 from = time + WINDOW < REFUND_AFTER ? time + WINDOW : REFUND_AFTER;
        vm.warp(time);
        _giveUp(lock, _only(0), provider, PROVIDER_KEY);
        vm.warp(bound(early, time, from - 1));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.TooEarly.selector, lock.records[0].trade, from));
        this.refund(lock, _only(0));
        vm.warp(from);
        _refund(lock, _only(0));
        if (from < REFUND_AFTER) {
            vm.expectRevert(
                abi.encodeWithSelector(IMarketEvents.TooEarly.selector, lock.records[1].trade, uint256(REFUND_AFTER))
            );
            this.refund(lock, _only(1)); // its neighbour was not given up
        }
        vm.assertEq(market.openBits(lock.id), 2, "one is refunded");
    }

    function testFuzz_nothing_is_refunded_twice(uint8 count, uint40 late) external {
        count = uint8(bound(count, 1, 10));
        Lock memory lock = _openMany(count);
        vm.warp(REFUND_AFTER);
        _refund(lock, _indices(count));
        vm.warp(bound(late, REFUND_AFTER, type(uint40).max));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NothingOpen.selector, lock.id));
        this.refund(lock, _indices(count));
        _assertAccount(buyer, FUNDS, 0, "buyer");
    }

    function testFuzz_a_record_with_another_deliver_by_is_no_proof(uint40 deliverBy) external {
        Lock memory lock = _openOne(1);
        vm.assume(deliverBy != lock.records[0].deliverBy);
        lock.records[0].deliverBy = deliverBy;
        vm.warp(REFUND_AFTER);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidProof.selector, lock.id));
        this.refund(lock, _indices(1));
    }

    function test_a_pause_does_not_hold_money_back() external {
        Lock memory lock = _openOne(1);
        vm.prank(admin);
        market.setPaused(true);
        vm.warp(REFUND_AFTER);
        _refund(lock, _indices(1));
        _assertAccount(buyer, FUNDS, 0, "buyer");
    }

    function refund(Lock memory lock, uint256[] memory indices) external {
        _refund(lock, indices);
    }
}
