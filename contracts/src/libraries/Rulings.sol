// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../interfaces/IMarketTypes.sol";
import {Amounts} from "./Amounts.sol";
import {Batches} from "./Batches.sol";
import {Claims} from "./Claims.sol";
import {Closings, Totals} from "./Closings.sol";
import {Orders} from "./Orders.sol";
import {Quorums} from "./Quorums.sol";
import {Records} from "./Records.sol";
import {Dispute, Rules, State} from "./State.sol";

/// @title How disputes end: by a ruling, or by time
/// @dev Code of its own, called by the market; it runs on the market's state.
library Rulings {
    using Closings for State;
    using Records for IMarketTypes.Record;
    using Records for uint256;

    /// @dev The side that a ruling takes money from, what it leaves to it, and from whom a reward comes.
    struct Loss {
        address loser;
        address payer;
        uint256 there;
    }

    /// @dev See IMarket.rule.
    function rule(
        State storage self,
        Rules memory rules,
        IMarketTypes.BatchHead calldata head,
        IMarketTypes.KeySet calldata arbiters,
        IMarketTypes.Proven calldata proven,
        uint256 outcome,
        bytes[] calldata signatures
    ) external {
        (bytes32 batchId, IMarketTypes.Record calldata r) = Batches.proveOne(head, proven);
        Dispute memory d = _take(self, batchId, r);
        if (d.challenger == address(0)) revert IMarketEvents.NotDisputed(r.trade);
        if (block.timestamp >= d.ruleBy) revert IMarketEvents.TooLate(r.trade, d.ruleBy);
        bytes32 digest = Orders.digestOf(rules.domain, Orders.hashRuling(batchId, r.trade, outcome));
        Quorums.require_(rules.arbiterSet, arbiters, digest, signatures);
        outcome = Records.outcomeOf(r.index(), outcome.kindOf(), outcome.runsOf(), outcome.unitsOf());
        if (!r.allows(outcome)) revert IMarketEvents.InvalidOutcome(r.trade);
        Loss memory loss = _lossOf(rules, r, d.outcome, outcome);
        Totals memory totals = _end(self, rules, head.verifierSet, r, outcome, Claims.RULED);
        if (loss.loser == r.provider() && outcome.kindOf() == Records.SLASHED) {
            (loss.payer, loss.there) = (rules.pool, totals.pool);
        }
        bool confirmed = outcome == d.outcome;
        _endClaims(self, rules, r, d, loss, confirmed);
    }

    /// @dev See IMarket.timeOut.
    function timeOut(
        State storage self,
        Rules memory rules,
        IMarketTypes.BatchHead calldata head,
        IMarketTypes.Proven calldata proven
    ) external {
        (bytes32 batchId, IMarketTypes.Record calldata r) = Batches.proveOne(head, proven);
        Dispute memory d = _take(self, batchId, r);
        bool falls = d.missing != 0;
        uint256 from = falls ? d.revealBy : d.challenger == address(0) ? d.claimBy : d.ruleBy;
        if (block.timestamp < from) revert IMarketEvents.TooEarly(r.trade, from);
        uint256 outcome = falls ? Records.outcomeOf(r.index(), Records.REFUNDED, 0, 0) : d.outcome;
        _end(self, rules, head.verifierSet, r, outcome, falls ? Claims.FELL : Claims.STOOD);
        // Nobody ruled: no reward leaves anybody, and nobody loses a bond for the arbiters' silence.
        if (d.challenger != address(0)) _giveBack(self, rules, r.trade, d.challenger, d.claim);
        if (d.second != address(0)) _giveBack(self, rules, r.trade, d.second, d.secondClaim);
    }

    /// @dev See IMarket.reclaim.
    function reclaim(
        State storage self,
        Rules memory rules,
        IMarketTypes.BatchHead calldata head,
        IMarketTypes.Proven calldata proven,
        uint32 run
    ) external {
        (bytes32 batchId, IMarketTypes.Record calldata r) = Batches.proveOne(head, proven);
        address challenger = self.claims[batchId][r.index()][run];
        bool disputed = self.disputes[batchId][r.index()].ruleBy != 0;
        if (uint160(challenger) <= uint160(Claims.SHOWN) || disputed) revert IMarketEvents.NotDisputed(r.trade);
        delete self.claims[batchId][r.index()][run];
        Claims.release(self, rules, r.trade, challenger, Claims.NO_RECEIPT, run, address(0), 0, 0);
    }

    /// @dev Of two challengers each gets half of the reward. Down: the dust stays with the payer.
    function _endClaims(
        State storage self,
        Rules memory rules,
        IMarketTypes.Record calldata r,
        Dispute memory d,
        Loss memory loss,
        bool confirmed
    ) private {
        uint256 reward = loss.there < rules.disputeBond ? loss.there : rules.disputeBond;
        if (d.second != address(0)) reward /= 2;
        _endClaim(self, rules, r, d.challenger, d.claim, loss, confirmed ? 0 : uint96(reward), confirmed);
        if (d.second == address(0)) return;
        _endClaim(self, rules, r, d.second, d.secondClaim, loss, confirmed ? 0 : uint96(reward), confirmed);
    }

    /// @dev Who was wrong, or loses by the ruling itself, forfeits its bond: a side to the other one, a third party to the pool, for
    /// it may be an accomplice of either side, to whom its bond would only come home.
    function _endClaim(
        State storage self,
        Rules memory rules,
        IMarketTypes.Record calldata r,
        address challenger,
        uint8 claim,
        Loss memory loss,
        uint96 reward,
        bool confirmed
    ) private {
        address attacked = challenger == r.provider() ? r.buyer() : challenger == r.buyer() ? r.provider() : rules.pool;
        bool wrong = confirmed || challenger == loss.loser;
        Claims.release(
            self,
            rules,
            r.trade,
            challenger,
            claim,
            Claims.ANY_RUN,
            wrong ? attacked : loss.payer,
            wrong ? rules.disputeBond : 0,
            wrong ? 0 : reward
        );
    }

    function _giveBack(State storage self, Rules memory rules, bytes32 trade, address challenger, uint8 claim) private {
        Claims.release(self, rules, trade, challenger, claim, Claims.ANY_RUN, address(0), 0, 0);
    }

    /// @dev The loser is the side to which the ruling leaves less than the decision did, and it pays the challengers from what
    /// the trade gives it. If nobody lost (a slash takes nothing from a buyer), nobody pays.
    function _lossOf(Rules memory rules, IMarketTypes.Record calldata r, uint256 decided, uint256 ruled)
        private
        pure
        returns (Loss memory)
    {
        (uint256 wasProviders, uint256 wasBuyers) = _sharesOf(rules, r, decided);
        (uint256 toProvider, uint256 toBuyer) = _sharesOf(rules, r, ruled);
        if (toProvider < wasProviders) return Loss(r.provider(), r.provider(), toProvider);
        if (toBuyer < wasBuyers) return Loss(r.buyer(), r.buyer(), toBuyer);
        return Loss(address(0), address(0), 0);
    }

    /// @dev What an outcome that the trade can have leaves to provider and buyer.
    function _sharesOf(Rules memory rules, IMarketTypes.Record calldata r, uint256 outcome)
        private
        pure
        returns (uint256, uint256)
    {
        if (outcome.kindOf() != Records.SETTLED) {
            return (outcome.kindOf() == Records.SLASHED ? 0 : r.bond(), r.payment());
        }
        uint256 paid = Amounts.paymentDown(r.price(), outcome.unitsOf());
        return (r.bond() + paid - Amounts.feeDown(paid, rules.feeBps), r.payment() - paid);
    }

    function _end(
        State storage self,
        Rules memory rules,
        bytes32 verifierSet,
        IMarketTypes.Record calldata r,
        uint256 outcome,
        uint8 reason
    ) private returns (Totals memory totals) {
        self.close(rules, r, outcome, totals);
        self.payTotals(rules, verifierSet, totals);
        emit IMarketEvents.DisputeEnded(r.trade, outcome, reason);
    }

    function _take(State storage self, bytes32 batchId, IMarketTypes.Record calldata r)
        private
        returns (Dispute memory d)
    {
        d = self.disputes[batchId][r.index()];
        if (d.ruleBy == 0) revert IMarketEvents.NotDisputed(r.trade);
        delete self.disputes[batchId][r.index()];
    }
}
