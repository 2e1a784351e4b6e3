// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {DisputeTest} from "../utils/DisputeTest.sol";
import {Outcome, Packing, Record} from "../utils/Packing.sol";
import {Trees} from "../utils/Trees.sol";

contract RevealTest is DisputeTest {
    function setUp() public override {
        super.setUp();
        _disputed(buyer, Outcome(SETTLED, 4, 4 * CEILING));
    }

    function test_anybody_shows_a_receipt_of_the_trade() external {
        bytes memory signature = _sign(AGENT_KEY, _receiptDigest(receipts[0]));
        vm.expectEmit(true, true, false, true, address(market));
        emit IMarketEvents.ReceiptRevealed(
            lock.records[0].trade, _receiptDigest(receipts[0]), 0, receipts[0], signature
        );
        vm.prank(stranger);
        _reveal(0);
        vm.assertTrue(_revealed(), "revealed");
    }

    function test_the_receipt_of_another_trade_backs_nothing() external {
        _refused(lock.records[0], 1, AGENT_KEY); // of this record, about another trade
        Record memory forged = lock.records[1];
        forged.index = 0; // the other trade in the place of the disputed one
        _refused(forged, 1, AGENT_KEY);
    }

    function testFuzz_a_forged_record_backs_nothing(uint8 field) external {
        Record memory forged = lock.records[0];
        if (field % 4 == 0) forged.provider = stranger;
        if (field % 4 == 1) forged.buyer = stranger;
        if (field % 4 == 2) forged.bond += 1;
        if (field % 4 == 3) forged.firstRun += 1;
        vm.prank(stranger);
        registry.setAgent(stranger, START + 1 days);
        _refused(forged, 0, STRANGER_KEY);
    }

    function test_a_receipt_that_is_not_under_the_root_is_refused() external {
        receipts[0] = _receipt(lock.records[0].trade, 1);
        _refused(lock.records[0], 0, AGENT_KEY);
    }

    function test_another_verdict_of_the_run_is_refused() external {
        bytes memory signature = _sign(AGENT_KEY, _receiptDigest(receipts[0]));
        bytes32[] memory path = Trees.proof(_receiptLeaves(), 0);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidReceipt.selector, lock.records[0].trade));
        market.reveal(lock.id, Packing.record(lock.records[0]), receipts[0], signature, ACCEPTED + 1, path);
    }

    function testFuzz_a_receipt_has_19_words(uint8 length) external {
        vm.assume(uint256(length) * 8 != 19 * 32);
        bytes memory words = new bytes(uint256(length) * 8);
        bytes32[] memory path = Trees.proof(_receiptLeaves(), 0);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidReceipt.selector, lock.records[0].trade));
        market.reveal(lock.id, Packing.record(lock.records[0]), words, new bytes(65), ACCEPTED, path);
    }

    function test_it_is_signed_by_an_agent_of_the_provider() external {
        bytes memory refusal = abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, provider);
        vm.expectRevert(refusal);
        this.revealFor(lock.records[0], 0, STRANGER_KEY);
        vm.prank(provider2);
        registry.setAgent(stranger, START + 1 days);
        vm.expectRevert(refusal);
        this.revealFor(lock.records[0], 0, STRANGER_KEY); // somebody else's agent
        vm.assertFalse(_revealed(), "revealed");
    }

    function test_an_agent_whose_time_is_over_since_still_counts() external {
        vm.prank(provider);
        registry.setAgent(vm.addr(AGENT_KEY), START - 1);
        _reveal(0);
        vm.assertTrue(_revealed(), "revealed");
    }

    function test_until_the_last_second_before_reveal_by() external {
        vm.warp(START + WINDOW - 1);
        _reveal(0);
        vm.warp(START + WINDOW);
        bytes32 trade = lock.records[0].trade;
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.TooLate.selector, trade, uint256(START + WINDOW)));
        this.revealFor(lock.records[0], 0, AGENT_KEY);
    }

    function test_only_while_disputed() external {
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NotDisputed.selector, lock.records[1].trade));
        this.revealFor(lock.records[1], 1, AGENT_KEY);
    }

    function _refused(Record memory record, uint256 which, uint256 key) private {
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidReceipt.selector, record.trade));
        this.revealFor(record, which, key);
        vm.assertFalse(_revealed(), "revealed");
    }

    function _revealed() private view returns (bool revealed) {
        (,,,, revealed) = market.disputeOf(lock.id, 0);
    }
}
