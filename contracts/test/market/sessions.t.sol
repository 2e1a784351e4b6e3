// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {SessionTest} from "../utils/SessionTest.sol";

contract SessionsTest is SessionTest {
    // ------------------------------------------------------------------------------------------------ opening

    function testFuzz_a_buyer_locks_the_ceiling(uint96 ceiling, uint40 term, uint56 salt) external {
        IMarketTypes.Session memory session = _session(salt);
        session.ceiling = uint96(bound(ceiling, 1, FUNDS));
        session.expiresAt = uint40(START + bound(term, MATCH + 1, 30 days));
        _askOut(buyer, session.ceiling);
        vm.expectEmit(true, false, false, true, address(market));
        emit IMarketEvents.SessionOpened(_sessionId(session), session);
        vm.prank(buyer);
        bytes32 id = market.openSession(session);
        vm.assertEq(id, _sessionId(session), "id");
        vm.assertEq(market.hashSession(session), id, "as hashSession says");
        _assertAccount(buyer, FUNDS - session.ceiling, session.ceiling, "buyer");
        _assertSession(id, 0, true);
    }

    function testFuzz_terms_that_make_no_session_are_refused(uint8 which) external {
        IMarketTypes.Session memory s = _session(1);
        which = which % 6;
        if (which == 0) s.buyer = buyer2; // not the caller's
        if (which == 1) s.provider = address(0);
        if (which == 2) s.provider = buyer;
        if (which == 3) s.ceiling = 0;
        if (which == 4) s.expiresAt = START;
        if (which == 5) s.expiresAt = START + 30 days + 1;
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSession.selector, _sessionId(s)));
        vm.prank(buyer);
        market.openSession(s);
    }

    function test_the_same_terms_open_once_also_after_the_end() external {
        IMarketTypes.Session memory s = _session(1);
        bytes32 id = _openSession(s);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSession.selector, id));
        this.open(s);
        vm.prank(provider);
        market.closeSession(s);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSession.selector, id));
        this.open(s);
    }

    function test_the_ceiling_must_have_been_asked_out() external {
        IMarketTypes.Session memory s = _session(1);
        _askOut(buyer, CEILING_PAID - 1);
        vm.expectRevert(_lacking(CEILING_PAID - 1));
        vm.prank(buyer);
        market.openSession(s);
        _askOut(buyer, 3);
        vm.prank(buyer);
        market.openSession(s);
        (uint128 exiting, uint64 readyAt) = market.exitOf(buyer);
        vm.assertEq(exiting, 2, "the rest goes on its way");
        vm.assertEq(readyAt, block.timestamp - MATCH + DELAY, "and is ready as before");
    }

    function test_no_session_takes_what_a_trade_may_still_take_back() external {
        IMarketTypes.Session memory s = _session(1);
        vm.prank(buyer);
        market.requestWithdrawal(CEILING_PAID);
        vm.warp(START + MATCH - 1);
        vm.expectRevert(_lacking(0));
        vm.prank(buyer);
        market.openSession(s);
        vm.warp(START + MATCH);
        vm.prank(buyer);
        market.openSession(s);
        _assertAccount(buyer, FUNDS - CEILING_PAID, CEILING_PAID, "a match window later, long before it is ready");
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NothingToWithdraw.selector, buyer));
        market.withdraw(buyer);
    }

    function test_asking_out_more_leaves_what_was_asked_out_before_to_sessions() external {
        _askOut(buyer, CEILING_PAID);
        vm.prank(buyer);
        market.requestWithdrawal(5 ether);
        vm.prank(buyer);
        market.openSession(_session(1));
        (uint128 fresh, uint64 until) = market.freshOf(buyer);
        vm.assertEq(fresh, 5 ether, "the rest is fresh as before");
        vm.assertEq(until, START + 2 * MATCH, "until");
    }

    function test_nobody_opens_while_paused_and_open_ones_go_on() external {
        IMarketTypes.Session memory s = _session(1);
        _openSession(s);
        vm.prank(admin);
        market.setPaused(true);
        vm.expectRevert(IMarketEvents.MarketPaused.selector);
        this.open(_session(2));
        _redeem(_voucher(s, 1 ether, BUYER_KEY));
        vm.prank(provider);
        market.closeSession(s);
        _assertAccount(buyer, FUNDS - 1 ether, 0, "paid and closed");
    }

    // ------------------------------------------------------------------------------------------------ vouchers

    function testFuzz_a_voucher_pays_what_it_adds(uint96 first, uint96 second, address who) external {
        first = uint96(bound(first, 1, CEILING_PAID - 1));
        second = uint96(bound(second, first + 1, CEILING_PAID));
        IMarketTypes.Session memory s = _session(1);
        bytes32 id = _openSession(s);
        _redeem(_voucher(s, first, BUYER_KEY));
        uint256 more = second - first;
        IMarketTypes.SignedVoucher[] memory vouchers = _one(_voucher(s, second, BUYER_KEY));
        vm.expectEmit(true, false, false, true, address(market));
        emit IMarketEvents.VoucherRedeemed(id, (more << 128) | (more / 100), second);
        vm.prank(who);
        market.redeem(vouchers);
        uint256 fees = first / 100 + more / 100;
        _assertAccount(buyer, FUNDS - CEILING_PAID, CEILING_PAID - second, "buyer");
        _assertAccount(provider, FUNDS + second - fees, 0, "provider");
        _assertAccount(treasury, fees, 0, "treasury");
        _assertSession(id, second, true);
    }

    function test_many_vouchers_at_once_and_a_bad_one_blocks_nobody() external {
        IMarketTypes.SignedVoucher[] memory vouchers = new IMarketTypes.SignedVoucher[](5);
        for (uint56 i; i < 5; ++i) {
            IMarketTypes.Session memory s = _session(i);
            if (i != 1) _openSession(s); // the second was never opened
            vouchers[i] = _voucher(s, i == 3 ? CEILING_PAID + 1 : 1 ether, i == 2 ? STRANGER_KEY : BUYER_KEY);
        }
        _expectRejected(1, _sessionId(_session(1)), 16);
        _expectRejected(2, _sessionId(_session(2)), 1);
        _expectRejected(3, _sessionId(_session(3)), 18);
        market.redeem(vouchers);
        vm.assertEq(_available(provider), FUNDS + 2 * 0.99 ether, "the two good ones");
    }

    function test_two_vouchers_of_one_session_in_one_call() external {
        IMarketTypes.Session memory s = _session(1);
        _openSession(s);
        IMarketTypes.SignedVoucher[] memory vouchers = new IMarketTypes.SignedVoucher[](3);
        (vouchers[0], vouchers[1]) = (_voucher(s, 1 ether, BUYER_KEY), _voucher(s, 3 ether, BUYER_KEY));
        vouchers[2] = _voucher(s, 2 ether, BUYER_KEY); // older than the second
        _expectRejected(2, _sessionId(s), 17);
        market.redeem(vouchers);
        _assertSession(_sessionId(s), 3 ether, true);
    }

    function testFuzz_a_replay_or_an_older_voucher_pays_nothing(uint96 paid, uint96 older) external {
        paid = uint96(bound(paid, 1, CEILING_PAID));
        older = uint96(bound(older, 0, paid));
        IMarketTypes.Session memory s = _session(1);
        _openSession(s);
        _redeem(_voucher(s, paid, BUYER_KEY));
        _expectRejected(0, _sessionId(s), 17);
        _redeem(_voucher(s, older, BUYER_KEY));
        _assertSession(_sessionId(s), paid, true);
    }

    function test_a_voucher_serves_one_session_of_one_market() external {
        IMarketTypes.Session memory s = _session(1);
        _openSession(s);
        IMarketTypes.Session memory other = _session(2);
        _openSession(other);
        IMarketTypes.SignedVoucher memory voucher = _voucher(s, 1 ether, BUYER_KEY);
        (voucher.providerAndTerms) = _voucher(other, 1 ether, BUYER_KEY).providerAndTerms;
        _expectRejected(0, _sessionId(other), 1);
        _redeem(voucher);
        IMarketTypes.SignedVoucher memory here = _voucher(s, 1 ether, BUYER_KEY);
        market = _deploy(_parameters());
        _fund(buyer, FUNDS);
        _openSession(s);
        _expectRejected(0, _sessionId(s), 1);
        _redeem(here);
    }

    function testFuzz_the_ceiling_is_the_most(uint128 more) external {
        IMarketTypes.Session memory s = _session(1);
        _openSession(s);
        _redeem(_voucher(s, CEILING_PAID, BUYER_KEY));
        _assertAccount(buyer, FUNDS - CEILING_PAID, 0, "buyer");
        _expectRejected(0, _sessionId(s), 18);
        _redeem(_voucher(s, bound(more, CEILING_PAID + 1, type(uint128).max), BUYER_KEY));
        _assertSession(_sessionId(s), CEILING_PAID, true);
    }

    function testFuzz_a_call_has_1_to_200_vouchers(uint16 length) external {
        length = uint16(bound(length, 201, 1_000));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidLength.selector, 0, 200));
        market.redeem(new IMarketTypes.SignedVoucher[](0));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidLength.selector, length, 200));
        market.redeem(new IMarketTypes.SignedVoucher[](length));
    }

    function testFuzz_vouchers_pay_the_largest_amount_once(uint96[6] memory amounts) external {
        IMarketTypes.Session memory s = _session(1);
        bytes32 id = _openSession(s);
        uint256 most;
        uint256 fees;
        for (uint256 i; i < amounts.length; ++i) {
            uint96 amount = uint96(bound(amounts[i], 0, 2 * CEILING_PAID));
            _redeem(_voucher(s, amount, BUYER_KEY));
            if (amount > most && amount <= CEILING_PAID) {
                fees += (amount - most) / 100;
                most = amount;
            }
            _assertSession(id, most, true);
        }
        vm.prank(provider);
        market.closeSession(s);
        _assertAccount(buyer, FUNDS - most, 0, "buyer");
        _assertAccount(treasury, fees, 0, "fees");
        _assertAccount(provider, FUNDS + most - fees, 0, "provider");
    }

    // ------------------------------------------------------------------------------------------------ the end

    function testFuzz_the_provider_closes_any_time(uint40 time, uint96 paid) external {
        paid = uint96(bound(paid, 1, CEILING_PAID));
        IMarketTypes.Session memory s = _session(1);
        bytes32 id = _openSession(s);
        _redeem(_voucher(s, paid, BUYER_KEY));
        vm.warp(bound(time, START, type(uint40).max));
        vm.expectEmit(true, false, false, true, address(market));
        emit IMarketEvents.SessionClosed(id, CEILING_PAID - paid);
        vm.prank(provider);
        market.closeSession(s);
        _assertAccount(buyer, FUNDS - paid, 0, "the rest is free");
        _assertSession(id, paid, false);
    }

    function testFuzz_anybody_closes_a_grace_after_expiry_and_not_before(uint40 early, uint40 late, address who)
        external
    {
        vm.assume(who != provider);
        IMarketTypes.Session memory s = _session(1);
        bytes32 id = _openSession(s);
        uint256 from = s.expiresAt + GRACE;
        vm.warp(bound(early, START, from - 1));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.SessionNotExpired.selector, id, from));
        vm.prank(who);
        market.closeSession(s);
        _redeem(_voucher(s, 2 ether, BUYER_KEY)); // after expiry too, before the end
        vm.warp(bound(late, from, type(uint40).max));
        vm.prank(who);
        market.closeSession(s);
        _assertAccount(buyer, FUNDS - 2 ether, 0, "buyer");
    }

    function testFuzz_after_the_end_nothing_is_paid_and_nothing_closed(uint96 amount, uint40 time) external {
        IMarketTypes.Session memory s = _session(1);
        bytes32 id = _openSession(s);
        vm.prank(provider);
        market.closeSession(s);
        vm.warp(bound(time, START, type(uint40).max));
        _expectRejected(0, id, 16);
        _redeem(_voucher(s, amount, BUYER_KEY));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSession.selector, id));
        vm.prank(provider);
        market.closeSession(s);
        _assertAccount(buyer, FUNDS, 0, "buyer");
    }

    function testFuzz_what_was_never_opened_is_not_closed(uint56 salt, uint96 ceiling) external {
        IMarketTypes.Session memory s = _session(salt);
        s.ceiling = ceiling;
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSession.selector, _sessionId(s)));
        vm.prank(provider);
        market.closeSession(s);
    }

    // ------------------------------------------------------------------------------------------------ pieces

    function open(IMarketTypes.Session memory s) external {
        _openSession(s);
    }

    function redeem(IMarketTypes.SignedVoucher[] memory vouchers) external {
        market.redeem(vouchers);
    }

    function _lacking(uint128 exiting) private view returns (bytes memory) {
        return abi.encodeWithSelector(IMarketEvents.InsufficientExit.selector, buyer, exiting, uint128(CEILING_PAID));
    }

    function _expectRejected(uint256 position, bytes32 id, uint8 code) private {
        vm.expectEmit(true, true, false, true, address(market));
        emit IMarketEvents.VoucherRejected(position, id, code);
    }

    function _assertSession(bytes32 id, uint256 paid, bool isOpen) private view {
        (uint96 found, bool open_) = market.sessionState(id);
        vm.assertEq(found, paid, "paid");
        vm.assertTrue(open_ == isOpen, "open");
    }
}
