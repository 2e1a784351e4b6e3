// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {MarketTest} from "../utils/MarketTest.sol";
import {Fill, Outcome, Packing} from "../utils/Packing.sol";

contract RefundTest is MarketTest {
    uint40 internal constant REFUND_AFTER = START + 2 hours + GRACE;

    function test_anybody_refunds_when_the_verifiers_stayed_silent() external {
        Lock memory lock = _openOne(5);
        vm.warp(REFUND_AFTER);
        vm.expectEmit(true, false, false, true, address(market));
        emit IMarketEvents.TradeClosed(lock.records[0].trade, Packing.outcomeWord(0, Outcome(REFUNDED, 0, 0)), 0);
        vm.prank(stranger);
        _refund(lock, _indices(1));
        _assertAccount(buyer, FUNDS, 0, "buyer");
        _assertAccount(provider, FUNDS, 0, "provider");
        vm.assertEq(_sold(lock.records[0]), 0, "offer");
        vm.assertEq(_bought(lock.records[0]), 0, "bid");
        vm.assertEq(market.openBits(lock.id), 0, "closed");
    }

    function test_a_second_before_it_is_too_early() external {
        Lock memory lock = _openOne(5);
        vm.warp(REFUND_AFTER - 1);
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

    function test_what_was_given_up_is_refunded_earlier_never_later() external {
        Lock memory lock = _openMany(3);
        _giveUp(lock, _only(0), provider, PROVIDER_KEY);
        vm.warp(START + WINDOW);
        _refund(lock, _only(0));
        vm.expectRevert(
            abi.encodeWithSelector(IMarketEvents.TooEarly.selector, lock.records[1].trade, uint256(REFUND_AFTER))
        );
        this.refund(lock, _only(1)); // its neighbour was not given up
        vm.warp(REFUND_AFTER - 1);
        _giveUp(lock, _only(1), provider, PROVIDER_KEY);
        vm.warp(REFUND_AFTER);
        _refund(lock, _only(1)); // a window after it was given up would be later
        vm.assertEq(market.openBits(lock.id), 4, "two are refunded");
    }

    function test_nothing_is_refunded_twice() external {
        Lock memory lock = _openMany(2);
        vm.warp(REFUND_AFTER);
        _refund(lock, _indices(2));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NothingOpen.selector, lock.id));
        this.refund(lock, _indices(2));
        _assertAccount(buyer, FUNDS, 0, "buyer");
    }

    function test_a_record_with_an_earlier_deliver_by_is_no_proof() external {
        Lock memory lock = _openOne(1);
        lock.records[0].deliverBy = START;
        vm.warp(START + GRACE);
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
