// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {MarketTest} from "../utils/MarketTest.sol";
import {Outcome, Packing} from "../utils/Packing.sol";

/// @dev START is a multiple of WINDOW, so windows of payouts begin at START + n * WINDOW.
contract PayoutCapTest is MarketTest {
    uint256 private constant BITS = (1 << 200) - 1;

    function test_what_passes_the_cap_waits_for_the_next_window() external {
        _capPayouts(uint96(2 * PRICE));
        Lock memory lock = _openMany(3);
        bytes32 id = _decide(lock, _indices(3), _settled(3));
        vm.warp(START + WINDOW);
        vm.expectEmit(true, true, false, true, address(market));
        emit IMarketEvents.BatchSettled(lock.id, id, 3);
        _settle(lock, _indices(3), _settled(3));
        vm.assertEq(market.paidOut(verifierSet), 2 * PRICE, "the cap is used up");
        vm.assertEq(market.decided(id) & 7, 4, "one waits");
        _assertAccount(buyer, FUNDS - 3 * PRICE, PRICE, "its payment stays locked");
        vm.expectRevert(
            abi.encodeWithSelector(IMarketEvents.PayoutCapReached.selector, verifierSet, uint256(START + 2 * WINDOW))
        );
        this.settle(lock, _indices(3), _settled(3));
        vm.warp(START + 2 * WINDOW);
        vm.assertEq(market.paidOut(verifierSet), 0, "a new window");
        _settle(lock, _indices(3), _settled(3));
        vm.assertEq(market.decided(id), 0, "nothing waits");
        _assertAccount(buyer, FUNDS - 3 * PRICE, 0, "all paid");
    }

    function test_refunds_and_slashes_pay_nothing_out_and_never_wait() external {
        _capPayouts(0);
        Lock memory lock = _openMany(2);
        Outcome[] memory outcomes = new Outcome[](2);
        outcomes[1] = Outcome(SLASHED, 0, CEILING);
        _close(lock, _indices(2), outcomes);
        vm.assertEq(market.openBits(lock.id), 0, "both ended");
        _assertAccount(buyer, FUNDS, 0, "buyer");
    }

    function test_a_payment_above_the_whole_cap_leaves_the_trade_open() external {
        _capPayouts(uint96(PRICE - 1));
        Lock memory lock = _openOne(1);
        _decide(lock, _indices(1), _settled(1));
        vm.warp(START + WINDOW);
        vm.expectEmit(true, false, false, true, address(market));
        emit IMarketEvents.OutcomeRefused(lock.records[0].trade, Packing.outcomeWord(0, Outcome(SETTLED, 1, CEILING)));
        _settle(lock, _indices(1), _settled(1));
        vm.assertEq(market.openBits(lock.id), 1, "open again");
        vm.warp(START + 2 hours + GRACE);
        _refund(lock, _indices(1));
        _assertAccount(buyer, FUNDS, 0, "and refunded by time");
    }

    function test_a_smaller_payment_behind_a_larger_one_goes_first() external {
        _capPayouts(uint96(PRICE));
        Lock memory lock = _openMany(3);
        Outcome[] memory outcomes = _settled(3);
        outcomes[0].units = CEILING / 2;
        outcomes[2].units = CEILING / 2;
        bytes32 id = _decide(lock, _indices(3), outcomes);
        vm.warp(START + WINDOW);
        _settle(lock, _indices(3), outcomes);
        vm.assertEq(market.decided(id) & 7, 2, "the one that does not fit waits");
    }

    function test_each_set_has_its_own_count() external {
        _capPayouts(uint96(PRICE));
        Lock memory first = _openOne(1);
        _close(first, _indices(1), _settled(1));
        bytes32 used = verifierSet;
        _capPayouts(uint96(2 * PRICE));
        _close(_openOne(2), _indices(1), _outcome(SETTLED, 2, 2 * CEILING));
        vm.assertEq(market.paidOut(verifierSet), 2 * PRICE, "the second set");
        vm.assertEq(market.paidOut(used), 0, "the window of the first is over");
    }

    function testFuzz_verdicts_never_pay_out_more_than_the_cap_in_a_window(uint96 cap, uint64[8] memory units)
        external
    {
        cap = uint96(bound(cap, 0, 9 * PRICE));
        _capPayouts(cap);
        Lock memory lock = _openMany(8);
        Outcome[] memory outcomes = _settled(8);
        uint256 least;
        for (uint256 i; i < 8; ++i) {
            outcomes[i].units = uint64(bound(units[i], CEILING / 10, CEILING));
            if (uint256(PRICE) * outcomes[i].units / CEILING <= cap) ++least;
        }
        bytes32 id = _decide(lock, _indices(8), outcomes);
        for (uint256 window = 1; window <= 8 && market.decided(id) & BITS != 0; ++window) {
            vm.warp(START + window * WINDOW);
            uint256 before = _locked(buyer) + _available(buyer);
            _settle(lock, _indices(8), outcomes);
            uint256 paid = before - _locked(buyer) - _available(buyer);
            vm.assertLe(paid, cap, "payouts of a window");
            vm.assertEq(market.paidOut(verifierSet), paid, "counted");
        }
        vm.assertEq(market.decided(id) & BITS, 0, "all that fits the cap alone was paid within eight windows");
        uint256 open_;
        for (uint256 i; i < 8; ++i) {
            open_ += (market.openBits(lock.id) >> i) & 1;
        }
        vm.assertEq(open_, 8 - least, "the others are open again");
    }

    function settle(Lock memory lock, uint256[] memory indices, Outcome[] memory outcomes) external {
        _settle(lock, indices, outcomes);
    }
}
