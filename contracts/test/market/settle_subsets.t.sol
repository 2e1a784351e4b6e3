// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {MarketTest} from "../utils/MarketTest.sol";
import {Outcome, Record} from "../utils/Packing.sol";
import {Trees} from "../utils/Trees.sol";

contract SettleSubsetsTest is MarketTest {
    function testFuzz_any_part_closes_by_multiproof_and_the_rest_later(uint8 size, uint256 mask) external {
        uint32 count = uint32(bound(size, 1, 40));
        mask &= (1 << count) - 1;
        Lock memory lock = _openMany(count);
        (uint256[] memory part, uint256[] memory rest) = _split(mask, count);
        if (part.length > 0) _close(lock, part, _settled(part.length));
        vm.assertEq(market.openBits(lock.id), ((1 << count) - 1) ^ mask, "the others stay open");
        _assertAccount(buyer, FUNDS - count * PRICE, rest.length * PRICE, "buyer in between");
        if (rest.length > 0) _close(lock, rest, _settled(rest.length));
        vm.assertEq(market.openBits(lock.id), 0, "all closed");
        _assertAccount(buyer, FUNDS - count * PRICE, 0, "buyer at the end");
    }

    /// @dev Two leaves under one node may change places for all that the proof says: then the outcomes name other records.
    function testFuzz_records_out_of_order_are_not_settled(uint8 size, uint8 first, uint8 second) external {
        size = uint8(bound(size, 2, 20));
        (first, second) = (first % size, second % size);
        vm.assume(first != second);
        Lock memory lock = _openMany(size);
        _decide(lock, _indices(size), _settled(size));
        vm.warp(START + WINDOW);
        IMarketTypes.Verdict memory verdict = _verdictOf(lock.records, _settled(size));
        (lock.records[first], lock.records[second]) = (lock.records[second], lock.records[first]);
        IMarketTypes.Proven memory proven = _proven(lock.records, new bytes32[](0), new bool[](0));
        uint256 last = 2 * uint256(size) - 2; // leaf i is node last - i
        bool siblings = (last - first - 1) / 2 == (last - second - 1) / 2;
        bytes4 refusal = siblings ? IMarketEvents.InvalidOutcome.selector : IMarketEvents.InvalidProof.selector;
        vm.expectPartialRevert(refusal);
        market.settle(lock.head, verdict, proven);
    }

    function testFuzz_proof_and_flags_must_fit_together(uint8 nodes, uint8 flags) external {
        Lock memory lock = _openMany(3);
        (nodes, flags) = (nodes % 5, flags % 8);
        vm.assume(nodes + flags != 0 && 3 + nodes != flags + 1);
        _assertNoProof(lock, lock.records, new bytes32[](nodes), new bool[](flags));
    }

    function testFuzz_a_proof_of_another_trade_is_no_proof(uint8 size, uint8 proven, uint8 shown) external {
        size = uint8(bound(size, 2, 20));
        (proven, shown) = (proven % size, shown % size);
        vm.assume(proven != shown);
        Lock memory lock = _openMany(size);
        (bytes32[] memory path, bool[] memory flags) = Trees.multiproof(_leaves(lock.records), _only(proven));
        _assertNoProof(lock, _pick(lock.records, _only(shown)), path, flags);
    }

    function test_a_record_of_another_batch_is_no_proof() external {
        Lock memory first = _openOne(1);
        Lock memory second = _openOne(2);
        _assertNoProof(second, first.records, new bytes32[](0), new bool[](0));
    }

    function _split(uint256 mask, uint256 count) private pure returns (uint256[] memory part, uint256[] memory rest) {
        uint256 ones;
        for (uint256 i; i < count; ++i) {
            ones += (mask >> i) & 1;
        }
        part = new uint256[](ones);
        rest = new uint256[](count - ones);
        uint256 p;
        uint256 r;
        for (uint256 i; i < count; ++i) {
            if ((mask >> i) & 1 == 1) part[p++] = i;
            else rest[r++] = i;
        }
    }

    function _assertNoProof(Lock memory lock, Record[] memory records, bytes32[] memory path, bool[] memory flags)
        private
    {
        Outcome[] memory outcomes = _settled(records.length);
        IMarketTypes.Verdict memory verdict = _verdictOf(records, outcomes);
        IMarketTypes.Proven memory proven = _proven(records, path, flags);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidProof.selector, lock.id));
        market.settle(lock.head, verdict, proven);
    }
}
