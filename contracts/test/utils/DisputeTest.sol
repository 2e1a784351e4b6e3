// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Fill, Outcome, Packing, Record} from "./Packing.sol";
import {ReceiptTest} from "./ReceiptTest.sol";
import {Trees} from "./Trees.sol";

/// @dev Two open trades of four runs each, of one batch, with a receipt each under the root of the verdict.
abstract contract DisputeTest is ReceiptTest {
    Lock internal lock;
    bytes[2] internal receipts;

    function setUp() public virtual override {
        super.setUp();
        vm.prank(provider);
        registry.setAgent(vm.addr(AGENT_KEY), START + 1 days);
        _fund(stranger, FUNDS);
        Opening memory o = _opening(_offer(), _bid(), 4);
        o.fills = _twoFills();
        Lock memory opened = _open(o);
        (lock.id, lock.head) = (opened.id, opened.head);
        for (uint256 i; i < 2; ++i) {
            lock.records.push(opened.records[i]);
            receipts[i] = _receipt(opened.records[i].trade, uint32(4 * i));
        }
        receiptsRoot = Trees.build(_receiptLeaves())[0];
    }

    // ------------------------------------------------------------------------------------------------ receipts

    function _receiptLeaves() internal view returns (bytes32[] memory leaves) {
        leaves = new bytes32[](2);
        for (uint256 i; i < 2; ++i) {
            leaves[i] = _receiptLeaf(receipts[i], lock.records[i].trade, uint32(4 * i));
        }
    }

    /// @dev Reveals the receipt of one trade for the dispute of the record given.
    function _revealFor(Record memory record, uint256 which, uint256 key) internal {
        bytes memory signature = _sign(key, _receiptDigest(receipts[which]));
        bytes32[] memory path = Trees.proof(_receiptLeaves(), which);
        market.reveal(lock.id, Packing.record(record), receipts[which], signature, ACCEPTED, path);
    }

    function _reveal(uint256 which) internal {
        _revealFor(lock.records[which], which, AGENT_KEY);
    }

    // ------------------------------------------------------------------------------------------------ disputes

    function _lock() internal view returns (Lock memory) {
        return lock;
    }

    /// @dev Both trades are decided with this outcome.
    function _decideBoth(Outcome memory end) internal returns (Outcome[] memory outcomes) {
        outcomes = new Outcome[](2);
        (outcomes[0], outcomes[1]) = (end, end);
        _decide(_lock(), _indices(2), outcomes);
    }

    /// @dev The first trade is decided and disputed.
    function _disputed(address challenger, Outcome memory end) internal returns (Outcome[] memory outcomes) {
        outcomes = _decideBoth(end);
        _dispute(challenger, _lock(), _indices(2), outcomes, 0);
    }

    function _isDisputed(uint256 index) internal view returns (bool) {
        (address challenger,,,,) = market.disputeOf(lock.id, index);
        return challenger != address(0);
    }

    function _total(address account) internal view returns (uint256) {
        return _available(account) + _locked(account);
    }

    function _twoFills() private pure returns (Fill[] memory fills) {
        fills = new Fill[](2);
        fills[0] = Fill(0, 0, 0, 4);
        fills[1] = Fill(0, 0, 4, 4);
    }

    // ------------------------------------------------------------------------------------------------ calls of their own

    function disputeAs(address challenger, Outcome[] memory outcomes, uint256 index) external {
        _dispute(challenger, _lock(), _indices(outcomes.length), outcomes, index);
    }

    function revealFor(Record memory record, uint256 which, uint256 key) external {
        _revealFor(record, which, key);
    }

    function rule(Outcome memory end) external {
        _rule(_lock(), 0, end);
    }

    function timeOut() external {
        _timeOut(_lock(), 0);
    }

    function settle(Outcome[] memory outcomes) external {
        _settle(_lock(), _indices(2), outcomes);
    }
}
