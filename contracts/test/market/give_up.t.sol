// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {MarketTest} from "../utils/MarketTest.sol";
import {Outcome} from "../utils/Packing.sol";

contract GiveUpTest is MarketTest {
    uint256 private constant AGENT_KEY = 0x61;

    function test_the_provider_gives_up_and_anybody_refunds_a_window_later() external {
        Lock memory lock = _openOne(4);
        vm.expectEmit(true, false, false, true, address(market));
        emit IMarketEvents.TradeGivenUp(lock.records[0].trade, START + WINDOW);
        _giveUp(lock, _indices(1), provider, PROVIDER_KEY);
        vm.assertEq(market.refundableFrom(lock.id, 0), START + WINDOW, "noted");
        vm.assertEq(market.openBits(lock.id), 1, "open");
        _assertAccount(buyer, FUNDS - 4 * PRICE, 4 * PRICE, "buyer");
        _assertAccount(provider, FUNDS - 0.8 ether, 0.8 ether, "provider");
        vm.warp(START + WINDOW - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IMarketEvents.TooEarly.selector, lock.records[0].trade, uint256(START + WINDOW))
        );
        this.refund(lock, _indices(1));
        vm.warp(START + WINDOW);
        vm.prank(stranger);
        _refund(lock, _indices(1));
        _assertAccount(buyer, FUNDS, 0, "buyer");
        _assertAccount(provider, FUNDS, 0, "provider");
        vm.assertEq(_sold(lock.records[0]), 0, "units return");
        vm.assertEq(_bought(lock.records[0]), 0, "runs return");
    }

    function testFuzz_an_exposed_provider_does_not_escape_the_slash(uint40 pause, uint64 rerunUnits) external {
        Lock memory lock = _openMany(2, 4);
        _giveUp(lock, _indices(2), provider, PROVIDER_KEY);
        vm.warp(START + bound(pause, 0, WINDOW - 1)); // whenever in the window the verdict is included
        Outcome[] memory slash = new Outcome[](2);
        (slash[0], slash[1]) = (Outcome(SLASHED, 0, rerunUnits), Outcome(SLASHED, 0, rerunUnits));
        _decide(lock, _indices(2), slash);
        vm.warp(block.timestamp + WINDOW);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NothingOpen.selector, lock.id));
        this.refund(lock, _indices(2)); // decided is not open
        _settle(lock, _indices(2), slash);
        _assertAccount(buyer, FUNDS, 0, "buyer");
        _assertAccount(provider, FUNDS - 1.6 ether, 0, "both bonds are gone");
        vm.assertEq(_available(pool) + _available(rerun), 1.6 ether, "to the re-run and the pool");
    }

    function test_work_that_was_delivered_is_paid_though_it_was_given_up() external {
        Lock memory lock = _openOne(4);
        _giveUp(lock, _indices(1), provider, PROVIDER_KEY);
        _closeOne(lock, SETTLED, 4, 4 * CEILING);
        _assertAccount(buyer, FUNDS - 4 * PRICE, 0, "by verdict");
    }

    function testFuzz_what_was_noted_stays_as_it_was(uint256 first, uint256 second, uint40 pause) external {
        Lock memory lock = _openMany(6);
        (first, second) = (bound(first, 1, 62), bound(second, 1, 63));
        vm.assume(second & ~first != 0);
        _giveUp(lock, _set(first), provider, PROVIDER_KEY);
        uint256 later = START + bound(pause, 1, 1 hours);
        vm.warp(later);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NothingOpen.selector, lock.id));
        this.giveUp(lock, _set(first), provider, PROVIDER_KEY);
        _giveUp(lock, _set(second), provider, PROVIDER_KEY);
        for (uint256 i; i < 6; ++i) {
            uint256 expected = (first >> i) & 1 == 1 ? START + WINDOW : (second >> i) & 1 == 1 ? later + WINDOW : 0;
            vm.assertEq(market.refundableFrom(lock.id, i), expected, "the first word counts");
        }
    }

    function test_what_is_decided_or_ended_is_passed_over() external {
        Lock memory lock = _openMany(3);
        _accept(lock, _only(0), _settled(1), buyer, BUYER_KEY);
        _decide(lock, _only(1), _settled(1));
        vm.recordLogs();
        _giveUp(lock, _indices(3), provider, PROVIDER_KEY);
        vm.assertEq(vm.getRecordedLogs().length, 1, "one is open");
        vm.assertEq(market.refundableFrom(lock.id, 0) + market.refundableFrom(lock.id, 1), 0, "not these");
        vm.assertEq(market.refundableFrom(lock.id, 2), START + WINDOW, "this one");
        lock = _openOther(1);
        _accept(lock, _only(0), _settled(1), buyer, BUYER_KEY);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NothingOpen.selector, lock.id));
        this.giveUp(lock, _only(0), provider, PROVIDER_KEY);
    }

    function testFuzz_nobody_elses_key_gives_up(uint256 key) external {
        key = bound(key, 1, type(uint128).max);
        vm.assume(key != PROVIDER_KEY);
        Lock memory lock = _openOne(1);
        vm.prank(provider);
        registry.setAgent(vm.addr(key), START + 1 days);
        vm.prank(provider);
        registry.setDelegate(vm.addr(key), SELL, type(uint96).max, 0, type(uint40).max);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, provider));
        this.giveUp(lock, _only(0), provider, key);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, buyer));
        this.giveUp(lock, _only(0), buyer, BUYER_KEY);
    }

    function testFuzz_other_trades_than_were_signed_are_not_given_up(uint256 signed, uint256 named) external {
        Lock memory lock = _openMany(6);
        (signed, named) = (bound(signed, 0, type(uint256).max), bound(named, 1, 63));
        vm.assume(signed != named);
        bytes memory signature = _sign(PROVIDER_KEY, _givingUp(lock.id, signed));
        IMarketTypes.Proven memory proven = _prove(lock, _set(named));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, provider));
        market.giveUp(lock.head, provider, proven, signature);
    }

    function test_it_serves_one_batch() external {
        Lock memory first = _openOne(1);
        Lock memory second = _openOther(1);
        bytes memory signature = _sign(PROVIDER_KEY, _givingUp(first.id, 1));
        IMarketTypes.Proven memory proven = _proveOne(second, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, provider));
        market.giveUp(second.head, provider, proven, signature);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidProof.selector, first.id));
        market.giveUp(first.head, provider, proven, signature);
    }

    function test_all_records_are_of_the_provider_named() external {
        Opening memory o = _emptyOpening(2, 1, 2);
        (o.offers[0], o.offers[1], o.bids[0]) = (_offer(), _offer(), _bid());
        o.offers[1].maker = provider2;
        o.offerSignatures[0] = _sign(PROVIDER_KEY, _offerHash(o.offers[0]));
        o.offerSignatures[1] = _sign(PROVIDER2_KEY, _offerHash(o.offers[1]));
        o.bidSignatures[0] = _sign(BUYER_KEY, _bidHash(o.bids[0]));
        (o.fills[0].runs, o.fills[1].runs, o.fills[1].offer, o.fills[1].firstRun) = (1, 1, 1, 1);
        Lock memory lock = _open(o);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, provider));
        this.giveUp(lock, _indices(2), provider, PROVIDER_KEY);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, provider2));
        this.giveUp(lock, _only(0), provider2, PROVIDER2_KEY);
    }

    function test_a_pause_does_not_hold_money_back() external {
        Lock memory lock = _openOne(1);
        vm.prank(admin);
        market.setPaused(true);
        _giveUp(lock, _indices(1), provider, PROVIDER_KEY);
        vm.warp(START + WINDOW);
        _refund(lock, _indices(1));
        _assertAccount(provider, FUNDS, 0, "provider");
    }

    function refund(Lock memory lock, uint256[] memory indices) external {
        _refund(lock, indices);
    }

    function giveUp(Lock memory lock, uint256[] memory indices, address account, uint256 key) external {
        _giveUp(lock, indices, account, key);
    }

    // ------------------------------------------------------------------------------------------------ pieces

    /// @dev The indices whose bits are set.
    function _set(uint256 bits) private pure returns (uint256[] memory indices) {
        indices = new uint256[](256);
        uint256 count;
        for (uint256 i; i < 256; ++i) {
            if ((bits >> i) & 1 == 1) indices[count++] = i;
        }
        assembly ("memory-safe") {
            mstore(indices, count)
        }
    }

    /// @dev A batch of orders of their own.
    function _openOther(uint32 runs) private returns (Lock memory) {
        IMarketTypes.Offer memory offer = _offer();
        IMarketTypes.Bid memory bid = _bid();
        (offer.nonce, bid.nonce) = (2, 2);
        return _open(_opening(offer, bid, runs));
    }
}
