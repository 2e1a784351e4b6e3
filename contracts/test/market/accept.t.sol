// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {MarketTest} from "../utils/MarketTest.sol";
import {Outcome, Packing} from "../utils/Packing.sol";

contract AcceptTest is MarketTest {
    function test_the_buyer_accepts_what_it_costs_at_once() external {
        Lock memory lock = _openOne(4);
        Outcome[] memory outcomes = _outcome(SETTLED, 3, 2 * CEILING);
        vm.expectEmit(true, false, false, true, address(market));
        emit IMarketEvents.TradeClosed(
            lock.records[0].trade,
            Packing.outcomeWord(0, outcomes[0]),
            Packing.amounts(2 * uint256(PRICE), 2 * uint256(PRICE) / 100)
        );
        _accept(lock, _indices(1), outcomes, buyer, BUYER_KEY);
        _assertAccount(buyer, FUNDS - 2 * PRICE, 0, "buyer");
        _assertAccount(provider, FUNDS + 2 * PRICE - 2 * PRICE / 100, 0, "provider");
        vm.assertEq(_available(treasury), 2 * PRICE / 100, "fee");
        vm.assertEq(_sold(lock.records[0]), 2 * CEILING, "units return");
        vm.assertEq(market.openBits(lock.id), 0, "ended");
    }

    function test_the_provider_accepts_a_refund_at_once() external {
        Lock memory lock = _openOne(4);
        _accept(lock, _indices(1), _outcome(REFUNDED, 0, 0), provider, PROVIDER_KEY);
        _assertAccount(buyer, FUNDS, 0, "buyer");
        _assertAccount(provider, FUNDS, 0, "provider");
    }

    function test_nobody_accepts_what_costs_the_other_side() external {
        Lock memory lock = _openOne(1);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, provider));
        this.accept(lock, _settled(1), provider, PROVIDER_KEY);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, buyer));
        this.accept(lock, _outcome(REFUNDED, 0, 0), buyer, BUYER_KEY);
    }

    function test_a_stranger_accepts_nothing() external {
        Lock memory lock = _openOne(1);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, buyer));
        this.accept(lock, _settled(1), buyer, STRANGER_KEY);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, stranger));
        this.accept(lock, _settled(1), stranger, STRANGER_KEY);
    }

    function test_nobody_accepts_a_slash() external {
        Lock memory lock = _openOne(1);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidOutcome.selector, lock.records[0].trade));
        this.accept(lock, _outcome(SLASHED, 0, CEILING), provider, PROVIDER_KEY);
    }

    function testFuzz_only_outcomes_that_the_trade_can_have(uint8 kind, uint32 runs, uint64 units) external {
        Lock memory lock = _openOne(5);
        kind = uint8(bound(kind, 0, 1));
        (runs, units) = (uint32(bound(runs, 0, 6)), uint64(bound(units, 0, 7 * CEILING)));
        bool settles = kind == SETTLED;
        bool fits = settles
            ? runs >= 1 && runs <= 5 && units >= runs * (CEILING / 10) && units <= runs * CEILING
            : runs == 0 && units == 0;
        if (!fits) {
            vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidOutcome.selector, lock.records[0].trade));
        }
        this.accept(lock, _outcome(kind, runs, units), settles ? buyer : provider, settles ? BUYER_KEY : PROVIDER_KEY);
    }

    function test_a_part_is_accepted_and_what_ended_is_passed_over() external {
        Lock memory lock = _openMany(4);
        _accept(lock, _only(1), _settled(1), buyer, BUYER_KEY);
        _decide(lock, _only(2), _outcome(REFUNDED, 0, 0));
        _accept(lock, _indices(4), _settled(4), buyer, BUYER_KEY);
        _assertAccount(buyer, FUNDS - 4 * PRICE, PRICE, "three paid once, the decided one waits for its verdict");
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NothingOpen.selector, lock.id));
        this.acceptAll(lock, _settled(4), buyer, BUYER_KEY);
    }

    function test_all_records_are_of_the_one_who_signs() external {
        Opening memory o = _emptyOpening(1, 2, 2);
        o.offers[0] = _offer();
        (o.bids[0], o.bids[1]) = (_bid(), _bid());
        o.bids[1].maker = buyer2;
        o.offerSignatures[0] = _sign(PROVIDER_KEY, _offerHash(o.offers[0]));
        o.bidSignatures[0] = _sign(BUYER_KEY, _bidHash(o.bids[0]));
        o.bidSignatures[1] = _sign(BUYER2_KEY, _bidHash(o.bids[1]));
        (o.fills[0].runs, o.fills[1].runs, o.fills[1].bid) = (1, 1, 1);
        Lock memory lock = _open(o);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, buyer));
        this.acceptAll(lock, _settled(2), buyer, BUYER_KEY);
        _accept(lock, _indices(2), new Outcome[](2), provider, PROVIDER_KEY); // both are of the provider
        vm.assertEq(market.openBits(lock.id), 0, "refunded");
    }

    function test_an_acceptance_serves_one_batch() external {
        Lock memory first = _openOne(1);
        Lock memory second = _openOne(1);
        bytes memory outcomes = Packing.outcomes(first.records, _settled(1));
        bytes memory signature = _sign(BUYER_KEY, _acceptance(first.id, outcomes));
        IMarketTypes.Proven memory proven = _proveOne(second, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, buyer));
        market.accept(second.head, buyer, outcomes, proven, signature);
    }

    function test_records_and_outcomes_go_together() external {
        Lock memory lock = _openMany(2);
        bytes memory outcomes = Packing.outcomes(lock.records, _settled(1));
        bytes memory signature = _sign(BUYER_KEY, _acceptance(lock.id, outcomes));
        IMarketTypes.Proven memory both = _prove(lock, _indices(2));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.LengthMismatch.selector, 28, 14));
        market.accept(lock.head, buyer, outcomes, both, signature);
        IMarketTypes.Proven memory second = _proveOne(lock, 1);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidOutcome.selector, lock.records[1].trade));
        market.accept(lock.head, buyer, outcomes, second, signature);
    }

    function test_a_delegate_accepts_nothing() external {
        vm.prank(buyer);
        registry.setDelegate(delegate, BUY, type(uint96).max, type(uint96).max, type(uint40).max);
        Lock memory lock = _openOne(1);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, buyer));
        this.accept(lock, _settled(1), buyer, DELEGATE_KEY);
    }

    function test_a_pause_does_not_hold_money_back() external {
        Lock memory lock = _openOne(1);
        vm.prank(admin);
        market.setPaused(true);
        _accept(lock, _indices(1), _settled(1), buyer, BUYER_KEY);
        vm.assertEq(_locked(buyer), 0, "ended");
    }

    function accept(Lock memory lock, Outcome[] memory outcomes, address account, uint256 key) external {
        _accept(lock, _indices(1), outcomes, account, key);
    }

    function acceptAll(Lock memory lock, Outcome[] memory outcomes, address account, uint256 key) external {
        _accept(lock, _indices(lock.records.length), outcomes, account, key);
    }
}
