// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {MarketTest} from "../utils/MarketTest.sol";
import {Fill, Outcome, Packing} from "../utils/Packing.sol";

contract AcceptTest is MarketTest {
    uint256 private constant AGENT_KEY = 0x61;

    // ------------------------------------------------------------------------------------------------ the buyer alone

    function testFuzz_the_buyer_alone_pays_all_that_was_locked(uint32 runs) external {
        runs = uint32(bound(runs, 1, 10));
        Lock memory lock = _openOne(runs);
        Outcome[] memory outcomes = _outcome(SETTLED, runs, runs * CEILING);
        uint256 paid = runs * uint256(PRICE);
        vm.expectEmit(true, false, false, true, address(market));
        emit IMarketEvents.TradeClosed(
            lock.records[0].trade, Packing.outcomeWord(0, outcomes[0]), Packing.amounts(paid, paid / 100)
        );
        _accept(lock, _indices(1), outcomes, buyer, BUYER_KEY);
        _assertAccount(buyer, FUNDS - paid, 0, "buyer");
        _assertAccount(provider, FUNDS + paid - paid / 100, 0, "provider");
        vm.assertEq(_available(treasury), paid / 100, "fee");
        vm.assertEq(_sold(lock.records[0]), runs * CEILING, "all units are used");
        vm.assertEq(market.openBits(lock.id), 0, "ended");
    }

    function testFuzz_the_buyer_alone_does_not_name_the_price_of_delivered_work(uint32 runs, uint64 units) external {
        Lock memory lock = _openMany(2, 4);
        runs = uint32(bound(runs, 1, 4));
        units = uint64(bound(units, runs * (CEILING / 10), runs * CEILING)); // what verifiers could say
        vm.assume(runs != 4 || units != 4 * CEILING);
        Outcome[] memory cheap = _twice(Outcome(SETTLED, runs, units));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidOutcome.selector, lock.records[0].trade));
        this.acceptAll(lock, cheap, buyer, BUYER_KEY);
        cheap[0] = Outcome(SETTLED, 4, 4 * CEILING); // and not for one of them either
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidOutcome.selector, lock.records[1].trade));
        this.acceptAll(lock, cheap, buyer, BUYER_KEY);
        _close(lock, _indices(2), _twice(Outcome(SETTLED, 4, 4 * CEILING)));
        _assertAccount(buyer, FUNDS - 8 * PRICE, 0, "what was delivered is paid by verdict");
    }

    function testFuzz_the_providers_signature_says_nothing_while_no_provider_is_named(uint256 key) external {
        Lock memory lock = _openOne(4);
        Signer memory nobody = Signer(address(0), bound(key, 1, type(uint128).max));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidOutcome.selector, lock.records[0].trade));
        this.acceptBoth(lock, _outcome(SETTLED, 1, CEILING), Signer(buyer, BUYER_KEY), nobody);
    }

    // ------------------------------------------------------------------------------------------------ both

    function testFuzz_both_agree_on_any_outcome_that_the_trade_can_have(uint8 kind, uint32 runs, uint64 units)
        external
    {
        Lock memory lock = _openOne(5);
        kind = uint8(bound(kind, 0, 3));
        (runs, units) = (uint32(bound(runs, 0, 6)), uint64(bound(units, 0, 7 * CEILING)));
        bool fits =
            kind == SETTLED && runs >= 1 && runs <= 5 && units >= runs * (CEILING / 10) && units <= runs * CEILING;
        if (!fits) {
            vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidOutcome.selector, lock.records[0].trade));
        }
        this.acceptBoth(lock, _outcome(kind, runs, units), Signer(buyer, BUYER_KEY), Signer(provider, PROVIDER_KEY));
        if (!fits) return;
        uint256 paid = uint256(PRICE) * units / 3_600_000;
        _assertAccount(buyer, FUNDS - paid, 0, "buyer");
        _assertAccount(provider, FUNDS + paid - paid / 100, 0, "provider");
        vm.assertEq(_sold(lock.records[0]), units, "units that were not used return");
        vm.assertEq(_bought(lock.records[0]), runs, "and runs that were not delivered");
    }

    function testFuzz_an_agent_signs_for_the_provider_as_long_as_it_is_valid(uint256 key, uint40 until, uint40 time)
        external
    {
        key = bound(key, 1, type(uint128).max);
        time = uint40(bound(time, START, START + 1 hours));
        until = uint40(bound(until, START, START + 1 hours));
        Lock memory lock = _openOne(4);
        vm.prank(provider);
        registry.setAgent(vm.addr(key), until);
        vm.warp(time);
        if (until < time && key != PROVIDER_KEY) {
            vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, provider));
        }
        this.acceptBoth(lock, _settled(1), Signer(buyer, BUYER_KEY), Signer(provider, key));
    }

    function testFuzz_nobody_elses_key_signs_for_the_provider(uint256 key) external {
        key = bound(key, 1, type(uint128).max);
        vm.assume(key != PROVIDER_KEY);
        Lock memory lock = _openOne(4);
        vm.prank(provider2);
        registry.setAgent(vm.addr(key), START + 1 days); // an agent of somebody else
        vm.prank(provider);
        registry.setDelegate(vm.addr(key), SELL, type(uint96).max, 0, type(uint40).max); // and the provider's delegate
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, provider));
        this.acceptBoth(lock, _settled(1), Signer(buyer, BUYER_KEY), Signer(provider, key));
    }

    function testFuzz_a_malformed_signature_is_of_no_agent(bytes calldata malformed) external {
        vm.assume(malformed.length != 65);
        Lock memory lock = _openOne(4);
        bytes memory packed = Packing.outcomes(lock.records, _settled(1));
        bytes memory signature = _sign(BUYER_KEY, _acceptance(lock.id, packed));
        IMarketTypes.Proven memory proven = _proveOne(lock, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, provider));
        market.accept(lock.head, buyer, signature, provider, malformed, packed, proven);
    }

    function test_the_provider_alone_accepts_nothing() external {
        Lock memory lock = _openOne(4);
        Signer memory sells = Signer(provider, PROVIDER_KEY);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, buyer));
        this.acceptBoth(lock, _settled(1), Signer(buyer, PROVIDER_KEY), sells);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, provider));
        this.acceptBoth(lock, _settled(1), sells, sells);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, provider));
        this.acceptAll(lock, _outcome(REFUNDED, 0, 0), provider, PROVIDER_KEY);
    }

    // ------------------------------------------------------------------------------------------------ nobody

    function testFuzz_a_stranger_accepts_nothing(uint256 key) external {
        key = bound(key, 1_000, type(uint128).max);
        Lock memory lock = _openOne(1);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, buyer));
        this.acceptAll(lock, _settled(1), buyer, key);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, vm.addr(key)));
        this.acceptAll(lock, _settled(1), vm.addr(key), key);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, address(0)));
        this.acceptAll(lock, _settled(1), address(0), key);
    }

    function test_a_delegate_accepts_nothing() external {
        vm.prank(buyer);
        registry.setDelegate(delegate, BUY, type(uint96).max, type(uint96).max, type(uint40).max);
        Lock memory lock = _openOne(1);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, buyer));
        this.acceptAll(lock, _settled(1), buyer, DELEGATE_KEY);
    }

    function testFuzz_nobody_accepts_a_refund_or_a_slash(uint8 kind, uint64 units) external {
        Lock memory lock = _openOne(1);
        kind = uint8(bound(kind, 0, 254));
        if (kind >= SETTLED) ++kind;
        Outcome[] memory outcomes = _outcome(kind, 0, kind == REFUNDED ? 0 : units);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidOutcome.selector, lock.records[0].trade));
        this.acceptBoth(lock, outcomes, Signer(buyer, BUYER_KEY), Signer(provider, PROVIDER_KEY));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidOutcome.selector, lock.records[0].trade));
        this.acceptAll(lock, outcomes, buyer, BUYER_KEY);
    }

    // ------------------------------------------------------------------------------------------------ which trades

    function test_a_part_is_accepted_and_what_ended_is_passed_over() external {
        Lock memory lock = _openMany(4);
        _accept(lock, _only(1), _settled(1), buyer, BUYER_KEY);
        _decide(lock, _only(2), _outcome(REFUNDED, 0, 0));
        _accept(lock, _indices(4), _settled(4), buyer, BUYER_KEY);
        _assertAccount(buyer, FUNDS - 4 * PRICE, PRICE, "three paid once, the decided one waits for its verdict");
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NothingOpen.selector, lock.id));
        this.acceptAll(lock, _settled(4), buyer, BUYER_KEY);
    }

    function testFuzz_what_was_given_up_is_still_accepted_until_it_is_refunded(uint40 late) external {
        Lock memory lock = _openOne(1);
        _giveUp(lock, _indices(1), provider, PROVIDER_KEY);
        vm.warp(START + bound(late, 0, 100 days));
        _accept(lock, _indices(1), _settled(1), buyer, BUYER_KEY);
        vm.assertEq(_available(buyer), FUNDS - PRICE, "paid");
    }

    function test_all_records_are_of_the_buyer_and_the_provider_named() external {
        Lock memory lock = _openTwoOf(2, provider, PROVIDER_KEY, buyer2, BUYER2_KEY);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, buyer));
        this.acceptAll(lock, _settled(2), buyer, BUYER_KEY);
        lock = _openTwoOf(4, provider2, PROVIDER2_KEY, buyer, BUYER_KEY);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, provider));
        this.acceptBoth(lock, _settled(2), Signer(buyer, BUYER_KEY), Signer(provider, PROVIDER_KEY));
        _accept(lock, _indices(2), _settled(2), buyer, BUYER_KEY); // alone it pays any of its providers
        vm.assertEq(market.openBits(lock.id), 0, "paid");
    }

    function test_an_acceptance_serves_one_batch() external {
        Lock memory first = _openOne(1);
        Lock memory second = _openTwoOf(2, provider, PROVIDER_KEY, buyer, BUYER_KEY);
        bytes memory outcomes = Packing.outcomes(first.records, _settled(1));
        bytes memory signature = _sign(BUYER_KEY, _acceptance(first.id, outcomes));
        IMarketTypes.Proven memory proven = _proveOne(second, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, buyer));
        market.accept(second.head, buyer, signature, address(0), "", outcomes, proven);
    }

    function test_records_and_outcomes_go_together() external {
        Lock memory lock = _openMany(2);
        bytes memory outcomes = Packing.outcomes(lock.records, _settled(1));
        bytes memory signature = _sign(BUYER_KEY, _acceptance(lock.id, outcomes));
        IMarketTypes.Proven memory both = _prove(lock, _indices(2));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.LengthMismatch.selector, 28, 14));
        market.accept(lock.head, buyer, signature, address(0), "", outcomes, both);
        IMarketTypes.Proven memory second = _proveOne(lock, 1);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidOutcome.selector, lock.records[1].trade));
        market.accept(lock.head, buyer, signature, address(0), "", outcomes, second);
    }

    function test_a_pause_does_not_hold_money_back() external {
        Lock memory lock = _openOne(1);
        vm.prank(admin);
        market.setPaused(true);
        _accept(lock, _indices(1), _settled(1), buyer, BUYER_KEY);
        vm.assertEq(_locked(buyer), 0, "ended");
    }

    // ------------------------------------------------------------------------------------------------ pieces

    function acceptAll(Lock memory lock, Outcome[] memory outcomes, address account, uint256 key) external {
        _accept(lock, _indices(lock.records.length), outcomes, account, key);
    }

    function acceptBoth(Lock memory lock, Outcome[] memory outcomes, Signer memory buys, Signer memory sells) external {
        _acceptBoth(lock, _indices(lock.records.length), outcomes, buys, sells);
    }

    function _twice(Outcome memory end) private pure returns (Outcome[] memory outcomes) {
        outcomes = new Outcome[](2);
        (outcomes[0], outcomes[1]) = (end, end);
    }

    /// @dev One run of the provider for the buyer, and one between the two named, of orders with this nonce and the next.
    function _openTwoOf(uint32 nonce, address sells, uint256 sellerKey, address buys, uint256 buyerKey)
        private
        returns (Lock memory)
    {
        Opening memory o = _emptyOpening(2, 2, 2);
        for (uint32 i; i < 2; ++i) {
            (o.offers[i], o.bids[i]) = (_offer(), _bid());
            (o.offers[i].nonce, o.bids[i].nonce) = (nonce + i, nonce + i);
            o.fills[i] = Fill(i, i, 0, 1);
        }
        (o.offers[1].maker, o.bids[1].maker) = (sells, buys);
        o.offerSignatures[0] = _sign(PROVIDER_KEY, _offerHash(o.offers[0]));
        o.offerSignatures[1] = _sign(sellerKey, _offerHash(o.offers[1]));
        o.bidSignatures[0] = _sign(BUYER_KEY, _bidHash(o.bids[0]));
        o.bidSignatures[1] = _sign(buyerKey, _bidHash(o.bids[1]));
        return _open(o);
    }
}
