// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../interfaces/IMarketTypes.sol";
import {IRegistry} from "../interfaces/IRegistry.sol";
import {Batches} from "./Batches.sol";
import {Closings, Totals} from "./Closings.sol";
import {Orders} from "./Orders.sol";
import {Records} from "./Records.sol";
import {Signatures} from "./Signatures.sol";
import {Rules, State} from "./State.sol";

/// @title How trades end without a verdict: by signature, or by time
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
        address buyer,
        bytes calldata buyerSignature,
        address provider,
        bytes calldata providerSignature,
        bytes calldata outcomes,
        IMarketTypes.Proven calldata proven
    ) external {
        bytes32 batchId = Batches.proveAll(head, proven, outcomes);
        bytes32 digest = Orders.digestOf(rules.domain, Orders.hashAcceptance(batchId, outcomes));
        if (!Signatures.isSignedBy(buyer, digest, buyerSignature)) revert IMarketEvents.InvalidSignature(buyer);
        if (provider != address(0) && !_isSignedFor(rules, provider, digest, providerSignature)) {
            revert IMarketEvents.InvalidSignature(provider);
        }
        Totals memory totals;
        uint256 bits = self.openBits[batchId];
        uint256 left = bits;
        for (uint256 i; i < proven.records.length; ++i) {
            IMarketTypes.Record calldata r = proven.records[i];
            uint256 outcome = Records.outcomeAt(outcomes, i);
            _checkAccepted(r, outcome, buyer, provider);
            uint256 bit = 1 << r.index();
            if (left & bit == 0) continue;
            left ^= bit;
            self.close(rules, r, outcome, totals);
        }
        if (left == bits) revert IMarketEvents.NothingOpen(batchId);
        self.openBits[batchId] = left;
        self.payTotals(rules, head.verifierSet, totals);
    }

    /// @dev The provider itself, or one of its agents, whose keys sign what was computed.
    function _isSignedFor(Rules memory rules, address provider, bytes32 digest, bytes calldata signature)
        private
        view
        returns (bool)
    {
        if (Signatures.isSignedBy(provider, digest, signature)) return true;
        // A malformed signature is of the zero address, which the registry names nobody's agent.
        address agent = Signatures.signerOf(digest, signature);
        return IRegistry(rules.registry).agentValidUntil(provider, agent) >= block.timestamp;
    }

    /// @dev A buyer alone pays all that was locked: what delivered work costs is not for it to say. With the provider it pays
    /// whatever they agree on.
    function _checkAccepted(IMarketTypes.Record calldata r, uint256 outcome, address buyer, address provider)
        private
        pure
    {
        if (r.buyer() != buyer) revert IMarketEvents.InvalidSignature(buyer);
        bool possible = outcome.indexOf() == r.index() && outcome.kindOf() == Records.SETTLED && r.allows(outcome);
        if (provider == address(0)) {
            possible = possible && outcome.runsOf() == r.runs() && outcome.unitsOf() == r.lockedUnits();
        } else if (r.provider() != provider) {
            revert IMarketEvents.InvalidSignature(provider);
        }
        if (!possible) revert IMarketEvents.InvalidOutcome(r.trade);
    }

    /// @dev See IMarket.giveUp.
    function giveUp(
        State storage self,
        Rules memory rules,
        IMarketTypes.BatchHead calldata head,
        address provider,
        IMarketTypes.Proven calldata proven,
        bytes calldata signature
    ) external {
        bytes32 batchId = Batches.prove(head, proven);
        bytes32 digest =
            Orders.digestOf(rules.domain, Orders.hashGivingUp(batchId, _tradesOf(provider, proven.records)));
        if (!Signatures.isSignedBy(provider, digest, signature)) revert IMarketEvents.InvalidSignature(provider);
        uint256 open = self.openBits[batchId];
        uint256 from = block.timestamp + rules.disputeWindow;
        bool noted;
        for (uint256 i; i < proven.records.length; ++i) {
            IMarketTypes.Record calldata r = proven.records[i];
            uint256 index = r.index();
            // Said once: a second time can neither hurry the refund nor put it off.
            if (open & (1 << index) == 0 || self.refundableFrom[batchId][index] != 0) continue;
            self.refundableFrom[batchId][index] = from;
            noted = true;
            emit IMarketEvents.TradeGivenUp(r.trade, from);
        }
        if (!noted) revert IMarketEvents.NothingOpen(batchId);
    }

    /// @dev The bits of the records, all of which are of `provider`.
    function _tradesOf(address provider, IMarketTypes.Record[] calldata records) private pure returns (uint256 bits) {
        for (uint256 i; i < records.length; ++i) {
            if (records[i].provider() != provider) revert IMarketEvents.InvalidSignature(provider);
            bits |= 1 << records[i].index();
        }
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
            uint256 from = _refundableFrom(self, rules, batchId, r);
            if (block.timestamp < from) revert IMarketEvents.TooEarly(r.trade, from);
            left ^= bit;
            self.close(rules, r, Records.outcomeOf(r.index(), Records.REFUNDED, 0, 0), totals);
        }
        if (left == bits) revert IMarketEvents.NothingOpen(batchId);
        self.openBits[batchId] = left;
        self.payTotals(rules, head.verifierSet, totals);
    }

    /// @dev By the verifiers' silence, or earlier if the provider gave the trade up and nobody decided otherwise meanwhile.
    function _refundableFrom(State storage self, Rules memory rules, bytes32 batchId, IMarketTypes.Record calldata r)
        private
        view
        returns (uint256 from)
    {
        from = r.deliverBy() + rules.verificationGrace;
        if (block.timestamp >= from) return from; // what was noted makes no difference any more
        uint256 noted = self.refundableFrom[batchId][r.index()];
        if (noted != 0 && noted < from) from = noted;
    }
}
