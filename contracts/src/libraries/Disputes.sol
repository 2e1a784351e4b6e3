// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {IMarketEvents} from "../interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../interfaces/IMarketTypes.sol";
import {IRegistry} from "../interfaces/IRegistry.sol";
import {Accounts} from "./Accounts.sol";
import {Amounts} from "./Amounts.sol";
import {Batches} from "./Batches.sol";
import {Closings, Totals} from "./Closings.sol";
import {Orders} from "./Orders.sol";
import {Quorums} from "./Quorums.sol";
import {Records} from "./Records.sol";
import {Signatures} from "./Signatures.sol";
import {Dispute, Rules, State, Word} from "./State.sol";
import {Verdicts} from "./Verdicts.sol";

/// @title Disputes about what verifiers decided
/// @notice A decided trade is still locked in full, payment and bond. A dispute takes it out of the verdict, so whatever the
/// arbiters rule is paid in full from the trade itself.
/// @dev Code of its own, called by the market; it runs on the market's state.
library Disputes {
    using Accounts for Word;
    using Closings for State;
    using Records for IMarketTypes.Record;
    using Records for uint256;

    uint256 private constant RECEIPT_BYTES = 19 * 32;

    /// @dev See IMarket.dispute.
    function open(
        State storage self,
        Rules memory rules,
        IMarketTypes.BatchHead calldata head,
        IMarketTypes.Verdict calldata verdict,
        IMarketTypes.Proven calldata proven
    ) external {
        (bytes32 batchId, IMarketTypes.Record calldata r) = Batches.proveOne(head, proven);
        bytes32 id = Orders.hashVerdict(batchId, verdict);
        uint256 waiting = self.decided[id];
        uint256 bit = 1 << r.index();
        if (waiting & bit == 0) revert IMarketEvents.TradeNotOpen(r.trade);
        uint256 until = uint40(waiting >> 200);
        if (block.timestamp >= until) revert IMarketEvents.TooLate(r.trade, until);
        Word storage challenger = self.accounts[msg.sender];
        if (challenger.available() < rules.disputeBond) {
            revert IMarketEvents.InsufficientAvailable(msg.sender, uint128(challenger.available()), rules.disputeBond);
        }
        uint256 outcome = r.possible(_outcomeFor(r, verdict.outcomes)); // as settle() would have read it
        challenger.lock(rules.disputeBond);
        self.decided[id] = (waiting ^ bit) & Verdicts.BITS == 0 ? 0 : waiting ^ bit;
        _note(self, rules, batchId, r, outcome, id, verdict.receiptsRoot);
    }

    function _note(
        State storage self,
        Rules memory rules,
        bytes32 batchId,
        IMarketTypes.Record calldata r,
        uint256 outcome,
        bytes32 verdict,
        bytes32 receiptsRoot
    ) private {
        uint40 revealBy = uint40(block.timestamp) + rules.disputeWindow;
        uint40 ruleBy = revealBy + rules.disputeWindow;
        self.disputes[batchId][r.index()] = Dispute({
            challenger: msg.sender,
            bond: rules.disputeBond,
            revealBy: revealBy,
            ruleBy: ruleBy,
            revealed: false,
            outcome: uint112(outcome),
            evidence: _evidenceOf(r, receiptsRoot)
        });
        emit IMarketEvents.DisputeOpened(r.trade, verdict, msg.sender, outcome, rules.disputeBond, revealBy, ruleBy);
    }

    /// @dev The verdict decided this trade, so it is in there.
    function _outcomeFor(IMarketTypes.Record calldata r, bytes calldata outcomes)
        private
        pure
        returns (uint256 outcome)
    {
        for (uint256 i; i < outcomes.length / Records.OUTCOME_BYTES; ++i) {
            outcome = Records.outcomeAt(outcomes, i);
            if (outcome.indexOf() == r.index()) return outcome;
        }
        revert IMarketEvents.InvalidOutcome(r.trade);
    }

    /// @dev Binds the dispute to its record, whose provider names the agents, and to the root of the verdict.
    function _evidenceOf(IMarketTypes.Record calldata r, bytes32 receiptsRoot) private pure returns (bytes32) {
        return keccak256(abi.encode(Batches.leafOf(r.trade, r.providerAndPrice, r.buyerAndWork, r.terms), receiptsRoot));
    }

    /// @dev See IMarket.reveal.
    function reveal(
        State storage self,
        Rules memory rules,
        bytes32 batchId,
        IMarketTypes.Record calldata r,
        bytes calldata words,
        bytes calldata signature,
        uint8 verdictOfRun,
        bytes32[] calldata proof
    ) external {
        Dispute storage d = self.disputes[batchId][r.index()];
        if (d.challenger == address(0)) revert IMarketEvents.NotDisputed(r.trade);
        if (block.timestamp >= d.revealBy) revert IMarketEvents.TooLate(r.trade, d.revealBy);
        if (words.length != RECEIPT_BYTES || bytes32(words) != r.trade) revert IMarketEvents.InvalidReceipt(r.trade);
        bytes32 receipt = Orders.digestOf(rules.domain, Orders.hashReceipt(words));
        uint32 run = uint32(uint256(bytes32(words[32:])));
        bytes32 leaf =
            keccak256(bytes.concat(keccak256(abi.encode(receipt, r.trade, uint256(run), uint256(verdictOfRun)))));
        if (_evidenceOf(r, MerkleProof.processProofCalldata(proof, leaf)) != d.evidence) {
            revert IMarketEvents.InvalidReceipt(r.trade);
        }
        address agent = Signatures.signerOf(receipt, signature);
        if (IRegistry(rules.registry).agentValidUntil(r.provider(), agent) == 0) {
            revert IMarketEvents.InvalidSignature(r.provider());
        }
        d.revealed = true;
        emit IMarketEvents.ReceiptRevealed(r.trade, receipt, run, words, signature);
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
        if (block.timestamp >= d.ruleBy) revert IMarketEvents.TooLate(r.trade, d.ruleBy);
        bytes32 digest = Orders.digestOf(rules.domain, Orders.hashRuling(batchId, r.trade, outcome));
        Quorums.require_(rules.arbiterSet, arbiters, digest, signatures);
        outcome = Records.outcomeOf(r.index(), outcome.kindOf(), outcome.runsOf(), outcome.unitsOf());
        if (!r.allows(outcome)) revert IMarketEvents.InvalidOutcome(r.trade);
        if (outcome != d.outcome) {
            _overturn(self, rules, head.verifierSet, d, r, outcome);
        } else {
            _uphold(self, rules, head.verifierSet, d, r, outcome);
        }
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
        bool unbacked = uint256(d.outcome).kindOf() == Records.SETTLED && !d.revealed;
        if (unbacked && d.challenger != r.provider()) {
            if (block.timestamp < d.revealBy) revert IMarketEvents.TooEarly(r.trade, d.revealBy);
            _overturn(self, rules, head.verifierSet, d, r, Records.outcomeOf(r.index(), Records.REFUNDED, 0, 0));
            return;
        }
        if (block.timestamp < d.ruleBy) revert IMarketEvents.TooEarly(r.trade, d.ruleBy);
        // Nobody ruled: what was decided stands, and nobody loses a bond for the arbiters' silence.
        self.accounts[d.challenger].release(d.bond, d.bond);
        _end(self, rules, head.verifierSet, r, d.outcome);
        emit IMarketEvents.DisputeRuled(r.trade, d.outcome, d.challenger, d.bond, address(0), 0, 0);
    }

    /// @dev The decision was wrong. The loser is the side to which the ruling leaves less than the decision did. The challenger is
    /// paid from what the trade just gave the loser, or the pool if the bond was slashed; at most as much as its own bond. If
    /// nobody lost (a slash takes nothing from a buyer), nobody pays. A challenger that is the loser itself forfeits its bond.
    function _overturn(
        State storage self,
        Rules memory rules,
        bytes32 verifierSet,
        Dispute memory d,
        IMarketTypes.Record calldata r,
        uint256 outcome
    ) private {
        (uint256 wasProviders, uint256 wasBuyers) = _sharesOf(rules, r, d.outcome);
        (uint256 toProvider, uint256 toBuyer) = _sharesOf(rules, r, outcome);
        (address payer, uint256 there) = (address(0), 0);
        if (toProvider < wasProviders) (payer, there) = (r.provider(), toProvider);
        else if (toBuyer < wasBuyers) (payer, there) = (r.buyer(), toBuyer);
        if (payer == d.challenger) return _uphold(self, rules, verifierSet, d, r, outcome);
        Totals memory totals = _end(self, rules, verifierSet, r, outcome);
        if (payer == r.provider() && outcome.kindOf() == Records.SLASHED) (payer, there) = (rules.pool, totals.pool);
        uint256 reward = there < d.bond ? there : d.bond;
        if (reward != 0) self.accounts[payer].debit(reward);
        self.accounts[d.challenger].release(d.bond, d.bond + reward);
        emit IMarketEvents.DisputeRuled(r.trade, outcome, d.challenger, d.bond, payer, 0, uint96(reward));
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

    /// @dev The challenger was wrong: its bond goes to the side that it attacked.
    function _uphold(
        State storage self,
        Rules memory rules,
        bytes32 verifierSet,
        Dispute memory d,
        IMarketTypes.Record calldata r,
        uint256 outcome
    ) private {
        address attacked = d.challenger == r.provider() ? r.buyer() : r.provider();
        _end(self, rules, verifierSet, r, outcome);
        self.accounts[d.challenger].release(d.bond, 0);
        self.accounts[attacked].credit(d.bond);
        emit IMarketEvents.DisputeRuled(r.trade, outcome, d.challenger, d.bond, attacked, d.bond, 0);
    }

    function _end(
        State storage self,
        Rules memory rules,
        bytes32 verifierSet,
        IMarketTypes.Record calldata r,
        uint256 outcome
    ) private returns (Totals memory totals) {
        self.close(rules, r, outcome, totals);
        self.payTotals(rules, verifierSet, totals);
    }

    function _take(State storage self, bytes32 batchId, IMarketTypes.Record calldata r)
        private
        returns (Dispute memory d)
    {
        d = self.disputes[batchId][r.index()];
        if (d.challenger == address(0)) revert IMarketEvents.NotDisputed(r.trade);
        delete self.disputes[batchId][r.index()];
    }
}
