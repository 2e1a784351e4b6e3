// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {MarketTest} from "../utils/MarketTest.sol";

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

    function test_after_valid_until_what_came_back_trades_up_to_the_peak() external {
        Lock memory lock = _openOne(4);
        _closeOne(lock, REFUNDED, 0, 0);
        vm.warp(START + 1 hours + 1);
        vm.assertEq(_open(_opening(_offer(), _bid(), 4)).records.length, 1, "the four that had traded in time");
        _assertRejected(_open(_opening(_offer(), _bid(), 1)), 2); // a fifth run would trade for the first time
    }

    function test_after_valid_until_of_the_bid_alone_its_peak_counts_in_runs() external {
        IMarketTypes.Bid memory bid = _bid();
        bid.validUntil = START + WINDOW;
        Lock memory lock = _open(_opening(_offer(), bid, 3));
        _closeOne(lock, SETTLED, 1, CEILING);
        vm.warp(START + WINDOW + 1);
        _assertRejected(_open(_opening(_offer(), bid, 3)), 2);
        vm.assertEq(_open(_opening(_offer(), bid, 2)).records.length, 1, "two came back");
    }

    function test_the_peak_stays_when_quantity_comes_back() external {
        Lock memory lock = _openOne(7);
        _closeOne(lock, REFUNDED, 0, 0);
        (uint64 consumed, uint64 peak,) = market.orderState(buyer, BUY, lock.records[0].bidNonce);
        vm.assertEq(consumed, 0, "consumed");
        vm.assertEq(peak, 7, "peak");
        _openOne(2);
        (consumed, peak,) = market.orderState(buyer, BUY, lock.records[0].bidNonce);
        vm.assertEq(consumed, 2, "consumed again");
        vm.assertEq(peak, 7, "the peak does not fall");
    }

    function test_what_came_back_trades_until_the_last_second_before_deliver_by() external {
        Lock memory lock = _openOne(2);
        _closeOne(lock, REFUNDED, 0, 0);
        vm.warp(START + 2 hours - 1);
        Lock memory again = _openOne(2);
        vm.assertEq(again.records.length, 1, "one second before");
        _closeOne(again, REFUNDED, 0, 0);
        vm.warp(START + 2 hours);
        _assertRejected(_open(_opening(_offer(), _bid(), 2)), 2);
    }

    function test_a_cancelled_order_trades_no_more_but_its_open_trade_settles() external {
        Lock memory lock = _openOne(5);
        vm.prank(provider);
        market.cancel(SELL, lock.records[0].offerNonce);
        _assertRejected(_open(_opening(_offer(), _bid(), 1)), 3);
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
        for (uint256 i; i < runs.length; ++i) {
            uint32 count = uint32(bound(runs[i], 1, 4));
            Lock memory lock = _openOne(count);
            if (lock.records.length == 0) {
                vm.assertTrue(
                    delivered + count > 10 || units + count * CEILING > 10 * CEILING, "refused only when full"
                );
                continue;
            }
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
