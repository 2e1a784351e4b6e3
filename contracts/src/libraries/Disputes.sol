// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {IMarketEvents} from "../interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../interfaces/IMarketTypes.sol";
import {IRegistry} from "../interfaces/IRegistry.sol";
import {Accounts} from "./Accounts.sol";
import {Batches} from "./Batches.sol";
import {Claims} from "./Claims.sol";
import {Orders} from "./Orders.sol";
import {Records} from "./Records.sol";
import {Signatures} from "./Signatures.sol";
import {Dispute, Rules, State, Word} from "./State.sol";

/// @title Disputes about what verifiers decided: claims, and the receipts that answer them
/// @notice A decided trade is still locked in full, payment and bond. The first claim takes it out of its verdict, so whatever
/// follows is paid in full from the trade itself. Rulings.sol says how disputes end.
/// @dev Code of its own, called by the market; it runs on the market's state.
library Disputes {
    using Accounts for Word;
    using Records for IMarketTypes.Record;
    using Records for uint256;

    uint256 private constant RECEIPT_BYTES = 20 * 32;
    /// @notice Verdicts of a run, as its leaf states them.
    uint8 private constant ACCEPTED = 1;
    uint8 private constant REJECTED = 2;

    // ------------------------------------------------------------------------------------------------ claims

    /// @dev See IMarket.dispute.
    function open(
        State storage self,
        Rules memory rules,
        IMarketTypes.BatchHead calldata head,
        IMarketTypes.Verdict calldata verdict,
        IMarketTypes.Proven calldata proven,
        uint8 claim,
        uint32 run
    ) external {
        (bytes32 batchId, IMarketTypes.Record calldata r) = Batches.proveOne(head, proven);
        bytes32 id = Orders.hashVerdict(batchId, verdict);
        Dispute storage d = self.disputes[batchId][r.index()];
        if (d.ruleBy == 0) _begin(self, rules, d, id, r, verdict);
        else if (d.verdict != uint144(uint256(id))) revert IMarketEvents.NotDisputed(r.trade);
        if (claim == Claims.NO_RECEIPT) _claimNoReceipt(self, rules, d, batchId, r, run);
        else _claimForArbiters(d, r, claim);
        Word storage challenger = self.accounts[msg.sender];
        if (challenger.available() < rules.disputeBond) {
            revert IMarketEvents.InsufficientAvailable(msg.sender, uint128(challenger.available()), rules.disputeBond);
        }
        challenger.lock(rules.disputeBond);
        emit IMarketEvents.DisputeOpened(
            r.trade, id, msg.sender, d.outcome, rules.disputeBond, d.revealBy, d.ruleBy, claim, run
        );
    }

    /// @dev The deadlines hang on the verdict alone: whoever claims late, or joins, buys nobody more time and takes none.
    function _begin(
        State storage self,
        Rules memory rules,
        Dispute storage d,
        bytes32 id,
        IMarketTypes.Record calldata r,
        IMarketTypes.Verdict calldata verdict
    ) private {
        uint256 waiting = self.decided[id];
        uint256 bit = 1 << r.index();
        if (waiting & bit == 0) revert IMarketEvents.TradeNotOpen(r.trade);
        uint40 until = uint40(waiting >> 200);
        if (block.timestamp >= until) revert IMarketEvents.TooLate(r.trade, until);
        self.decided[id] = uint200(waiting ^ bit) == 0 ? 0 : waiting ^ bit;
        d.outcome = uint112(r.possible(_outcomeFor(r, verdict.outcomes))); // as settle() would have read it
        (d.claimBy, d.revealBy, d.ruleBy) = (until, until + rules.disputeWindow, until + 2 * rules.disputeWindow);
        d.verdict = uint144(uint256(id));
        d.evidence = evidenceOf(r, verdict.receiptsRoot);
    }

    /// @dev Each receipt that is asked for is a claim of its own, so none stands in the way of another. Of a slash the receipt
    /// that was found false is asked for, whichever run it is of.
    function _claimNoReceipt(
        State storage self,
        Rules memory rules,
        Dispute storage d,
        bytes32 batchId,
        IMarketTypes.Record calldata r,
        uint32 run
    ) private {
        uint256 until = d.revealBy - rules.disputeWindow;
        if (block.timestamp >= until) revert IMarketEvents.TooLate(r.trade, until);
        uint256 kind = uint256(d.outcome).kindOf();
        bool asked = kind == Records.SETTLED && run >= r.firstRun() && run < r.firstRun() + r.runs();
        if (!asked && !(kind == Records.SLASHED && run == Claims.ANY_RUN)) revert IMarketEvents.InvalidClaim(r.trade);
        mapping(uint256 run_ => address) storage claims = self.claims[batchId][r.index()];
        if (claims[run] != address(0)) revert IMarketEvents.ClaimTaken(r.trade);
        claims[run] = msg.sender;
        ++d.missing;
    }

    /// @dev Two at most, since whoever claims first may be an accomplice; what arbiters rule hangs on neither.
    function _claimForArbiters(Dispute storage d, IMarketTypes.Record calldata r, uint8 claim) private {
        if (claim != Claims.FALSE_RECEIPT && claim != Claims.WRONG_COUNT) revert IMarketEvents.InvalidClaim(r.trade);
        if (block.timestamp >= d.claimBy) revert IMarketEvents.TooLate(r.trade, d.claimBy);
        if (d.challenger == address(0)) (d.challenger, d.claim) = (msg.sender, claim);
        else if (d.second == address(0) && d.challenger != msg.sender) (d.second, d.secondClaim) = (msg.sender, claim);
        else revert IMarketEvents.ClaimTaken(r.trade);
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

    /// @notice Binds a dispute to its record, whose provider names the agents, and to the root of the verdict.
    function evidenceOf(IMarketTypes.Record calldata r, bytes32 receiptsRoot) internal pure returns (bytes32) {
        return keccak256(abi.encode(Batches.leafOf(r.trade, r.providerAndPrice, r.buyerAndWork, r.terms), receiptsRoot));
    }

    // ------------------------------------------------------------------------------------------------ receipts

    /// @dev See IMarket.reveal.
    function reveal(
        State storage self,
        Rules memory rules,
        bytes32 batchId,
        IMarketTypes.Record calldata r,
        uint32 claimed,
        IMarketTypes.Shown calldata shown
    ) external {
        Dispute storage d = self.disputes[batchId][r.index()];
        address challenger = self.claims[batchId][r.index()][claimed];
        if (d.ruleBy == 0 || uint160(challenger) <= uint160(Claims.SHOWN)) revert IMarketEvents.NotDisputed(r.trade);
        if (block.timestamp >= d.revealBy) revert IMarketEvents.TooLate(r.trade, d.revealBy);
        if (evidenceOf(r, shown.receiptsRoot) != d.evidence) revert IMarketEvents.InvalidReceipt(r.trade);
        bytes32 receipt;
        if (shown.words.length != 0) {
            if (shown.words.length != RECEIPT_BYTES || bytes32(shown.words) != r.trade) {
                revert IMarketEvents.InvalidReceipt(r.trade);
            }
            receipt = Orders.digestOf(rules.domain, Orders.hashReceipt(shown.words));
        }
        uint256 unbilled = d.unbilled;
        if (!_answers(rules, d, r, claimed, receipt, shown)) revert IMarketEvents.InvalidReceipt(r.trade);
        // Asked for and shown again, a run that is not billed would use up what the outcome leaves out.
        self.claims[batchId][r.index()][claimed] = Claims.SHOWN;
        --d.missing;
        // Whoever asked for a receipt could not know what it says: time to contest what was shown, before arbiters must rule.
        uint40 claimBy = uint40(block.timestamp) + rules.disputeWindow / 2;
        if (claimBy > d.claimBy) d.claimBy = claimBy;
        emit IMarketEvents.ReceiptRevealed(
            r.trade, receipt, claimed, d.unbilled != unbilled, shown.words, shown.signature
        );
        // Down: the challenger gains. It pays whoever showed the receipt for the gas.
        uint96 cost = rules.disputeBond / Claims.REVEAL_SHARE;
        Claims.release(self, rules, r.trade, challenger, Claims.NO_RECEIPT, claimed, msg.sender, cost, 0);
    }

    /// @dev Whether what is shown answers the claim about this run: the leaf that the verdict rests on, or, of a paid run, the
    /// exchange's word that it has this receipt. A leaf says whether its run was accepted and the units that it is billed.
    function _answers(
        Rules memory rules,
        Dispute storage d,
        IMarketTypes.Record calldata r,
        uint32 claimed,
        bytes32 receipt,
        IMarketTypes.Shown calldata shown
    ) private returns (bool) {
        uint256 outcome = d.outcome;
        bool paid = outcome.kindOf() == Records.SETTLED;
        uint32 run = paid ? claimed : shown.run;
        if (receipt != 0 && uint32(uint256(bytes32(shown.words[32:]))) != run) return false;
        if (shown.acknowledgement.length != 0) {
            bytes32 said = Orders.digestOf(rules.domain, Orders.hashReceiptAcknowledgement(receipt));
            if (!paid || Signatures.signerOf(said, shown.acknowledgement) != rules.acknowledger) return false;
            return receipt != 0 && _isOfAgent(rules, r, receipt, shown.signature);
        }
        bytes32 leaf =
            keccak256(bytes.concat(keccak256(abi.encode(receipt, r.trade, run, shown.verdictOfRun, shown.unitsOfRun))));
        if (MerkleProof.processProofCalldata(shown.proof, leaf) != shown.receiptsRoot) return false;
        if (!paid || shown.unitsOfRun != 0) {
            return shown.verdictOfRun == (paid ? ACCEPTED : REJECTED) && receipt != 0
                && _isOfAgent(rules, r, receipt, shown.signature);
        }
        // The run is not billed. More of such runs than the outcome leaves out contradict it, and the last ones answer nothing.
        return ++d.unbilled <= r.runs() - outcome.runsOf();
    }

    function _isOfAgent(Rules memory rules, IMarketTypes.Record calldata r, bytes32 receipt, bytes calldata signature)
        private
        view
        returns (bool)
    {
        address agent = Signatures.signerOf(receipt, signature);
        if (IRegistry(rules.registry).agentValidUntil(r.provider(), agent) == 0) {
            revert IMarketEvents.InvalidSignature(r.provider());
        }
        return true;
    }
}
