// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {OpeningTest} from "./OpeningTest.sol";
import {Outcome, Packing, Record} from "./Packing.sol";
import {Trees} from "./Trees.sol";

/// @dev How to end trades, with real proofs and real quorums.
/// @dev What can be claimed, and the run of a claim that names none.
uint8 constant NO_RECEIPT = 1;
uint8 constant FALSE_RECEIPT = 2;
uint8 constant WRONG_COUNT = 3;
uint32 constant ANY_RUN = type(uint32).max;

abstract contract MarketTest is OpeningTest {
    uint8 internal constant BUY = 1;
    uint8 internal constant SELL = 2;

    /// @dev Who is named, and the key that signs in that name.
    struct Signer {
        address account;
        uint256 key;
    }

    /// @dev The root of receipts that the next verdict names.
    bytes32 internal receiptsRoot = RECEIPTS_ROOT;

    // ------------------------------------------------------------------------------------------------ proofs

    function _leaves(Record[] memory records) internal pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](records.length);
        for (uint256 i; i < records.length; ++i) {
            leaves[i] = keccak256(bytes.concat(keccak256(abi.encode(Packing.record(records[i])))));
        }
    }

    /// @dev 0, 1, ... count - 1.
    function _indices(uint256 count) internal pure returns (uint256[] memory indices) {
        indices = new uint256[](count);
        for (uint256 i; i < count; ++i) {
            indices[i] = i;
        }
    }

    function _only(uint256 index) internal pure returns (uint256[] memory indices) {
        indices = new uint256[](1);
        indices[0] = index;
    }

    function _pick(Record[] memory records, uint256[] memory indices) internal pure returns (Record[] memory picked) {
        picked = new Record[](indices.length);
        for (uint256 i; i < indices.length; ++i) {
            picked[i] = records[indices[i]];
        }
    }

    /// @dev The records with these indices and their multiproof.
    function _prove(Lock memory lock, uint256[] memory indices) internal pure returns (IMarketTypes.Proven memory) {
        (bytes32[] memory path, bool[] memory flags) = Trees.multiproof(_leaves(lock.records), indices);
        return IMarketTypes.Proven(Packing.records(_pick(lock.records, indices)), path, flags);
    }

    function _proveOne(Lock memory lock, uint256 index) internal pure returns (IMarketTypes.Proven memory) {
        return _prove(lock, _only(index));
    }

    function _proven(Record[] memory records, bytes32[] memory path, bool[] memory flags)
        internal
        pure
        returns (IMarketTypes.Proven memory)
    {
        return IMarketTypes.Proven(Packing.records(records), path, flags);
    }

    // ------------------------------------------------------------------------------------------------ outcomes

    function _outcome(uint8 kind, uint32 runs, uint64 units) internal pure returns (Outcome[] memory outcomes) {
        outcomes = new Outcome[](1);
        outcomes[0] = Outcome(kind, runs, units);
    }

    /// @dev `count` times one run, billed in full.
    function _settled(uint256 count) internal pure returns (Outcome[] memory outcomes) {
        outcomes = new Outcome[](count);
        for (uint256 i; i < count; ++i) {
            outcomes[i] = Outcome(SETTLED, 1, CEILING);
        }
    }

    // ------------------------------------------------------------------------------------------------ verdicts

    function _verdictOf(Record[] memory records, Outcome[] memory outcomes)
        internal
        view
        returns (IMarketTypes.Verdict memory)
    {
        return IMarketTypes.Verdict(Packing.outcomes(records, outcomes), receiptsRoot);
    }

    /// @dev hashStruct, computed here again; it is the id of the verdict.
    function _idOf(bytes32 batch, IMarketTypes.Verdict memory verdict) internal pure returns (bytes32) {
        bytes32 typeHash = keccak256("Verdict(bytes32 batch,bytes outcomes,bytes32 receiptsRoot)");
        return keccak256(abi.encode(typeHash, batch, keccak256(verdict.outcomes), verdict.receiptsRoot));
    }

    function _verdictDigest(bytes32 batch, IMarketTypes.Verdict memory verdict) internal view returns (bytes32) {
        return _marketDigest(_idOf(batch, verdict));
    }

    /// @dev The first two verifiers sign; they are in ascending order.
    function _quorum(bytes32 digest) internal view returns (bytes[] memory) {
        return _signedByTwo(verifierKeys[0], verifierKeys[1], digest);
    }

    function _arbiters(bytes32 digest) internal view returns (bytes[] memory) {
        return _signedByTwo(arbiterKeys[0], arbiterKeys[1], digest);
    }

    function _signedByTwo(uint256 first, uint256 second, bytes32 digest)
        internal
        pure
        returns (bytes[] memory signatures)
    {
        signatures = new bytes[](2);
        signatures[0] = _sign(first, digest);
        signatures[1] = _sign(second, digest);
    }

    /// @return id of the verdict.
    function _decide(Lock memory lock, uint256[] memory indices, Outcome[] memory outcomes) internal returns (bytes32) {
        IMarketTypes.Verdict memory verdict = _verdictOf(_pick(lock.records, indices), outcomes);
        return market.decide(lock.head, _verifierKeySet(), verdict, _quorum(_verdictDigest(lock.id, verdict)));
    }

    function _settle(Lock memory lock, uint256[] memory indices, Outcome[] memory outcomes) internal {
        IMarketTypes.Verdict memory verdict = _verdictOf(_pick(lock.records, indices), outcomes);
        market.settle(lock.head, verdict, _prove(lock, indices));
    }

    /// @dev Decides, lets the dispute window pass, settles.
    function _close(Lock memory lock, uint256[] memory indices, Outcome[] memory outcomes) internal {
        _decide(lock, indices, outcomes);
        vm.warp(block.timestamp + WINDOW);
        _settle(lock, indices, outcomes);
    }

    function _closeOne(Lock memory lock, uint8 kind, uint32 runs, uint64 units) internal {
        _close(lock, _indices(1), _outcome(kind, runs, units));
    }

    // ------------------------------------------------------------------------------------------------ endings

    function _acceptance(bytes32 batch, bytes memory outcomes) internal view returns (bytes32) {
        bytes32 typeHash = keccak256("Acceptance(bytes32 batch,bytes outcomes)");
        return _marketDigest(keccak256(abi.encode(typeHash, batch, keccak256(outcomes))));
    }

    /// @dev The buyer alone.
    function _accept(
        Lock memory lock,
        uint256[] memory indices,
        Outcome[] memory outcomes,
        address account,
        uint256 key
    ) internal {
        _acceptBoth(lock, indices, outcomes, Signer(account, key), Signer(address(0), key));
    }

    /// @dev The key of a signer may be another one's, of an agent or a thief.
    function _acceptBoth(
        Lock memory lock,
        uint256[] memory indices,
        Outcome[] memory outcomes,
        Signer memory buys,
        Signer memory sells
    ) internal {
        bytes memory packed = Packing.outcomes(_pick(lock.records, indices), outcomes);
        bytes32 digest = _acceptance(lock.id, packed);
        IMarketTypes.Proven memory proven = _prove(lock, indices);
        (bytes memory bought, bytes memory sold) = (_sign(buys.key, digest), _sign(sells.key, digest));
        market.accept(lock.head, buys.account, bought, sells.account, sold, packed, proven);
    }

    /// @dev trades: the bits that are signed.
    function _givingUp(bytes32 batch, uint256 trades) internal view returns (bytes32) {
        bytes32 typeHash = keccak256("GivingUp(bytes32 batch,uint256 trades)");
        return _marketDigest(keccak256(abi.encode(typeHash, batch, trades)));
    }

    function _giveUp(Lock memory lock, uint256[] memory indices, address account, uint256 key) internal {
        uint256 trades;
        for (uint256 i; i < indices.length; ++i) {
            trades |= 1 << indices[i];
        }
        bytes memory signature = _sign(key, _givingUp(lock.id, trades));
        market.giveUp(lock.head, account, _prove(lock, indices), signature);
    }

    function _refund(Lock memory lock, uint256[] memory indices) internal {
        market.refund(lock.head, _prove(lock, indices));
    }

    // ------------------------------------------------------------------------------------------------ disputes

    /// @dev Claims that arbiters must rule.
    function _dispute(
        address challenger,
        Lock memory lock,
        uint256[] memory indices,
        Outcome[] memory outcomes,
        uint256 index
    ) internal {
        _claim(challenger, lock, indices, outcomes, index, FALSE_RECEIPT, ANY_RUN);
    }

    function _claim(
        address challenger,
        Lock memory lock,
        uint256[] memory indices,
        Outcome[] memory outcomes,
        uint256 index,
        uint8 claim,
        uint32 run
    ) internal {
        IMarketTypes.Verdict memory verdict = _verdictOf(_pick(lock.records, indices), outcomes);
        IMarketTypes.Proven memory proven = _proveOne(lock, index);
        vm.prank(challenger);
        market.dispute(lock.head, verdict, proven, claim, run);
    }

    function _ruling(bytes32 batch, bytes32 trade, Outcome memory end) internal view returns (bytes32) {
        bytes32 typeHash = keccak256("Ruling(bytes32 batch,bytes32 trade,uint8 kind,uint32 runsDelivered,uint64 units)");
        return _marketDigest(keccak256(abi.encode(typeHash, batch, trade, end.kind, end.runsDelivered, end.units)));
    }

    function _rule(Lock memory lock, uint256 index, Outcome memory end) internal {
        Record memory r = lock.records[index];
        bytes[] memory signatures = _arbiters(_ruling(lock.id, r.trade, end));
        uint256 word = Packing.outcomeWord(r.index, end);
        market.rule(lock.head, _arbiterKeySet(), _proveOne(lock, index), word, signatures);
    }

    function _timeOut(Lock memory lock, uint256 index) internal {
        market.timeOut(lock.head, _proveOne(lock, index));
    }

    // ------------------------------------------------------------------------------------------------ claims

    function _available(address account) internal view returns (uint256 available) {
        (available,) = market.accountOf(account);
    }

    function _locked(address account) internal view returns (uint256 locked) {
        (, locked) = market.accountOf(account);
    }

    /// @dev Units of the offer or runs of the bid that a record is of, in trades that are open or settled.
    function _sold(Record memory r) internal view returns (uint256 consumed) {
        (consumed,,) = market.orderState(r.provider, SELL, r.offerNonce);
    }

    function _bought(Record memory r) internal view returns (uint256 consumed) {
        (consumed,,) = market.orderState(r.buyer, BUY, r.bidNonce);
    }

    function _assertAccount(address account, uint256 available, uint256 locked, string memory who) internal view {
        vm.assertEq(_available(account), available, string.concat(who, ": available"));
        vm.assertEq(_locked(account), locked, string.concat(who, ": locked"));
    }

    function _assertRejected(Lock memory lock, uint8 code) internal pure {
        vm.assertEq(lock.codes.length, 1, "one fill is rejected");
        vm.assertEq(lock.codes[0], code, "reject code");
        vm.assertEq(lock.records.length, 0, "no trade");
        vm.assertEq(lock.id, bytes32(0), "no batch");
    }
}
