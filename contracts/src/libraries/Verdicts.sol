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

/// @title What verifiers decide, and what is paid after the dispute window
/// @dev decide() and settle() are code of their own, called by the market; they run on the market's state.
library Verdicts {
    using Closings for State;
    using Records for IMarketTypes.Record;
    using Records for uint256;

    /// @notice The bits of trades in State.decided.
    uint256 internal constant BITS = (1 << 200) - 1;

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
        // No trade is ever opened again, so whatever of this verdict waited before can not be among these bits, and the same
        // signatures find nothing a second time.
        self.decided[id] = (uint256(settleAfter) << 200) | bits;
        emit IMarketEvents.BatchDecided(batchId, id, bits, verdict.receiptsRoot, settleAfter);
    }

    /// @dev See IMarket.settle.
    function settle(
        State storage self,
        Rules memory rules,
        IMarketTypes.BatchHead calldata head,
        IMarketTypes.Verdict calldata verdict,
        IMarketTypes.Proven calldata proven
    ) external {
        bytes32 batchId = Batches.proveAll(head, proven, verdict.outcomes);
        bytes32 id = Orders.hashVerdict(batchId, verdict);
        uint256 waiting = self.decided[id];
        if (waiting & BITS == 0) revert IMarketEvents.NothingOpen(batchId);
        uint256 settleAfter = waiting >> 200;
        if (block.timestamp < settleAfter) revert IMarketEvents.TooEarly(id, settleAfter);
        delete self.decided[id];
        Totals memory totals;
        _settleAll(self, rules, waiting, verdict.outcomes, proven.records, totals);
        self.payTotals(rules, head.verifierSet, totals);
        emit IMarketEvents.BatchSettled(batchId, id, waiting & BITS);
    }

    /// @dev All that waits ends: the records are those of the verdict's outcomes, one for each.
    function _settleAll(
        State storage self,
        Rules memory rules,
        uint256 waiting,
        bytes calldata outcomes,
        IMarketTypes.Record[] calldata records,
        Totals memory totals
    ) private {
        unchecked {
            // One record after the other, four words each, with its outcome of 14 bytes: proveAll() compared the lengths.
            (uint256 next, uint256 end, uint256 said) = Records.walk(records, outcomes);
            for (; next != end; (next, said) = (next + Records.RECORD_BYTES, said + Records.OUTCOME_BYTES)) {
                (IMarketTypes.Record calldata r, uint256 outcome) = Records.read(next, said);
                uint256 index = r.index();
                if (outcome.indexOf() != index) revert IMarketEvents.InvalidOutcome(r.trade);
                if (waiting & (1 << index) != 0) self.close(rules, r, r.possible(outcome), totals);
            }
        }
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
}
