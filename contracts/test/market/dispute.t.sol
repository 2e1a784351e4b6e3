// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {DisputeTest} from "../utils/DisputeTest.sol";
import {Outcome, Packing, Record} from "../utils/Packing.sol";

contract DisputeOpeningTest is DisputeTest {
    function test_anybody_disputes_one_trade_inside_the_window() external {
        Outcome[] memory outcomes = _decideBoth(Outcome(SETTLED, 4, 4 * CEILING));
        bytes32 id = _idOf(lock.id, _verdictOf(lock.records, outcomes));
        vm.warp(START + WINDOW - 1);
        vm.expectEmit(true, true, true, true, address(market));
        emit IMarketEvents.DisputeOpened(
            lock.records[1].trade,
            id,
            stranger,
            Packing.outcomeWord(1, outcomes[1]),
            DISPUTE_BOND,
            START + 2 * WINDOW - 1,
            START + 3 * WINDOW - 1
        );
        _dispute(stranger, _lock(), _indices(2), outcomes, 1);
        _assertAccount(stranger, FUNDS - DISPUTE_BOND, DISPUTE_BOND, "challenger");
        vm.assertEq(market.decided(id) & 3, 1, "the other trade waits on");
        (address challenger, uint96 bond, uint40 revealBy, uint40 ruleBy, bool revealed) = market.disputeOf(lock.id, 1);
        vm.assertEq(challenger, stranger, "challenger");
        vm.assertEq(bond, DISPUTE_BOND, "bond");
        vm.assertEq(revealBy, START + 2 * WINDOW - 1, "reveal by");
        vm.assertEq(ruleBy, START + 3 * WINDOW - 1, "rule by");
        vm.assertFalse(revealed, "revealed");
    }

    function test_a_disputed_trade_is_not_settled_and_its_neighbour_is() external {
        Outcome[] memory outcomes = _disputed(buyer, Outcome(SETTLED, 4, 4 * CEILING));
        vm.warp(START + WINDOW);
        _settle(_lock(), _indices(2), outcomes);
        _assertAccount(
            buyer, FUNDS - 8 * PRICE - DISPUTE_BOND, 4 * PRICE + DISPUTE_BOND, "payment and dispute bond are locked"
        );
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NothingOpen.selector, lock.id));
        this.settle(outcomes);
    }

    function test_from_the_end_of_the_window_on_it_is_too_late() external {
        Outcome[] memory outcomes = _decideBoth(Outcome(SETTLED, 4, 4 * CEILING));
        vm.warp(START + WINDOW);
        bytes32 trade = lock.records[0].trade;
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.TooLate.selector, trade, uint256(START + WINDOW)));
        this.disputeAs(buyer, outcomes, 0);
    }

    function test_it_needs_the_bond() external {
        Outcome[] memory outcomes = _decideBoth(Outcome(SETTLED, 4, 4 * CEILING));
        vm.prank(stranger);
        market.requestWithdrawal(FUNDS - DISPUTE_BOND + 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IMarketEvents.InsufficientAvailable.selector, stranger, uint128(DISPUTE_BOND - 1), uint128(DISPUTE_BOND)
            )
        );
        this.disputeAs(stranger, outcomes, 0);
    }

    function test_a_trade_is_disputed_once() external {
        Outcome[] memory outcomes = _disputed(buyer, Outcome(SETTLED, 4, 4 * CEILING));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.TradeNotOpen.selector, lock.records[0].trade));
        this.disputeAs(stranger, outcomes, 0);
    }

    function test_what_is_open_or_ended_is_not_disputed() external {
        Outcome[] memory outcomes = new Outcome[](2);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.TradeNotOpen.selector, lock.records[0].trade));
        this.disputeAs(buyer, outcomes, 0);
        _close(_lock(), _indices(2), outcomes);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.TradeNotOpen.selector, lock.records[0].trade));
        this.disputeAs(buyer, outcomes, 0);
    }

    function test_an_impossible_outcome_is_disputed_as_the_refund_that_it_is() external {
        _disputed(provider, Outcome(SETTLED, 4, type(uint64).max));
        _rule(_lock(), 0, Outcome(REFUNDED, 0, 0));
        vm.assertEq(
            _available(buyer), FUNDS - 4 * PRICE + DISPUTE_BOND, "the ruling confirms it: the bond is the buyer's"
        );
    }

    function test_the_record_is_of_the_batch() external {
        Outcome[] memory outcomes = _decideBoth(Outcome(SETTLED, 4, 4 * CEILING));
        Record[] memory forged = new Record[](1);
        forged[0] = lock.records[0];
        forged[0].provider = stranger;
        IMarketTypes.Proven memory proven = _proveOne(_lock(), 0);
        proven.records = Packing.records(forged);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidProof.selector, lock.id));
        vm.prank(buyer);
        market.dispute(lock.head, _verdictOf(lock.records, outcomes), proven);
    }

    function test_one_record_at_a_time() external {
        Outcome[] memory outcomes = _decideBoth(Outcome(SETTLED, 4, 4 * CEILING));
        IMarketTypes.Verdict memory verdict = _verdictOf(lock.records, outcomes);
        IMarketTypes.Proven memory both = _prove(_lock(), _indices(2));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidLength.selector, 2, 1));
        vm.prank(buyer);
        market.dispute(lock.head, verdict, both);
    }
}
