// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {DisputeTest} from "../utils/DisputeTest.sol";
import {ANY_RUN, FALSE_RECEIPT} from "../utils/MarketTest.sol";
import {Outcome, Packing} from "../utils/Packing.sol";

contract RuleTest is DisputeTest {
    uint256 private constant BOND = 0.8 ether; // of the disputed trade: four runs

    function test_a_ruling_like_the_verdict_costs_the_challenger_its_bond() external {
        Outcome memory end = Outcome(SETTLED, 4, 4 * CEILING);
        _disputed(stranger, end);
        vm.expectEmit(true, false, false, true, address(market));
        emit IMarketEvents.DisputeEnded(lock.records[0].trade, Packing.outcomeWord(0, end), 1);
        vm.expectEmit(true, true, false, true, address(market));
        emit IMarketEvents.ClaimEnded(
            lock.records[0].trade, stranger, FALSE_RECEIPT, ANY_RUN, DISPUTE_BOND, pool, DISPUTE_BOND, 0
        );
        _rule(_lock(), 0, end);
        _assertAccount(stranger, FUNDS - DISPUTE_BOND, 0, "challenger");
        uint256 paid = 4 * uint256(PRICE);
        vm.assertEq(_total(provider), FUNDS + paid - paid / 100, "no side has it, whose accomplice it may be");
        vm.assertEq(_total(pool), DISPUTE_BOND, "the pool has it");
        vm.assertFalse(_isDisputed(0), "ended");
    }

    function test_a_challenger_who_is_right_is_paid_by_the_provider() external {
        _disputed(buyer, Outcome(SETTLED, 4, 4 * CEILING));
        _rule(_lock(), 0, Outcome(REFUNDED, 0, 0));
        vm.assertEq(_total(buyer), FUNDS + DISPUTE_BOND, "buyer");
        vm.assertEq(_total(provider), FUNDS - DISPUTE_BOND, "provider");
    }

    function test_a_provider_who_is_right_is_paid_by_the_buyer() external {
        _disputed(provider, Outcome(REFUNDED, 0, 0));
        _rule(_lock(), 0, Outcome(SETTLED, 3, 3 * CEILING));
        uint256 paid = 3 * uint256(PRICE);
        vm.assertEq(_total(buyer), FUNDS - paid - DISPUTE_BOND, "buyer");
        vm.assertEq(_total(provider), FUNDS + paid - paid / 100 + DISPUTE_BOND, "provider");
    }

    function test_a_slash_that_was_wrong_costs_the_buyer_nothing() external {
        _disputed(provider, Outcome(SLASHED, 0, CEILING));
        _rule(_lock(), 0, Outcome(REFUNDED, 0, 0));
        vm.assertEq(_total(buyer), FUNDS, "buyer");
        vm.assertEq(_total(provider), FUNDS, "provider");
    }

    function test_a_provider_gains_nothing_by_another_slash() external {
        _disputed(provider, Outcome(SLASHED, 0, CEILING));
        _rule(_lock(), 0, Outcome(SLASHED, 0, CEILING + 1));
        vm.assertEq(_total(buyer), FUNDS, "buyer");
        vm.assertEq(_total(provider), FUNDS - BOND, "provider");
    }

    function test_a_provider_that_is_ruled_worse_forfeits_its_bond() external {
        _disputed(provider, Outcome(SETTLED, 4, 2 * CEILING));
        _rule(_lock(), 0, Outcome(SETTLED, 4, CEILING));
        uint256 paid = PRICE;
        vm.assertEq(_total(buyer), FUNDS - paid + DISPUTE_BOND, "buyer");
        vm.assertEq(_total(provider), FUNDS + paid - paid / 100 - DISPUTE_BOND, "provider");
    }

    function test_a_third_party_that_helps_the_provider_is_paid_by_the_buyer() external {
        _disputed(stranger, Outcome(REFUNDED, 0, 0));
        _rule(_lock(), 0, Outcome(SETTLED, 4, 2 * CEILING));
        uint256 paid = 2 * uint256(PRICE);
        vm.assertEq(_total(stranger), FUNDS + DISPUTE_BOND, "challenger");
        vm.assertEq(_total(buyer), FUNDS - paid - DISPUTE_BOND, "buyer");
        vm.assertEq(_total(provider), FUNDS + paid - paid / 100, "provider");
    }

    function test_a_slash_by_ruling_pays_the_challenger_out_of_what_the_pool_gets() external {
        _disputed(stranger, Outcome(SETTLED, 4, 4 * CEILING));
        _rule(_lock(), 0, Outcome(SLASHED, 0, CEILING / 10)); // a re-run of 0.085
        vm.assertEq(_total(stranger), FUNDS + DISPUTE_BOND, "challenger");
        vm.assertEq(_total(provider), FUNDS - BOND, "provider");
        vm.assertEq(_total(rerun), PRICE / 10, "re-run");
        vm.assertEq(_total(pool), BOND - PRICE / 10 - DISPUTE_BOND, "pool");
    }

    function test_nobody_pays_more_than_the_trade_leaves_it() external {
        _disputed(stranger, Outcome(SETTLED, 4, 4 * CEILING));
        _rule(_lock(), 0, Outcome(SLASHED, 0, CEILING)); // the re-run takes the whole bond
        vm.assertEq(_total(stranger), FUNDS, "there is no reward");
        vm.assertEq(_total(rerun), BOND, "re-run");
    }

    /// @dev Every pair of outcomes, every kind of challenger: who gains is a small table, written down again here.
    function testFuzz_money_moves_as_the_ruling_says(uint256 seed, uint8 who, uint64 decidedUnits, uint64 ruledUnits)
        external
    {
        Outcome memory decided = _anOutcome(seed, decidedUnits);
        Outcome memory ruled = _anOutcome(seed >> 8, ruledUnits);
        address[4] memory challengers = [buyer, provider, stranger, provider2];
        address challenger = challengers[who % 4];
        uint256 all = market.custody();
        _disputed(challenger, decided);
        _rule(_lock(), 0, ruled);
        int256[4] memory expected = _expected(decided, ruled, challenger);
        for (uint256 i; i < 4; ++i) {
            vm.assertEq(
                _total(challengers[i]), uint256(int256(uint256(FUNDS)) + expected[i]), "buyer, provider, two others"
            );
        }
        vm.assertEq(market.custody(), all, "custody");
        vm.assertEq(_locked(buyer) + _locked(provider), 4 * PRICE + BOND, "the other trade stays locked");
        vm.assertEq(_locked(stranger) + _locked(provider2), 0, "no bond is left locked");
        uint256 sum = _total(buyer) + _total(provider) + _total(stranger) + _total(provider2) + _total(buyer2);
        vm.assertEq(sum + _total(treasury) + _total(rerun) + _total(pool), all, "nothing appears or disappears");
    }

    function test_two_challengers_share_the_reward_and_the_loss() external {
        Outcome[] memory outcomes = _disputed(buyer, _all());
        _dispute(stranger, _lock(), _indices(2), outcomes, 0);
        uint256 snapshot = vm.snapshotState();
        _rule(_lock(), 0, Outcome(REFUNDED, 0, 0));
        vm.assertEq(_total(buyer), FUNDS + DISPUTE_BOND / 2, "buyer");
        vm.assertEq(_total(stranger), FUNDS + DISPUTE_BOND / 2, "who joined");
        vm.assertEq(_total(provider), FUNDS - DISPUTE_BOND, "the provider pays no more than to one");
        vm.revertToState(snapshot);
        _rule(_lock(), 0, _all());
        vm.assertEq(_total(stranger), FUNDS - DISPUTE_BOND, "both were wrong");
        vm.assertEq(_locked(buyer) + _locked(stranger), 4 * PRICE, "no bond is left locked");
    }

    function testFuzz_nothing_is_ruled_where_nobody_wants_a_ruling(uint8 asked, uint256 seed, uint64 units) external {
        Outcome[] memory outcomes = _decideBoth(_all());
        for (uint32 run; run < 4; ++run) {
            if ((asked >> run) & 1 == 1) _ask(buyer, outcomes, 0, run);
        }
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NotDisputed.selector, lock.records[0].trade));
        this.rule(_anOutcome(seed, units));
    }

    function testFuzz_only_what_the_trade_can_have_is_ruled(uint8 kind, uint32 runs, uint64 units) external {
        if (kind == SETTLED && runs != 0 && runs <= 4) {
            units = uint64(bound(units, runs * CEILING + 1, type(uint64).max));
        }
        if (kind == REFUNDED) units = uint64(bound(units, 1, type(uint64).max));
        if (kind == SLASHED) runs = uint32(bound(runs, 1, type(uint32).max));
        _disputed(buyer, _all());
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidOutcome.selector, lock.records[0].trade));
        this.rule(Outcome(kind, runs, units));
    }

    function test_it_needs_a_quorum_of_the_arbiters() external {
        Outcome memory end = Outcome(REFUNDED, 0, 0);
        _disputed(buyer, Outcome(SETTLED, 4, 4 * CEILING));
        bytes32 digest = _ruling(lock.id, lock.records[0].trade, end);
        IMarketTypes.Proven memory proven = _proveOne(_lock(), 0);
        bytes[] memory one = new bytes[](1);
        one[0] = _sign(arbiterKeys[0], digest);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.QuorumNotReached.selector, arbiterSet, 1, 2));
        market.rule(lock.head, _arbiterKeySet(), proven, 0, one);
        bytes[] memory verifiers = _quorum(digest);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.QuorumNotReached.selector, arbiterSet, 0, 2));
        market.rule(lock.head, _arbiterKeySet(), proven, 0, verifiers);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.WrongKeySet.selector, arbiterSet, verifierSet));
        market.rule(lock.head, _verifierKeySet(), proven, 0, verifiers);
    }

    function testFuzz_a_ruling_serves_one_trade_and_one_outcome(uint256 seed, uint64 units, bytes32 trade) external {
        Outcome memory signed = _anOutcome(seed, units);
        vm.assume(trade != lock.records[0].trade);
        _disputed(buyer, _all());
        IMarketTypes.Proven memory proven = _proveOne(_lock(), 0);
        bytes[] memory other = _arbiters(_ruling(lock.id, trade, signed));
        uint256 word = Packing.outcomeWord(0, signed);
        vm.expectPartialRevert(IMarketEvents.QuorumNotReached.selector);
        market.rule(lock.head, _arbiterKeySet(), proven, word, other);
        bytes[] memory own = _arbiters(_ruling(lock.id, lock.records[0].trade, signed));
        word = Packing.outcomeWord(0, Outcome(signed.kind == SLASHED ? SETTLED : SLASHED, 0, signed.units));
        vm.expectPartialRevert(IMarketEvents.QuorumNotReached.selector);
        market.rule(lock.head, _arbiterKeySet(), proven, word, own);
    }

    function testFuzz_until_the_last_second_before_rule_by_and_once(
        uint40 early,
        uint40 late,
        uint256 seed,
        uint64 units
    ) external {
        Outcome memory end = _anOutcome(seed, units);
        _disputed(buyer, _all());
        bytes32 trade = lock.records[0].trade;
        vm.warp(bound(late, START + 3 * WINDOW, type(uint40).max));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.TooLate.selector, trade, uint256(START + 3 * WINDOW)));
        this.rule(end);
        vm.warp(bound(early, START, START + 3 * WINDOW - 1));
        _rule(_lock(), 0, end);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NotDisputed.selector, trade));
        this.rule(end);
    }

    // ------------------------------------------------------------------------------------------------ pieces

    function _anOutcome(uint256 seed, uint64 units) private pure returns (Outcome memory) {
        uint8 kind = uint8(seed % 3);
        if (kind == REFUNDED) return Outcome(REFUNDED, 0, 0);
        if (kind == SLASHED) return Outcome(SLASHED, 0, uint64(bound(units, 0, 2 * CEILING)));
        uint32 runs = uint32(bound(units, 1, 4));
        return Outcome(SETTLED, runs, uint64(bound(units, runs * (CEILING / 10), runs * CEILING)));
    }

    /// @dev What the trade leaves to provider and buyer.
    function _shares(Outcome memory end) private pure returns (int256 toProvider, int256 toBuyer) {
        if (end.kind == REFUNDED) return (0, 0);
        if (end.kind == SLASHED) return (-int256(BOND), 0);
        uint256 paid = uint256(PRICE) * end.units / CEILING;
        return (int256(paid - paid / 100), -int256(paid));
    }

    /// @dev Changes of buyer, provider, stranger and second provider.
    function _expected(Outcome memory decided, Outcome memory ruled, address challenger)
        private
        view
        returns (int256[4] memory change)
    {
        (change[1], change[0]) = _shares(ruled);
        uint256 place = challenger == buyer ? 0 : challenger == provider ? 1 : challenger == stranger ? 2 : 3;
        (int256 wasProviders, int256 wasBuyers) = _shares(decided);
        uint256 loser = change[1] < wasProviders ? 1 : change[0] < wasBuyers ? 0 : 9;
        bool same = keccak256(abi.encode(decided)) == keccak256(abi.encode(ruled));
        if (same || loser == place) {
            change[place] -= int256(uint256(DISPUTE_BOND));
            if (place < 2) change[1 - place] += int256(uint256(DISPUTE_BOND)); // else the pool
        } else if (loser != 9) {
            uint256 there =
                loser == 1 ? uint256(int256(BOND) + change[1]) : uint256(int256(4 * uint256(PRICE)) + change[0]);
            if (ruled.kind == SLASHED) there = _restOfBond(ruled.units);
            uint256 reward = there < DISPUTE_BOND ? there : DISPUTE_BOND;
            change[place] += int256(reward);
            if (ruled.kind != SLASHED) change[loser] -= int256(reward);
        }
    }

    function _restOfBond(uint64 units) private pure returns (uint256) {
        uint256 cost = uint256(PRICE) * units / CEILING;
        return cost < BOND ? BOND - cost : 0;
    }
}
