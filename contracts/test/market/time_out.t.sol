// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {DisputeTest} from "../utils/DisputeTest.sol";
import {ANY_RUN} from "../utils/MarketTest.sol";
import {Outcome, Packing} from "../utils/Packing.sol";

contract TimeOutTest is DisputeTest {
    uint40 private constant REVEAL_BY = START + 2 * WINDOW;
    uint40 private constant RULE_BY = START + 3 * WINDOW;
    uint256 private constant EARNED = 4 * uint256(PRICE) - 4 * uint256(PRICE) / 100;

    function testFuzz_a_payment_without_a_receipt_falls_whoever_asked_first(uint8 who, uint8 run, uint40 early)
        external
    {
        address challenger = [stranger, buyer, provider][who % 3];
        Outcome[] memory outcomes = _decideBoth(_all());
        _ask(challenger, outcomes, 0, run % 4);
        _tooEarly(REVEAL_BY, early);
        vm.warp(REVEAL_BY);
        _timeOut(_lock(), 0);
        vm.assertEq(_available(buyer) + _locked(buyer), FUNDS, "refunded");
        vm.assertEq(_total(provider), FUNDS, "its bond is its own again: nobody ruled");
        vm.assertEq(market.claimOf(lock.id, 0, run % 4), challenger, "the bond of the claim is reclaimed");
        market.reclaim(lock.head, _proveOne(_lock(), 0), run % 4);
        vm.assertEq(_total(challenger), FUNDS, "in full");
        vm.assertEq(_locked(stranger), 0, "and free");
    }

    /// @dev Whoever disputes an honest trade pays for the answers, and delays it by no more than the windows.
    function testFuzz_an_honest_trade_is_paid_as_decided_whatever_is_asked(uint8 asked) external {
        Outcome[] memory outcomes = _decideBoth(_all());
        uint256 cost;
        for (uint32 run; run < 4; ++run) {
            if ((asked >> run) & 1 == 0) continue;
            _ask(stranger, outcomes, 0, run);
            _revealAs(provider, run);
            cost += DISPUTE_BOND / 10;
        }
        vm.warp(START + WINDOW);
        if (cost == 0) _settle(_lock(), _indices(2), outcomes);
        else _timeOut(_lock(), 0);
        uint256 others = cost == 0 ? EARNED : 0;
        vm.assertEq(_total(provider), FUNDS + EARNED + others + cost, "paid as decided, and for its answers");
        _assertAccount(stranger, FUNDS - cost, 0, "who asked for nothing");
    }

    function testFuzz_what_arbiters_should_rule_stands_after_rule_by(uint40 early, uint40 late, uint64 units) external {
        units = uint64(bound(units, 4 * (CEILING / 10), 4 * CEILING));
        _disputed(stranger, Outcome(SETTLED, 4, units));
        _tooEarly(RULE_BY, early);
        vm.warp(bound(late, RULE_BY, type(uint40).max));
        _timeOut(_lock(), 0);
        uint256 paid = uint256(PRICE) * units / CEILING;
        vm.assertEq(_total(provider), FUNDS + paid - paid / 100, "paid as decided");
        _assertAccount(stranger, FUNDS, 0, "nobody loses a bond for the arbiters' silence");
    }

    function testFuzz_a_missing_receipt_falls_though_arbiters_were_asked_too(uint8 run, uint40 late) external {
        Outcome[] memory outcomes = _disputed(provider, _all());
        _ask(buyer, outcomes, 0, run % 4);
        vm.warp(bound(late, REVEAL_BY, type(uint40).max));
        _timeOut(_lock(), 0);
        vm.assertEq(_total(buyer), FUNDS, "an accomplice's claim does not keep it up");
        _assertAccount(provider, FUNDS - 0.8 ether, 0.8 ether, "the other trade's bond alone is locked");
    }

    function testFuzz_a_slash_without_a_false_receipt_falls(uint64 units, uint40 early, uint40 late) external {
        Outcome[] memory outcomes = _decideBoth(Outcome(SLASHED, 0, units));
        _ask(provider, outcomes, 0, ANY_RUN);
        _tooEarly(REVEAL_BY, early);
        vm.warp(bound(late, REVEAL_BY, type(uint40).max));
        _timeOut(_lock(), 0);
        market.reclaim(lock.head, _proveOne(_lock(), 0), ANY_RUN);
        vm.assertEq(_total(provider), FUNDS, "its bond is its own again");
    }

    function testFuzz_refunds_and_slashes_stand_after_rule_by(bool slashed, uint40 early, uint40 late) external {
        _disputed(provider, Outcome(slashed ? SLASHED : REFUNDED, 0, slashed ? CEILING : 0));
        _tooEarly(RULE_BY, early);
        vm.warp(bound(late, RULE_BY, type(uint40).max));
        _timeOut(_lock(), 0);
        vm.assertEq(_total(provider), FUNDS - (slashed ? 0.8 ether : 0), "as decided");
        vm.assertEq(_total(buyer), FUNDS, "buyer");
    }

    function test_it_ends_once() external {
        _disputed(stranger, _all());
        vm.warp(RULE_BY);
        _timeOut(_lock(), 0);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NotDisputed.selector, lock.records[0].trade));
        this.timeOut();
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NotDisputed.selector, lock.records[1].trade));
        this.timeOutAt(1);
    }

    function testFuzz_a_claim_is_reclaimed_once_and_only_after_the_end(uint8 which, uint40 time) external {
        uint32 run = which % 4;
        Outcome[] memory outcomes = _decideBoth(_all());
        _ask(stranger, outcomes, 0, run);
        bytes memory refusal = abi.encodeWithSelector(IMarketEvents.NotDisputed.selector, lock.records[0].trade);
        vm.warp(bound(time, START, type(uint40).max));
        vm.expectRevert(refusal);
        this.reclaim(run);
        if (block.timestamp < REVEAL_BY) vm.warp(REVEAL_BY);
        _timeOut(_lock(), 0);
        this.reclaim(run);
        for (uint32 i; i < 4; ++i) {
            vm.expectRevert(refusal);
            this.reclaim(i);
        }
    }

    function reclaim(uint32 run) external {
        market.reclaim(lock.head, _proveOne(_lock(), 0), run);
    }

    function timeOutAt(uint256 index) external {
        _timeOut(_lock(), index);
    }

    function _revealAs(address who, uint32 run) private {
        IMarketTypes.Shown memory shown = _shown(run);
        IMarketTypes.Record memory record = Packing.record(lock.records[0]);
        vm.prank(who);
        market.reveal(lock.id, record, run, shown);
    }

    /// @dev In any second before that.
    function _tooEarly(uint40 from, uint40 time) private {
        vm.warp(bound(time, START, from - 1));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.TooEarly.selector, lock.records[0].trade, uint256(from)));
        this.timeOut();
    }
}
