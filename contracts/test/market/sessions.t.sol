// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {SessionTest} from "../utils/SessionTest.sol";

contract SessionsTest is SessionTest {
    // ------------------------------------------------------------------------------------------------ opening

    function test_a_buyer_locks_the_ceiling() external {
        IMarketTypes.Session memory session = _session(1);
        vm.expectEmit(true, false, false, true, address(market));
        emit IMarketEvents.SessionOpened(_sessionId(session), session);
        bytes32 id = _openSession(session);
        vm.assertEq(id, _sessionId(session), "id");
        vm.assertEq(market.hashSession(session), id, "as hashSession says");
        _assertAccount(buyer, FUNDS - CEILING_PAID, CEILING_PAID, "buyer");
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

    function test_the_ceiling_must_be_there() external {
        IMarketTypes.Session memory s = _session(1);
        s.ceiling = uint96(FUNDS + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IMarketEvents.InsufficientAvailable.selector, buyer, FUNDS, uint128(FUNDS + 1))
        );
        this.open(s);
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

    function test_a_voucher_pays_what_it_adds() external {
        IMarketTypes.Session memory s = _session(1);
        bytes32 id = _openSession(s);
        _redeem(_voucher(s, 1 ether, BUYER_KEY));
        vm.expectEmit(true, false, false, true, address(market));
        emit IMarketEvents.VoucherRedeemed(id, (uint256(0.5 ether) << 128) | 0.005 ether, 1.5 ether);
        vm.prank(stranger);
        this.redeem(_one(_voucher(s, 1.5 ether, BUYER_KEY)));
        _assertAccount(buyer, FUNDS - CEILING_PAID, CEILING_PAID - 1.5 ether, "buyer");
        _assertAccount(provider, FUNDS + 1.485 ether, 0, "provider");
        _assertAccount(treasury, 0.015 ether, 0, "treasury");
        _assertSession(id, 1.5 ether, true);
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

    function test_a_replay_pays_nothing() external {
        IMarketTypes.Session memory s = _session(1);
        _openSession(s);
        _redeem(_voucher(s, 1 ether, BUYER_KEY));
        _expectRejected(0, _sessionId(s), 17);
        _redeem(_voucher(s, 1 ether, BUYER_KEY));
        _assertSession(_sessionId(s), 1 ether, true);
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

    function test_the_ceiling_is_the_most() external {
        IMarketTypes.Session memory s = _session(1);
        _openSession(s);
        _redeem(_voucher(s, CEILING_PAID, BUYER_KEY));
        _assertAccount(buyer, FUNDS - CEILING_PAID, 0, "buyer");
        _expectRejected(0, _sessionId(s), 18);
        _redeem(_voucher(s, CEILING_PAID + 1, BUYER_KEY));
    }

    function test_a_call_has_1_to_200_vouchers() external {
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidLength.selector, 0, 200));
        market.redeem(new IMarketTypes.SignedVoucher[](0));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidLength.selector, 201, 200));
        market.redeem(new IMarketTypes.SignedVoucher[](201));
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

    function test_the_provider_closes_any_time() external {
        IMarketTypes.Session memory s = _session(1);
        bytes32 id = _openSession(s);
        _redeem(_voucher(s, 1 ether, BUYER_KEY));
        vm.expectEmit(true, false, false, true, address(market));
        emit IMarketEvents.SessionClosed(id, CEILING_PAID - 1 ether);
        vm.prank(provider);
        market.closeSession(s);
        _assertAccount(buyer, FUNDS - 1 ether, 0, "the rest is free");
        _assertSession(id, 1 ether, false);
    }

    function test_anybody_closes_a_grace_after_expiry() external {
        IMarketTypes.Session memory s = _session(1);
        bytes32 id = _openSession(s);
        uint256 from = s.expiresAt + GRACE;
        vm.warp(from - 1);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.SessionNotExpired.selector, id, from));
        vm.prank(buyer);
        market.closeSession(s);
        _redeem(_voucher(s, 2 ether, BUYER_KEY)); // after expiry, before the end
        vm.warp(from);
        vm.prank(stranger);
        market.closeSession(s);
        _assertAccount(buyer, FUNDS - 2 ether, 0, "buyer");
    }

    function test_after_the_end_nothing_is_paid_and_nothing_closed() external {
        IMarketTypes.Session memory s = _session(1);
        bytes32 id = _openSession(s);
        vm.prank(provider);
        market.closeSession(s);
        _expectRejected(0, id, 16);
        _redeem(_voucher(s, 1 ether, BUYER_KEY));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSession.selector, id));
        vm.prank(provider);
        market.closeSession(s);
        _assertAccount(buyer, FUNDS, 0, "buyer");
    }

    function test_what_was_never_opened_is_not_closed() external {
        bytes32 id = _sessionId(_session(9));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSession.selector, id));
        vm.prank(provider);
        market.closeSession(_session(9));
    }

    // ------------------------------------------------------------------------------------------------ pieces

    function open(IMarketTypes.Session memory s) external {
        _openSession(s);
    }

    function redeem(IMarketTypes.SignedVoucher[] memory vouchers) external {
        market.redeem(vouchers);
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
