// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {MarketTest} from "../utils/MarketTest.sol";
import {Fill, Packing} from "../utils/Packing.sol";
import {Trees} from "../utils/Trees.sol";

contract OpenLocksTest is MarketTest {
    function test_one_fill_locks_payment_and_bond() external {
        Lock memory lock = _openOne(4);
        _assertAccount(buyer, FUNDS - 4 * PRICE, 4 * PRICE, "buyer");
        _assertAccount(provider, FUNDS - 0.8 ether, 0.8 ether, "provider"); // a quarter of the offer's price, four runs
        vm.assertEq(lock.records.length, 1, "one trade");
        vm.assertEq(market.openBits(lock.id), 1, "one bit");
        vm.assertEq(Packing.payment(lock.records[0]), 4 * PRICE, "payment in the record");
        vm.assertEq(lock.records[0].bond, 0.8 ether, "bond in the record");
        vm.assertEq(lock.records[0].provider, provider, "provider in the record");
        vm.assertEq(lock.records[0].buyer, buyer, "buyer in the record");
        vm.assertEq(lock.records[0].deliverBy, START + 2 hours, "deliver by in the record");
    }

    function test_a_trade_is_named_by_offer_bid_first_run_and_clearing() external {
        Opening memory o = _opening(_offer(), _bid(), 3);
        o.fills[0].firstRun = 5;
        Lock memory lock = _open(o);
        bytes32 clearing = keccak256(abi.encode(PRODUCT, uint64(1), keccak256("orders"), PRICE));
        bytes32 trade = keccak256(abi.encode(_offerHash(o.offers[0]), _bidHash(o.bids[0]), uint32(5), clearing));
        vm.assertEq(lock.records[0].trade, trade, "trade id");
        vm.assertEq(lock.records[0].firstRun, 5, "first run");
    }

    function test_the_batch_id_hashes_number_root_verifier_set_and_count() external {
        Lock memory lock = _openMany(7);
        vm.assertEq(lock.head.root, Trees.build(_leaves(lock.records))[0], "root of the records in order");
        vm.assertEq(lock.head.count, 7, "count");
        vm.assertEq(lock.head.number, 1, "number");
        vm.assertEq(lock.id, keccak256(abi.encode(uint64(1), lock.head.root, verifierSet, uint32(7))), "batch id");
        vm.assertEq(market.openBits(lock.id), 127, "seven bits");
    }

    function test_numbers_count_up_so_equal_batches_differ() external {
        Lock memory first = _openOne(1);
        Lock memory second = _openOne(1);
        vm.assertEq(second.head.number, first.head.number + 1, "number");
        vm.assertTrue(first.id != second.id, "ids differ");
    }

    function test_a_cheap_offer_is_bonded_from_the_floor_price() external {
        IMarketTypes.Offer memory offer = _offer();
        offer.price = 4 * BOND_FLOOR - 1; // a quarter of it would be less than the floor
        _open(_opening(offer, _bid(), 2));
        vm.assertEq(_locked(provider), 2 * BOND_FLOOR, "bond");
    }

    function test_many_fills_take_from_one_offer_and_one_bid() external {
        Lock memory lock = _openMany(6);
        vm.assertEq(_sold(lock.records[0]), 6 * CEILING, "units of the offer");
        vm.assertEq(_bought(lock.records[0]), 6, "runs of the bid");
        _assertAccount(buyer, FUNDS - 6 * PRICE, 6 * PRICE, "buyer");
        _assertAccount(provider, FUNDS - 1.2 ether, 1.2 ether, "provider");
    }

    function test_every_signature_is_recovered_once_however_many_fills_use_it() external {
        Opening memory o = _opening(_offer(), _bid(), 1);
        o.fills = new Fill[](5);
        for (uint32 i; i < 5; ++i) {
            o.fills[i] = Fill(0, 0, i, 1);
        }
        _expectRecoveries(PROVIDER_KEY, _offerHash(o.offers[0]));
        _expectRecoveries(BUYER_KEY, _bidHash(o.bids[0]));
        vm.assertEq(_open(o).records.length, 5, "five trades");
    }

    function test_indexes_count_accepted_fills_only() external {
        Opening memory o = _opening(_offer(), _bid(), 1);
        o.fills = new Fill[](4);
        o.fills[0] = Fill(0, 9, 0, 1); // no such bid
        o.fills[1] = Fill(0, 0, 0, 1);
        o.fills[2] = Fill(0, 0, 1, 0); // no runs
        o.fills[3] = Fill(0, 0, 1, 1);
        Lock memory lock = _open(o);
        vm.assertEq(lock.records.length, 2, "two trades");
        vm.assertEq(lock.records[0].index, 0, "first index");
        vm.assertEq(lock.records[1].index, 1, "second index");
        vm.assertEq(lock.records[1].firstRun, 1, "it is the last fill");
        vm.assertEq(lock.positions[0], 0, "first rejected position");
        vm.assertEq(lock.positions[1], 2, "second rejected position");
    }

    function test_two_offers_and_two_bids_lock_each_account_for_its_own_trades() external {
        Opening memory o = _emptyOpening(2, 2, 3);
        (o.offers[0], o.offers[1]) = (_offer(), _offer());
        o.offers[1].maker = provider2;
        (o.bids[0], o.bids[1]) = (_bid(), _bid());
        o.bids[1].maker = buyer2;
        o.offerSignatures[0] = _sign(PROVIDER_KEY, _offerHash(o.offers[0]));
        o.offerSignatures[1] = _sign(PROVIDER2_KEY, _offerHash(o.offers[1]));
        o.bidSignatures[0] = _sign(BUYER_KEY, _bidHash(o.bids[0]));
        o.bidSignatures[1] = _sign(BUYER2_KEY, _bidHash(o.bids[1]));
        o.fills[0] = Fill(0, 0, 0, 2);
        o.fills[1] = Fill(1, 0, 2, 3);
        o.fills[2] = Fill(1, 1, 0, 4);
        vm.assertEq(_open(o).records.length, 3, "three trades");
        vm.assertEq(_locked(buyer), 5 * PRICE, "first buyer");
        vm.assertEq(_locked(buyer2), 4 * PRICE, "second buyer");
        vm.assertEq(_locked(provider), 0.4 ether, "first provider");
        vm.assertEq(_locked(provider2), 1.4 ether, "second provider");
    }

    function test_200_fills_fit_one_batch() external {
        Lock memory lock = _openMany(200);
        vm.assertEq(lock.records.length, 200, "trades");
        vm.assertEq(market.openBits(lock.id), (1 << 200) - 1, "bits");
    }

    function testFuzz_payment_is_rounded_up_and_bond_down(uint96 price, uint64 ceiling, uint8 runs) external {
        price = uint96(bound(price, 1, 10 ether));
        ceiling = uint64(bound(ceiling, 1, 10 * CEILING));
        runs = uint8(bound(runs, 1, 9));
        IMarketTypes.Offer memory offer = _offer();
        (offer.price, offer.units) = (price, OFFER_MOST);
        IMarketTypes.Bid memory bid = _bid();
        (bid.price, bid.ceiling) = (price, ceiling);
        Opening memory o = _opening(offer, bid, runs);
        o.clearings[0].price = price;
        Lock memory lock = _open(o);
        uint256 product = uint256(price) * ceiling * runs;
        uint256 bondPrice = price / 4 > BOND_FLOOR ? price / 4 : BOND_FLOOR;
        vm.assertEq(_locked(buyer), (product + 3_599_999) / 3_600_000, "payment");
        vm.assertEq(_locked(provider), bondPrice * ceiling * runs / 3_600_000, "bond");
        vm.assertEq(_available(buyer) + _locked(buyer), FUNDS, "the buyer's money stays in the market");
        vm.assertEq(_available(provider) + _locked(provider), FUNDS, "the provider's money stays in the market");
        vm.assertEq(lock.records.length, 1, "one trade");
    }

    /// @dev The precompile is called once with exactly this digest and signature.
    function _expectRecoveries(uint256 key, bytes32 digest) private {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        vm.expectCall(address(1), abi.encode(digest, v, r, s), 1);
    }
}
