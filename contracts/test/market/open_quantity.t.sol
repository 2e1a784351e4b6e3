// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {MarketTest} from "../utils/MarketTest.sol";
import {Fill} from "../utils/Packing.sol";

contract OpenQuantityTest is MarketTest {
    function test_units_not_used_return_to_the_offer_and_runs_not_delivered_to_the_bid() external {
        Lock memory lock = _openOne(10);
        _closeOne(lock, SETTLED, 6, 2 * CEILING);
        vm.assertEq(_sold(lock.records[0]), 2 * CEILING, "offer");
        vm.assertEq(_bought(lock.records[0]), 6, "bid");
        Opening memory o = _opening(_offer(), _bid(), 4);
        o.fills[0].firstRun = 6;
        vm.assertEq(_open(o).records.length, 1, "the rest trades under the same signatures");
        vm.assertEq(_sold(lock.records[0]), 6 * CEILING, "offer again");
        vm.assertEq(_bought(lock.records[0]), 10, "bid again");
    }

    function test_a_refunded_and_a_slashed_trade_return_everything() external {
        Lock memory first = _openOne(5);
        Lock memory second = _openOne(5);
        _closeOne(first, REFUNDED, 0, 0);
        _closeOne(second, SLASHED, 0, 7 * CEILING);
        vm.assertEq(_sold(first.records[0]), 0, "offer");
        vm.assertEq(_bought(first.records[0]), 0, "bid");
    }

    function test_after_valid_until_what_came_back_trades_and_nothing_new() external {
        Lock memory lock = _openOne(4);
        _closeOne(lock, REFUNDED, 0, 0);
        vm.warp(START + 1 hours + 1);
        vm.assertEq(_openFrom(0, 4).records.length, 1, "the four that had traded in time");
        _assertRejected(_openFrom(4, 1), 2); // a fifth run would trade for the first time
        _assertRejected(_openFrom(0, 1), 2); // and nothing of the offer is back
    }

    function test_after_valid_until_of_the_bid_alone_as_many_runs_trade_as_came_back() external {
        IMarketTypes.Bid memory bid = _bid();
        bid.validUntil = START + WINDOW;
        Lock memory lock = _open(_opening(_offer(), bid, 3));
        _closeOne(lock, SETTLED, 1, CEILING);
        vm.warp(START + WINDOW + 1);
        _assertRejected(_open(_opening(_offer(), bid, 3)), 7);
        vm.assertEq(_open(_opening(_offer(), bid, 2)).records.length, 1, "two came back");
        _assertRejected(_open(_opening(_offer(), bid, 1)), 7);
    }

    function test_how_far_an_order_got_stays_when_quantity_comes_back() external {
        Lock memory lock = _openOne(7);
        _closeOne(lock, REFUNDED, 0, 0);
        (uint64 consumed, uint64 reached,) = market.orderState(buyer, BUY, lock.records[0].bidNonce);
        vm.assertEq(consumed, 0, "consumed");
        vm.assertEq(reached, 7, "reached");
        _openFrom(0, 2);
        (consumed, reached,) = market.orderState(buyer, BUY, lock.records[0].bidNonce);
        vm.assertEq(consumed, 2, "consumed again");
        vm.assertEq(reached, 7, "it does not fall");
        (consumed, reached,) = market.orderState(provider, SELL, lock.records[0].offerNonce);
        vm.assertEq(consumed, 2 * CEILING, "units");
        vm.assertEq(reached, 7 * CEILING, "most units");
    }

    // ------------------------------------------------------------------------------------------------ runs have numbers

    /// @dev However often, in whatever clearing and batch an operator names it.
    function testFuzz_one_run_is_not_sold_twice(uint32 run, uint8 more, uint8[6] memory others) external {
        run = uint32(bound(run, 0, 9));
        Lock memory first = _openFrom(run, 1);
        vm.assertEq(first.records.length, 1, "the first time");
        for (uint256 i; i < others.length; ++i) {
            Opening memory o = _opening(_offer(), _bid(), 1);
            o.clearings[0].number = uint64(i + 2); // another clearing: another trade id
            uint256 start = bound(others[i], 0, run);
            o.fills[0] = Fill(0, 0, uint32(start), uint32(bound(more, run - start + 1, 10 - start)));
            _assertRejected(_open(o), 7);
        }
        _closeOne(first, SETTLED, 1, CEILING);
        _assertRejected(_openFrom(run, 1), 7); // settled is not free either
    }

    function testFuzz_one_trade_is_locked_once_in_a_batch(uint32 run, uint32 runs, uint8 times) external {
        run = uint32(bound(run, 0, 9));
        runs = uint32(bound(runs, 1, 10 - run));
        Opening memory o = _opening(_offer(), _bid(), 1);
        o.fills = new Fill[](bound(times, 2, 10));
        for (uint32 i; i < o.fills.length; ++i) {
            o.fills[i] = Fill(0, 0, run, runs);
        }
        Lock memory lock = _open(o);
        vm.assertEq(lock.records.length, 1, "one trade");
        for (uint256 i; i < lock.codes.length; ++i) {
            vm.assertEq(lock.codes[i], 7, "the others are refused");
        }
    }

    function test_runs_passed_over_trade_later_in_time_once() external {
        _openFrom(6, 2);
        _assertRejected(_openFrom(5, 2), 7); // one passed over, one in a trade
        _assertRejected(_openFrom(7, 2), 7); // across the first that is new
        vm.assertEq(_openFrom(2, 3).records.length, 1, "some of those passed over");
        _assertRejected(_openFrom(2, 1), 7);
        _assertRejected(_openFrom(4, 2), 7);
        vm.assertEq(_openFrom(5, 1).records.length, 1, "the one above");
        vm.assertEq(_openFrom(0, 2).records.length, 1, "the two below");
        (uint64 consumed, uint64 reached,) = market.orderState(buyer, BUY, 1);
        vm.assertEq(consumed, 8, "all of them");
        vm.assertEq(reached, 8, "which is as far as it got");
        _assertRejected(_openFrom(0, 1), 7);
    }

    function test_code_2_runs_passed_over_do_not_trade_after_valid_until() external {
        Lock memory lock = _openFrom(3, 2);
        _closeOne(lock, REFUNDED, 0, 0);
        vm.warp(START + 1 hours);
        vm.assertEq(_openFrom(0, 1).records.length, 1, "the last second counts");
        vm.warp(START + 1 hours + 1);
        IMarketTypes.Offer memory offer = _offer();
        (offer.nonce, offer.validUntil) = (2, START + 2 hours);
        Opening memory o = _opening(offer, _bid(), 1);
        o.fills[0].firstRun = 1; // passed over
        _assertRejected(_open(o), 2);
        o.fills[0] = Fill(0, 0, 2, 2); // one that was passed over, one that came back
        _assertRejected(_open(o), 7);
        o.fills[0] = Fill(0, 0, 3, 2);
        vm.assertEq(_open(o).records.length, 1, "what came back trades");
    }

    function testFuzz_many_runs_are_passed_over_and_trade_one_by_one(uint32 first, uint32 one) external {
        IMarketTypes.Bid memory bid = _bid();
        (bid.runs, bid.ceiling) = (BID_MOST, 1);
        first = uint32(bound(first, 1, 1_000));
        one = uint32(bound(one, 0, first - 1));
        Opening memory o = _opening(_offer(), bid, 1);
        o.fills = new Fill[](5);
        o.fills[0] = Fill(0, 0, first, 1);
        o.fills[1] = Fill(0, 0, one, 1);
        o.fills[2] = Fill(0, 0, one, 1);
        o.fills[3] = Fill(0, 0, 0, first); // not all of them
        o.fills[4] = one == 0 ? Fill(0, 0, 1, first) : Fill(0, 0, 0, one);
        Lock memory lock = _open(o);
        vm.assertEq(lock.codes.length, one == 0 ? 3 : 2, "once, and only whole");
        vm.assertEq(_bought(lock.records[0]), one == 0 ? 2 : 2 + one, "runs in trades");
    }

    function test_a_refused_fill_passes_over_nothing() external {
        Opening memory o = _opening(_offer(), _bid(), 1);
        o.fills = new Fill[](2);
        o.fills[0] = Fill(0, 1, 0, 4); // no such bid
        o.fills[1] = Fill(0, 0, 4, 4);
        vm.assertEq(_open(o).records.length, 1, "the second");
        vm.assertEq(_openFrom(0, 4).records.length, 1, "the first may be tried again");
    }

    function test_what_came_back_trades_until_the_last_second_before_deliver_by() external {
        Lock memory lock = _openOne(2);
        _closeOne(lock, REFUNDED, 0, 0);
        vm.warp(START + 2 hours - 1);
        Lock memory again = _openFrom(0, 2);
        vm.assertEq(again.records.length, 1, "one second before");
        _closeOne(again, REFUNDED, 0, 0);
        vm.warp(START + 2 hours);
        _assertRejected(_open(_opening(_offer(), _bid(), 2)), 2);
    }

    function test_a_cancelled_order_trades_no_more_but_its_open_trade_settles() external {
        Lock memory lock = _openOne(5);
        vm.prank(provider);
        market.cancel(SELL, lock.records[0].offerNonce);
        vm.warp(START + MATCH);
        _assertRejected(_openFrom(5, 1), 3);
        _closeOne(lock, SETTLED, 5, 5 * CEILING);
        vm.assertEq(_locked(provider), 0, "bond is free");
        (uint64 consumed,, bool cancelled) = market.orderState(provider, SELL, lock.records[0].offerNonce);
        vm.assertEq(consumed, 0, "the count of an order that ended is not kept");
        vm.assertTrue(cancelled, "still cancelled after the close");
    }

    function testFuzz_consumed_is_what_is_open_plus_what_was_used(uint8[6] memory runs, uint256[6] memory used)
        external
    {
        uint256 units;
        uint256 delivered;
        uint256 next;
        for (uint256 i; i < runs.length; ++i) {
            uint32 count = uint32(bound(runs[i], 1, 4));
            bool again = used[i] >> 255 == 1; // runs that had their turn, or new ones
            Lock memory lock = _openFrom(again ? 0 : uint32(next), count);
            if (lock.records.length == 0) {
                bool full = again ? count > next - delivered : next + count > 10;
                vm.assertTrue(full || units + count * CEILING > 10 * CEILING, "refused only when full");
                continue;
            }
            if (!again || next == 0) next += count;
            vm.assertEq(_sold(lock.records[0]), units + count * CEILING, "open offer");
            vm.assertEq(_bought(lock.records[0]), delivered + count, "open bid");
            uint32 done = uint32(bound(used[i] >> 64, 1, count));
            uint64 work = uint64(bound(uint64(used[i]), done * (CEILING / 10), done * CEILING));
            _closeOne(lock, SETTLED, done, work);
            (units, delivered) = (units + work, delivered + done);
            vm.assertEq(_sold(lock.records[0]), units, "closed offer");
            vm.assertEq(_bought(lock.records[0]), delivered, "closed bid");
        }
    }
}
