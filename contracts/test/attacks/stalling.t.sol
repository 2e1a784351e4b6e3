// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {DisputeTest} from "../utils/DisputeTest.sol";
import {ANY_RUN, NO_RECEIPT} from "../utils/MarketTest.sol";
import {Outcome, Packing} from "../utils/Packing.sol";

/// @dev Claims are made to keep an honest trade from its end, or to end it twice.
contract StallingTest is DisputeTest {
    uint96 private constant COST = DISPUTE_BOND / 10;
    uint256 private constant EARNED = 4 * uint256(PRICE) - 4 * uint256(PRICE) / 100;

    /// @dev Every receipt is asked for in the last second of the window, a ruling too, and each is shown at any time before
    /// revealBy: the trade is paid as decided, not later than arbiters may rule.
    function testFuzz_claims_at_the_last_second_delay_an_honest_trade_until_rule_by_at_most(
        uint8 asked,
        uint40[4] memory pauses,
        bool contested
    ) external {
        Outcome[] memory outcomes = _decideBoth(_all());
        vm.warp(START + WINDOW - 1);
        asked = uint8(bound(asked, 1, 15));
        for (uint32 run; run < 4; ++run) {
            if ((asked >> run) & 1 == 1) _ask(stranger, outcomes, 0, run);
        }
        if (contested) _dispute(stranger, _lock(), _indices(2), outcomes, 0);
        uint256 time = block.timestamp;
        uint256 cost;
        for (uint32 run; run < 4; ++run) {
            time = bound(pauses[run], time, START + 2 * WINDOW - 1);
            vm.warp(time);
            if ((asked >> run) & 1 == 0) continue;
            _revealAs(provider2, run);
            cost += COST;
        }
        vm.warp(START + 3 * WINDOW);
        _timeOut(_lock(), 0);
        _settle(_lock(), _indices(2), outcomes);
        _assertAccount(provider, FUNDS + 2 * EARNED, 0, "both trades are paid");
        _assertAccount(buyer, FUNDS - 8 * PRICE, 0, "as decided");
        _assertAccount(stranger, FUNDS - cost, 0, "the stranger pays for the answers");
        vm.assertEq(_total(provider2), FUNDS + cost, "whoever gave them");
    }

    /// @dev What was shown is shown: nobody asks for it once more, whether or not the run is billed. Else whoever asks again for a
    /// run that is not billed, and shows it itself, uses up what the outcome leaves out.
    function testFuzz_nobody_asks_again_for_what_was_shown(uint8 run, bool billed) external {
        run = run % 4;
        if (!billed) _leave(run, "", MISSING, 0);
        Outcome[] memory outcomes = _decideBoth(billed ? _all() : Outcome(SETTLED, 3, 3 * CEILING));
        _ask(stranger, outcomes, 0, run);
        _revealAs(provider2, run);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.ClaimTaken.selector, lock.records[0].trade));
        this.claimAs(stranger, outcomes, 0, NO_RECEIPT, run);
        vm.warp(START + WINDOW);
        _timeOut(_lock(), 0);
        vm.assertEq(_total(provider), FUNDS + (billed ? EARNED : EARNED / 4 * 3), "paid");
        _assertAccount(stranger, FUNDS - COST, 0, "one answer");
    }

    /// @dev Contesting through another account costs its bond, whatever was decided: no side has it back.
    function testFuzz_an_accomplice_of_either_side_pays_for_a_wrong_claim(uint8 kind, uint32 runs) external {
        Outcome[3] memory ends = [
            Outcome(REFUNDED, 0, 0),
            Outcome(SLASHED, 0, CEILING),
            Outcome(SETTLED, uint32(bound(runs, 1, 4)), 4 * CEILING / 10)
        ];
        Outcome memory decided = ends[kind % 3];
        _disputed(stranger, decided);
        uint256 before = _total(pool);
        _rule(_lock(), 0, decided);
        _assertAccount(stranger, FUNDS - DISPUTE_BOND, 0, "the accomplice");
        vm.assertGe(_total(pool), before + DISPUTE_BOND, "the pool has it");
    }

    /// @dev Who shows first has the reward; who comes second in the same block has nothing, and the claim ended once.
    function testFuzz_a_race_to_reveal_pays_once(uint8 run, uint40 time, bool own) external {
        run = run % 4;
        Outcome[] memory outcomes = _decideBoth(_all());
        _ask(stranger, outcomes, 0, run);
        vm.warp(START + bound(time, 0, 2 * WINDOW - 1));
        address first = own ? stranger : provider2;
        _revealAs(first, run);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NotDisputed.selector, lock.records[0].trade));
        this.reveal(lock.records[0], run, _shown(run));
        _assertAccount(stranger, FUNDS - (own ? 0 : COST), 0, "the bond is free");
        vm.assertEq(_total(provider2), FUNDS + (own ? 0 : COST), "the other one");
    }

    /// @dev A trade that is decided or disputed does not end in any other way meanwhile, whoever signs.
    function testFuzz_what_is_disputed_ends_by_its_dispute_alone(uint40 time, uint8 claim) external {
        Outcome[] memory outcomes = _decideBoth(_all());
        claim = claim % 3 + 1;
        this.claimAs(stranger, outcomes, 0, claim, claim == NO_RECEIPT ? 0 : ANY_RUN);
        vm.warp(START + bound(time, 0, 60 days));
        bytes memory nothing = abi.encodeWithSelector(IMarketEvents.NothingOpen.selector, lock.id);
        vm.expectRevert(nothing);
        this.accept();
        vm.expectRevert(nothing);
        this.giveUp();
        vm.expectRevert(nothing);
        this.refund();
        vm.expectRevert(nothing);
        this.decide(outcomes);
        if (block.timestamp >= START + WINDOW) {
            this.settle(outcomes); // the neighbour
            vm.expectRevert(nothing);
            this.settle(outcomes);
        }
        vm.assertGe(_locked(buyer), 4 * PRICE, "the disputed payment is locked");
        vm.assertGe(_locked(provider), 0.8 ether, "and the bond");
    }

    /// @dev However a dispute ended, nothing about it can be done once more.
    function testFuzz_a_dispute_ends_once(bool ruled, bool missing, uint64 units) external {
        Outcome[] memory outcomes = _disputed(stranger, _all());
        if (missing) _ask(stranger, outcomes, 0, 1);
        Outcome memory end = Outcome(SETTLED, 4, uint64(bound(units, 4 * (CEILING / 10), 4 * CEILING)));
        if (ruled) {
            _rule(_lock(), 0, end);
        } else {
            vm.warp(START + (missing ? 2 : 3) * WINDOW);
            _timeOut(_lock(), 0);
        }
        bytes memory over = abi.encodeWithSelector(IMarketEvents.NotDisputed.selector, lock.records[0].trade);
        vm.expectRevert(over);
        this.rule(end);
        vm.expectRevert(over);
        this.timeOut();
        vm.expectRevert(over);
        this.reveal(lock.records[0], 1, _shown(1));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.TradeNotOpen.selector, lock.records[0].trade));
        this.disputeAs(stranger, outcomes, 0);
        if (!missing) vm.expectRevert(over);
        this.reclaim(1);
        vm.expectRevert(over);
        this.reclaim(1);
        vm.assertEq(_locked(stranger), 0, "no bond is left locked");
        vm.assertEq(_locked(buyer), 4 * PRICE, "the other trade alone is locked");
    }

    /// @dev Bonds of claims for receipts come home whatever becomes of the trade, each to who paid it, by anybody's hand.
    function testFuzz_every_bond_comes_home_once(uint8 asked, uint8 shown, uint8 who, bool ruled) external {
        Outcome[] memory outcomes = _disputed(buyer, _all());
        uint256[3] memory cost;
        address[3] memory people = [stranger, provider2, buyer2];
        for (uint32 run; run < 4; ++run) {
            uint256 one = (uint256(who) >> (2 * run)) % 3;
            if ((asked >> run) & 1 == 0) continue;
            _ask(people[one], outcomes, 0, run);
            if ((shown >> run) & 1 == 0) continue;
            _revealAs(provider, run);
            cost[one] += COST;
        }
        (,,,,, uint32 missing) = market.disputeOf(lock.id, 0);
        if (ruled) {
            _rule(_lock(), 0, Outcome(REFUNDED, 0, 0));
        } else {
            vm.warp(START + (missing == 0 ? 3 : 2) * WINDOW);
            _timeOut(_lock(), 0);
        }
        for (uint32 run; run < 4; ++run) {
            if ((asked & ~shown) >> run & 1 == 1) this.reclaim(run);
        }
        for (uint256 i; i < 3; ++i) {
            _assertAccount(people[i], FUNDS - cost[i], 0, "all but what answers cost");
        }
        vm.assertEq(_locked(buyer), 4 * PRICE, "the other trade alone is locked");
    }

    /// @dev An honest payment is not refunded while one of its receipts can still be shown, nor after it was.
    function testFuzz_no_payment_falls_before_reveal_by(uint40 time, uint8 run) external {
        Outcome[] memory outcomes = _decideBoth(_all());
        run = run % 4;
        _ask(buyer, outcomes, 0, run);
        vm.warp(START + bound(time, 0, 2 * WINDOW - 1));
        uint256 revealBy = START + 2 * WINDOW;
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.TooEarly.selector, lock.records[0].trade, revealBy));
        this.timeOut();
        _revealAs(provider, run);
        vm.warp(START + 3 * WINDOW);
        _timeOut(_lock(), 0);
        vm.assertEq(_total(provider), FUNDS + EARNED + COST, "paid");
    }

    /// @dev k - 1 verifiers and any other key decide nothing.
    function testFuzz_one_verifier_with_any_other_key_decides_nothing(uint256 key, uint8 which, bool before) external {
        key = bound(key, 1, type(uint128).max);
        which = which % 3;
        for (uint256 i; i < 3; ++i) {
            vm.assume(key != verifierKeys[i] || i == which);
        }
        Outcome[] memory outcomes = new Outcome[](2);
        IMarketTypes.Verdict memory verdict = _verdictOf(lock.records, outcomes);
        bytes32 digest = _verdictDigest(lock.id, verdict);
        (uint256 one, uint256 two) = before ? (key, verifierKeys[which]) : (verifierKeys[which], key);
        bytes[] memory signatures = _signedByTwo(one, two, digest);
        vm.expectPartialRevert(IMarketEvents.QuorumNotReached.selector);
        market.decide(lock.head, _verifierKeySet(), verdict, signatures);
        vm.assertEq(market.openBits(lock.id), 3, "both are open");
    }

    // ------------------------------------------------------------------------------------------------ calls of their own

    function accept() external {
        _accept(_lock(), _only(0), _outcome(SETTLED, 4, 4 * CEILING), buyer, BUYER_KEY);
    }

    function giveUp() external {
        _giveUp(_lock(), _only(0), provider, PROVIDER_KEY);
    }

    function refund() external {
        _refund(_lock(), _only(0));
    }

    function decide(Outcome[] memory outcomes) external {
        _decide(_lock(), _indices(2), outcomes);
    }

    function reclaim(uint32 run) external {
        market.reclaim(lock.head, _proveOne(_lock(), 0), run);
    }

    function _revealAs(address who, uint32 run) private {
        IMarketTypes.Shown memory shown = _shown(run);
        IMarketTypes.Record memory record = Packing.record(lock.records[0]);
        vm.prank(who);
        market.reveal(lock.id, record, run, shown);
    }
}
