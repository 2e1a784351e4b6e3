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

    function testFuzz_two_or_more_of_three_in_ascending_order_decide(uint8 left) external {
        left = left % 4; // who does not sign; 3 is nobody
        bytes[] memory signatures = new bytes[](left == 3 ? 3 : 2);
        uint256 next;
        for (uint256 i; i < 3; ++i) {
            if (i != left) signatures[next++] = _sign(verifierKeys[i], _digestOfVerdict());
        }
        _decideWith(signatures);
        vm.assertEq(market.openBits(lock.id), 0, "decided");
    }

    function test_nobody_decides_nothing() external {
        _assertNoQuorum(new bytes[](0), 0);
    }

    function testFuzz_one_is_not_enough(uint8 which) external {
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = _sign(verifierKeys[which % 3], _digestOfVerdict());
        _assertNoQuorum(signatures, 1);
    }

    function testFuzz_signers_ascend_and_none_counts_twice(uint8 first, uint8 second) external {
        (first, second) = (first % 3, second % 3);
        vm.assume(first >= second);
        _assertNoQuorum(_signedBy(verifierKeys[first], verifierKeys[second]), 1);
    }

    function testFuzz_strangers_count_nothing(uint256 first, uint256 second) external {
        (first, second) = (bound(first, 1_000, type(uint128).max), bound(second, 1_000, type(uint128).max));
        _assertNoQuorum(_signedBy(first, second), 0);
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

    function testFuzz_a_corrupted_signature_counts_nothing(uint8 which, uint16 bit, bool longer) external {
        bytes[] memory signatures = _signedBy(verifierKeys[0], verifierKeys[1]);
        which = which % 2;
        if (longer) signatures[which] = abi.encodePacked(signatures[which], uint8(bit));
        else signatures[which][(bit / 8) % 65] ^= bytes1(uint8(1 << (bit % 8)));
        _assertNoQuorum(signatures, which);
    }

    function testFuzz_a_verdict_on_another_batch_is_refused(bytes32 other) external {
        vm.assume(other != lock.id);
        _assertNoQuorum(_quorum(_verdictDigest(other, _settledVerdict())), 0);
    }

    function testFuzz_a_verdict_with_other_outcomes_is_refused(uint8 trade, uint8 kind, uint32 runs, uint64 units)
        external
    {
        vm.assume(kind != SETTLED || runs != 1 || units != CEILING);
        Outcome[] memory outcomes = _settled(3);
        outcomes[trade % 3] = Outcome(kind, runs, units);
        _assertNoQuorum(_quorum(_verdictDigest(lock.id, _verdictOf(lock.records, outcomes))), 0);
        IMarketTypes.Verdict memory fewer = _verdictOf(lock.records, _settled(2));
        _assertNoQuorum(_quorum(_verdictDigest(lock.id, fewer)), 0);
    }

    function testFuzz_a_verdict_on_other_receipts_is_refused(bytes32 root) external {
        vm.assume(root != RECEIPTS_ROOT);
        IMarketTypes.Verdict memory other = _settledVerdict();
        other.receiptsRoot = root;
        _assertNoQuorum(_quorum(_verdictDigest(lock.id, other)), 0);
    }

    function testFuzz_another_registered_set_cannot_judge(uint256 key, uint96 cap) external {
        key = bound(key, 1, type(uint128).max);
        IMarketTypes.KeySet memory own = _setOfOne(key, cap);
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = _sign(key, _digestOfVerdict());
        IMarketTypes.Verdict memory verdict = _settledVerdict();
        bytes32 id = registry.registerVerifierSet(own.members, own.threshold, own.payoutCap);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.WrongKeySet.selector, verifierSet, id));
        market.decide(lock.head, own, verdict, signatures);
        // The head with this set is another batch, which was never opened.
        IMarketTypes.BatchHead memory head = lock.head;
        head.verifierSet = id;
        bytes32 batch = keccak256(abi.encode(head));
        signatures[0] = _sign(key, _verdictDigest(batch, verdict));
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

    function testFuzz_a_set_of_one_judges_alone(uint256 key) external {
        key = bound(key, 1, type(uint128).max);
        IMarketTypes.KeySet memory own = _setOfOne(key, PAYOUT_CAP);
        verifierSet = registry.registerVerifierSet(own.members, own.threshold, own.payoutCap);
        IMarketTypes.Bid memory bid = _bid();
        bid.nonce = 2;
        IMarketTypes.Offer memory offer = _offer();
        offer.nonce = 2;
        Lock memory its = _open(_opening(offer, bid, 1));
        IMarketTypes.Verdict memory verdict = _verdictOf(its.records, _settled(1));
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = _sign(key, _verdictDigest(its.id, verdict));
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

    function testFuzz_a_part_is_decided_and_the_rest_stays_open(uint8 mask) external {
        mask = uint8(bound(mask, 1, 7));
        uint256[] memory part = new uint256[]((mask & 1) + ((mask >> 1) & 1) + (mask >> 2));
        uint256 next;
        for (uint256 i; i < 3; ++i) {
            if ((mask >> i) & 1 == 1) part[next++] = i;
        }
        bytes32 id = _decide(_lock(), part, _settled(part.length));
        vm.assertEq(market.openBits(lock.id), 7 ^ mask, "the others");
        vm.assertEq(market.decided(id) & 7, mask, "these");
    }

    function test_what_was_decided_or_ended_before_is_passed_over() external {
        _accept(_lock(), _only(0), _settled(1), buyer, BUYER_KEY);
        bytes32 first = _decide(_lock(), _only(1), _settled(1));
        vm.warp(START + 60);
        bytes32 second = _decide(_lock(), _indices(3), _settled(3));
        vm.assertEq(market.decided(first), (uint256(START + WINDOW) << 200) | 2, "the first keeps its window");
        vm.assertEq(market.decided(second), (uint256(START + 60 + WINDOW) << 200) | 4, "the second takes what is left");
    }

    function testFuzz_a_verdict_sent_twice_finds_nothing_open(uint40 late, bool settled) external {
        _decide(_lock(), _indices(3), _settled(3));
        vm.warp(START + bound(late, settled ? WINDOW : 0, 100 days));
        if (settled) _settle(_lock(), _indices(3), _settled(3));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NothingOpen.selector, lock.id));
        this.decide(_settledVerdict());
    }

    function testFuzz_it_works_at_any_time_and_while_paused(uint40 late) external {
        vm.prank(admin);
        market.setPaused(true);
        vm.warp(START + bound(late, 0, 1_000 days));
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

    function _setOfOne(uint256 key, uint96 cap) private pure returns (IMarketTypes.KeySet memory own) {
        address[] memory members = new address[](1);
        members[0] = vm.addr(key);
        return IMarketTypes.KeySet(members, 1, cap);
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
