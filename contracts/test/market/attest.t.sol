// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {MarketTest} from "../utils/MarketTest.sol";

contract AttestTest is MarketTest {
    uint40 internal constant REFUND_AFTER = START + 2 hours + GRACE;
    uint40 internal constant PAY_AFTER = REFUND_AFTER + GRACE;

    function test_an_attestation_is_recorded_until_the_last_second() external {
        Lock memory lock = _openMany(3);
        vm.warp(REFUND_AFTER - 1);
        vm.expectEmit(true, true, false, true, address(market));
        emit IMarketEvents.DeliveryAttested(lock.records[1].trade, lock.id, 1, CEILING / 2);
        _attest(lock, 1, 1, CEILING / 2);
        (uint32 runs, uint64 units) = market.attestationOf(lock.id, 1);
        vm.assertEq(runs, 1, "runs");
        vm.assertEq(units, CEILING / 2, "units");
        (runs,) = market.attestationOf(lock.id, 0);
        vm.assertEq(runs, 0, "its neighbour has none");
    }

    function test_from_refund_after_on_it_is_too_late() external {
        Lock memory lock = _openOne(1);
        vm.warp(REFUND_AFTER);
        vm.expectRevert(
            abi.encodeWithSelector(IMarketEvents.TooLate.selector, lock.records[0].trade, uint256(REFUND_AFTER))
        );
        this.attest(lock, 1, CEILING);
    }

    function test_more_runs_replace_fewer_and_never_the_other_way() external {
        Lock memory lock = _openOne(5);
        _attest(lock, 0, 2, 2 * CEILING);
        _attest(lock, 0, 3, CEILING);
        bytes memory refusal =
            abi.encodeWithSelector(IMarketEvents.AttestationNotGreater.selector, lock.records[0].trade, uint32(2));
        vm.expectRevert(refusal);
        this.attest(lock, 2, 2 * CEILING);
        vm.expectPartialRevert(IMarketEvents.AttestationNotGreater.selector);
        this.attest(lock, 3, CEILING + 1);
        (uint32 runs, uint64 units) = market.attestationOf(lock.id, 0);
        vm.assertEq(runs, 3, "runs");
        vm.assertEq(units, CEILING, "units");
    }

    function testFuzz_bounds_are_those_of_a_settlement(uint32 runs, uint64 units) external {
        runs = uint32(bound(runs, 0, 6));
        units = uint64(bound(units, 0, 7 * CEILING));
        Lock memory lock = _openOne(5);
        bool fits = runs >= 1 && runs <= 5 && units >= runs * (CEILING / 10) && units <= runs * CEILING;
        if (!fits) {
            vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidOutcome.selector, lock.records[0].trade));
        }
        this.attest(lock, runs, units);
    }

    function test_a_stranger_cannot_attest() external {
        Lock memory lock = _openOne(1);
        bytes[] memory signatures = new bytes[](2);
        signatures[0] = _sign(STRANGER_KEY, _attestation(lock.id, lock.records[0].trade, 1, CEILING));
        signatures[1] = signatures[0];
        vm.expectPartialRevert(IMarketEvents.QuorumNotReached.selector);
        market.attestDelivery(lock.head, _verifierKeySet(), _proveOne(lock, 0), 1, CEILING, signatures);
    }

    function test_an_attestation_of_one_trade_does_not_serve_another() external {
        Lock memory lock = _openOne(1);
        bytes[] memory signatures = _quorum(_attestation(lock.id, keccak256("other"), 1, CEILING));
        vm.expectPartialRevert(IMarketEvents.QuorumNotReached.selector);
        market.attestDelivery(lock.head, _verifierKeySet(), _proveOne(lock, 0), 1, CEILING, signatures);
    }

    function test_a_closed_trade_is_not_attested() external {
        Lock memory lock = _openOne(1);
        _closeOne(lock, REFUNDED, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.TradeNotOpen.selector, lock.records[0].trade));
        this.attest(lock, 1, CEILING);
    }

    function test_a_changed_record_is_not_attested() external {
        Lock memory lock = _openOne(1);
        lock.records[0].runs = 9;
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidProof.selector, lock.id));
        this.attest(lock, 1, CEILING);
    }

    function test_anybody_pays_what_was_attested_after_the_second_grace() external {
        Lock memory lock = _openMany(4);
        _attest(lock, 2, 1, CEILING / 2);
        vm.warp(PAY_AFTER);
        vm.prank(stranger);
        _pay(lock, 2);
        uint256 paid = PRICE / 2;
        _assertAccount(buyer, FUNDS - 3 * PRICE - paid, 3 * PRICE, "buyer");
        vm.assertEq(_available(treasury), paid / 100, "fee");
        vm.assertEq(_available(provider) + _locked(provider), FUNDS + paid - paid / 100, "provider");
        vm.assertEq(market.openBits(lock.id), 11, "its bit is cleared");
        vm.assertEq(_sold(lock.records[2]), 3 * CEILING + CEILING / 2, "units return");
    }

    function test_it_pays_once() external {
        Lock memory lock = _openOne(1);
        _attest(lock, 0, 1, CEILING);
        vm.warp(PAY_AFTER);
        _pay(lock, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.TradeNotOpen.selector, lock.records[0].trade));
        this.pay(lock);
    }

    function test_a_second_before_it_is_too_early() external {
        Lock memory lock = _openOne(1);
        _attest(lock, 0, 1, CEILING);
        vm.warp(PAY_AFTER - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IMarketEvents.TooEarly.selector, lock.records[0].trade, uint256(PAY_AFTER))
        );
        this.pay(lock);
    }

    function test_without_an_attestation_there_is_nothing_to_pay() external {
        Lock memory lock = _openOne(1);
        vm.warp(PAY_AFTER);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.TradeNotAttested.selector, lock.records[0].trade));
        this.pay(lock);
    }

    function test_a_verdict_decides_over_an_attestation() external {
        Lock memory lock = _openOne(1);
        _attest(lock, 0, 1, CEILING);
        vm.warp(PAY_AFTER);
        _closeOne(lock, SLASHED, 0, CEILING);
        _assertAccount(buyer, FUNDS, 0, "buyer");
        vm.expectPartialRevert(IMarketEvents.TradeNotOpen.selector);
        this.pay(lock);
    }

    function attest(Lock memory lock, uint32 runs, uint64 units) external {
        _attest(lock, 0, runs, units);
    }

    function pay(Lock memory lock) external {
        _pay(lock, 0);
    }
}
