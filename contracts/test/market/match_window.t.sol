// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {MarketTest} from "../utils/MarketTest.sol";
import {Fill} from "../utils/Packing.sol";
import {Vm} from "../utils/Test.sol";

/// @dev Between match and lock: what a maker can still do about a trade that it sees coming.
contract MatchWindowTest is MarketTest {
    uint256 private constant BOND_PRICE = 0.2 ether; // a quarter of the offer's price

    // ------------------------------------------------------------------------------------------------ money

    function test_a_buyer_who_asks_all_its_money_out_after_the_match_pays_all_the_same() external {
        _request(buyer, FUNDS);
        vm.recordLogs();
        _send(_opening(_offer(), _bid(), 10));
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs[1].topics[0], IMarketEvents.WithdrawalReduced.selector, "taken back");
        vm.assertEq(logs[1].topics[1], bytes32(uint256(uint160(buyer))), "of the buyer");
        vm.assertEq(abi.decode(logs[1].data, (uint128)), 10 * PRICE, "what it lacked");
        vm.assertEq(logs[2].topics[0], IMarketEvents.TradeLocked.selector, "then locked");
        _assertAccount(buyer, 0, 10 * PRICE, "buyer");
        _assertExit(buyer, FUNDS - 10 * PRICE, START + DELAY);
        vm.warp(START + DELAY);
        market.withdraw(buyer);
        vm.assertEq(token.balanceOf(buyer), FUNDS - 10 * PRICE, "the rest leaves when it would have");
    }

    function test_a_provider_who_asks_its_bond_out_after_the_match_is_bound_all_the_same() external {
        _request(provider, FUNDS);
        vm.assertEq(_openOne(10).records.length, 1, "locked");
        _assertAccount(provider, 0, 10 * BOND_PRICE, "provider");
        _assertExit(provider, FUNDS - 10 * BOND_PRICE, START + DELAY);
    }

    function test_both_sides_of_a_trade_and_two_trades_of_a_batch_are_locked_so() external {
        _request(buyer, FUNDS);
        _request(provider, FUNDS);
        vm.assertEq(_openMany(2, 4).records.length, 2, "both locked");
        _assertAccount(buyer, 0, 8 * PRICE, "buyer");
        _assertAccount(provider, 0, 8 * BOND_PRICE, "provider");
        _assertExit(buyer, FUNDS - 8 * PRICE, START + DELAY);
    }

    function testFuzz_a_trade_takes_back_no_more_than_it_lacks(uint128 left, uint32 runs) external {
        left = uint128(bound(left, 0, 20 ether));
        runs = uint32(bound(runs, 1, 10));
        _request(buyer, FUNDS - left);
        _openOne(runs);
        uint256 payment = runs * PRICE;
        uint256 lack = payment > left ? payment - left : 0;
        _assertAccount(buyer, left + lack - payment, payment, "buyer");
        (uint128 exiting,) = market.exitOf(buyer);
        vm.assertEq(exiting, FUNDS - left - lack, "exiting");
    }

    function test_a_second_before_the_window_ends_it_locks_and_then_not() external {
        _request(buyer, FUNDS);
        vm.warp(START + MATCH - 1);
        vm.assertEq(_openOne(1).records.length, 1, "before");
        vm.warp(START + MATCH);
        _assertRejected(_openOne(1), 8);
        _assertExit(buyer, FUNDS - PRICE, START + DELAY);
        _request(provider, FUNDS - uint128(BOND_PRICE));
        _fund(buyer, FUNDS);
        vm.warp(START + 2 * MATCH);
        _assertRejected(_openOne(1), 9);
    }

    function test_asking_again_within_the_window_begins_it_anew_for_all_that_is_fresh() external {
        _request(buyer, FUNDS - 1);
        vm.warp(START + MATCH - 1);
        _request(buyer, 1);
        _assertFresh(FUNDS, START + 2 * MATCH - 1);
        vm.warp(START + 2 * MATCH - 2);
        vm.assertEq(_openOne(1).records.length, 1, "locked");
    }

    function test_what_was_asked_out_in_an_earlier_window_is_never_fresh_again() external {
        _request(buyer, FUNDS - 1);
        vm.warp(START + MATCH);
        _assertFresh(0, START + MATCH);
        _request(buyer, 1);
        _assertFresh(1, START + 2 * MATCH);
        _assertRejected(_openOne(1), 8);
        _assertExit(buyer, FUNDS, START + MATCH + DELAY);
    }

    function test_a_trade_that_something_else_forbids_takes_nothing_back() external {
        _request(buyer, FUNDS);
        _request(provider, FUNDS);
        _fund(provider, uint128(BOND_PRICE));
        vm.warp(START + MATCH);
        _fund(buyer, 1);
        _request(buyer, 1); // the provider's money is fresh no more, and a part of the buyer's is
        _assertRejected(_openOne(1), 8);
        _fund(buyer, FUNDS);
        _request(buyer, FUNDS);
        _assertRejected(_openOne(2), 9);
        _assertFresh(FUNDS + 1, START + 2 * MATCH);
        _capPayouts(uint96(PRICE));
        _assertRejected(_openOne(1), 14);
        _assertFresh(FUNDS + 1, START + 2 * MATCH);
        _assertAccount(buyer, 0, 0, "buyer");
    }

    function test_a_spend_cap_stands_above_the_window() external {
        vm.prank(buyer);
        registry.setDelegate(delegate, BUY, uint96(PRICE), type(uint96).max, type(uint40).max);
        _request(buyer, FUNDS);
        Opening memory o = _opening(_offer(), _bid(), 2);
        o.bidSignatures[0] = _sign(DELEGATE_KEY, _bidHash(_bid()));
        _assertRejected(_open(o), 11);
        _assertExit(buyer, FUNDS, START + DELAY);
        o.fills[0].runs = 1;
        vm.assertEq(_open(o).records.length, 1, "within the cap");
        vm.assertEq(market.spentBy(buyer, delegate, BUY), PRICE, "it counts");
    }

    function test_an_exit_that_is_taken_back_as_a_whole_is_none() external {
        _request(buyer, FUNDS - PRICE);
        vm.warp(START + DELAY);
        market.withdraw(buyer);
        _request(buyer, PRICE);
        Opening memory o = _opening(_lateOffer(), _lateBid(), 1);
        vm.assertEq(_open(o).records.length, 1, "locked");
        _assertExit(buyer, 0, 0);
        _assertFresh(0, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NothingToWithdraw.selector, buyer));
        market.withdraw(buyer);
    }

    /// @dev The model: all that was asked out, with the time at which it was, and the last time of all.
    function testFuzz_an_account_locks_what_is_available_and_what_is_fresh(uint256[10] memory actions) external {
        (uint256 fresh, uint256 until, uint256 locked) = (0, 0, 0);
        for (uint256 i; i < actions.length; ++i) {
            vm.warp(block.timestamp + actions[i] % 4 * 14);
            if (block.timestamp >= until) fresh = 0;
            uint256 available = _available(buyer);
            if ((actions[i] >> 8) % 2 == 0 && available != 0) {
                uint128 amount = uint128(bound(actions[i] >> 16, 1, available));
                _request(buyer, amount);
                (fresh, until) = (fresh + amount, block.timestamp + MATCH);
            } else {
                uint256 payment = _openLarge(uint32(i), uint64(bound(actions[i] >> 16, 1, 400)));
                bool enough = payment <= available + fresh;
                vm.assertTrue(enough == (_locked(buyer) != locked), "locked when the model says");
                if (enough && payment > available) fresh -= payment - available;
                locked = _locked(buyer);
            }
            (uint128 found,) = market.freshOf(buyer);
            vm.assertEq(found, fresh, "fresh");
            (uint128 exiting,) = market.exitOf(buyer);
            vm.assertEq(_available(buyer) + _locked(buyer) + exiting, FUNDS, "nothing is lost");
        }
    }

    // ------------------------------------------------------------------------------------------------ orders

    function testFuzz_a_cancelled_order_locks_for_a_match_window(bool sells, uint40 pause) external {
        _cancel(sells, 1);
        pause = uint40(bound(pause, 0, 2 * MATCH));
        vm.warp(START + pause);
        Lock memory lock = _openFrom(0, 3);
        if (pause >= MATCH) return _assertRejected(lock, 3);
        vm.assertEq(lock.records.length, 1, "locked");
        (,, bool ended) = market.orderState(sells ? provider : buyer, sells ? SELL : BUY, 1);
        vm.assertTrue(ended, "and cancelled all the same");
    }

    function testFuzz_so_does_one_whose_place_a_younger_nonce_cancelled(bool sells, uint40 pause) external {
        _cancel(sells, 1);
        vm.warp(START + MATCH);
        _assertRejected(_openFrom(0, 1), 3);
        Opening memory o = _younger(257, sells);
        _cancel(sells, 257);
        pause = uint40(bound(pause, 0, 2 * MATCH));
        vm.warp(START + MATCH + pause);
        Lock memory lock = _open(o);
        if (pause >= MATCH) _assertRejected(lock, 3);
        else vm.assertEq(lock.records.length, 1, "locked");
        _assertRejected(_openFrom(0, 1), 3);
    }

    function test_cancelling_a_younger_nonce_ends_an_order_no_sooner() external {
        _openFrom(0, 2);
        _cancel(false, 257);
        vm.warp(START + MATCH - 1);
        _assertRejected(_openFrom(0, 2), 7);
        vm.assertEq(_openFrom(2, 2).records.length, 1, "locked");
        vm.warp(START + MATCH);
        _assertRejected(_openFrom(4, 1), 3);
    }

    function test_cancelled_twice_it_locks_what_is_left_a_window_longer() external {
        _cancel(false, 1);
        _openFrom(0, 6);
        vm.warp(START + MATCH - 1);
        _cancel(false, 257);
        vm.warp(START + 2 * MATCH - 2);
        _assertRejected(_openFrom(6, 5), 13);
        _assertRejected(_openFrom(5, 2), 7);
        vm.assertEq(_openFrom(6, 4).records.length, 1, "the last four");
        vm.warp(START + 2 * MATCH - 1);
        IMarketTypes.Bid memory bid = _bid();
        IMarketTypes.Offer memory offer = _offer();
        (bid.nonce, offer.nonce) = (257, 2);
        _assertRejected(_open(_opening(offer, bid, 1)), 3);
    }

    function test_cancelling_the_same_order_again_prolongs_nothing() external {
        _cancel(false, 1);
        vm.warp(START + MATCH - 1);
        _cancel(false, 1);
        vm.warp(START + MATCH);
        _assertRejected(_openFrom(0, 1), 3);
    }

    function test_no_more_is_sold_than_was_left() external {
        _openFrom(0, 4);
        _cancel(true, 1);
        _assertRejected(_openOf(2, 0, 7), 7);
        vm.assertEq(_openOf(2, 0, 5).records.length, 1, "five");
        _assertRejected(_openOf(2, 5, 2), 7);
        vm.assertEq(_openOf(2, 5, 1).records.length, 1, "one");
        _assertRejected(_openOf(2, 6, 1), 7);
    }

    function test_no_run_is_sold_twice_and_those_passed_over_trade_once() external {
        _openFrom(2, 2);
        _cancel(false, 1);
        _assertRejected(_openFrom(2, 1), 7);
        _assertRejected(_openFrom(1, 2), 7);
        vm.assertEq(_openFrom(0, 2).records.length, 1, "passed over");
        _assertRejected(_openFrom(0, 1), 7);
        vm.assertEq(_openFrom(6, 4).records.length, 1, "passes over two more");
        vm.assertEq(_openFrom(4, 2).records.length, 1, "which trade");
        _assertRejected(_openFrom(4, 2), 7);
    }

    function test_runs_that_had_come_back_trade_again() external {
        Lock memory lock = _openFrom(0, 4);
        _acceptBoth(
            lock, _indices(1), _outcome(SETTLED, 1, CEILING), Signer(buyer, BUYER_KEY), Signer(provider, PROVIDER_KEY)
        );
        _cancel(false, 1);
        _assertRejected(_openFrom(0, 4), 7);
        vm.assertEq(_openFrom(1, 3).records.length, 1, "the three");
        _assertRejected(_openFrom(1, 1), 7);
    }

    function test_nothing_of_such_a_trade_returns_to_its_order() external {
        _cancel(false, 1);
        _cancel(true, 1);
        Lock memory lock = _openFrom(0, 10);
        _giveUp(lock, _indices(1), provider, PROVIDER_KEY);
        vm.warp(START + WINDOW);
        _refund(lock, _indices(1));
        _assertAccount(buyer, FUNDS, 0, "the money does");
        _assertAccount(provider, FUNDS, 0, "the bond does");
        _assertRejected(_openFrom(0, 1), 3);
        IMarketTypes.Bid memory bid = _bid();
        IMarketTypes.Offer memory offer = _offer();
        (bid.nonce, offer.nonce) = (257, 257);
        vm.assertEq(_open(_opening(offer, bid, 10)).records.length, 1, "a younger order has all of its own");
    }

    function test_a_younger_order_in_the_place_counts_apart() external {
        _openFrom(0, 2);
        _cancel(false, 1);
        IMarketTypes.Bid memory bid = _bid();
        bid.nonce = 257;
        Opening memory young = _opening(_offer(), bid, 3);
        vm.assertEq(_open(young).records.length, 1, "the younger trades in the place");
        vm.assertEq(_openFrom(2, 3).records.length, 1, "the older locks what was left of it");
        (uint64 consumed, uint64 reached, bool ended) = market.orderState(buyer, BUY, 257);
        vm.assertEq(consumed, 3, "its runs");
        vm.assertEq(reached, 3, "its next run");
        vm.assertFalse(ended, "it goes on");
        _cancel(false, 257);
        _assertRejected(_openFrom(5, 1), 3);
        young.fills[0] = Fill(0, 0, 3, 1);
        vm.assertEq(_open(young).records.length, 1, "now the younger has the window");
    }

    function test_an_order_that_a_younger_one_ended_has_no_window() external {
        _openFrom(0, 2);
        IMarketTypes.Bid memory bid = _bid();
        bid.nonce = 257;
        _open(_opening(_offer(), bid, 1));
        _cancel(false, 257);
        _assertRejected(_openFrom(2, 1), 3);
    }

    function test_time_limits_hold_in_the_window_too() external {
        vm.warp(START + 1 hours);
        _cancel(false, 1);
        _cancel(true, 1);
        vm.warp(START + 1 hours + 1);
        _assertRejected(_openFrom(0, 1), 2);
    }

    // ------------------------------------------------------------------------------------------------ pieces

    function _lateOffer() private view returns (IMarketTypes.Offer memory offer) {
        offer = _offer();
        (offer.validUntil, offer.deliverBy) = (START + 2 days, START + 2 days);
    }

    function _lateBid() private view returns (IMarketTypes.Bid memory bid) {
        bid = _bid();
        (bid.validUntil, bid.deliverBy) = (START + 2 days, START + 2 days);
    }

    function _request(address account, uint256 amount) private {
        vm.prank(account);
        market.requestWithdrawal(uint128(amount));
    }

    function _cancel(bool sells, uint32 nonce) private {
        vm.prank(sells ? provider : buyer);
        market.cancel(sells ? SELL : BUY, nonce);
    }

    /// @dev One run of an order of a younger nonce, and of the other side an order of another place.
    function _younger(uint32 nonce, bool sells) private view returns (Opening memory) {
        IMarketTypes.Offer memory offer = _offer();
        IMarketTypes.Bid memory bid = _bid();
        (offer.nonce, bid.nonce) = sells ? (nonce, uint32(2)) : (uint32(2), nonce);
        return _opening(offer, bid, 1);
    }

    /// @dev Runs of another bid of the buyer, with the one offer.
    function _openOf(uint32 bidNonce, uint32 firstRun, uint32 runs) private returns (Lock memory) {
        IMarketTypes.Bid memory bid = _bid();
        bid.nonce = bidNonce;
        Opening memory o = _opening(_offer(), bid, runs);
        o.fills[0].firstRun = firstRun;
        return _open(o);
    }

    /// @dev One run of so many GFLOPS.h, of orders of their own.
    function _openLarge(uint32 nonce, uint64 size) private returns (uint256 payment) {
        IMarketTypes.Bid memory bid = _bid();
        (bid.nonce, bid.runs, bid.ceiling) = (10 + nonce, 1, size * CEILING);
        IMarketTypes.Offer memory offer = _offer();
        (offer.nonce, offer.units) = (10 + nonce, bid.ceiling);
        _send(_opening(offer, bid, 1));
        return size * PRICE;
    }

    function _assertExit(address account, uint256 amount, uint256 readyAt) private view {
        (uint128 exiting, uint64 found) = market.exitOf(account);
        vm.assertEq(exiting, amount, "exiting");
        vm.assertEq(found, readyAt, "ready at");
    }

    function _assertFresh(uint256 amount, uint256 until) private view {
        (uint128 fresh, uint64 end) = market.freshOf(buyer);
        vm.assertEq(fresh, amount, "fresh");
        vm.assertEq(end, until, "until");
    }
}
