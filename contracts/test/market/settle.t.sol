// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {MarketTest} from "../utils/MarketTest.sol";
import {Outcome, Packing, Record} from "../utils/Packing.sol";

contract SettleTest is MarketTest {
    uint32 private _bids;

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

    function testFuzz_a_refunded_trade_leaves_everything_as_it_was(uint96 price, uint64 ceiling, uint8 runs) external {
        (price, ceiling) = (uint96(bound(price, 1, 10 ether)), uint64(bound(ceiling, 1, 10 * CEILING)));
        _closeOne(_openAt(price, ceiling, uint32(bound(runs, 1, 10))), REFUNDED, 0, 0);
        _assertAccount(buyer, FUNDS, 0, "buyer");
        _assertAccount(provider, FUNDS, 0, "provider");
        vm.assertEq(_available(treasury), 0, "no fee");
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
        vm.assertLe(paid, Packing.payment(lock.records[0]), "never more than was locked");
    }

    function test_the_event_says_what_was_paid_taken_and_slashed() external {
        Lock memory lock = _openMany(3);
        Outcome[] memory outcomes = new Outcome[](3);
        outcomes[0] = Outcome(SETTLED, 1, CEILING);
        outcomes[1] = Outcome(REFUNDED, 0, 0);
        outcomes[2] = Outcome(SLASHED, 0, 100);
        bytes32 id = _decide(lock, _indices(3), outcomes);
        vm.warp(START + WINDOW);
        _expectClosed(lock.records[0], outcomes[0], PRICE, PRICE / 100);
        _expectClosed(lock.records[1], outcomes[1], 0, 0);
        _expectClosed(lock.records[2], outcomes[2], 0, 0.2 ether);
        vm.expectEmit(true, true, false, true, address(market));
        emit IMarketEvents.BatchSettled(lock.id, id, 7);
        _settle(lock, _indices(3), outcomes);
        vm.assertEq(market.decided(id), 0, "nothing waits");
    }

    function testFuzz_settled_needs_a_run(uint64 units) external {
        _assertInvalid(SETTLED, 0, units);
    }

    function testFuzz_settled_has_no_more_runs_than_were_traded(uint32 runs, uint64 units) external {
        _assertInvalid(SETTLED, uint32(bound(runs, 5, type(uint32).max)), units);
    }

    function testFuzz_settled_bills_at_least_a_tenth_of_every_ceiling(uint32 runs, uint64 units) external {
        runs = uint32(bound(runs, 1, 4));
        _assertInvalid(SETTLED, runs, uint64(bound(units, 0, runs * CEILING / 10 - 1)));
    }

    function testFuzz_a_tenth_of_any_ceiling_is_rounded_up(uint64 ceiling) external {
        ceiling = uint64(bound(ceiling, 1, CEILING));
        uint64 least = (ceiling + 9) / 10;
        Lock memory lock = _openAt(PRICE, ceiling, 1);
        _closeOne(lock, SETTLED, 1, least);
        uint256 paid = uint256(PRICE) * least / CEILING;
        _assertAccount(buyer, FUNDS - paid, 0, "the least that a run is billed");
        Lock memory other = _openAt(PRICE, ceiling, 2);
        _closeOne(other, SETTLED, 2, 2 * least - 1);
        _assertAccount(buyer, FUNDS - paid, 0, "one unit less for two runs refunds");
    }

    function testFuzz_settled_bills_at_most_every_ceiling(uint32 runs, uint64 units) external {
        runs = uint32(bound(runs, 1, 4));
        _assertInvalid(SETTLED, runs, uint64(bound(units, runs * CEILING + 1, type(uint64).max)));
    }

    function testFuzz_refunded_delivers_nothing(uint32 runs, uint64 units) external {
        vm.assume(runs != 0 || units != 0);
        _assertInvalid(REFUNDED, runs, units);
    }

    function testFuzz_slashed_delivers_no_run(uint32 runs, uint64 units) external {
        _assertInvalid(SLASHED, uint32(bound(runs, 1, type(uint32).max)), units);
    }

    function testFuzz_unknown_kinds_refund(uint8 kind, uint32 runs, uint64 units) external {
        _assertInvalid(uint8(bound(kind, 3, 255)), runs, units);
    }

    function testFuzz_what_a_trade_can_not_have_refunds_it_and_its_neighbours_settle(
        uint8 which,
        uint8 kind,
        uint64 units
    ) external {
        Lock memory lock = _openMany(3);
        Outcome[] memory outcomes = _settled(3);
        outcomes[which % 3] =
            Outcome(uint8(bound(kind, 1, 255)), 1, uint64(bound(units, CEILING + 1, type(uint64).max)));
        bytes32 id = _decide(lock, _indices(3), outcomes);
        vm.warp(START + WINDOW);
        vm.expectEmit(true, true, false, true, address(market));
        emit IMarketEvents.BatchSettled(lock.id, id, 7);
        _settle(lock, _indices(3), outcomes);
        vm.assertEq(market.openBits(lock.id), 0, "no trade is opened again");
        vm.assertEq(market.decided(id), 0, "and nothing waits");
        _assertAccount(buyer, FUNDS - 2 * PRICE, 0, "buyer");
    }

    /// @dev The same signatures have effect once, and no verdict displaces what waits under another or under itself.
    function testFuzz_a_verdict_sent_again_moves_nothing(uint8 first, uint8 second, uint40 pause, bool settled)
        external
    {
        Lock memory lock = _openMany(3);
        uint256[] memory some = _bitsOf(bound(first, 1, 7));
        uint256[] memory others = _bitsOf(bound(second, 1, 7));
        bytes32 id = _decide(lock, some, _settled(some.length));
        receiptsRoot = keccak256("another verdict");
        try this.decide(lock, others, _settled(others.length)) {} catch {}
        vm.warp(START + bound(pause, 0, 3 * WINDOW));
        receiptsRoot = RECEIPTS_ROOT;
        if (settled && block.timestamp >= START + WINDOW) _settle(lock, some, _settled(some.length));
        (uint256 waits, uint256 open_) = (market.decided(id), market.openBits(lock.id));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NothingOpen.selector, lock.id));
        this.decide(lock, some, _settled(some.length));
        vm.assertEq(market.decided(id), waits, "what waits");
        vm.assertEq(market.openBits(lock.id), open_, "what is open");
        vm.warp(START + 100 days);
        if (waits != 0) _settle(lock, some, _settled(some.length));
        receiptsRoot = keccak256("another verdict");
        try this.settle(lock, others, _settled(others.length)) {} catch {}
        if (market.openBits(lock.id) != 0) _refund(lock, _indices(3));
        vm.assertEq(_locked(buyer) + _locked(provider), 0, "nothing is locked for ever");
    }

    function testFuzz_a_trade_that_another_verdict_decided_is_passed_over(uint8 which, uint40 pause, bool before)
        external
    {
        Lock memory lock = _openMany(3);
        which = which % 3;
        _decide(lock, _only(which), _outcome(REFUNDED, 0, 0));
        vm.warp(START + bound(pause, 0, 1 hours));
        bytes32 id = _decide(lock, _indices(3), _settled(3));
        vm.warp(block.timestamp + WINDOW);
        if (before) _settle(lock, _only(which), _outcome(REFUNDED, 0, 0));
        vm.expectEmit(true, true, false, true, address(market));
        emit IMarketEvents.BatchSettled(lock.id, id, 7 ^ (1 << which));
        _settle(lock, _indices(3), _settled(3));
        if (!before) _settle(lock, _only(which), _outcome(REFUNDED, 0, 0));
        _assertAccount(buyer, FUNDS - 2 * PRICE, 0, "each by its own verdict");
    }

    function testFuzz_it_settles_once(uint8 count, uint40 late) external {
        count = uint8(bound(count, 1, 10));
        Lock memory lock = _openMany(count);
        _close(lock, _indices(count), _settled(count));
        vm.warp(block.timestamp + bound(late, 0, 100 days));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NothingOpen.selector, lock.id));
        this.settle(lock, _indices(count), _settled(count));
        _assertAccount(buyer, FUNDS - count * PRICE, 0, "buyer");
    }

    function testFuzz_what_was_not_decided_is_not_settled(uint8 which, uint64 units, bytes32 root) external {
        vm.assume(units != CEILING && root != RECEIPTS_ROOT);
        Lock memory lock = _openMany(2);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NothingOpen.selector, lock.id));
        this.settle(lock, _indices(2), _settled(2));
        _decide(lock, _indices(2), _settled(2));
        vm.warp(START + WINDOW);
        Outcome[] memory others = _settled(2);
        others[which % 2].units = units;
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NothingOpen.selector, lock.id));
        this.settle(lock, _indices(2), others);
        receiptsRoot = root;
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NothingOpen.selector, lock.id));
        this.settle(lock, _indices(2), _settled(2));
    }

    function testFuzz_until_the_window_ends_it_is_too_early_and_then_anybody_settles(
        uint40 pause,
        uint40 late,
        address who
    ) external {
        Lock memory lock = _openOne(1);
        bytes32 id = _decide(lock, _indices(1), _settled(1));
        vm.warp(START + bound(pause, 0, WINDOW - 1));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.TooEarly.selector, id, uint256(START + WINDOW)));
        this.settle(lock, _indices(1), _settled(1));
        vm.warp(START + bound(late, WINDOW, 1_000 days));
        IMarketTypes.Verdict memory verdict = _verdictOf(lock.records, _settled(1));
        IMarketTypes.Proven memory proven = _proveOne(lock, 0);
        vm.prank(who);
        market.settle(lock.head, verdict, proven);
        vm.assertEq(_locked(buyer), 0, "settled by anybody");
    }

    function test_one_record_twice_is_no_proof() external {
        Lock memory lock = _openMany(2);
        _decide(lock, _indices(2), _settled(2));
        vm.warp(START + WINDOW);
        Record[] memory twice = new Record[](2);
        (twice[0], twice[1]) = (lock.records[0], lock.records[0]);
        bool[] memory flags = new bool[](1);
        flags[0] = true;
        IMarketTypes.Verdict memory verdict = _verdictOf(lock.records, _settled(2));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidProof.selector, lock.id));
        market.settle(lock.head, verdict, _proven(twice, new bytes32[](0), flags));
    }

    function testFuzz_a_part_of_the_verdict_is_not_settled(uint8 count, uint8 which) external {
        count = uint8(bound(count, 2, 10));
        Lock memory lock = _openMany(count);
        _decide(lock, _indices(count), _settled(count));
        vm.warp(START + WINDOW);
        IMarketTypes.Verdict memory verdict = _verdictOf(lock.records, _settled(count));
        IMarketTypes.Proven memory one = _proveOne(lock, which % count);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.LengthMismatch.selector, 14, 14 * uint256(count)));
        market.settle(lock.head, verdict, one);
    }

    function testFuzz_outcomes_and_records_name_the_same_trades(uint8 said, uint8 shown) external {
        (said, shown) = (said % 4, shown % 4);
        vm.assume(said != shown);
        Lock memory lock = _openMany(4);
        _decide(lock, _only(said), _settled(1));
        vm.warp(START + WINDOW);
        IMarketTypes.Verdict memory verdict = _verdictOf(_pick(lock.records, _only(said)), _settled(1));
        IMarketTypes.Proven memory other = _proveOne(lock, shown);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidOutcome.selector, lock.records[shown].trade));
        market.settle(lock.head, verdict, other);
    }

    function test_a_pause_does_not_hold_money_back() external {
        Lock memory lock = _openOne(1);
        vm.prank(admin);
        market.setPaused(true);
        _closeOne(lock, SETTLED, 1, CEILING);
        vm.assertEq(_locked(buyer), 0, "settled");
    }

    function testFuzz_a_changed_record_is_no_proof(uint8 field) external {
        Lock memory lock = _openMany(2);
        Record memory r = lock.records[1];
        field = field % 8;
        if (field == 0) r.provider = stranger;
        if (field == 1) r.buyer = stranger;
        if (field == 2) r.runs -= 1;
        if (field == 3) r.bond += 1;
        if (field == 4) r.price += 1;
        if (field == 5) r.firstRun += 1;
        if (field == 6) r.deliverBy -= 1;
        if (field == 7) r.bidNonce += 1;
        bool[] memory flags = new bool[](1);
        flags[0] = true;
        IMarketTypes.Verdict memory verdict = _verdictOf(lock.records, _settled(2));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidProof.selector, lock.id));
        market.settle(lock.head, verdict, _proven(lock.records, new bytes32[](0), flags));
    }

    function testFuzz_an_invented_batch_has_nothing_open(uint32 runs, uint64 number) external {
        Lock memory lock = _openOne(1);
        vm.assume(runs != 1);
        lock.records[0].runs = runs; // not what was locked
        (lock.head.root, lock.head.number) = (_leaves(lock.records)[0], number);
        lock.id = keccak256(abi.encode(lock.head));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NothingOpen.selector, lock.id));
        this.settle(lock, _indices(1), _settled(1));
    }

    function test_no_records_are_refused() external {
        Lock memory lock = _openOne(1);
        bytes32[] memory path = new bytes32[](1);
        path[0] = lock.head.root; // a proof of nothing
        IMarketTypes.Proven memory nothing = _proven(new Record[](0), path, new bool[](0));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidLength.selector, 0, 1));
        market.settle(lock.head, IMarketTypes.Verdict("", RECEIPTS_ROOT), nothing);
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

    function settle(Lock memory lock, uint256[] memory indices, Outcome[] memory outcomes) external {
        _settle(lock, indices, outcomes);
    }

    function _expectClosed(Record memory r, Outcome memory end, uint256 paid, uint256 second) private {
        vm.expectEmit(true, false, false, true, address(market));
        emit IMarketEvents.TradeClosed(r.trade, Packing.outcomeWord(r.index, end), Packing.amounts(paid, second));
    }

    function decide(Lock memory lock, uint256[] memory indices, Outcome[] memory outcomes) external {
        _decide(lock, indices, outcomes);
    }

    function _bitsOf(uint256 mask) private pure returns (uint256[] memory indices) {
        indices = new uint256[]((mask & 1) + ((mask >> 1) & 1) + (mask >> 2));
        uint256 next;
        for (uint256 i; i < 3; ++i) {
            if ((mask >> i) & 1 == 1) indices[next++] = i;
        }
    }

    /// @dev An outcome that the trade can not have refunds it: nobody is paid.
    function _assertInvalid(uint8 kind, uint32 runs, uint64 units) private {
        Lock memory lock = _openOne(4);
        _decide(lock, _indices(1), _outcome(kind, runs, units));
        vm.warp(block.timestamp + WINDOW);
        _expectClosed(lock.records[0], Outcome(REFUNDED, 0, 0), 0, 0);
        _settle(lock, _indices(1), _outcome(kind, runs, units));
        vm.assertEq(market.openBits(lock.id), 0, "it ended");
        vm.assertEq(_locked(buyer) + _locked(provider), 0, "nothing is locked");
        vm.assertEq(_available(buyer), FUNDS, "payment");
        vm.assertEq(_available(provider), FUNDS, "bond");
        vm.assertEq(_available(rerun) + _available(treasury) + _available(pool), 0, "nobody was paid");
    }

    /// @dev Under a bid of its own each time.
    function _openAt(uint96 price, uint64 ceiling, uint32 runs) private returns (Lock memory) {
        IMarketTypes.Offer memory offer = _offer();
        (offer.price, offer.units) = (price, OFFER_MOST);
        IMarketTypes.Bid memory bid = _bid();
        (bid.price, bid.ceiling, bid.nonce) = (price, ceiling, ++_bids);
        Opening memory o = _opening(offer, bid, runs);
        o.clearings[0].price = price;
        return _open(o);
    }
}
