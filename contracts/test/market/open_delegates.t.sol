// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {MarketTest} from "../utils/MarketTest.sol";
import {Fill} from "../utils/Packing.sol";

contract OpenDelegatesTest is MarketTest {
    uint40 internal constant LATER = START + 1 hours;

    function test_a_delegate_of_the_buyer_spends_the_buyers_money() external {
        _buySide(10 ether, 0.9 ether, LATER);
        Lock memory lock = _open(_signedByBuyersDelegate(_bid(), 3));
        vm.assertEq(lock.records[0].buyer, buyer, "the owner is the buyer");
        vm.assertEq(_locked(buyer), 3 * PRICE, "the owner's payment");
        vm.assertEq(market.spentBy(buyer, delegate, 1), 3 * PRICE, "payments count");
    }

    function test_a_delegate_of_the_provider_spends_bonds() external {
        _sellSide(1 ether, 0.8 ether, LATER);
        _open(_signedByProvidersDelegate(_offer(), 3));
        vm.assertEq(market.spentBy(provider, delegate, 2), 0.6 ether, "bonds count");
        vm.assertEq(_locked(provider), 0.6 ether, "the owner's bond");
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

    function test_code_11_the_key_ran_out() external {
        _buySide(10 ether, 0.9 ether, START + 10);
        vm.warp(START + 10);
        vm.assertEq(_open(_signedByBuyersDelegate(_bid(), 1)).records.length, 1, "the last second counts");
        vm.warp(START + 11);
        _assertRejected(_open(_signedByBuyersDelegate(_bid(), 1)), 11);
    }

    function test_code_11_the_key_was_revoked() external {
        _buySide(10 ether, 0.9 ether, LATER);
        _buySide(10 ether, 0.9 ether, 0);
        _assertRejected(_open(_signedByBuyersDelegate(_bid(), 1)), 11);
    }

    function test_code_11_a_bid_above_the_worst_price() external {
        _buySide(10 ether, 0.9 ether - 1, LATER);
        _assertRejected(_open(_signedByBuyersDelegate(_bid(), 1)), 11);
    }

    function test_code_11_an_offer_below_the_worst_price() external {
        _sellSide(10 ether, 0.8 ether + 1, LATER);
        _assertRejected(_open(_signedByProvidersDelegate(_offer(), 1)), 11);
    }

    function test_code_11_the_lock_passes_the_spend_cap_by_one() external {
        _buySide(uint96(2 * PRICE - 1), 0.9 ether, LATER);
        _assertRejected(_open(_signedByBuyersDelegate(_bid(), 2)), 11);
        vm.assertEq(_locked(provider), 0, "no bond is left locked");
    }

    function test_code_11_the_bond_passes_the_spend_cap_by_one() external {
        _sellSide(0.4 ether - 1, 0.8 ether, LATER);
        _assertRejected(_open(_signedByProvidersDelegate(_offer(), 2)), 11);
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

    function test_money_that_came_back_does_not_refill_the_cap() external {
        _buySide(uint96(2 * PRICE), 0.9 ether, LATER);
        Lock memory lock = _open(_signedByBuyersDelegate(_bid(), 2));
        _closeOne(lock, REFUNDED, 0, 0);
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

    function testFuzz_dust_of_a_delegate_leaves_its_owner_all_nonces_but_the_next_few(uint32 first, uint256 seed)
        external
    {
        _buySide(1e15, 0.9 ether, LATER); // 0.001 token a day
        first = uint32(bound(first, 0, type(uint32).max - 4));
        uint32 newest;
        for (uint256 i; i < 16; ++i) {
            IMarketTypes.Bid memory bid = _bid();
            (bid.runs, bid.ceiling) = (1, 1);
            uint32 ahead = uint32(uint256(keccak256(abi.encode(seed, i))) % 600);
            bid.nonce = i < 4 ? first + uint32(i) : newest + ahead;
            Lock memory lock = _open(_signedByBuyersDelegate(bid, 1));
            if (bid.nonce > newest + 256) _assertRejected(lock, 4);
            else if (lock.records.length == 1 && bid.nonce > newest) newest = bid.nonce;
            (, uint32 found) = market.newestNonces(buyer);
            vm.assertEq(found, newest, "it rises with trades alone, by 256 at most");
        }
        _buySide(0, 0, 0); // the owner notices and revokes
        IMarketTypes.Bid memory own = _bid();
        own.nonce = newest + 1;
        vm.assertEq(_open(_opening(_offer(), own, 1)).records.length, 1, "the owner goes on where it was");
    }

    function test_a_delegate_cannot_end_all_places_at_once() external {
        _buySide(1e15, 0.9 ether, LATER);
        Opening memory o = _emptyOpening(1, 128, 128);
        o.offers[0] = _offer();
        o.offerSignatures[0] = _sign(PROVIDER_KEY, _offerHash(o.offers[0]));
        for (uint32 i; i < 128; ++i) {
            IMarketTypes.Bid memory bid = _bid();
            (bid.runs, bid.ceiling, bid.nonce) = (1, 1, type(uint32).max - i);
            (o.bids[i], o.bidSignatures[i]) = (bid, _sign(DELEGATE_KEY, _bidHash(bid)));
            o.fills[i] = Fill(0, i, 0, 1);
        }
        Lock memory lock = _open(o);
        vm.assertEq(lock.records.length, 0, "none of them trades");
        vm.assertEq(market.spentBy(buyer, delegate, BUY), 0, "nothing was spent");
        vm.assertEq(_openOne(1).records.length, 1, "the owner's own order does");
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
