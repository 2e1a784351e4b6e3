// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../src/interfaces/IMarket.sol";
import {MarketTest} from "../utils/MarketTest.sol";

contract VerdictsTest is MarketTest {
    Lock private lock;

    function setUp() public override {
        super.setUp();
        Lock memory opened = _openOne(1);
        lock.id = opened.id;
        lock.head = opened.head;
        lock.records.push(opened.records[0]);
    }

    function test_any_two_of_three_in_ascending_order_decide() external {
        _closeWith(_signedBy(verifierKeys[1], verifierKeys[2]));
        vm.assertEq(market.openBits(lock.id), 0, "closed");
    }

    function test_the_first_and_the_last_decide() external {
        _closeWith(_signedBy(verifierKeys[0], verifierKeys[2]));
        vm.assertEq(market.openBits(lock.id), 0, "closed");
    }

    function test_all_three_decide() external {
        bytes[] memory signatures = new bytes[](3);
        for (uint256 i; i < 3; ++i) {
            signatures[i] = _sign(verifierKeys[i], _digestOfVerdict());
        }
        _closeWith(signatures);
        vm.assertEq(market.openBits(lock.id), 0, "closed");
    }

    function test_nobody_decides_nothing() external {
        _assertNoQuorum(new bytes[](0), 0);
    }

    function test_one_is_not_enough() external {
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = _sign(verifierKeys[0], _digestOfVerdict());
        _assertNoQuorum(signatures, 1);
    }

    function test_one_does_not_count_twice() external {
        _assertNoQuorum(_signedBy(verifierKeys[1], verifierKeys[1]), 1);
    }

    function test_descending_order_is_refused() external {
        _assertNoQuorum(_signedBy(verifierKeys[2], verifierKeys[0]), 1);
    }

    function test_a_stranger_counts_nothing() external {
        _assertNoQuorum(_signedBy(STRANGER_KEY, STRANGER_KEY), 0);
    }

    function testFuzz_a_stranger_beyond_the_threshold_spoils_the_quorum(uint256 key, uint256 place) external {
        key = bound(key, 1_000, type(uint128).max);
        bytes[] memory signatures = new bytes[](3);
        place = bound(place, 0, 2);
        uint256 next;
        for (uint256 i; i < 3; ++i) {
            signatures[i] = _sign(i == place ? key : verifierKeys[next++], _digestOfVerdict());
        }
        vm.expectPartialRevert(IMarket.QuorumNotReached.selector);
        this.closeWith(signatures);
    }

    function test_a_malformed_signature_is_refused() external {
        bytes[] memory signatures = _signedBy(verifierKeys[0], verifierKeys[1]);
        signatures[1] = abi.encodePacked(signatures[1], hex"00");
        _assertNoQuorum(signatures, 1);
    }

    function test_a_verdict_on_another_batch_is_refused() external {
        bytes32 digest = _verdict(keccak256("other"), lock.records, _outcome(SETTLED, 1, CEILING), RECEIPTS_ROOT);
        _assertNoQuorum(_quorum(digest), 0);
    }

    function test_a_verdict_with_other_outcomes_is_refused() external {
        bytes32 digest = _verdict(lock.id, lock.records, _outcome(SETTLED, 1, CEILING - 1), RECEIPTS_ROOT);
        _assertNoQuorum(_quorum(digest), 0);
    }

    function test_a_verdict_on_other_receipts_is_refused() external {
        bytes32 digest = _verdict(lock.id, lock.records, _outcome(SETTLED, 1, CEILING), keccak256("others"));
        _assertNoQuorum(_quorum(digest), 0);
    }

    function test_another_registered_set_cannot_judge() external {
        address[] memory members = new address[](1);
        members[0] = stranger;
        bytes32 other = registry.registerVerifierSet(members, 1, PAYOUT_CAP);
        IMarket.BatchHead memory head = lock.head;
        head.verifierSet = other; // another batch, which was never opened
        bytes32 id = keccak256(abi.encode(head));
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = _sign(STRANGER_KEY, _verdict(id, lock.records, _outcome(SETTLED, 1, CEILING), RECEIPTS_ROOT));
        vm.expectRevert(abi.encodeWithSelector(IMarket.NothingOpen.selector, id));
        market.close(
            head,
            lock.records,
            _outcome(SETTLED, 1, CEILING),
            new bytes32[](0),
            new bool[](0),
            RECEIPTS_ROOT,
            signatures
        );
    }

    function test_a_set_of_one_judges_alone() external {
        address[] memory members = new address[](1);
        members[0] = stranger;
        verifierSet = registry.registerVerifierSet(members, 1, PAYOUT_CAP);
        Lock memory own = _openOne(1);
        bytes[] memory signatures = new bytes[](1);
        IMarket.Outcome[] memory outcomes = _outcome(SETTLED, 1, CEILING);
        signatures[0] = _sign(STRANGER_KEY, _verdict(own.id, own.records, outcomes, RECEIPTS_ROOT));
        market.close(own.head, own.records, outcomes, new bytes32[](0), new bool[](0), RECEIPTS_ROOT, signatures);
        vm.assertEq(market.openBits(own.id), 0, "closed");
    }

    function closeWith(bytes[] memory signatures) external {
        _closeWith(signatures);
    }

    function _closeWith(bytes[] memory signatures) private {
        IMarket.Outcome[] memory outcomes = _outcome(SETTLED, 1, CEILING);
        market.close(lock.head, lock.records, outcomes, new bytes32[](0), new bool[](0), RECEIPTS_ROOT, signatures);
    }

    function _digestOfVerdict() private view returns (bytes32) {
        return _verdict(lock.id, lock.records, _outcome(SETTLED, 1, CEILING), RECEIPTS_ROOT);
    }

    function _signedBy(uint256 first, uint256 second) private view returns (bytes[] memory signatures) {
        signatures = new bytes[](2);
        signatures[0] = _sign(first, _digestOfVerdict());
        signatures[1] = _sign(second, _digestOfVerdict());
    }

    function _assertNoQuorum(bytes[] memory signatures, uint256 accepted) private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.QuorumNotReached.selector, verifierSet, accepted, 2));
        this.closeWith(signatures);
    }
}
