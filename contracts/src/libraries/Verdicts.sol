// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../interfaces/IMarketTypes.sol";
import {Amounts} from "./Amounts.sol";
import {Batches} from "./Batches.sol";
import {Closings, Totals} from "./Closings.sol";
import {Orders} from "./Orders.sol";
import {Quorums} from "./Quorums.sol";
import {Records} from "./Records.sol";
import {Rules, State} from "./State.sol";

/// @title What verifiers decide, what is paid after the dispute window, and how much the verdicts of a set have paid out
/// @dev decide() and settle() are code of their own, called by the market; they run on the market's state.
library Verdicts {
    using Closings for State;
    using Records for IMarketTypes.Record;
    using Records for uint256;

    /// @notice The bits of trades in State.decided.
    uint256 internal constant BITS = (1 << 200) - 1;
    /// @notice Set there for ever once a verdict held an impossible outcome: it can not be decided again.
    uint256 internal constant REFUSED = 1 << 255;

    /// @dev See IMarket.decide.
    function decide(
        State storage self,
        Rules memory rules,
        IMarketTypes.BatchHead calldata head,
        IMarketTypes.KeySet calldata verifiers,
        IMarketTypes.Verdict calldata verdict,
        bytes[] calldata signatures
    ) external returns (bytes32 id) {
        bytes32 batchId = Batches.idOf(head);
        id = Orders.hashVerdict(batchId, verdict);
        Quorums.require_(head.verifierSet, verifiers, Orders.digestOf(rules.domain, id), signatures);
        uint256 open = self.openBits[batchId];
        uint256 bits = open & bitsOf(batchId, head.count, verdict.outcomes);
        if (bits == 0) revert IMarketEvents.NothingOpen(batchId);
        uint40 settleAfter = uint40(block.timestamp) + rules.disputeWindow;
        self.openBits[batchId] = open ^ bits;
        // A verdict is decided once: its trades leave it for good, but those that an impossible outcome opened again.
        if (self.decided[id] & REFUSED != 0) revert IMarketEvents.MalformedOutcomes(batchId);
        self.decided[id] = (uint256(settleAfter) << 200) | bits;
        emit IMarketEvents.BatchDecided(batchId, id, bits, verdict.receiptsRoot, settleAfter);
    }

    /// @dev See IMarket.settle.
    function settle(
        State storage self,
        Rules memory rules,
        IMarketTypes.BatchHead calldata head,
        IMarketTypes.KeySet calldata verifiers,
        IMarketTypes.Verdict calldata verdict,
        IMarketTypes.Proven calldata proven
    ) external {
        bytes32 batchId = Batches.proveAll(head, proven, verdict.outcomes);
        Quorums.check(head.verifierSet, verifiers);
        bytes32 id = Orders.hashVerdict(batchId, verdict);
        uint256 waiting = self.decided[id];
        if (waiting & BITS == 0) revert IMarketEvents.NothingOpen(batchId);
        uint256 settleAfter = uint40(waiting >> 200);
        if (block.timestamp < settleAfter) revert IMarketEvents.TooEarly(id, settleAfter);
        uint256 before = paidOut(self, head.verifierSet, rules.disputeWindow);
        (uint256 closed, uint256 refused, uint256 paid) =
            _settleAll(self, rules, verifiers.payoutCap, before, waiting, verdict.outcomes, proven.records);
        if (closed | refused == 0) {
            revert IMarketEvents.PayoutCapReached(head.verifierSet, nextWindow(rules.disputeWindow));
        }
        if (paid != 0) notePaid(self, head.verifierSet, rules.disputeWindow, before + paid);
        waiting ^= closed | refused;
        if (refused != 0) {
            waiting |= REFUSED;
            self.openBits[batchId] |= refused;
        }
        self.decided[id] = waiting & BITS == 0 ? waiting & REFUSED : waiting;
        emit IMarketEvents.BatchSettled(batchId, id, closed);
    }

    /// @return closed and refused: bits of the trades that ended, and of those whose outcome is impossible; paid: their payments.
    function _settleAll(
        State storage self,
        Rules memory rules,
        uint256 payoutCap,
        uint256 before,
        uint256 waiting,
        bytes calldata outcomes,
        IMarketTypes.Record[] calldata records
    ) private returns (uint256 closed, uint256 refused, uint256 paid) {
        Totals memory totals;
        unchecked {
            // Payments are below 2^160 and counted below 2^128.
            // One record after the other, four words each, with its outcome of 14 bytes: proveAll() compared the lengths.
            (uint256 next, uint256 end, uint256 said) = Records.walk(records, outcomes);
            for (; next != end; (next, said) = (next + Records.RECORD_BYTES, said + Records.OUTCOME_BYTES)) {
                (IMarketTypes.Record calldata r, uint256 outcome) = Records.read(next, said);
                uint256 index = r.index();
                if (outcome.indexOf() != index) revert IMarketEvents.InvalidOutcome(r.trade);
                uint256 bit = 1 << index;
                if (waiting & bit == 0) continue;
                uint256 pays = Closings.paymentOf(r, outcome);
                if (pays > payoutCap || !r.allows(outcome)) {
                    refused |= bit;
                    emit IMarketEvents.OutcomeRefused(r.trade, outcome);
                } else if (before + totals.paid + pays <= payoutCap) {
                    closed |= bit;
                    self.closePaying(rules, r, outcome, pays, totals);
                }
            }
        }
        self.payTotals(rules, totals);
        paid = totals.paid;
    }

    /// @notice The trades that outcomes name, as bits. Reverts with MalformedOutcomes unless they are whole, strictly ascend and lie
    /// below `count`.
    function bitsOf(bytes32 batchId, uint256 count, bytes calldata outcomes) internal pure returns (uint256 bits) {
        uint256 length = outcomes.length / Records.OUTCOME_BYTES;
        if (length == 0 || length * Records.OUTCOME_BYTES != outcomes.length) {
            revert IMarketEvents.MalformedOutcomes(batchId);
        }
        unchecked {
            uint256 next;
            for (uint256 i; i < length; ++i) {
                uint256 index = Records.outcomeAt(outcomes, i).indexOf();
                if (index < next || index >= count) revert IMarketEvents.MalformedOutcomes(batchId);
                next = index + 1;
                bits |= 1 << index;
            }
        }
    }

    /// @notice Base units that verdicts of the set paid out in the present window.
    function paidOut(State storage self, bytes32 verifierSet, uint256 window) internal view returns (uint256) {
        uint256 paid = self.paidOut[verifierSet];
        return paid >> 128 == block.timestamp / window ? uint128(paid) : 0;
    }

    function notePaid(State storage self, bytes32 verifierSet, uint256 window, uint256 paid) internal {
        self.paidOut[verifierSet] = ((block.timestamp / window) << 128) | paid;
    }

    /// @notice When the next window begins.
    function nextWindow(uint256 window) internal view returns (uint256) {
        return (block.timestamp / window + 1) * window;
    }
}
