// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {MarketTest} from "../utils/MarketTest.sol";
import {Fill} from "../utils/Packing.sol";

contract OpenDelegatesTest is MarketTest {
    uint40 internal constant LATER = START + 1 hours;

    function testFuzz_a_delegate_of_the_buyer_spends_the_buyers_money(uint32 runs) external {
        runs = uint32(bound(runs, 1, 10));
        _buySide(10 ether, 0.9 ether, LATER);
        Lock memory lock = _open(_signedByBuyersDelegate(_bid(), runs));
        vm.assertEq(lock.records[0].buyer, buyer, "the owner is the buyer");
        vm.assertEq(_locked(buyer), runs * PRICE, "the owner's payment");
        vm.assertEq(market.spentBy(buyer, delegate, BUY), runs * PRICE, "payments count");
    }

    function testFuzz_a_delegate_of_the_provider_spends_bonds(uint32 runs) external {
        runs = uint32(bound(runs, 1, 10));
        _sellSide(2 ether, 0.8 ether, LATER);
        _open(_signedByProvidersDelegate(_offer(), runs));
        vm.assertEq(market.spentBy(provider, delegate, SELL), runs * 0.2 ether, "bonds count");
        vm.assertEq(_locked(provider), runs * 0.2 ether, "the owner's bond");
    }

    function test_code_11_a_key_of_the_other_side() external {
        vm.prank(buyer);
        registry.setDelegate(delegate, 2, 10 ether, 0, LATER);
        _assertRejected(_open(_signedByBuyersDelegate(_bid(), 1)), 11);
    }

    function test_code_1_a_delegate_of_somebody_else() external {
        vm.prank(buyer2);
        registry.setDelegate(delegate, 1, 10 ether, 0.9 ether, LATER);
        _assertRejected(_open(_signedByBuyersDelegate(_bid(), 1)), 1);
    }

    function testFuzz_code_11_the_key_ran_out(uint40 until, uint40 late) external {
        until = uint40(bound(until, START, LATER - 1));
        _buySide(10 ether, 0.9 ether, until);
        vm.warp(until);
        vm.assertEq(_open(_signedByBuyersDelegate(_bid(), 1)).records.length, 1, "the last second counts");
        vm.warp(bound(late, uint256(until) + 1, LATER));
        _assertRejected(_open(_signedByBuyersDelegate(_bid(), 1)), 11);
    }

    function test_code_11_the_key_was_revoked() external {
        _buySide(10 ether, 0.9 ether, LATER);
        _buySide(10 ether, 0.9 ether, 0);
        _assertRejected(_open(_signedByBuyersDelegate(_bid(), 1)), 11);
    }

    function testFuzz_code_11_a_bid_above_the_worst_price(uint96 worst) external {
        _buySide(10 ether, uint96(bound(worst, 0, 0.9 ether - 1)), LATER);
        _assertRejected(_open(_signedByBuyersDelegate(_bid(), 1)), 11);
    }

    function testFuzz_code_11_an_offer_below_the_worst_price(uint96 worst) external {
        _sellSide(10 ether, uint96(bound(worst, 0.8 ether + 1, type(uint96).max)), LATER);
        _assertRejected(_open(_signedByProvidersDelegate(_offer(), 1)), 11);
    }

    function testFuzz_code_11_the_lock_passes_the_spend_cap(uint96 cap, uint32 runs) external {
        runs = uint32(bound(runs, 1, 10));
        _buySide(uint96(bound(cap, 0, runs * PRICE - 1)), 0.9 ether, LATER);
        _assertRejected(_open(_signedByBuyersDelegate(_bid(), runs)), 11);
        vm.assertEq(_locked(provider), 0, "no bond is left locked");
    }

    function testFuzz_code_11_the_bond_passes_the_spend_cap(uint96 cap, uint32 runs) external {
        runs = uint32(bound(runs, 1, 10));
        _sellSide(uint96(bound(cap, 0, runs * 0.2 ether - 1)), 0.8 ether, LATER);
        _assertRejected(_open(_signedByProvidersDelegate(_offer(), runs)), 11);
        vm.assertEq(_locked(buyer), 0, "no payment is left locked");
    }

    function test_the_cap_counts_over_fills_and_batches_and_spares_what_fits() external {
        _buySide(uint96(3 * PRICE), 0.9 ether, LATER);
        Opening memory o = _signedByBuyersDelegate(_bid(), 1);
        o.fills = new Fill[](3);
        o.fills[0] = Fill(0, 0, 0, 2);
        o.fills[1] = Fill(0, 0, 2, 2); // would pass the cap
        o.fills[2] = Fill(0, 0, 4, 1);
        Lock memory lock = _open(o);
        vm.assertEq(lock.records.length, 2, "two fit");
        vm.assertEq(lock.codes[0], 11, "one does not");
        _assertRejected(_open(_signedByBuyersDelegate(_bid(), 1)), 11);
    }

    function testFuzz_money_that_came_back_does_not_refill_the_cap(uint32 runs, bool slashed) external {
        runs = uint32(bound(runs, 1, 9));
        _buySide(uint96(runs * PRICE), 0.9 ether, LATER);
        Lock memory lock = _open(_signedByBuyersDelegate(_bid(), runs));
        _closeOne(lock, slashed ? SLASHED : REFUNDED, 0, 0);
        _assertRejected(_open(_signedByBuyersDelegate(_bid(), 1)), 11);
    }

    function test_the_cap_counts_anew_every_day_of_utc() external {
        uint40 midnight = uint40((START / 1 days + 1) * 1 days);
        _buySide(uint96(2 * PRICE), 0.9 ether, midnight + 1 days);
        IMarketTypes.Bid memory bid = _bid();
        (bid.validUntil, bid.deliverBy) = (midnight + 1 days, midnight + 1 days);
        IMarketTypes.Offer memory offer = _offer();
        (offer.validUntil, offer.deliverBy) = (midnight + 1 days, midnight + 1 days);
        Opening memory o = _opening(offer, bid, 1);
        o.bidSignatures[0] = _sign(DELEGATE_KEY, _bidHash(bid));
        vm.warp(midnight - 1);
        for (; o.fills[0].firstRun < 2; ++o.fills[0].firstRun) {
            _open(o);
        }
        _assertRejected(_open(o), 11);
        vm.assertEq(market.spentBy(buyer, delegate, BUY), 2 * PRICE, "the day is used up");
        vm.warp(midnight);
        vm.assertEq(market.spentBy(buyer, delegate, BUY), 0, "a new day");
        _open(o);
        vm.assertEq(market.spentBy(buyer, delegate, BUY), PRICE, "its first");
        ++o.fills[0].firstRun;
        _open(o);
        ++o.fills[0].firstRun;
        _assertRejected(_open(o), 11);
    }

    function test_a_new_setting_starts_a_new_count() external {
        _buySide(uint96(2 * PRICE), 0.9 ether, LATER);
        _open(_signedByBuyersDelegate(_bid(), 2));
        _buySide(uint96(PRICE), 0.9 ether, LATER);
        vm.assertEq(market.spentBy(buyer, delegate, 1), 0, "from zero");
        vm.assertEq(_open(_signedByBuyersDelegate(_bid(), 1)).records.length, 1, "within the new cap");
        _assertRejected(_open(_signedByBuyersDelegate(_bid(), 1)), 11);
    }

    function test_a_delegate_cannot_withdraw() external {
        _buySide(10 ether, 0.9 ether, LATER);
        bytes32 typeHash = keccak256("WithdrawalRequest(address account,uint128 amount,uint256 nonce,uint40 deadline)");
        bytes32 digest = _marketDigest(keccak256(abi.encode(typeHash, buyer, uint128(1), uint256(0), LATER)));
        bytes memory signature = _sign(DELEGATE_KEY, digest);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, buyer));
        market.requestWithdrawalSigned(buyer, 1, 0, LATER, signature);
    }

    function test_a_delegate_cannot_cancel() external {
        _buySide(10 ether, 0.9 ether, LATER);
        bytes32 typeHash = keccak256("Cancel(address maker,uint8 side,uint32 nonce)");
        bytes memory signature =
            _sign(DELEGATE_KEY, _marketDigest(keccak256(abi.encode(typeHash, buyer, BUY, uint32(1)))));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, buyer));
        market.cancelSigned(buyer, BUY, 1, signature);
    }

    function testFuzz_the_cap_is_never_passed(uint96 cap, uint8 runs) external {
        cap = uint96(bound(cap, 0, 12 * PRICE));
        runs = uint8(bound(runs, 1, 10));
        _buySide(cap, 0.9 ether, LATER);
        Lock memory lock = _open(_signedByBuyersDelegate(_bid(), runs));
        vm.assertEq(lock.records.length, uint256(runs) * PRICE <= cap ? 1 : 0, "it trades exactly if it fits");
        vm.assertLe(market.spentBy(buyer, delegate, 1), cap, "spent");
    }

    function _buySide(uint96 cap, uint96 worst, uint40 until) private {
        vm.prank(buyer);
        registry.setDelegate(delegate, 1, cap, worst, until);
    }

    function _sellSide(uint96 cap, uint96 worst, uint40 until) private {
        vm.prank(provider);
        registry.setDelegate(delegate, 2, cap, worst, until);
    }

    function _signedByBuyersDelegate(IMarketTypes.Bid memory bid, uint32 runs) private view returns (Opening memory o) {
        o = _opening(_offer(), bid, runs);
        o.fills[0].firstRun = _nextRun(bid);
        o.bidSignatures[0] = _sign(DELEGATE_KEY, _bidHash(bid));
    }

    function _signedByProvidersDelegate(IMarketTypes.Offer memory offer, uint32 runs)
        private
        view
        returns (Opening memory o)
    {
        o = _opening(offer, _bid(), runs);
        o.offerSignatures[0] = _sign(DELEGATE_KEY, _offerHash(offer));
    }
}
