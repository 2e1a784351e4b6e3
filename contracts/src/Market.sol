// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Openings} from "./base/Openings.sol";
import {IMarket} from "./interfaces/IMarket.sol";
import {Disputes} from "./libraries/Disputes.sol";
import {Endings} from "./libraries/Endings.sol";
import {Rulings} from "./libraries/Rulings.sol";
import {Sessions} from "./libraries/Sessions.sol";
import {Dispute} from "./libraries/State.sol";
import {Verdicts} from "./libraries/Verdicts.sol";

/// @title Escrow of the market; this last part says how trades end
/// @dev What each function does, who may call it and when it reverts is said in IMarket. Read base/Custody.sol first (money in
/// and out), then base/Openings.sol (how trades begin). Disputes and sessions are libraries with code of their own, which runs
/// in this contract: nothing else holds tokens or state.
contract Market is Openings {
    constructor(Parameters memory p) Openings(p) {}

    // ------------------------------------------------------------------------------------------------ by verdict

    /// @inheritdoc IMarket
    function decide(
        BatchHead calldata head,
        KeySet calldata verifiers,
        Verdict calldata verdict,
        bytes[] calldata signatures
    ) external returns (bytes32 id) {
        return Verdicts.decide(_state, _rules(), head, verifiers, verdict, signatures);
    }

    /// @inheritdoc IMarket
    function settle(BatchHead calldata head, Verdict calldata verdict, Proven calldata proven) external {
        Verdicts.settle(_state, _rules(), head, verdict, proven);
    }

    // ------------------------------------------------------------------------------------------------ by signature

    /// @inheritdoc IMarket
    function accept(
        BatchHead calldata head,
        address buyer,
        bytes calldata buyerSignature,
        address provider,
        bytes calldata providerSignature,
        bytes calldata outcomes,
        Proven calldata proven
    ) external {
        Endings.accept(_state, _rules(), head, buyer, buyerSignature, provider, providerSignature, outcomes, proven);
    }

    /// @inheritdoc IMarket
    function giveUp(BatchHead calldata head, address provider, Proven calldata proven, bytes calldata signature)
        external
    {
        Endings.giveUp(_state, _rules(), head, provider, proven, signature);
    }

    // ------------------------------------------------------------------------------------------------ by time

    /// @inheritdoc IMarket
    function refund(BatchHead calldata head, Proven calldata proven) external {
        Endings.refund(_state, _rules(), head, proven);
    }

    // ------------------------------------------------------------------------------------------------ by ruling

    /// @inheritdoc IMarket
    function dispute(BatchHead calldata head, Verdict calldata verdict, Proven calldata proven, uint8 claim, uint32 run)
        external
    {
        Disputes.open(_state, _rules(), head, verdict, proven, claim, run);
    }

    /// @inheritdoc IMarket
    function reveal(bytes32 batchId, Record calldata record, uint32 run, Shown calldata shown) external {
        Disputes.reveal(_state, _rules(), batchId, record, run, shown);
    }

    /// @inheritdoc IMarket
    function rule(
        BatchHead calldata head,
        KeySet calldata arbiters,
        Proven calldata proven,
        uint256 outcome,
        bytes[] calldata signatures
    ) external {
        Rulings.rule(_state, _rules(), head, arbiters, proven, outcome, signatures);
    }

    /// @inheritdoc IMarket
    function timeOut(BatchHead calldata head, Proven calldata proven) external {
        Rulings.timeOut(_state, _rules(), head, proven);
    }

    /// @inheritdoc IMarket
    function reclaim(BatchHead calldata head, Proven calldata proven, uint32 run) external {
        Rulings.reclaim(_state, _rules(), head, proven, run);
    }

    // ------------------------------------------------------------------------------------------------ sessions

    /// @inheritdoc IMarket
    function openSession(Session calldata session) external whenNotPaused returns (bytes32) {
        return Sessions.open(_state, session);
    }

    /// @inheritdoc IMarket
    function redeem(SignedVoucher[] calldata vouchers) external {
        _checkLength(vouchers.length);
        Sessions.redeem(_state, _rules(), vouchers);
    }

    /// @inheritdoc IMarket
    function closeSession(Session calldata session) external {
        Sessions.close(_state, _rules(), session);
    }

    // ------------------------------------------------------------------------------------------------ views

    /// @inheritdoc IMarket
    function decided(bytes32 verdict) external view returns (uint256) {
        return _state.decided[verdict];
    }

    /// @inheritdoc IMarket
    function exposureOf(bytes32 verifierSet) external view returns (uint256) {
        return uint128(_state.exposure[verifierSet]);
    }

    /// @inheritdoc IMarket
    function disputeOf(bytes32 batchId, uint256 index)
        external
        view
        returns (address challenger, address second, uint40 claimBy, uint40 revealBy, uint40 ruleBy, uint32 missing)
    {
        Dispute storage d = _state.disputes[batchId][index];
        return (d.challenger, d.second, d.claimBy, d.revealBy, d.ruleBy, d.missing);
    }

    /// @inheritdoc IMarket
    function claimOf(bytes32 batchId, uint256 index, uint32 run) external view returns (address) {
        return _state.claims[batchId][index][run];
    }

    /// @inheritdoc IMarket
    function refundableFrom(bytes32 batchId, uint256 index) external view returns (uint256) {
        return _state.refundableFrom[batchId][index];
    }

    /// @inheritdoc IMarket
    function sessionState(bytes32 session) external view returns (uint96 paid, bool isOpen) {
        return Sessions.read(_state, session);
    }

    /// @inheritdoc IMarket
    function hashSession(Session calldata session) external pure returns (bytes32) {
        return Sessions.idOf(session);
    }
}
