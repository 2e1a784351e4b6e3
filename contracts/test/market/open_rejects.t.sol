// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {MarketTest} from "../utils/MarketTest.sol";
import {Fill} from "../utils/Packing.sol";

contract OpenRejectsTest is MarketTest {
    function test_code_1_a_stranger_signed_the_offer() external {
        Opening memory o = _opening(_offer(), _bid(), 1);
        o.offerSignatures[0] = _sign(STRANGER_KEY, _offerHash(o.offers[0]));
        _assertRejected(_open(o), 1);
    }

    function test_code_1_a_stranger_signed_the_bid() external {
        Opening memory o = _opening(_offer(), _bid(), 1);
        o.bidSignatures[0] = _sign(STRANGER_KEY, _bidHash(o.bids[0]));
        _assertRejected(_open(o), 1);
    }

    function test_code_1_the_signature_is_empty() external {
        Opening memory o = _opening(_offer(), _bid(), 1);
        o.bidSignatures[0] = "";
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

    function testFuzz_code_1_any_field_changed_after_signing(uint8 field) external {
        Opening memory o = _opening(_offer(), _bid(), 1);
        IMarketTypes.Offer memory offer = o.offers[0];
        field = field % 6;
        if (field == 0) offer.price -= 1;
        if (field == 1) offer.units += 1;
        if (field == 2) offer.nonce += 1;
        if (field == 3) offer.validUntil += 1;
        if (field == 4) offer.maxFeeBps += 1;
        if (field == 5) offer.terms = keccak256("other terms");
        _assertRejected(_open(o), 1);
    }

    function test_code_2_deliver_by_has_come() external {
        Opening memory o = _opening(_offer(), _bid(), 1);
        vm.warp(o.offers[0].deliverBy);
        _assertRejected(_open(o), 2);
    }

    function test_code_2_the_offer_was_valid_until_a_second_ago() external {
        IMarketTypes.Offer memory offer = _offer();
        offer.validUntil = START - 1;
        _assertRejected(_open(_opening(offer, _bid(), 1)), 2);
    }

    function test_code_2_the_bid_was_valid_until_a_second_ago() external {
        IMarketTypes.Bid memory bid = _bid();
        bid.validUntil = START - 1;
        _assertRejected(_open(_opening(_offer(), bid, 1)), 2);
    }

    function test_an_order_trades_in_the_last_second_of_its_validity() external {
        IMarketTypes.Bid memory bid = _bid();
        bid.validUntil = START;
        vm.assertEq(_open(_opening(_offer(), bid, 1)).records.length, 1, "one trade");
    }

    function test_code_3_the_buyer_cancelled() external {
        Opening memory o = _opening(_offer(), _bid(), 1);
        vm.prank(buyer);
        market.cancel(BUY, 1);
        _assertRejected(_open(o), 3);
    }

    function test_code_3_the_provider_cancelled() external {
        Opening memory o = _opening(_offer(), _bid(), 1);
        vm.prank(provider);
        market.cancel(SELL, 1);
        _assertRejected(_open(o), 3);
    }

    function test_code_1_the_offer_names_another_verifier_set() external {
        IMarketTypes.Offer memory offer = _offer();
        offer.verifierSet = keccak256("others");
        _assertRejected(_open(_opening(offer, _bid(), 1)), 1);
    }

    function test_code_1_the_bid_names_another_verifier_set() external {
        IMarketTypes.Bid memory bid = _bid();
        bid.verifierSet = keccak256("others");
        _assertRejected(_open(_opening(_offer(), bid, 1)), 1);
    }

    function test_code_5_the_orders_trade_at_different_clearings() external {
        IMarketTypes.Bid memory bid = _bid();
        bid.product = keccak256("cpu.fp32:eu-north:recomputed");
        Opening memory o = _opening(_offer(), bid, 1);
        IMarketTypes.Clearing memory first = o.clearings[0];
        o.clearings = new IMarketTypes.Clearing[](2);
        (o.clearings[0], o.clearings[1]) = (first, IMarketTypes.Clearing(bid.product, 1, keccak256("orders"), PRICE));
        _assertRejected(_open(o), 5);
    }

    function test_code_13_an_order_names_a_clearing_that_is_not_there() external {
        IMarketTypes.Offer memory offer = _offer();
        offer.product = keccak256("cpu.fp32:eu-north:recomputed");
        _assertRejected(_open(_opening(offer, _bid(), 1)), 13);
    }

    function test_code_6_the_price_is_above_the_bids_limit() external {
        IMarketTypes.Bid memory bid = _bid();
        bid.price = PRICE - 1;
        _assertRejected(_open(_opening(_offer(), bid, 1)), 6);
    }

    function test_code_6_the_price_is_below_the_offers_limit() external {
        IMarketTypes.Offer memory offer = _offer();
        offer.price = PRICE + 1;
        _assertRejected(_open(_opening(offer, _bid(), 1)), 6);
    }

    function test_code_7_the_offer_is_one_unit_short() external {
        IMarketTypes.Offer memory offer = _offer();
        offer.units = 2 * CEILING - 1;
        _assertRejected(_open(_opening(offer, _bid(), 2)), 7);
    }

    function test_code_7_the_bid_has_traded_all_its_runs() external {
        IMarketTypes.Bid memory bid = _bid();
        bid.runs = 2;
        _open(_opening(_offer(), bid, 2));
        _assertRejected(_open(_opening(_offer(), bid, 1)), 7);
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

    function test_code_8_the_buyer_lacks_one_base_unit() external {
        vm.prank(buyer);
        market.requestWithdrawal(FUNDS - 2 * PRICE + 1);
        _assertRejected(_open(_opening(_offer(), _bid(), 2)), 8);
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

    function test_code_9_the_provider_lacks_one_base_unit() external {
        vm.prank(provider);
        market.requestWithdrawal(FUNDS - 0.4 ether + 1);
        _assertRejected(_open(_opening(_offer(), _bid(), 2)), 9);
    }

    function test_code_10_the_offer_allows_less_fee() external {
        IMarketTypes.Offer memory offer = _offer();
        offer.maxFeeBps = FEE_BPS - 1;
        _assertRejected(_open(_opening(offer, _bid(), 1)), 10);
    }

    function test_code_10_the_bid_allows_less_fee() external {
        IMarketTypes.Bid memory bid = _bid();
        bid.maxFeeBps = FEE_BPS - 1;
        _assertRejected(_open(_opening(_offer(), bid, 1)), 10);
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

    function test_code_13_the_last_run_is_not_the_bids() external {
        Opening memory o = _opening(_offer(), _bid(), 2);
        o.fills[0].firstRun = 9;
        _assertRejected(_open(o), 13);
    }

    function test_code_13_the_first_run_near_32_bits_does_not_wrap() external {
        Opening memory o = _opening(_offer(), _bid(), 2);
        o.fills[0].firstRun = type(uint32).max;
        _assertRejected(_open(o), 13);
    }

    function test_code_1_an_offer_that_buys() external {
        IMarketTypes.Offer memory offer = _offer();
        offer.side = 1;
        _assertRejected(_open(_opening(offer, _bid(), 1)), 1);
    }

    function test_code_1_a_bid_that_sells() external {
        IMarketTypes.Bid memory bid = _bid();
        bid.side = 2;
        _assertRejected(_open(_opening(_offer(), bid, 1)), 1);
    }

    function test_code_15_both_orders_are_due_in_more_than_30_days() external {
        IMarketTypes.Offer memory offer = _offer();
        IMarketTypes.Bid memory bid = _bid();
        (offer.deliverBy, bid.deliverBy) = (START + 31 days, START + 30 days + 1);
        _assertRejected(_open(_opening(offer, bid, 1)), 15);
    }

    function test_the_earlier_deliver_by_counts_for_the_term() external {
        IMarketTypes.Offer memory offer = _offer();
        offer.deliverBy = START + 365 days;
        IMarketTypes.Bid memory bid = _bid();
        bid.deliverBy = START + 30 days;
        Lock memory lock = _open(_opening(offer, bid, 1));
        vm.assertEq(lock.records[0].deliverBy, START + 30 days, "deliver by");
    }

    function test_a_rejected_fill_moves_nothing_and_takes_nothing() external {
        IMarketTypes.Offer memory offer = _offer();
        offer.units = 2 * CEILING - 1;
        Opening memory o = _opening(offer, _bid(), 2);
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

    function test_money_runs_out_in_the_order_of_fills() external {
        vm.prank(buyer);
        market.requestWithdrawal(FUNDS - 2 * PRICE);
        Opening memory o = _opening(_offer(), _bid(), 1);
        o.fills = new Fill[](3);
        for (uint32 i; i < 3; ++i) {
            o.fills[i] = Fill(0, 0, i, 1);
        }
        Lock memory lock = _open(o);
        vm.assertEq(lock.records.length, 2, "two trades");
        vm.assertEq(lock.codes[0], 8, "the third has no money left");
    }
}
