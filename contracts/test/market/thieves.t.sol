// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {DisputeTest} from "../utils/DisputeTest.sol";
import {Fill, Outcome, Packing} from "../utils/Packing.sol";

/// @dev What a thief of one key can take, and what not.
contract ThievesTest is DisputeTest {
    /// @dev The operator opens only what both makers signed, at prices within their limits. It can pair orders badly or not at
    /// all, and names clearings; it can not lock more than was signed, and can not move what is locked.
    function test_thief_operator_takes_nothing_and_locks_no_more_than_was_signed() external {
        vm.prank(admin);
        market.setOperator(stranger);
        operator = stranger;
        Opening memory o = _opening(_offer(), _bid(), 3); // of ten runs eight are taken
        _assertRejected(_open(o), 7);
        o.fills[0] = Fill(0, 0, 8, 2);
        o.clearings[0].price = o.bids[0].price + 1;
        _assertRejected(_open(o), 6);
        o.bids[0].runs = 1_000; // not what was signed
        o.clearings[0].price = PRICE;
        _assertRejected(_open(o), 1);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, stranger));
        this.acceptAs(stranger, STRANGER_KEY);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NotAdmin.selector, stranger));
        vm.prank(stranger);
        market.setPaused(true);
        vm.assertEq(_total(buyer) + _total(provider), 2 * uint256(FUNDS), "nothing left the two accounts");
    }

    /// @dev k - 1 verifiers decide nothing.
    function test_thief_of_one_verifier_takes_nothing() external {
        IMarketTypes.Verdict memory verdict = _verdictOf(lock.records, _two(Outcome(SETTLED, 4, 4 * CEILING)));
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = _sign(verifierKeys[0], _verdictDigest(lock.id, verdict));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.QuorumNotReached.selector, verifierSet, 1, 2));
        market.decide(lock.head, _verifierKeySet(), verdict, signatures);
    }

    /// @dev A whole set, with a provider as accomplice, pays out open trades of the batches that name it: after the window in
    /// which anybody can dispute. No more than its cap is locked in them, so no window gives it more; other money is out of reach.
    function test_thief_of_a_whole_set_takes_its_cap_in_a_window_and_only_what_is_locked_in_its_trades() external {
        payoutCap = uint96(8 * PRICE);
        verifierSet = registry.registerVerifierSet(_verifiers(), 2, payoutCap);
        IMarketTypes.Offer memory offer = _offer();
        IMarketTypes.Bid memory bid = _bid();
        (offer.nonce, bid.nonce) = (2, 2);
        Opening memory o = _opening(offer, bid, 3);
        o.fills = new Fill[](3);
        for (uint32 i; i < 3; ++i) {
            o.fills[i] = Fill(0, 0, 3 * i, 3);
        }
        Lock memory its = _open(o);
        vm.assertEq(its.records.length, 2, "a third would pass the cap: six runs and their bonds are locked");
        uint256 before = _total(buyer);
        Outcome[] memory stolen = _two(Outcome(SETTLED, 3, 3 * CEILING));
        _decide(its, _indices(2), stolen);
        vm.assertEq(_total(buyer), before, "nothing moves before the window is over");
        vm.warp(START + WINDOW);
        _settle(its, _indices(2), stolen);
        vm.assertEq(before - _total(buyer), 6 * PRICE, "what was locked in trades of this set");
    }

    /// @dev A verdict can not name more than is locked, for whatever it says.
    function testFuzz_thief_of_a_whole_set_takes_no_more_than_a_trade_locked(uint8 kind, uint32 runs, uint64 units)
        external
    {
        uint256 before = _total(buyer);
        _close(_lock(), _indices(2), _two(Outcome(kind, runs, units)));
        vm.assertLe(before - _total(buyer), 8 * PRICE, "the payments of the two trades");
        vm.assertGe(_total(provider), FUNDS - 1.6 ether, "the bonds of the two trades");
        vm.assertEq(_total(buyer2), FUNDS, "nobody else");
        vm.assertEq(_total(provider2), FUNDS, "nobody else");
    }

    /// @dev A delegate key buys within its limits of price, side, time and money a day. It can not withdraw, cancel, accept,
    /// migrate or appoint.
    function test_thief_of_a_delegate_spends_its_cap_of_a_day_on_trades_and_takes_nothing_out() external {
        vm.prank(buyer);
        registry.setDelegate(delegate, BUY, uint96(3 * PRICE), 0.9 ether, START + 1 days);
        IMarketTypes.Bid memory bid = _bid();
        bid.nonce = 9;
        IMarketTypes.Offer memory offer = _offer();
        offer.nonce = 9;
        Opening memory o = _opening(offer, bid, 3);
        o.bidSignatures[0] = _sign(DELEGATE_KEY, _bidHash(bid));
        vm.assertEq(_open(o).records.length, 1, "three runs");
        o.fills[0] = Fill(0, 0, 3, 1);
        _assertRejected(_open(o), 11);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, buyer));
        this.acceptAs(buyer, DELEGATE_KEY);
        bytes32 typeHash = keccak256("WithdrawalRequest(address account,uint128 amount,uint256 nonce,uint40 deadline)");
        bytes32 hash = keccak256(abi.encode(typeHash, buyer, uint128(1), 0, START));
        bytes memory signature = _sign(DELEGATE_KEY, _marketDigest(hash));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, buyer));
        market.requestWithdrawalSigned(buyer, 1, 0, START, signature);
        IMarketTypes.Session memory s = IMarketTypes.Session(buyer, 1 ether, stranger, START + 60, 0);
        vm.expectPartialRevert(IMarketEvents.InvalidSession.selector);
        vm.prank(delegate);
        market.openSession(s);
    }

    /// @dev An agent's key signs receipts, and what its owner is paid below the lock if the buyer signs the same. Without
    /// verifiers and without the buyer neither pays anything, and it signs nothing else.
    function test_thief_of_an_agent_takes_nothing() external {
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, buyer));
        this.acceptAs(buyer, AGENT_KEY);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, provider));
        this.giveUpAs(provider, AGENT_KEY);
        IMarketTypes.Offer memory offer = _offer();
        offer.nonce = 9;
        Opening memory o = _opening(offer, _bid(), 1);
        o.offerSignatures[0] = _sign(AGENT_KEY, _offerHash(offer));
        _assertRejected(_open(o), 1);
        _ask(stranger, _decideBoth(_all()), 0, 0);
        receipts[0] = abi.encodePacked(receipts[0]);
        receipts[0][100] ^= 0x01; // a receipt that no verifier saw
        IMarketTypes.Shown memory shown = _shown(0);
        vm.expectPartialRevert(IMarketEvents.InvalidReceipt.selector);
        this.reveal(lock.records[0], 0, shown);
    }

    /// @dev k - 1 arbiters rule nothing; all of them rule on disputed trades only, within what those locked.
    function test_thief_of_arbiters_reaches_disputed_trades_only() external {
        Outcome memory all = Outcome(SETTLED, 4, 4 * CEILING);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NotDisputed.selector, lock.records[0].trade));
        this.rule(all); // open
        Outcome[] memory outcomes = _decideBoth(Outcome(REFUNDED, 0, 0));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NotDisputed.selector, lock.records[0].trade));
        this.rule(all); // decided
        _dispute(stranger, _lock(), _indices(2), outcomes, 0);
        bytes[] memory one = new bytes[](1);
        one[0] = _sign(arbiterKeys[0], _ruling(lock.id, lock.records[0].trade, all));
        uint256 word = Packing.outcomeWord(0, all);
        IMarketTypes.Proven memory proven = _proveOne(_lock(), 0);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.QuorumNotReached.selector, arbiterSet, 1, 2));
        market.rule(lock.head, _arbiterKeySet(), proven, word, one);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidOutcome.selector, lock.records[0].trade));
        this.rule(Outcome(SETTLED, 4, 4 * CEILING + 1));
        _rule(_lock(), 0, all);
        vm.assertEq(_total(buyer), FUNDS - 4 * PRICE, "what the one trade locked, and not a unit more");
    }

    /// @dev The admin stops deposits and openings and names operators. Everybody gets out all the same.
    function test_thief_admin_takes_nothing_and_keeps_nobody_inside() external {
        vm.prank(admin);
        market.setOperator(address(0));
        vm.prank(admin);
        market.setPaused(true);
        _close(_lock(), _indices(2), _two(Outcome(SETTLED, 4, 4 * CEILING)));
        address[2] memory people = [buyer, provider];
        for (uint256 i; i < 2; ++i) {
            uint128 amount = uint128(_available(people[i]));
            vm.prank(people[i]);
            market.requestWithdrawal(amount);
            vm.warp(block.timestamp + DELAY);
            market.withdraw(people[i]);
            vm.assertEq(token.balanceOf(people[i]), amount, "out");
        }
        vm.assertEq(_total(buyer) + _total(provider), 0, "all of it");
    }

    /// @dev A buyer's key ends trades by paying all that was locked for them, and in no other way. It gets nothing for it.
    function testFuzz_thief_of_a_buyer_pays_its_trades_in_full_or_not_at_all(uint32 runs, uint64 units) external {
        (runs, units) = (uint32(bound(runs, 0, 4)), uint64(bound(units, 0, 4 * CEILING)));
        if (runs != 4 || units != 4 * CEILING) {
            vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidOutcome.selector, lock.records[0].trade));
        }
        this.acceptSaying(Outcome(SETTLED, runs, units));
    }

    /// @dev A provider's key gives up open trades, a window ahead, and gets the bonds back that no verdict claims meanwhile.
    function test_thief_of_a_provider_frees_no_bond_before_the_verdict() external {
        _giveUp(_lock(), _indices(2), provider, PROVIDER_KEY);
        vm.expectPartialRevert(IMarketEvents.TooEarly.selector);
        this.refund();
        _close(_lock(), _indices(2), _two(Outcome(SLASHED, 0, 4 * CEILING)));
        vm.assertEq(_total(provider), FUNDS - 1.6 ether, "both bonds");
    }

    function acceptAs(address account, uint256 key) external {
        _accept(_lock(), _indices(2), _two(Outcome(SETTLED, 4, 4 * CEILING)), account, key);
    }

    function acceptSaying(Outcome memory end) external {
        _accept(_lock(), _indices(2), _two(end), buyer, BUYER_KEY);
    }

    function giveUpAs(address account, uint256 key) external {
        _giveUp(_lock(), _indices(2), account, key);
    }

    function refund() external {
        _refund(_lock(), _indices(2));
    }

    function _two(Outcome memory end) private pure returns (Outcome[] memory outcomes) {
        outcomes = new Outcome[](2);
        (outcomes[0], outcomes[1]) = (end, end);
    }
}
