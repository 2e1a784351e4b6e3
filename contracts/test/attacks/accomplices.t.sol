// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {DisputeTest} from "../utils/DisputeTest.sol";
import {ANY_RUN, FALSE_RECEIPT, NO_RECEIPT, WRONG_COUNT} from "../utils/MarketTest.sol";
import {Outcome} from "../utils/Packing.sol";

/// @dev All verifiers are the provider's accomplices, or it has other accounts that dispute in the place of its victim.
contract AccomplicesTest is DisputeTest {
    /// @dev Nothing was delivered. The provider disputes its own payment first, on every ground there is.
    function testFuzz_who_disputes_itself_first_shuts_nobody_out(uint8 claims, uint8 run, uint40 pause) external {
        receiptsRoot = keccak256("no receipt stands under this");
        Outcome[] memory outcomes = _decideBoth(_all());
        if (claims & 1 != 0) this.claimAs(provider, outcomes, 0, FALSE_RECEIPT, ANY_RUN);
        if (claims & 2 != 0) this.claimAs(provider2, outcomes, 0, WRONG_COUNT, ANY_RUN);
        for (uint32 i; i < 4; ++i) {
            if (claims & (4 << i) != 0) _ask(provider, outcomes, 0, i);
        }
        run = run % 4;
        vm.warp(START + bound(pause, 0, WINDOW - 1));
        bytes memory taken = abi.encodeWithSelector(IMarketEvents.ClaimTaken.selector, lock.records[0].trade);
        bool asked = claims & (4 << run) != 0;
        if (asked) vm.expectRevert(taken); // then it is the buyer's claim as well as anybody's
        this.claimAs(buyer, outcomes, 0, NO_RECEIPT, run);
        vm.warp(START + 2 * WINDOW);
        _timeOut(_lock(), 0);
        for (uint32 i; i < 4; ++i) {
            if (market.claimOf(lock.id, 0, i) != address(0)) market.reclaim(lock.head, _proveOne(_lock(), 0), i);
        }
        _assertAccount(buyer, FUNDS - 4 * PRICE, 4 * PRICE, "the payment came back, and the bond of the claim");
        _assertAccount(provider, FUNDS - 0.8 ether, 0.8 ether, "nothing is earned without a receipt");
        vm.assertEq(_total(provider2), FUNDS, "nobody loses a bond");
    }

    /// @dev Whichever two accounts hold the claims for arbiters, what they rule is what buyer and provider get.
    function testFuzz_two_accomplices_in_both_places_change_no_ruling(
        uint8 first,
        uint8 second,
        uint32 runs,
        uint64 units
    ) external {
        address[3] memory crowd = [provider2, stranger, buyer2];
        (first, second) = (first % 3, second % 3);
        vm.assume(first != second);
        Outcome[] memory outcomes = _disputed(crowd[first], _all());
        _dispute(crowd[second], _lock(), _indices(2), outcomes, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.ClaimTaken.selector, lock.records[0].trade));
        this.disputeAs(buyer, outcomes, 0);
        runs = uint32(bound(runs, 1, 4));
        units = uint64(bound(units, runs * (CEILING / 10), runs * CEILING));
        vm.assume(units != 4 * CEILING);
        _rule(_lock(), 0, Outcome(SETTLED, runs, units));
        uint256 paid = uint256(PRICE) * units / CEILING;
        uint256 left = paid - paid / 100 + 0.8 ether;
        uint256 reward = left < DISPUTE_BOND ? left : DISPUTE_BOND;
        _assertAccount(buyer, FUNDS - 4 * PRICE - paid, 4 * PRICE, "what was ruled, whoever asked for it");
        vm.assertEq(_total(provider), FUNDS + paid - paid / 100 - reward / 2 * 2, "and its reward");
        vm.assertEq(_total(crowd[first]), FUNDS + reward / 2, "half each");
        vm.assertEq(_total(crowd[second]), FUNDS + reward / 2, "half each");
    }

    /// @dev A leaf that does not say accepted backs no payment, whatever it bills.
    function testFuzz_a_leaf_that_is_not_accepted_backs_no_payment(uint8 run, uint8 verdict, uint64 units) external {
        run = run % 4;
        vm.assume(verdict != ACCEPTED && units != 0);
        _leave(run, receipts[run], verdict, units);
        Outcome[] memory outcomes = _decideBoth(_all());
        _ask(buyer, outcomes, 0, run);
        _refused(run, _shown(run));
        vm.warp(START + 2 * WINDOW);
        _timeOut(_lock(), 0);
        _assertUnpaid();
    }

    /// @dev One receipt is the answer about one run: not about another of its trade, nor about one of another trade.
    function testFuzz_one_receipt_backs_one_run(uint8 asked, uint8 shown) external {
        (asked, shown) = (asked % 4, shown % uint8(RUNS));
        vm.assume(asked != shown);
        Outcome[] memory outcomes = _decideBoth(_all());
        _ask(buyer, outcomes, 0, asked);
        _refused(asked, _shown(shown));
        IMarketTypes.Shown memory renamed = _shown(shown);
        renamed.run = asked;
        _refused(asked, renamed);
        _reveal(asked);
        vm.assertEq(market.claimOf(lock.id, 0, asked), address(1), "its own answers");
    }

    /// @dev A tree of one leaf says nothing of the other runs: all but one can not be answered.
    function testFuzz_a_tree_of_one_leaf_backs_one_run(uint8 present) external {
        present = present % 4;
        bytes32 trade = lock.records[0].trade;
        receiptsRoot = _receiptLeaf(receipts[present], trade, present, ACCEPTED, CEILING);
        Outcome[] memory outcomes = _decideBoth(_all());
        for (uint32 run; run < 4; ++run) {
            _ask(stranger, outcomes, 0, run);
            IMarketTypes.Shown memory shown = _shown(run);
            (shown.receiptsRoot, shown.proof) = (receiptsRoot, new bytes32[](0));
            if (run == present) this.reveal(lock.records[0], run, shown);
            else _refused(run, shown);
        }
        vm.warp(START + 2 * WINDOW);
        _timeOut(_lock(), 0);
        _assertUnpaid();
    }

    /// @dev The exchange's word alone is none without a receipt of the provider's agent, and the agent's none without a leaf.
    function testFuzz_the_acknowledger_backs_nothing_by_itself(uint256 key, uint8 run, bool empty) external {
        run = run % 4;
        key = bound(key, 1, type(uint128).max);
        vm.assume(key != AGENT_KEY);
        receiptsRoot = keccak256("no receipt stands under this");
        Outcome[] memory outcomes = _decideBoth(_all());
        _ask(buyer, outcomes, 0, run);
        IMarketTypes.Shown memory shown;
        (shown.receiptsRoot, shown.run) = (receiptsRoot, run);
        shown.acknowledgement = _acknowledgement(receipts[run], ACKNOWLEDGER_KEY);
        if (!empty) (shown.words, shown.signature) = (receipts[run], _sign(key, _receiptDigest(receipts[run])));
        bytes4 refusal = empty ? IMarketEvents.InvalidReceipt.selector : IMarketEvents.InvalidSignature.selector;
        vm.expectPartialRevert(refusal);
        this.reveal(lock.records[0], run, shown);
        vm.warp(START + 2 * WINDOW);
        _timeOut(_lock(), 0);
        _assertUnpaid();
    }

    // ------------------------------------------------------------------------------------------------ pieces

    function _refused(uint32 run, IMarketTypes.Shown memory shown) private {
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidReceipt.selector, lock.records[0].trade));
        this.reveal(lock.records[0], run, shown);
    }

    /// @dev The first trade fell: payment and bond are home again.
    function _assertUnpaid() private view {
        vm.assertEq(_total(buyer), FUNDS, "not paid");
        vm.assertEq(_total(provider), FUNDS, "not earned");
        vm.assertEq(_total(treasury), 0, "no fee");
    }
}
