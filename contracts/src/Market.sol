// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Custody} from "./base/Custody.sol";
import {Openings} from "./base/Openings.sol";
import {IMarket} from "./interfaces/IMarket.sol";
import {Account, Accounts} from "./libraries/Accounts.sol";
import {Amounts} from "./libraries/Amounts.sol";
import {Batches} from "./libraries/Batches.sol";
import {Orders} from "./libraries/Orders.sol";
import {Signatures} from "./libraries/Signatures.sol";

/// @title Escrow of the market; this last part says how trades end
/// @dev What each function does, who may call it and when it reverts is said in IMarket. Read base/Custody.sol first (money in
/// and out), then base/Openings.sol (how trades begin).
contract Market is Openings {
    using Accounts for mapping(address => Account);

    uint8 internal constant REFUNDED = 0;
    uint8 internal constant SETTLED = 1;
    uint8 internal constant SLASHED = 2;

    mapping(bytes32 batchId => mapping(uint32 index => uint256)) private _attestations; // runsDelivered << 64 | units

    constructor(Parameters memory p) Custody(p) {}

    // ------------------------------------------------------------------------------------------------ closing

    /// @inheritdoc IMarket
    function close(
        BatchHead calldata head,
        Record[] memory records,
        Outcome[] memory outcomes,
        bytes32[] calldata proof,
        bool[] calldata proofFlags,
        bytes32 receiptsRoot,
        bytes[] calldata signatures
    ) external {
        if (outcomes.length != records.length) {
            revert LengthMismatch(records.length, outcomes.length);
        }
        bytes32 verdict = _hashOutcomes(records, outcomes);
        bytes32 batchId = _proveAll(head, records, proof, proofFlags);
        verdict = Orders.hashVerdict(batchId, verdict, receiptsRoot);
        _checkQuorum(head.verifierSet, verdict, signatures);
        _closeAll(batchId, records, outcomes, receiptsRoot);
    }

    /// @inheritdoc IMarket
    function refund(
        BatchHead calldata head,
        Record[] memory records,
        bytes32[] calldata proof,
        bool[] calldata proofFlags
    ) external {
        bytes32 batchId = _proveAll(head, records, proof, proofFlags);
        uint256 bits = openBits[batchId];
        uint256 left = bits;
        for (uint256 i; i < records.length; ++i) {
            Record memory r = records[i];
            if (left & (1 << r.index) == 0) continue;
            if (block.timestamp < _refundAfter(r)) revert TooEarly(r.trade, _refundAfter(r));
            if (_attestations[batchId][r.index] != 0) revert TradeAttested(r.trade);
            left ^= 1 << r.index;
            _closeTrade(batchId, r, Outcome(REFUNDED, 0, 0));
        }
        if (left == bits) revert NothingOpen(batchId);
        openBits[batchId] = left;
    }

    /// @inheritdoc IMarket
    function attestDelivery(
        BatchHead calldata head,
        Record memory record,
        bytes32[] calldata proof,
        uint32 runsDelivered,
        uint64 units,
        bytes[] calldata signatures
    ) external {
        bytes32 batchId = _proveOpen(head, record, proof);
        if (block.timestamp >= _refundAfter(record)) revert TooLate(record.trade, _refundAfter(record));
        if (!_isValid(record, Outcome(SETTLED, runsDelivered, units))) revert InvalidOutcome(record.trade);
        _checkQuorum(
            head.verifierSet, Orders.hashDeliveryAttestation(batchId, record.trade, runsDelivered, units), signatures
        );
        if (runsDelivered <= _attestations[batchId][record.index] >> 64) {
            revert AttestationNotGreater(record.trade, runsDelivered);
        }
        _attestations[batchId][record.index] = (uint256(runsDelivered) << 64) | units;
        emit DeliveryAttested(record.trade, batchId, runsDelivered, units);
    }

    /// @inheritdoc IMarket
    function payAttested(BatchHead calldata head, Record memory record, bytes32[] calldata proof) external {
        bytes32 batchId = _proveOpen(head, record, proof);
        uint256 attested = _attestations[batchId][record.index];
        if (attested == 0) revert TradeNotAttested(record.trade);
        uint256 from = _refundAfter(record) + verificationGrace;
        if (block.timestamp < from) revert TooEarly(record.trade, from);
        openBits[batchId] ^= 1 << record.index;
        _closeTrade(batchId, record, Outcome(SETTLED, uint32(attested >> 64), uint64(attested)));
    }

    /// @dev Closes what is still open of `records`, and passes over the rest.
    function _closeAll(bytes32 batchId, Record[] memory records, Outcome[] memory outcomes, bytes32 receiptsRoot)
        private
    {
        uint256 bits = openBits[batchId];
        uint256 left = bits;
        for (uint256 i; i < records.length; ++i) {
            uint256 bit = 1 << records[i].index;
            if (left & bit == 0) continue;
            left ^= bit;
            _closeTrade(batchId, records[i], outcomes[i]);
        }
        if (left == bits) revert NothingOpen(batchId);
        openBits[batchId] = left;
        emit BatchSealed(batchId, bits ^ left, receiptsRoot);
    }

    /// @dev Pays out payment and bond of a trade whose bit the caller clears, and gives unused quantity back to both orders.
    function _closeTrade(bytes32 batchId, Record memory r, Outcome memory o) private {
        if (!_isValid(r, o)) revert InvalidOutcome(r.trade);
        uint256 paid;
        uint256 fee;
        uint256 slashed;
        if (o.kind == SETTLED) {
            paid = Amounts.paymentDown(r.price, o.units); // units are at most those locked, so it is at most r.payment
            fee = Amounts.feeDown(paid, feeBps);
            _accounts.release(r.provider, r.bond, r.bond + paid - fee);
            if (fee != 0) _accounts.credit(treasury, fee);
        } else if (o.kind == SLASHED) {
            slashed = r.bond;
            uint256 rerun = Amounts.paymentDown(r.price, o.units);
            if (rerun > slashed) rerun = slashed;
            _accounts.release(r.provider, r.bond, 0);
            if (rerun != 0) _accounts.credit(rerunAccount, rerun);
            if (slashed != rerun) _accounts.credit(pool, slashed - rerun);
        } else {
            _accounts.release(r.provider, r.bond, r.bond);
        }
        _accounts.release(r.buyer, r.payment, r.payment - paid);
        _giveBack(r, o);
        emit TradeClosed(
            r.trade, batchId, o.kind, o.runsDelivered, o.units, uint128(paid), uint128(fee), uint128(slashed)
        );
    }

    /// @dev A slashed trade used nothing: its `units` are those of the re-run.
    function _giveBack(Record memory r, Outcome memory o) private {
        uint64 used = o.kind == SETTLED ? o.units : 0;
        uint64 units = uint64(r.runs) * r.ceiling - used;
        uint32 runs = r.runs - o.runsDelivered;
        if (units != 0) _orders[r.provider][r.offer] = _orders[r.provider][r.offer].give(units);
        if (runs != 0) _orders[r.buyer][r.bid] = _orders[r.buyer][r.bid].give(runs);
    }

    /// @inheritdoc IMarket
    function attestationOf(bytes32 batchId, uint32 index) external view returns (uint32 runsDelivered, uint64 units) {
        uint256 attested = _attestations[batchId][index];
        return (uint32(attested >> 64), uint64(attested));
    }

    // ------------------------------------------------------------------------------------------------ pieces

    function _proveAll(
        BatchHead calldata head,
        Record[] memory records,
        bytes32[] calldata proof,
        bool[] calldata proofFlags
    ) private pure returns (bytes32 batchId) {
        _checkLength(records.length);
        batchId = Batches.idOf(head);
        bytes32[] memory leaves = new bytes32[](records.length);
        for (uint256 i; i < records.length; ++i) {
            leaves[i] = Batches.leafOf(records[i]);
        }
        if (!Batches.containsAll(head, proof, proofFlags, leaves)) revert InvalidProof(batchId);
    }

    function _proveOpen(BatchHead calldata head, Record memory record, bytes32[] calldata proof)
        private
        view
        returns (bytes32 batchId)
    {
        batchId = Batches.idOf(head);
        if (!Batches.contains(head, proof, Batches.leafOf(record))) revert InvalidProof(batchId);
        if (openBits[batchId] & (1 << record.index) == 0) revert TradeNotOpen(record.trade);
    }

    function _checkQuorum(bytes32 verifierSet, bytes32 structHash, bytes[] calldata signatures) private view {
        (address[] memory members, uint8 threshold,) = registry.verifierSetOf(verifierSet);
        uint256 accepted = Signatures.countMembers(_hashTypedDataV4(structHash), signatures, members);
        if (accepted < threshold || accepted != signatures.length) {
            revert QuorumNotReached(verifierSet, accepted, threshold);
        }
    }

    function _hashOutcomes(Record[] memory records, Outcome[] memory outcomes) private pure returns (bytes32) {
        bytes32[] memory trades = new bytes32[](records.length);
        for (uint256 i; i < records.length; ++i) {
            trades[i] = records[i].trade;
        }
        return keccak256(abi.encode(trades, outcomes));
    }

    function _isValid(Record memory r, Outcome memory o) private pure returns (bool) {
        if (o.kind == REFUNDED) return o.runsDelivered == 0 && o.units == 0;
        if (o.kind == SLASHED) return o.runsDelivered == 0;
        if (o.kind != SETTLED || o.runsDelivered == 0 || o.runsDelivered > r.runs) return false;
        return
            o.units >= Amounts.leastUnitsUp(o.runsDelivered, r.ceiling)
                && o.units <= uint256(o.runsDelivered) * r.ceiling;
    }

    function _refundAfter(Record memory r) private view returns (uint256) {
        return uint256(r.deliverBy) + verificationGrace;
    }
}
