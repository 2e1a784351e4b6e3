// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {NO_RECEIPT} from "./MarketTest.sol";
import {Fill, Outcome, Packing, Record} from "./Packing.sol";
import {ReceiptTest} from "./ReceiptTest.sol";
import {Trees} from "./Trees.sol";

/// @dev Two open trades of four runs each, of one batch. Of each run there is a receipt, accepted and billed its ceiling under
/// the root of the verdict, unless a test says otherwise with _leave().
abstract contract DisputeTest is ReceiptTest {
    uint32 internal constant RUNS = 8;
    Lock internal lock;
    bytes[RUNS] internal receipts;
    uint8[RUNS] internal verdicts;
    uint64[RUNS] internal billed;

    function setUp() public virtual override {
        super.setUp();
        vm.prank(provider);
        registry.setAgent(vm.addr(AGENT_KEY), START + 1 days);
        _fund(stranger, FUNDS);
        Opening memory o = _opening(_offer(), _bid(), 4);
        o.fills = _twoFills();
        Lock memory opened = _open(o);
        (lock.id, lock.head) = (opened.id, opened.head);
        lock.records.push(opened.records[0]);
        lock.records.push(opened.records[1]);
        for (uint32 run; run < RUNS; ++run) {
            receipts[run] = _receipt(lock.records[run / 4].trade, run);
            (verdicts[run], billed[run]) = (ACCEPTED, CEILING);
        }
        _seal();
    }

    // ------------------------------------------------------------------------------------------------ receipts

    /// @dev What the verdict that is decided next says of a run.
    function _leave(uint256 run, bytes memory words, uint8 verdict, uint64 units) internal {
        (receipts[run], verdicts[run], billed[run]) = (words, verdict, units);
        _seal();
    }

    function _seal() internal {
        receiptsRoot = Trees.build(_receiptLeaves())[0];
    }

    function _receiptLeaves() internal view returns (bytes32[] memory leaves) {
        leaves = new bytes32[](RUNS);
        for (uint32 run; run < RUNS; ++run) {
            leaves[run] = _receiptLeaf(receipts[run], lock.records[run / 4].trade, run, verdicts[run], billed[run]);
        }
    }

    /// @dev What the provider's agent shows of a run.
    function _shown(uint32 run) internal view returns (IMarketTypes.Shown memory shown) {
        (shown.receiptsRoot, shown.run) = (receiptsRoot, run);
        (shown.verdictOfRun, shown.unitsOfRun, shown.words) = (verdicts[run], billed[run], receipts[run]);
        if (receipts[run].length != 0) shown.signature = _sign(AGENT_KEY, _receiptDigest(receipts[run]));
        shown.proof = Trees.proof(_receiptLeaves(), run);
    }

    function _reveal(uint32 run) internal {
        market.reveal(lock.id, Packing.record(lock.records[run / 4]), run, _shown(run));
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

    /// @dev The first trade is decided, and somebody claims that arbiters must rule.
    function _disputed(address challenger, Outcome memory end) internal returns (Outcome[] memory outcomes) {
        outcomes = _decideBoth(end);
        _dispute(challenger, _lock(), _indices(2), outcomes, 0);
    }

    /// @dev Somebody asks for the receipt of a run of the trade with this index.
    function _ask(address challenger, Outcome[] memory outcomes, uint256 index, uint32 run) internal {
        _claim(challenger, _lock(), _indices(2), outcomes, index, NO_RECEIPT, run);
    }

    function _isDisputed(uint256 index) internal view returns (bool) {
        (,,,, uint40 ruleBy,) = market.disputeOf(lock.id, index);
        return ruleBy != 0;
    }

    function _total(address account) internal view returns (uint256) {
        return _available(account) + _locked(account);
    }

    function _all() internal pure returns (Outcome memory) {
        return Outcome(SETTLED, 4, 4 * CEILING);
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

    function claimAs(address challenger, Outcome[] memory outcomes, uint256 index, uint8 claim, uint32 run) external {
        _claim(challenger, _lock(), _indices(outcomes.length), outcomes, index, claim, run);
    }

    function reveal(Record memory record, uint32 run, IMarketTypes.Shown memory shown) external {
        market.reveal(lock.id, Packing.record(record), run, shown);
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
