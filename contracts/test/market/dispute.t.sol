// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {DisputeTest} from "../utils/DisputeTest.sol";
import {ANY_RUN, FALSE_RECEIPT, NO_RECEIPT, WRONG_COUNT} from "../utils/MarketTest.sol";
import {Outcome, Packing, Record} from "../utils/Packing.sol";

contract DisputeOpeningTest is DisputeTest {
    function testFuzz_anybody_disputes_one_trade_inside_the_window_and_no_deadline_hangs_on_when(
        uint40 pause,
        uint8 what
    ) external {
        Outcome[] memory outcomes = _decideBoth(_all());
        bytes32 id = _idOf(lock.id, _verdictOf(lock.records, outcomes));
        vm.warp(START + bound(pause, 0, WINDOW - 1));
        uint8 claim = what % 3 + 1;
        uint32 run = claim == NO_RECEIPT ? 4 : ANY_RUN;
        vm.expectEmit(true, true, true, true, address(market));
        emit IMarketEvents.DisputeOpened(
            lock.records[1].trade,
            id,
            stranger,
            Packing.outcomeWord(1, outcomes[1]),
            DISPUTE_BOND,
            START + 2 * WINDOW,
            START + 3 * WINDOW,
            claim,
            run
        );
        this.claimAs(stranger, outcomes, 1, claim, run);
        _assertAccount(stranger, FUNDS - DISPUTE_BOND, DISPUTE_BOND, "challenger");
        vm.assertEq(market.decided(id) & 3, 1, "the other trade waits on");
        (address challenger,, uint40 claimBy, uint40 revealBy, uint40 ruleBy, uint32 missing) =
            market.disputeOf(lock.id, 1);
        vm.assertEq(challenger, claim == NO_RECEIPT ? address(0) : stranger, "who wants a ruling");
        vm.assertEq(market.claimOf(lock.id, 1, 4), claim == NO_RECEIPT ? stranger : address(0), "who asks for it");
        vm.assertEq(claimBy, START + WINDOW, "claim by");
        vm.assertEq(revealBy, START + 2 * WINDOW, "reveal by");
        vm.assertEq(ruleBy, START + 3 * WINDOW, "rule by");
        vm.assertEq(missing, claim == NO_RECEIPT ? 1 : 0, "missing");
    }

    /// @dev An accomplice who claims first shuts nobody out: one more joins its claim, and every receipt can be asked for.
    function test_who_claims_first_shuts_nobody_out() external {
        Outcome[] memory outcomes = _decideBoth(_all());
        _dispute(provider, _lock(), _indices(2), outcomes, 0);
        _ask(provider, outcomes, 0, 0);
        vm.warp(START + WINDOW - 1);
        this.claimAs(buyer, outcomes, 0, WRONG_COUNT, ANY_RUN);
        _ask(buyer, outcomes, 0, 1);
        (address first, address second,,,, uint32 missing) = market.disputeOf(lock.id, 0);
        vm.assertEq(first, provider, "first");
        vm.assertEq(second, buyer, "second");
        vm.assertEq(missing, 2, "two receipts are asked for");
        bytes memory taken = abi.encodeWithSelector(IMarketEvents.ClaimTaken.selector, lock.records[0].trade);
        vm.expectRevert(taken);
        this.disputeAs(stranger, outcomes, 0); // two are enough: what arbiters rule hangs on neither
        vm.expectRevert(taken);
        this.claimAs(stranger, outcomes, 0, NO_RECEIPT, 1); // asked for already
        this.claimAs(stranger, outcomes, 0, NO_RECEIPT, 2);
    }

    function testFuzz_nobody_joins_a_claim_of_its_own(uint8 who, uint8 first, uint8 second) external {
        address challenger = [stranger, buyer, provider][who % 3];
        Outcome[] memory outcomes = _decideBoth(_all());
        this.claimAs(challenger, outcomes, 0, first % 2 == 0 ? FALSE_RECEIPT : WRONG_COUNT, ANY_RUN);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.ClaimTaken.selector, lock.records[0].trade));
        this.claimAs(challenger, outcomes, 0, second % 2 == 0 ? FALSE_RECEIPT : WRONG_COUNT, ANY_RUN);
    }

    function testFuzz_what_cannot_be_claimed(uint8 claim, uint32 run, uint8 kind) external {
        kind = kind % 3;
        Outcome memory end = kind == SETTLED ? _all() : Outcome(kind, 0, 0);
        Outcome[] memory outcomes = _decideBoth(end);
        bool possible = claim == FALSE_RECEIPT || claim == WRONG_COUNT;
        if (claim == NO_RECEIPT) possible = kind == SETTLED ? run < 4 : kind == SLASHED && run == ANY_RUN;
        if (!possible) {
            vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidClaim.selector, lock.records[0].trade));
        }
        this.claimAs(stranger, outcomes, 0, claim, run);
    }

    /// @dev Who could not see the receipt before has half a window to contest it; who could has none.
    function testFuzz_a_receipt_that_is_shown_late_can_still_be_contested(uint8 which, uint40 pause, uint40 soon)
        external
    {
        uint32 run = which % 4;
        Outcome[] memory outcomes = _decideBoth(_all());
        _ask(stranger, outcomes, 0, run);
        bytes32 trade = lock.records[0].trade;
        uint256 shown = START + bound(pause, WINDOW, 2 * WINDOW - 1);
        vm.warp(shown);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.TooLate.selector, trade, uint256(START + WINDOW)));
        this.disputeAs(stranger, outcomes, 0);
        _reveal(run);
        uint256 until = shown + WINDOW / 2;
        vm.warp(bound(soon, shown, until - 1));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.TooEarly.selector, trade, until));
        this.timeOut();
        uint256 snapshot = vm.snapshotState();
        _dispute(stranger, _lock(), _indices(2), outcomes, 0);
        _rule(_lock(), 0, Outcome(REFUNDED, 0, 0));
        vm.assertEq(_total(buyer), FUNDS, "the arbiters had time to rule");
        vm.revertToState(snapshot);
        vm.warp(until);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.TooLate.selector, trade, until));
        this.disputeAs(stranger, outcomes, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.TooLate.selector, trade, uint256(START + WINDOW)));
        this.claimAs(stranger, outcomes, 0, NO_RECEIPT, (run + 1) % 4); // receipts are asked for inside the window alone
        _timeOut(_lock(), 0);
        vm.assertEq(_total(provider), FUNDS + 4 * uint256(PRICE) * 99 / 100, "as decided");
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

    function testFuzz_from_the_end_of_the_window_on_it_is_too_late(uint40 late, uint8 what) external {
        Outcome[] memory outcomes = _decideBoth(_all());
        vm.warp(START + bound(late, WINDOW, 1_000 days));
        uint8 claim = what % 3 + 1;
        bytes32 trade = lock.records[0].trade;
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.TooLate.selector, trade, uint256(START + WINDOW)));
        this.claimAs(buyer, outcomes, 0, claim, claim == NO_RECEIPT ? 0 : ANY_RUN);
    }

    function testFuzz_it_needs_the_bond(uint128 left, uint8 what) external {
        Outcome[] memory outcomes = _decideBoth(_all());
        left = uint128(bound(left, 0, DISPUTE_BOND - 1));
        vm.prank(stranger);
        market.requestWithdrawal(FUNDS - left);
        uint8 claim = what % 3 + 1;
        vm.expectRevert(
            abi.encodeWithSelector(IMarketEvents.InsufficientAvailable.selector, stranger, left, uint128(DISPUTE_BOND))
        );
        this.claimAs(stranger, outcomes, 0, claim, claim == NO_RECEIPT ? 0 : ANY_RUN);
    }

    function testFuzz_another_root_about_a_disputed_trade_is_not_the_disputed_one(bytes32 root, uint8 what) external {
        vm.assume(root != receiptsRoot);
        Outcome[] memory outcomes = _disputed(buyer, _all());
        receiptsRoot = root;
        uint8 claim = what % 3 + 1;
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NotDisputed.selector, lock.records[0].trade));
        this.claimAs(stranger, outcomes, 0, claim, claim == NO_RECEIPT ? 0 : ANY_RUN);
    }

    function test_what_is_open_or_ended_is_not_disputed() external {
        Outcome[] memory outcomes = new Outcome[](2);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.TradeNotOpen.selector, lock.records[0].trade));
        this.disputeAs(buyer, outcomes, 0);
        _close(_lock(), _indices(2), outcomes);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.TradeNotOpen.selector, lock.records[0].trade));
        this.disputeAs(buyer, outcomes, 0);
    }

    function testFuzz_an_impossible_outcome_is_disputed_as_the_refund_that_it_is(uint8 kind, uint32 runs, uint64 units)
        external
    {
        kind = uint8(bound(kind, 1, 255));
        if (kind == SETTLED) units = uint64(bound(units, 4 * CEILING + 1, type(uint64).max));
        if (kind == SLASHED) runs = uint32(bound(runs, 1, type(uint32).max));
        _disputed(provider, Outcome(kind, runs, units));
        _rule(_lock(), 0, Outcome(REFUNDED, 0, 0));
        vm.assertEq(
            _available(buyer), FUNDS - 4 * PRICE + DISPUTE_BOND, "the ruling confirms it: the bond is the buyer's"
        );
    }

    function testFuzz_the_record_is_of_the_batch(uint8 field, uint32 by) external {
        Outcome[] memory outcomes = _decideBoth(_all());
        by = uint32(bound(by, 1, 1_000));
        Record[] memory forged = new Record[](1);
        forged[0] = lock.records[0];
        if (field % 6 == 0) forged[0].provider = stranger;
        if (field % 6 == 1) forged[0].buyer = stranger;
        if (field % 6 == 2) forged[0].runs += by;
        if (field % 6 == 3) forged[0].bond += by;
        if (field % 6 == 4) forged[0].firstRun += by;
        if (field % 6 == 5) forged[0].index = 1;
        IMarketTypes.Proven memory proven = _proveOne(_lock(), 0);
        proven.records = Packing.records(forged);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidProof.selector, lock.id));
        vm.prank(buyer);
        market.dispute(lock.head, _verdictOf(lock.records, outcomes), proven, FALSE_RECEIPT, ANY_RUN);
    }

    function test_one_record_at_a_time() external {
        Outcome[] memory outcomes = _decideBoth(Outcome(SETTLED, 4, 4 * CEILING));
        IMarketTypes.Verdict memory verdict = _verdictOf(lock.records, outcomes);
        IMarketTypes.Proven memory both = _prove(_lock(), _indices(2));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidLength.selector, 2, 1));
        vm.prank(buyer);
        market.dispute(lock.head, verdict, both, FALSE_RECEIPT, ANY_RUN);
    }
}
