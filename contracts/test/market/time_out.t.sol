// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {DisputeTest} from "../utils/DisputeTest.sol";
import {Outcome} from "../utils/Packing.sol";

contract TimeOutTest is DisputeTest {
    uint40 private constant REVEAL_BY = START + WINDOW;
    uint40 private constant RULE_BY = START + 2 * WINDOW;

    function test_a_payment_without_a_receipt_falls_after_reveal_by() external {
        _disputed(stranger, Outcome(SETTLED, 4, 4 * CEILING));
        _tooEarly(REVEAL_BY);
        vm.warp(REVEAL_BY);
        _timeOut(_lock(), 0);
        vm.assertEq(_total(buyer), FUNDS, "refunded");
        vm.assertEq(_total(stranger), FUNDS + DISPUTE_BOND, "the challenger was right");
        vm.assertEq(_total(provider), FUNDS - DISPUTE_BOND, "and is paid by the provider");
        vm.assertEq(_locked(stranger), 0, "its bond is free");
    }

    function test_a_payment_with_a_receipt_stands_after_rule_by() external {
        _disputed(stranger, Outcome(SETTLED, 4, 4 * CEILING));
        _reveal(0);
        _tooEarly(RULE_BY);
        vm.warp(RULE_BY);
        _timeOut(_lock(), 0);
        uint256 paid = 4 * uint256(PRICE);
        vm.assertEq(_total(provider), FUNDS + paid - paid / 100, "paid as decided");
        _assertAccount(stranger, FUNDS, 0, "nobody loses a bond for the arbiters' silence");
    }

    function test_a_provider_needs_no_receipt_against_its_own_dispute() external {
        _disputed(provider, Outcome(SETTLED, 4, 2 * CEILING));
        _tooEarly(RULE_BY);
        vm.warp(RULE_BY);
        _timeOut(_lock(), 0);
        uint256 paid = 2 * uint256(PRICE);
        vm.assertEq(_total(provider), FUNDS + paid - paid / 100, "paid as decided");
    }

    function test_refunds_and_slashes_stand_after_rule_by() external {
        _disputed(provider, Outcome(SLASHED, 0, CEILING));
        _tooEarly(RULE_BY);
        vm.warp(RULE_BY);
        _timeOut(_lock(), 0);
        vm.assertEq(_total(provider), FUNDS - 0.8 ether, "slashed as decided");
        vm.assertEq(_total(buyer), FUNDS, "buyer");
    }

    function test_it_ends_once() external {
        _disputed(stranger, Outcome(SETTLED, 4, 4 * CEILING));
        vm.warp(RULE_BY);
        _timeOut(_lock(), 0);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NotDisputed.selector, lock.records[0].trade));
        this.timeOut();
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NotDisputed.selector, lock.records[1].trade));
        this.timeOutAt(1);
    }

    function timeOutAt(uint256 index) external {
        _timeOut(_lock(), index);
    }

    function _tooEarly(uint40 from) private {
        vm.warp(from - 1);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.TooEarly.selector, lock.records[0].trade, uint256(from)));
        this.timeOut();
    }
}
