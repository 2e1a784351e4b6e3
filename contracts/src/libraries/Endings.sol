// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../interfaces/IMarketTypes.sol";
import {Batches} from "./Batches.sol";
import {Closings, Totals} from "./Closings.sol";
import {Orders} from "./Orders.sol";
import {Records} from "./Records.sol";
import {Signatures} from "./Signatures.sol";
import {Rules, State} from "./State.sol";

/// @title How trades end without a verdict: by the signature of the side that loses, or by time
/// @dev Code of its own, called by the market; it runs on the market's state.
library Endings {
    using Closings for State;
    using Records for IMarketTypes.Record;
    using Records for uint256;

    /// @dev See IMarket.accept.
    function accept(
        State storage self,
        Rules memory rules,
        IMarketTypes.BatchHead calldata head,
        address account,
        bytes calldata outcomes,
        IMarketTypes.Proven calldata proven,
        bytes calldata signature
    ) external {
        bytes32 batchId = Batches.proveAll(head, proven, outcomes);
        bytes32 digest = Orders.digestOf(rules.domain, Orders.hashAcceptance(batchId, outcomes));
        if (!Signatures.isSignedBy(account, digest, signature)) revert IMarketEvents.InvalidSignature(account);
        Totals memory totals;
        uint256 bits = self.openBits[batchId];
        uint256 left = bits;
        for (uint256 i; i < proven.records.length; ++i) {
            IMarketTypes.Record calldata r = proven.records[i];
            uint256 outcome = Records.outcomeAt(outcomes, i);
            _checkAccepted(r, outcome, account);
            uint256 bit = 1 << r.index();
            if (left & bit == 0) continue;
            left ^= bit;
            self.close(rules, r, outcome, totals);
        }
        if (left == bits) revert IMarketEvents.NothingOpen(batchId);
        self.openBits[batchId] = left;
        self.payTotals(rules, head.verifierSet, totals);
    }

    /// @dev Whoever loses by an outcome may say so: a buyer that pays, a provider that gets nothing.
    function _checkAccepted(IMarketTypes.Record calldata r, uint256 outcome, address account) private pure {
        address loser = outcome.kindOf() == Records.SETTLED ? r.buyer() : r.provider();
        if (loser != account) revert IMarketEvents.InvalidSignature(account);
        bool possible = outcome.indexOf() == r.index() && r.allows(outcome);
        if (!possible || outcome.kindOf() == Records.SLASHED) revert IMarketEvents.InvalidOutcome(r.trade);
    }

    /// @dev See IMarket.refund.
    function refund(
        State storage self,
        Rules memory rules,
        IMarketTypes.BatchHead calldata head,
        IMarketTypes.Proven calldata proven
    ) external {
        bytes32 batchId = Batches.prove(head, proven);
        Totals memory totals;
        uint256 bits = self.openBits[batchId];
        uint256 left = bits;
        for (uint256 i; i < proven.records.length; ++i) {
            IMarketTypes.Record calldata r = proven.records[i];
            uint256 bit = 1 << r.index();
            if (left & bit == 0) continue;
            uint256 from = r.deliverBy() + rules.verificationGrace;
            if (block.timestamp < from) revert IMarketEvents.TooEarly(r.trade, from);
            left ^= bit;
            self.close(rules, r, Records.outcomeOf(r.index(), Records.REFUNDED, 0, 0), totals);
        }
        if (left == bits) revert IMarketEvents.NothingOpen(batchId);
        self.openBits[batchId] = left;
        self.payTotals(rules, head.verifierSet, totals);
    }
}
