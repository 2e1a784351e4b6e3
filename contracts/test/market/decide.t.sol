// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {MarketTest} from "../utils/MarketTest.sol";
import {Outcome, Packing} from "../utils/Packing.sol";

contract DecideTest is MarketTest {
    Lock private lock;

    function setUp() public override {
        super.setUp();
        Lock memory opened = _openMany(3);
        lock.id = opened.id;
        lock.head = opened.head;
        for (uint256 i; i < 3; ++i) {
            lock.records.push(opened.records[i]);
        }
    }

    // ------------------------------------------------------------------------------------------------ quorum

    function test_any_two_of_three_in_ascending_order_decide() external {
        _decideWith(_signedBy(verifierKeys[1], verifierKeys[2]));
        vm.assertEq(market.openBits(lock.id), 0, "decided");
    }

    function test_the_first_and_the_last_decide() external {
        _decideWith(_signedBy(verifierKeys[0], verifierKeys[2]));
        vm.assertEq(market.openBits(lock.id), 0, "decided");
    }

    function test_all_three_decide() external {
        bytes[] memory signatures = new bytes[](3);
        for (uint256 i; i < 3; ++i) {
            signatures[i] = _sign(verifierKeys[i], _digestOfVerdict());
        }
        _decideWith(signatures);
        vm.assertEq(market.openBits(lock.id), 0, "decided");
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
        vm.expectPartialRevert(IMarketEvents.QuorumNotReached.selector);
        this.decideWith(signatures);
    }

    function test_a_malformed_signature_is_refused() external {
        bytes[] memory signatures = _signedBy(verifierKeys[0], verifierKeys[1]);
        signatures[1] = abi.encodePacked(signatures[1], hex"00");
        _assertNoQuorum(signatures, 1);
    }

    function test_a_verdict_on_another_batch_is_refused() external {
        _assertNoQuorum(_quorum(_verdictDigest(keccak256("other"), _settledVerdict())), 0);
    }

    function test_a_verdict_with_other_outcomes_is_refused() external {
        IMarketTypes.Verdict memory other = _verdictOf(lock.records, _settled(2));
        _assertNoQuorum(_quorum(_verdictDigest(lock.id, other)), 0);
    }

    function test_a_verdict_on_other_receipts_is_refused() external {
        IMarketTypes.Verdict memory other = _settledVerdict();
        other.receiptsRoot = keccak256("others");
        _assertNoQuorum(_quorum(_verdictDigest(lock.id, other)), 0);
    }

    function test_another_registered_set_cannot_judge() external {
        IMarketTypes.KeySet memory own = _setOfOne();
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = _sign(STRANGER_KEY, _digestOfVerdict());
        IMarketTypes.Verdict memory verdict = _settledVerdict();
        bytes32 id = keccak256(abi.encode(own.members, own.threshold, own.payoutCap));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.WrongKeySet.selector, verifierSet, id));
        market.decide(lock.head, own, verdict, signatures);
        // The head with this set is another batch, which was never opened.
        IMarketTypes.BatchHead memory head = lock.head;
        head.verifierSet = id;
        bytes32 batch = keccak256(abi.encode(head));
        signatures[0] = _sign(STRANGER_KEY, _verdictDigest(batch, verdict));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NothingOpen.selector, batch));
        market.decide(head, own, verdict, signatures);
    }

    function testFuzz_members_threshold_and_cap_are_those_of_the_set(uint8 field) external {
        IMarketTypes.KeySet memory other = _verifierKeySet();
        if (field % 3 == 0) other.threshold = 1;
        if (field % 3 == 1) other.payoutCap += 1;
        if (field % 3 == 2) other.members[0] = address(1);
        bytes[] memory signatures = _quorum(_digestOfVerdict());
        IMarketTypes.Verdict memory verdict = _settledVerdict();
        vm.expectPartialRevert(IMarketEvents.WrongKeySet.selector);
        market.decide(lock.head, other, verdict, signatures);
    }

    function test_a_set_of_one_judges_alone() external {
        IMarketTypes.KeySet memory own = _setOfOne();
        verifierSet = registry.registerVerifierSet(own.members, own.threshold, own.payoutCap);
        IMarketTypes.Bid memory bid = _bid();
        bid.nonce = 2;
        IMarketTypes.Offer memory offer = _offer();
        offer.nonce = 2;
        Lock memory its = _open(_opening(offer, bid, 1));
        IMarketTypes.Verdict memory verdict = _verdictOf(its.records, _settled(1));
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = _sign(STRANGER_KEY, _verdictDigest(its.id, verdict));
        market.decide(its.head, own, verdict, signatures);
        vm.assertEq(market.openBits(its.id), 0, "decided");
    }

    // ------------------------------------------------------------------------------------------------ what it does

    function test_no_money_moves_and_the_window_starts() external {
        IMarketTypes.Verdict memory verdict = _settledVerdict();
        bytes32 id = _idOf(lock.id, verdict);
        vm.expectEmit(true, true, false, true, address(market));
        emit IMarketEvents.BatchDecided(lock.id, id, 7, RECEIPTS_ROOT, START + WINDOW);
        vm.assertEq(_decide(_lock(), _indices(3), _settled(3)), id, "id of the verdict");
        vm.assertEq(market.decided(id), (uint256(START + WINDOW) << 200) | 7, "what waits, and until when");
        vm.assertEq(market.openBits(lock.id), 0, "not open any more");
        _assertAccount(buyer, FUNDS - 3 * PRICE, 3 * PRICE, "buyer");
        vm.assertEq(_locked(provider), 0.6 ether, "bond");
        vm.assertEq(_available(treasury), 0, "no fee");
    }

    function test_a_part_is_decided_and_the_rest_stays_open() external {
        uint256[] memory part = new uint256[](2);
        (part[0], part[1]) = (0, 2);
        bytes32 id = _decide(_lock(), part, _settled(2));
        vm.assertEq(market.openBits(lock.id), 2, "the one between");
        vm.assertEq(market.decided(id) & 7, 5, "the two");
    }

    function test_what_was_decided_or_ended_before_is_passed_over() external {
        _accept(_lock(), _only(0), _settled(1), buyer, BUYER_KEY);
        bytes32 first = _decide(_lock(), _only(1), _settled(1));
        vm.warp(START + 60);
        bytes32 second = _decide(_lock(), _indices(3), _settled(3));
        vm.assertEq(market.decided(first), (uint256(START + WINDOW) << 200) | 2, "the first keeps its window");
        vm.assertEq(market.decided(second), (uint256(START + 60 + WINDOW) << 200) | 4, "the second takes what is left");
    }

    function test_a_verdict_sent_twice_finds_nothing_open() external {
        _decide(_lock(), _indices(3), _settled(3));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NothingOpen.selector, lock.id));
        this.decide(_settledVerdict());
    }

    function test_a_verdict_that_was_settled_can_not_be_decided_again() external {
        _close(_lock(), _indices(3), _settled(3));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NothingOpen.selector, lock.id));
        this.decide(_settledVerdict());
    }

    function test_it_works_long_after_deliver_by_and_while_paused() external {
        vm.prank(admin);
        market.setPaused(true);
        vm.warp(START + 365 days);
        _close(_lock(), _indices(3), _settled(3));
        vm.assertEq(_locked(buyer), 0, "settled");
    }

    // ------------------------------------------------------------------------------------------------ malformed

    function test_no_outcomes_are_malformed() external {
        _assertMalformed("");
    }

    function testFuzz_outcomes_come_in_14_bytes(uint8 cut) external {
        bytes memory whole = Packing.outcomes(lock.records, _settled(3));
        bytes memory part = new bytes(bound(cut, 1, 41));
        vm.assume(part.length % 14 != 0);
        for (uint256 i; i < part.length; ++i) {
            part[i] = whole[i];
        }
        _assertMalformed(part);
    }

    function testFuzz_indices_ascend_strictly_below_the_count(uint8 first, uint8 second) external {
        bytes memory outcomes = bytes.concat(
            Packing.outcome(first, Outcome(SETTLED, 1, CEILING)), Packing.outcome(second, Outcome(SETTLED, 1, CEILING))
        );
        if (first >= second || second >= 3) return _assertMalformed(outcomes);
        this.decide(IMarketTypes.Verdict(outcomes, RECEIPTS_ROOT));
        vm.assertEq(market.openBits(lock.id), 7 ^ (1 << first) ^ (1 << second), "both are decided");
    }

    // ------------------------------------------------------------------------------------------------ pieces

    function decideWith(bytes[] memory signatures) external {
        _decideWith(signatures);
    }

    function decide(IMarketTypes.Verdict memory verdict) external {
        market.decide(lock.head, _verifierKeySet(), verdict, _quorum(_verdictDigest(lock.id, verdict)));
    }

    function _decideWith(bytes[] memory signatures) private {
        market.decide(lock.head, _verifierKeySet(), _settledVerdict(), signatures);
    }

    function _lock() private view returns (Lock memory) {
        return lock;
    }

    function _settledVerdict() private view returns (IMarketTypes.Verdict memory) {
        return _verdictOf(lock.records, _settled(3));
    }

    function _digestOfVerdict() private view returns (bytes32) {
        return _verdictDigest(lock.id, _settledVerdict());
    }

    function _setOfOne() private view returns (IMarketTypes.KeySet memory own) {
        address[] memory members = new address[](1);
        members[0] = stranger;
        return IMarketTypes.KeySet(members, 1, PAYOUT_CAP);
    }

    function _signedBy(uint256 first, uint256 second) private view returns (bytes[] memory) {
        return _signedByTwo(first, second, _digestOfVerdict());
    }

    function _assertNoQuorum(bytes[] memory signatures, uint256 accepted) private {
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.QuorumNotReached.selector, verifierSet, accepted, 2));
        this.decideWith(signatures);
    }

    function _assertMalformed(bytes memory outcomes) private {
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.MalformedOutcomes.selector, lock.id));
        this.decide(IMarketTypes.Verdict(outcomes, RECEIPTS_ROOT));
    }
}
