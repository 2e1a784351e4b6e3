// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {MarketTest} from "../utils/MarketTest.sol";
import {Fill} from "../utils/Packing.sol";

contract OpenRejectsTest is MarketTest {
    function testFuzz_code_1_a_stranger_signed_the_offer_or_the_bid(uint256 key, bool offer) external {
        key = bound(key, 1_000, type(uint128).max);
        Opening memory o = _opening(_offer(), _bid(), 1);
        if (offer) o.offerSignatures[0] = _sign(key, _offerHash(o.offers[0]));
        else o.bidSignatures[0] = _sign(key, _bidHash(o.bids[0]));
        _assertRejected(_open(o), 1);
    }

    function testFuzz_code_1_the_signature_is_corrupted(uint16 bit, bool offer) external {
        Opening memory o = _opening(_offer(), _bid(), 1);
        vm.assume((bit / 8) % 64 != 32 || bit % 8 != 7); // where the short form keeps v
        bytes memory signature = offer ? o.offerSignatures[0] : o.bidSignatures[0];
        signature[(bit / 8) % 64] ^= bytes1(uint8(1 << (bit % 8)));
        _assertRejected(_open(o), 1);
    }

    function test_code_1_the_signature_has_its_s_in_the_upper_half() external {
        Opening memory o = _opening(_offer(), _bid(), 1);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(BUYER_KEY, _bidHash(o.bids[0]));
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        o.bidSignatures[0] = abi.encodePacked(r, bytes32(order - uint256(s)), v == 27 ? uint8(28) : uint8(27));
        _assertRejected(_open(o), 1);
    }

    function test_code_1_the_zero_address_has_no_signature() external {
        IMarketTypes.Bid memory bid = _bid();
        bid.maker = address(0);
        Opening memory o = _opening(_offer(), bid, 1);
        o.bidSignatures[0] = new bytes(65);
        _assertRejected(_open(o), 1);
    }

    function testFuzz_code_1_any_field_changed_after_signing(uint8 field, uint16 by) external {
        Opening memory o = _opening(_offer(), _bid(), 1);
        IMarketTypes.Offer memory offer = o.offers[0];
        (field, by) = (field % 6, uint16(bound(by, 1, type(uint16).max - FEE_BPS)));
        if (field == 0) offer.price -= by;
        if (field == 1) offer.units += by;
        if (field == 2) offer.nonce += by;
        if (field == 3) offer.validUntil += by;
        if (field == 4) offer.maxFeeBps += by;
        if (field == 5) offer.terms = keccak256(abi.encode(by));
        _assertRejected(_open(o), 1);
    }

    function testFuzz_code_2_deliver_by_has_come(uint40 late, bool ofOffer) external {
        IMarketTypes.Offer memory offer = _offer();
        IMarketTypes.Bid memory bid = _bid();
        (offer.validUntil, bid.validUntil) = (type(uint40).max, type(uint40).max);
        if (ofOffer) bid.deliverBy = type(uint40).max;
        else offer.deliverBy = type(uint40).max;
        Opening memory o = _opening(offer, bid, 1);
        vm.warp(START + bound(late, 2 hours, 1_000 days));
        _assertRejected(_open(o), 2);
    }

    function testFuzz_code_2_an_order_is_not_valid_any_more(uint40 until, bool ofOffer) external {
        until = uint40(bound(until, 0, START - 1));
        IMarketTypes.Offer memory offer = _offer();
        IMarketTypes.Bid memory bid = _bid();
        if (ofOffer) offer.validUntil = until;
        else bid.validUntil = until;
        _assertRejected(_open(_opening(offer, bid, 1)), 2);
    }

    function test_an_order_trades_in_the_last_second_of_its_validity() external {
        IMarketTypes.Bid memory bid = _bid();
        bid.validUntil = START;
        vm.assertEq(_open(_opening(_offer(), bid, 1)).records.length, 1, "one trade");
    }

    function testFuzz_code_3_a_maker_cancelled(uint32 nonce, bool sells) external {
        nonce = uint32(bound(nonce, 0, 256));
        IMarketTypes.Offer memory offer = _offer();
        IMarketTypes.Bid memory bid = _bid();
        (offer.nonce, bid.nonce) = (nonce, nonce);
        vm.prank(sells ? provider : buyer);
        market.cancel(sells ? SELL : BUY, nonce);
        vm.warp(START + MATCH);
        _assertRejected(_open(_opening(offer, bid, 1)), 3);
    }

    function testFuzz_code_1_an_order_names_another_verifier_set(bytes32 other, bool ofOffer) external {
        vm.assume(other != verifierSet);
        IMarketTypes.Offer memory offer = _offer();
        IMarketTypes.Bid memory bid = _bid();
        if (ofOffer) offer.verifierSet = other;
        else bid.verifierSet = other;
        _assertRejected(_open(_opening(offer, bid, 1)), 1);
    }

    function testFuzz_code_5_the_orders_trade_at_different_clearings(bytes32 product) external {
        vm.assume(product != PRODUCT);
        IMarketTypes.Bid memory bid = _bid();
        bid.product = product;
        Opening memory o = _opening(_offer(), bid, 1);
        IMarketTypes.Clearing memory first = o.clearings[0];
        o.clearings = new IMarketTypes.Clearing[](2);
        (o.clearings[0], o.clearings[1]) = (first, IMarketTypes.Clearing(product, 1, keccak256("orders"), PRICE));
        _assertRejected(_open(o), 5);
    }

    function testFuzz_code_13_an_order_names_a_clearing_that_is_not_there(bytes32 product, bool ofOffer) external {
        vm.assume(product != PRODUCT);
        IMarketTypes.Offer memory offer = _offer();
        IMarketTypes.Bid memory bid = _bid();
        if (ofOffer) offer.product = product;
        else bid.product = product;
        _assertRejected(_open(_opening(offer, bid, 1)), 13);
    }

    function testFuzz_code_6_the_price_is_above_the_bids_limit(uint96 limit) external {
        IMarketTypes.Bid memory bid = _bid();
        bid.price = uint96(bound(limit, 0, PRICE - 1));
        _assertRejected(_open(_opening(_offer(), bid, 1)), 6);
    }

    function testFuzz_code_6_the_price_is_below_the_offers_limit(uint96 limit) external {
        IMarketTypes.Offer memory offer = _offer();
        offer.price = uint96(bound(limit, PRICE + 1, type(uint96).max));
        _assertRejected(_open(_opening(offer, _bid(), 1)), 6);
    }

    function testFuzz_code_7_the_offer_is_some_units_short(uint64 units, uint32 runs) external {
        runs = uint32(bound(runs, 1, 10));
        IMarketTypes.Offer memory offer = _offer();
        offer.units = uint64(bound(units, 0, runs * CEILING - 1));
        _assertRejected(_open(_opening(offer, _bid(), runs)), 7);
    }

    function testFuzz_code_7_the_bid_has_traded_all_its_runs(uint32 runs, uint32 first) external {
        IMarketTypes.Bid memory bid = _bid();
        bid.runs = uint32(bound(runs, 1, 9));
        _open(_opening(_offer(), bid, bid.runs));
        Opening memory o = _opening(_offer(), bid, 1);
        o.fills[0].firstRun = uint32(bound(first, 0, bid.runs - 1));
        _assertRejected(_open(o), 7);
    }

    function test_code_7_runs_times_ceiling_passes_64_bits() external {
        IMarketTypes.Offer memory offer = _offer();
        offer.units = OFFER_MOST;
        IMarketTypes.Bid memory bid = _bid();
        (bid.ceiling, bid.runs) = (type(uint64).max, BID_MOST);
        _assertRejected(_open(_opening(offer, bid, BID_MOST)), 7);
    }

    function testFuzz_code_13_more_units_or_runs_than_can_be_counted(uint64 units, uint32 runs) external {
        IMarketTypes.Offer memory offer = _offer();
        offer.units = uint64(bound(units, OFFER_MOST + 1, type(uint64).max));
        _assertRejected(_open(_opening(offer, _bid(), 1)), 13);
        IMarketTypes.Bid memory bid = _bid();
        bid.runs = uint32(bound(runs, BID_MOST + 1, type(uint32).max));
        _assertRejected(_open(_opening(_offer(), bid, 1)), 13);
    }

    function testFuzz_code_4_a_nonce_more_than_256_above_the_newest(uint32 nonce) external {
        nonce = uint32(bound(nonce, 257, type(uint32).max));
        IMarketTypes.Offer memory offer = _offer();
        offer.nonce = nonce;
        _assertRejected(_open(_opening(offer, _bid(), 1)), 4);
        IMarketTypes.Bid memory bid = _bid();
        bid.nonce = nonce;
        _assertRejected(_open(_opening(_offer(), bid, 1)), 4);
        (offer.nonce, bid.nonce) = (256, 256);
        vm.assertEq(_open(_opening(offer, bid, 1)).records.length, 1, "256 ahead trades");
        (uint32 newestOffer,) = market.newestNonces(provider);
        (, uint32 newestBid) = market.newestNonces(buyer);
        vm.assertEq(newestOffer, 256, "the newest offer");
        vm.assertEq(newestBid, 256, "the newest bid");
    }

    function test_the_largest_orders_that_can_be_counted_trade() external {
        IMarketTypes.Offer memory offer = _offer();
        offer.units = OFFER_MOST;
        IMarketTypes.Bid memory bid = _bid();
        (bid.runs, bid.ceiling) = (BID_MOST, 1);
        Lock memory lock = _open(_opening(offer, bid, BID_MOST));
        vm.assertEq(_sold(lock.records[0]), BID_MOST, "units");
        vm.assertEq(_bought(lock.records[0]), BID_MOST, "runs");
    }

    function testFuzz_code_8_the_buyer_has_too_little(uint32 runs, uint128 left) external {
        runs = uint32(bound(runs, 1, 10));
        vm.prank(buyer);
        market.requestWithdrawal(uint128(FUNDS - bound(left, 0, runs * PRICE - 1)));
        vm.warp(START + MATCH);
        _assertRejected(_open(_opening(_offer(), _bid(), runs)), 8);
    }

    function test_code_8_the_largest_payment_is_only_insufficient_funds() external {
        IMarketTypes.Offer memory offer = _offer();
        offer.units = OFFER_MOST;
        IMarketTypes.Bid memory bid = _bid();
        (bid.ceiling, bid.price) = (OFFER_MOST, type(uint96).max);
        Opening memory o = _opening(offer, bid, 1);
        o.clearings[0].price = type(uint96).max;
        _assertRejected(_open(o), 8);
    }

    function testFuzz_code_9_the_provider_has_too_little(uint32 runs, uint128 left) external {
        runs = uint32(bound(runs, 1, 10));
        vm.prank(provider);
        market.requestWithdrawal(uint128(FUNDS - bound(left, 0, runs * 0.2 ether - 1)));
        vm.warp(START + MATCH);
        _assertRejected(_open(_opening(_offer(), _bid(), runs)), 9);
    }

    function testFuzz_code_10_an_order_allows_less_fee(uint16 most, bool ofOffer) external {
        most = uint16(bound(most, 0, FEE_BPS - 1));
        IMarketTypes.Offer memory offer = _offer();
        IMarketTypes.Bid memory bid = _bid();
        if (ofOffer) offer.maxFeeBps = most;
        else bid.maxFeeBps = most;
        _assertRejected(_open(_opening(offer, bid, 1)), 10);
    }

    function test_code_12_one_maker_on_both_sides() external {
        IMarketTypes.Bid memory bid = _bid();
        bid.maker = provider;
        Opening memory o = _opening(_offer(), bid, 1);
        o.bidSignatures[0] = _sign(PROVIDER_KEY, _bidHash(bid));
        _assertRejected(_open(o), 12);
    }

    function testFuzz_code_13_an_index_is_outside_its_array(uint8 which, uint8 index) external {
        index = uint8(bound(index, 1, 255));
        Opening memory o = _opening(_offer(), _bid(), 1);
        if (which % 2 == 0) o.fills[0].offer = index;
        else o.fills[0].bid = index;
        _assertRejected(_open(o), 13);
    }

    function test_code_13_no_runs_are_asked() external {
        _assertRejected(_open(_opening(_offer(), _bid(), 0)), 13);
    }

    function test_code_13_the_ceiling_is_zero() external {
        IMarketTypes.Bid memory bid = _bid();
        bid.ceiling = 0;
        _assertRejected(_open(_opening(_offer(), bid, 1)), 13);
    }

    function testFuzz_code_13_the_last_run_is_not_the_bids(uint32 first, uint32 runs) external {
        Opening memory o = _opening(_offer(), _bid(), 1);
        o.fills[0].firstRun = first;
        o.fills[0].runs = uint32(bound(runs, first > 9 ? 1 : 11 - first, type(uint32).max)); // it does not wrap
        _assertRejected(_open(o), 13);
    }

    function testFuzz_code_1_an_order_of_another_side(uint8 side, bool ofOffer) external {
        vm.assume(side != (ofOffer ? SELL : BUY));
        IMarketTypes.Offer memory offer = _offer();
        IMarketTypes.Bid memory bid = _bid();
        if (ofOffer) offer.side = side;
        else bid.side = side;
        _assertRejected(_open(_opening(offer, bid, 1)), 1);
    }

    function testFuzz_code_15_both_orders_are_due_in_more_than_30_days(uint40 first, uint40 second) external {
        IMarketTypes.Offer memory offer = _offer();
        IMarketTypes.Bid memory bid = _bid();
        offer.deliverBy = uint40(bound(first, START + 30 days + 1, type(uint40).max));
        bid.deliverBy = uint40(bound(second, START + 30 days + 1, type(uint40).max));
        _assertRejected(_open(_opening(offer, bid, 1)), 15);
    }

    function testFuzz_the_earlier_deliver_by_counts_for_the_term(uint40 early, uint40 late, bool ofOffer) external {
        early = uint40(bound(early, START + 1, START + 30 days));
        late = uint40(bound(late, early, type(uint40).max));
        IMarketTypes.Offer memory offer = _offer();
        IMarketTypes.Bid memory bid = _bid();
        (offer.deliverBy, bid.deliverBy) = ofOffer ? (early, late) : (late, early);
        Lock memory lock = _open(_opening(offer, bid, 1));
        vm.assertEq(lock.records[0].deliverBy, early, "deliver by");
    }

    function testFuzz_a_rejected_fill_moves_nothing_and_takes_nothing(uint64 units, uint32 runs) external {
        IMarketTypes.Offer memory offer = _offer();
        runs = uint32(bound(runs, 1, 10));
        offer.units = uint64(bound(units, 0, runs * CEILING - 1));
        Opening memory o = _opening(offer, _bid(), runs);
        _assertRejected(_open(o), 7);
        _assertAccount(buyer, FUNDS, 0, "buyer");
        _assertAccount(provider, FUNDS, 0, "provider");
        (uint64 sold, uint64 top,) = market.orderState(provider, SELL, offer.nonce);
        vm.assertEq(sold + top, 0, "offer");
        (uint64 bought, uint64 most,) = market.orderState(buyer, BUY, o.bids[0].nonce);
        vm.assertEq(bought + most, 0, "bid");
        vm.assertEq(market.batches(), 0, "no number is used up");
    }

    function test_a_rejected_fill_does_not_block_its_neighbours() external {
        Opening memory o = _opening(_offer(), _bid(), 1);
        o.fills = new Fill[](3);
        o.fills[0] = Fill(0, 0, 0, 6);
        o.fills[1] = Fill(0, 0, 5, 5); // one of them is taken
        o.fills[2] = Fill(0, 0, 6, 4);
        Lock memory lock = _open(o);
        vm.assertEq(lock.records.length, 2, "two trades");
        vm.assertEq(lock.codes.length, 1, "one rejected");
        vm.assertEq(lock.codes[0], 7, "code");
        vm.assertEq(lock.positions[0], 1, "position");
        vm.assertEq(_locked(buyer), 10 * PRICE, "all ten runs are locked");
    }

    function testFuzz_money_runs_out_in_the_order_of_fills(uint128 left) external {
        left = uint128(bound(left, 0, 10 * PRICE));
        vm.prank(buyer);
        market.requestWithdrawal(FUNDS - left);
        vm.warp(START + MATCH);
        Opening memory o = _opening(_offer(), _bid(), 1);
        o.fills = new Fill[](10);
        for (uint32 i; i < 10; ++i) {
            o.fills[i] = Fill(0, 0, i, 1);
        }
        Lock memory lock = _open(o);
        vm.assertEq(lock.records.length, left / PRICE, "as many trades as it can pay");
        for (uint256 i; i < lock.codes.length; ++i) {
            vm.assertEq(lock.codes[i], 8, "for the others there is no money left");
            vm.assertEq(lock.positions[i], lock.records.length + i, "the last ones");
        }
        _assertAccount(buyer, left % PRICE, left - left % PRICE, "buyer");
    }
}
