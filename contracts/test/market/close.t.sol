// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Market} from "../../src/Market.sol";
import {IMarket} from "../../src/interfaces/IMarket.sol";
import {MarketTest} from "../utils/MarketTest.sol";

contract CloseTest is MarketTest {
    function test_settled_work_is_paid_less_the_fee_and_the_rest_returns() external {
        Lock memory lock = _openOne(10);
        _closeOne(lock, SETTLED, 8, 5 * CEILING);
        uint256 paid = 5 * uint256(PRICE);
        uint256 fee = paid / 100;
        _assertAccount(buyer, FUNDS - paid, 0, "buyer");
        _assertAccount(provider, FUNDS + paid - fee, 0, "provider");
        _assertAccount(treasury, fee, 0, "treasury");
        vm.assertEq(market.openBits(lock.id), 0, "closed");
    }

    function test_a_refunded_trade_leaves_everything_as_it_was() external {
        Lock memory lock = _openOne(10);
        _closeOne(lock, REFUNDED, 0, 0);
        _assertAccount(buyer, FUNDS, 0, "buyer");
        _assertAccount(provider, FUNDS, 0, "provider");
    }

    function test_a_slash_pays_the_rerun_and_the_pool_never_the_buyer() external {
        Lock memory lock = _openOne(10); // bond 2 tokens
        _closeOne(lock, SLASHED, 0, CEILING);
        _assertAccount(buyer, FUNDS, 0, "buyer");
        _assertAccount(provider, FUNDS - 2 ether, 0, "provider");
        _assertAccount(rerun, PRICE, 0, "re-run");
        _assertAccount(pool, 2 ether - PRICE, 0, "pool");
        vm.assertEq(_available(treasury), 0, "no fee");
    }

    function test_a_bond_smaller_than_the_rerun_goes_to_it_whole() external {
        Lock memory lock = _openOne(10);
        _closeOne(lock, SLASHED, 0, type(uint64).max);
        _assertAccount(rerun, 2 ether, 0, "re-run");
        _assertAccount(pool, 0, 0, "pool");
    }

    function testFuzz_a_slash_splits_the_bond_and_nothing_else(uint64 units) external {
        Lock memory lock = _openOne(10);
        _closeOne(lock, SLASHED, 0, units);
        uint256 cost = uint256(PRICE) * units / 3_600_000;
        vm.assertEq(_available(rerun), cost < 2 ether ? cost : 2 ether, "re-run");
        vm.assertEq(_available(rerun) + _available(pool), 2 ether, "the parts sum to the bond");
        _assertAccount(buyer, FUNDS, 0, "buyer");
    }

    function testFuzz_settled_parts_sum_to_the_whole(uint96 price, uint64 ceiling, uint8 runs, uint8 done, uint64 units)
        external
    {
        (price, ceiling) = (uint96(bound(price, 1, 10 ether)), uint64(bound(ceiling, 1, 10 * CEILING)));
        runs = uint8(bound(runs, 1, 10));
        done = uint8(bound(done, 1, runs));
        units = uint64(bound(units, done * ((uint256(ceiling) + 9) / 10), uint256(done) * ceiling));
        Lock memory lock = _openAt(price, ceiling, runs);
        _closeOne(lock, SETTLED, done, units);
        uint256 paid = uint256(price) * units / 3_600_000;
        _assertAccount(buyer, FUNDS - paid, 0, "buyer");
        _assertAccount(treasury, paid * FEE_BPS / 10_000, 0, "treasury");
        _assertAccount(provider, FUNDS + paid - paid * FEE_BPS / 10_000, 0, "provider");
        vm.assertLe(paid, lock.records[0].payment, "never more than was locked");
    }

    function test_the_event_says_what_was_paid_taken_and_slashed() external {
        Lock memory lock = _openMany(3);
        IMarket.Outcome[] memory outcomes = new IMarket.Outcome[](3);
        outcomes[0] = IMarket.Outcome(SETTLED, 1, CEILING);
        outcomes[1] = IMarket.Outcome(REFUNDED, 0, 0);
        outcomes[2] = IMarket.Outcome(SLASHED, 0, 100);
        vm.expectEmit(true, true, false, true, address(market));
        emit IMarket.TradeClosed(lock.records[0].trade, lock.id, 1, 1, CEILING, uint128(PRICE), uint128(PRICE / 100), 0);
        vm.expectEmit(true, true, false, true, address(market));
        emit IMarket.TradeClosed(lock.records[1].trade, lock.id, 0, 0, 0, 0, 0, 0);
        vm.expectEmit(true, true, false, true, address(market));
        emit IMarket.TradeClosed(lock.records[2].trade, lock.id, 2, 0, 100, 0, 0, 0.2 ether);
        vm.expectEmit(true, false, false, true, address(market));
        emit IMarket.BatchSealed(lock.id, 7, RECEIPTS_ROOT);
        _close(lock, _indices(3), outcomes);
    }

    function test_settled_needs_a_run() external {
        _assertInvalid(SETTLED, 0, CEILING);
    }

    function test_settled_has_no_more_runs_than_were_traded() external {
        _assertInvalid(SETTLED, 5, 4 * CEILING);
    }

    function test_settled_bills_at_least_a_tenth_of_every_ceiling() external {
        _assertInvalid(SETTLED, 3, 3 * CEILING / 10 - 1);
    }

    function test_a_tenth_of_an_odd_ceiling_is_rounded_up() external {
        Lock memory lock = _openAt(PRICE, 11, 1);
        vm.expectPartialRevert(IMarket.InvalidOutcome.selector);
        this.closeOne(lock, SETTLED, 1, 1);
        _closeOne(lock, SETTLED, 1, 2);
    }

    function test_settled_bills_at_most_every_ceiling() external {
        _assertInvalid(SETTLED, 3, 3 * CEILING + 1);
    }

    function test_refunded_delivers_nothing() external {
        _assertInvalid(REFUNDED, 1, 0);
        _assertInvalid(REFUNDED, 0, 1);
    }

    function test_slashed_delivers_no_run() external {
        _assertInvalid(SLASHED, 1, CEILING);
    }

    function testFuzz_unknown_kinds_are_refused(uint8 kind) external {
        _assertInvalid(uint8(bound(kind, 3, 255)), 1, CEILING);
    }

    function test_a_trade_that_ended_is_passed_over_and_the_others_close() external {
        Lock memory lock = _openMany(3);
        uint256[] memory first = _indices(1);
        _close(lock, first, _outcome(SETTLED, 1, CEILING));
        vm.expectEmit(true, false, false, true, address(market));
        emit IMarket.BatchSealed(lock.id, 6, RECEIPTS_ROOT);
        _close(lock, _indices(3), _settled(3));
        vm.assertEq(market.openBits(lock.id), 0, "all closed");
        _assertAccount(buyer, FUNDS - 3 * PRICE, 0, "buyer pays once for each");
    }

    function test_a_replayed_verdict_moves_nothing() external {
        Lock memory lock = _openMany(2);
        _close(lock, _indices(2), _settled(2));
        vm.expectRevert(abi.encodeWithSelector(IMarket.NothingOpen.selector, lock.id));
        this.close(lock, _indices(2), _settled(2));
    }

    function test_one_record_twice_in_a_close_is_no_proof() external {
        Lock memory lock = _openMany(2);
        IMarket.Record[] memory twice = new IMarket.Record[](2);
        (twice[0], twice[1]) = (lock.records[0], lock.records[0]);
        bool[] memory flags = new bool[](1);
        flags[0] = true;
        bytes[] memory signatures = _quorum(_verdict(lock.id, twice, _settled(2), RECEIPTS_ROOT));
        vm.expectRevert(abi.encodeWithSelector(IMarket.InvalidProof.selector, lock.id));
        market.close(lock.head, twice, _settled(2), new bytes32[](0), flags, RECEIPTS_ROOT, signatures);
    }

    function test_it_closes_long_after_deliver_by_and_while_paused() external {
        Lock memory lock = _openOne(1);
        vm.prank(admin);
        market.setPaused(true);
        vm.warp(START + 365 days);
        _closeOne(lock, SETTLED, 1, CEILING);
        vm.assertEq(_locked(buyer), 0, "closed");
    }

    function test_every_record_has_an_outcome() external {
        Lock memory lock = _openMany(2);
        vm.expectRevert(abi.encodeWithSelector(IMarket.LengthMismatch.selector, 2, 1));
        this.close(lock, _indices(2), _settled(1));
    }

    function testFuzz_a_changed_record_is_no_proof(uint8 field) external {
        Lock memory lock = _openMany(2);
        IMarket.Record memory r = lock.records[1];
        field = field % 8;
        if (field == 0) r.provider = stranger;
        if (field == 1) r.buyer = stranger;
        if (field == 2) r.payment -= 1;
        if (field == 3) r.bond += 1;
        if (field == 4) r.price += 1;
        if (field == 5) r.index = 0;
        if (field == 6) r.deliverBy -= 1;
        if (field == 7) r.offer = r.bid;
        bytes[] memory signatures = _quorum(_verdict(lock.id, lock.records, _settled(2), RECEIPTS_ROOT));
        bool[] memory flags = new bool[](1);
        flags[0] = true;
        vm.expectRevert(abi.encodeWithSelector(IMarket.InvalidProof.selector, lock.id));
        market.close(lock.head, lock.records, _settled(2), new bytes32[](0), flags, RECEIPTS_ROOT, signatures);
    }

    function test_an_invented_batch_has_nothing_open() external {
        Lock memory lock = _openOne(1);
        lock.records[0].payment = 900 ether; // more than was locked
        lock.head.root = _leaves(lock.records)[0];
        lock.id = keccak256(abi.encode(lock.head));
        vm.expectRevert(abi.encodeWithSelector(IMarket.NothingOpen.selector, lock.id));
        this.closeOne(lock, SETTLED, 1, CEILING);
    }

    function test_no_records_are_refused() external {
        Lock memory lock = _openOne(1);
        lock.records = new IMarket.Record[](0);
        bytes32[] memory path = new bytes32[](1);
        path[0] = lock.head.root; // a proof of nothing
        bytes[] memory signatures = _quorum(_verdict(lock.id, lock.records, _settled(0), RECEIPTS_ROOT));
        vm.expectRevert(abi.encodeWithSelector(IMarket.InvalidLength.selector, 0, 200));
        market.close(lock.head, lock.records, _settled(0), path, new bool[](0), RECEIPTS_ROOT, signatures);
    }

    function test_a_provider_that_is_the_treasury_too_gets_its_own_fee() external {
        treasury = provider;
        market = _deploy(_parameters());
        _fund(provider, FUNDS);
        _fund(buyer, FUNDS);
        Lock memory lock = _openOne(1);
        _closeOne(lock, SETTLED, 1, CEILING);
        _assertAccount(provider, FUNDS + PRICE, 0, "provider");
        _assertAccount(buyer, FUNDS - PRICE, 0, "buyer");
    }

    // ------------------------------------------------------------------------------------------------ pieces

    function close(Lock memory lock, uint256[] memory indices, IMarket.Outcome[] memory outcomes) external {
        _close(lock, indices, outcomes);
    }

    function closeOne(Lock memory lock, uint8 kind, uint32 runs, uint64 units) external {
        _closeOne(lock, kind, runs, units);
    }

    function _settled(uint256 count) private pure returns (IMarket.Outcome[] memory outcomes) {
        outcomes = new IMarket.Outcome[](count);
        for (uint256 i; i < count; ++i) {
            outcomes[i] = IMarket.Outcome(SETTLED, 1, CEILING);
        }
    }

    function _assertInvalid(uint8 kind, uint32 runs, uint64 units) private {
        Lock memory lock = _openOne(4);
        vm.expectRevert(abi.encodeWithSelector(IMarket.InvalidOutcome.selector, lock.records[0].trade));
        this.closeOne(lock, kind, runs, units);
    }

    function _openAt(uint96 price, uint64 ceiling, uint32 runs) private returns (Lock memory) {
        IMarket.Offer memory offer = _offer();
        (offer.price, offer.units) = (price, type(uint64).max);
        IMarket.Bid memory bid = _bid();
        (bid.price, bid.ceiling) = (price, ceiling);
        Opening memory o = _opening(offer, bid, runs);
        o.clearings[0].price = price;
        return _open(o);
    }
}
