// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {DisputeTest} from "../utils/DisputeTest.sol";
import {ANY_RUN, NO_RECEIPT} from "../utils/MarketTest.sol";
import {Outcome, Packing, Record} from "../utils/Packing.sol";

contract RevealTest is DisputeTest {
    uint96 private constant COST = DISPUTE_BOND / 10;

    // ------------------------------------------------------------------------------------------------ what answers

    function testFuzz_anybody_shows_the_receipt_and_is_paid_for_the_gas(uint8 which) external {
        uint32 run = which % 4;
        Outcome[] memory outcomes = _decideBoth(_all());
        _ask(stranger, outcomes, 0, run);
        bytes32 trade = lock.records[0].trade;
        bytes32 receipt = _receiptDigest(receipts[run]);
        IMarketTypes.Shown memory shown = _shown(run);
        vm.expectEmit(true, true, false, true, address(market));
        emit IMarketEvents.ReceiptRevealed(trade, receipt, run, false, receipts[run], shown.signature);
        vm.expectEmit(true, true, false, true, address(market));
        emit IMarketEvents.ClaimEnded(trade, stranger, NO_RECEIPT, run, DISPUTE_BOND, provider2, COST, 0);
        vm.prank(provider2);
        market.reveal(lock.id, Packing.record(lock.records[0]), run, shown);
        _assertAccount(stranger, FUNDS - COST, 0, "the rest of the bond is free at once");
        vm.assertEq(_total(provider2), FUNDS + COST, "whoever showed it");
        vm.assertEq(market.claimOf(lock.id, 0, run), address(1), "the claim ended");
    }

    function testFuzz_the_exchanges_word_answers_where_the_evidence_is_withheld(uint8 which, bytes32 root) external {
        uint32 run = which % 4;
        receiptsRoot = root; // of whatever: nobody shows a leaf
        Outcome[] memory outcomes = _decideBoth(_all());
        _ask(stranger, outcomes, 0, run);
        IMarketTypes.Shown memory shown = _shown(run);
        (shown.proof, shown.verdictOfRun, shown.unitsOfRun) = (new bytes32[](0), 0, 0);
        shown.acknowledgement = _acknowledgement(receipts[run], ACKNOWLEDGER_KEY);
        market.reveal(lock.id, Packing.record(lock.records[0]), run, shown);
        vm.warp(START + WINDOW);
        _timeOut(_lock(), 0);
        uint256 paid = 4 * uint256(PRICE);
        vm.assertEq(_total(provider), FUNDS + paid - paid / 100, "paid as decided");
    }

    function testFuzz_nobody_elses_word_does(uint256 key, uint8 other) external {
        key = bound(key, 1, type(uint128).max);
        vm.assume(key != ACKNOWLEDGER_KEY && other % RUNS != 3);
        _claimedAboutRunThree();
        IMarketTypes.Shown memory shown = _shown(3);
        shown.proof = new bytes32[](0);
        shown.acknowledgement = _acknowledgement(receipts[3], key);
        _refused(lock.records[0], 3, shown);
        shown.acknowledgement = _acknowledgement(receipts[other % RUNS], ACKNOWLEDGER_KEY); // of another receipt
        _refused(lock.records[0], 3, shown);
    }

    function testFuzz_a_run_that_is_not_billed_is_answered_by_its_leaf_without_a_receipt(uint8 which, uint8 verdict)
        external
    {
        uint32 run = which % 4;
        _leave(run, "", verdict, 0);
        Outcome[] memory outcomes = _decideBoth(Outcome(SETTLED, 3, 3 * CEILING));
        _ask(stranger, outcomes, 0, run);
        _reveal(run);
        vm.assertEq(market.claimOf(lock.id, 0, run), address(1), "answered");
    }

    /// @dev A verdict that pays for more runs than its leaves bill cannot answer for all of them.
    function testFuzz_no_more_runs_are_shown_as_not_billed_than_the_outcome_leaves_out(uint8 paidFor, uint8 leaves)
        external
    {
        uint32 paid = uint32(bound(paidFor, 1, 4));
        uint32 empty = uint32(bound(leaves, 0, 4));
        for (uint32 run; run < empty; ++run) {
            _leave(run, "", MISSING, 0);
        }
        Outcome[] memory outcomes = _decideBoth(Outcome(SETTLED, paid, paid * CEILING));
        bool contradicted;
        for (uint32 run; run < 4; ++run) {
            _ask(stranger, outcomes, 0, run);
            if (run < empty && run + 1 > 4 - paid) {
                contradicted = true;
                _refused(lock.records[0], run, _shown(run));
            } else {
                _reveal(run);
            }
        }
        vm.warp(START + 2 * WINDOW);
        _timeOut(_lock(), 0);
        vm.assertTrue((_total(buyer) == FUNDS) == contradicted, "refunded exactly if the leaves contradict the outcome");
    }

    function test_a_leaf_that_says_rejected_backs_no_payment() external {
        _leave(3, receipts[3], REJECTED, CEILING);
        _claimedAboutRunThree();
        _refused(lock.records[0], 3, _shown(3));
        _leave(3, receipts[3], REJECTED, 0); // another root than the verdict's
        _refused(lock.records[0], 3, _shown(3));
    }

    function test_a_slash_rests_on_a_rejected_receipt_that_an_agent_signed() external {
        _leave(2, receipts[2], REJECTED, 0);
        Outcome[] memory outcomes = _decideBoth(Outcome(SLASHED, 0, CEILING));
        _ask(provider, outcomes, 0, ANY_RUN);
        _refused(lock.records[0], ANY_RUN, _shown(1)); // an accepted one
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, provider));
        this.reveal(lock.records[0], ANY_RUN, _signedBy(2, STRANGER_KEY));
        market.reveal(lock.id, Packing.record(lock.records[0]), ANY_RUN, _shown(2));
        vm.warp(START + WINDOW);
        _timeOut(_lock(), 0);
        vm.assertEq(_total(provider), FUNDS - 0.8 ether - COST, "slashed as decided");
    }

    // ------------------------------------------------------------------------------------------------ what does not

    function test_the_receipt_of_another_run_or_trade_answers_nothing() external {
        _claimedAboutRunThree();
        _refused(lock.records[0], 3, _shown(2));
        _refused(lock.records[0], 3, _shown(7));
        Record memory forged = lock.records[1];
        forged.index = 0; // the other trade in the place of the disputed one
        _refused(forged, 3, _shown(7));
    }

    function testFuzz_a_forged_record_answers_nothing(uint8 field) external {
        _claimedAboutRunThree();
        Record memory forged = lock.records[0];
        if (field % 4 == 0) forged.provider = stranger;
        if (field % 4 == 1) forged.buyer = stranger;
        if (field % 4 == 2) forged.bond += 1;
        if (field % 4 == 3) forged.firstRun += 1;
        vm.prank(stranger);
        registry.setAgent(stranger, START + 1 days);
        _refused(forged, 3, _signedBy(3, STRANGER_KEY));
    }

    function testFuzz_another_leaf_than_that_of_the_root_answers_nothing(uint8 field, uint64 other) external {
        _claimedAboutRunThree();
        IMarketTypes.Shown memory shown = _shown(3);
        vm.assume(other != shown.unitsOfRun && other % 4 != ACCEPTED);
        if (field % 3 == 0) shown.unitsOfRun = other;
        if (field % 3 == 1) shown.verdictOfRun = uint8(other % 4);
        if (field % 3 == 2) shown.receiptsRoot = bytes32(uint256(other));
        _refused(lock.records[0], 3, shown);
    }

    function testFuzz_a_receipt_has_its_words(uint8 length) external {
        _claimedAboutRunThree();
        vm.assume(length != 0 && uint256(length) * 8 != receipts[3].length);
        IMarketTypes.Shown memory shown = _shown(3);
        shown.words = new bytes(uint256(length) * 8);
        _refused(lock.records[0], 3, shown);
    }

    function testFuzz_it_is_signed_by_an_agent_of_the_provider(uint256 key, uint40 until) external {
        key = bound(key, 1, type(uint128).max);
        vm.assume(key != AGENT_KEY);
        _claimedAboutRunThree();
        bytes memory refusal = abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, provider);
        vm.expectRevert(refusal);
        this.reveal(lock.records[0], 3, _signedBy(3, key));
        vm.prank(provider2);
        registry.setAgent(vm.addr(key), until);
        vm.expectRevert(refusal);
        this.reveal(lock.records[0], 3, _signedBy(3, key)); // somebody else's agent
    }

    function testFuzz_an_agent_whose_time_is_over_since_still_counts(uint40 until) external {
        _claimedAboutRunThree();
        vm.prank(provider);
        registry.setAgent(vm.addr(AGENT_KEY), uint40(bound(until, 1, START - 1)));
        _reveal(3);
        vm.assertEq(market.claimOf(lock.id, 0, 3), address(1), "answered");
    }

    function testFuzz_until_the_last_second_before_reveal_by_and_once(uint40 early, uint40 late) external {
        Outcome[] memory outcomes = _claimedAboutRunThree();
        _ask(stranger, outcomes, 0, 2);
        bytes32 trade = lock.records[0].trade;
        vm.warp(bound(early, START, START + 2 * WINDOW - 1));
        _reveal(3);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NotDisputed.selector, trade));
        this.reveal(lock.records[0], 3, _shown(3));
        vm.warp(bound(late, START + 2 * WINDOW, type(uint40).max));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.TooLate.selector, trade, uint256(START + 2 * WINDOW)));
        this.reveal(lock.records[0], 2, _shown(2));
    }

    function test_only_what_was_asked_for_is_shown() external {
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NotDisputed.selector, lock.records[1].trade));
        this.reveal(lock.records[1], 7, _shown(7));
        _claimedAboutRunThree();
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NotDisputed.selector, lock.records[0].trade));
        this.reveal(lock.records[0], 2, _shown(2));
    }

    // ------------------------------------------------------------------------------------------------ pieces

    function _claimedAboutRunThree() private returns (Outcome[] memory outcomes) {
        outcomes = _decideBoth(_all());
        _ask(stranger, outcomes, 0, 3);
    }

    function _signedBy(uint32 run, uint256 key) private view returns (IMarketTypes.Shown memory shown) {
        shown = _shown(run);
        shown.signature = _sign(key, _receiptDigest(receipts[run]));
    }

    function _refused(Record memory record, uint32 run, IMarketTypes.Shown memory shown) private {
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidReceipt.selector, record.trade));
        this.reveal(record, run, shown);
    }
}
