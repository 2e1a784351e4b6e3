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

    function test_records_out_of_order_are_no_proof() external {
        Lock memory lock = _openMany(3);
        (lock.records[0], lock.records[2]) = (lock.records[2], lock.records[0]);
        bool[] memory flags = new bool[](2);
        (flags[0], flags[1]) = (true, true);
        _assertNoProof(lock, lock.records, new bytes32[](0), flags);
    }

    function test_proof_and_flags_must_fit_together() external {
        Lock memory lock = _openMany(3);
        _assertNoProof(lock, lock.records, new bytes32[](0), new bool[](1));
        _assertNoProof(lock, lock.records, new bytes32[](1), new bool[](2));
    }

    function test_a_proof_of_another_trade_is_no_proof() external {
        Lock memory lock = _openMany(4);
        uint256[] memory two = new uint256[](1);
        two[0] = 2;
        (bytes32[] memory path, bool[] memory flags) = Trees.multiproof(_leaves(lock.records), two);
        _assertNoProof(lock, _pick(lock.records, _indices(1)), path, flags);
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
