// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {DisputeTest} from "../utils/DisputeTest.sol";
import {ANY_RUN, FALSE_RECEIPT, WRONG_COUNT} from "../utils/MarketTest.sol";
import {Outcome, Packing} from "../utils/Packing.sol";

/// @dev A provider whose false receipt is known, but not yet decided, tries to take its bond home.
contract EscapingTest is DisputeTest {
    uint256 private constant BONDS = 1.6 ether;

    function testFuzz_no_outcome_that_the_provider_signs_alone_ends_a_trade(uint8 kind, uint32 runs, uint64 units)
        external
    {
        Outcome[] memory outcomes = _two(Outcome(kind, runs, units));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, provider));
        this.acceptAs(outcomes, Signer(provider, PROVIDER_KEY), Signer(address(0), PROVIDER_KEY));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, buyer));
        this.acceptAs(outcomes, Signer(buyer, PROVIDER_KEY), Signer(provider, PROVIDER_KEY));
        _slashBoth(START);
        _assertSlashed(0);
    }

    /// @dev It gives up some trades and asks for the rest of its money before the verdict comes.
    function testFuzz_giving_up_any_trades_in_time_saves_no_bond(uint8 bits, uint40 first, uint40 second, uint128 out)
        external
    {
        uint256 saidAt = START + bound(first, 0, 1 hours);
        uint256 decidedAt = saidAt + bound(second, 0, WINDOW - 1);
        uint128 leaving = uint128(bound(out, 1, FUNDS - BONDS));
        vm.prank(provider);
        market.requestWithdrawal(leaving);
        vm.warp(saidAt);
        bits = uint8(bound(bits, 1, 3));
        if (bits & 1 != 0) _giveUp(_lock(), _only(0), provider, PROVIDER_KEY);
        if (bits & 2 != 0) _giveUp(_lock(), _only(1), provider, PROVIDER_KEY);
        vm.warp(decidedAt);
        vm.expectPartialRevert(IMarketEvents.TooEarly.selector);
        this.refund();
        _slashBoth(decidedAt);
        _assertSlashed(leaving);
    }

    /// @dev What is decided is not refunded, however long the dispute of the provider lasts that gave it up.
    function testFuzz_giving_up_and_disputing_saves_no_bond(uint40 first, uint40 second, bool ruled, uint8 claim)
        external
    {
        _giveUp(_lock(), _indices(2), provider, PROVIDER_KEY);
        uint256 decidedAt = START + bound(first, 0, WINDOW - 1);
        vm.warp(decidedAt);
        Outcome[] memory outcomes = _decideBoth(Outcome(SLASHED, 0, CEILING));
        this.claimAs(provider, outcomes, 0, claim % 2 == 0 ? FALSE_RECEIPT : WRONG_COUNT, ANY_RUN);
        uint256 ruleBy = decidedAt + 3 * WINDOW;
        vm.warp(decidedAt + bound(second, WINDOW, 3 * WINDOW - 1));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NothingOpen.selector, lock.id));
        this.refund();
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NothingOpen.selector, lock.id));
        this.giveUp();
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.TooEarly.selector, lock.records[0].trade, ruleBy));
        this.timeOut();
        _settle(_lock(), _indices(2), outcomes);
        if (ruled) {
            _rule(_lock(), 0, Outcome(SLASHED, 0, CEILING));
        } else {
            vm.warp(ruleBy);
            _timeOut(_lock(), 0);
        }
        uint256 cost = ruled ? DISPUTE_BOND : 0; // a ruling that confirms the slash takes the claim's bond too
        _assertAccount(provider, FUNDS - BONDS - cost, 0, "both bonds are gone");
        _assertAccount(buyer, FUNDS + cost, 0, "the buyer has its payments back");
    }

    /// @dev A slashed provider revokes the key that signed its false receipt, and asks for the receipt: what was signed stays signed.
    function testFuzz_revoking_the_agent_key_takes_no_receipt_back(bool byController, uint8 run) external {
        run = run % 4;
        _leave(run, receipts[run], REJECTED, 0);
        Outcome[] memory outcomes = _decideBoth(Outcome(SLASHED, 0, CEILING));
        address revoker = provider;
        if (byController) {
            vm.prank(provider);
            registry.changeOwner(provider, delegate);
            revoker = delegate;
        }
        vm.prank(revoker);
        registry.revokeDelegate(provider, "suan/agent", vm.addr(AGENT_KEY));
        vm.assertFalse(registry.validDelegate(provider, "suan/agent", vm.addr(AGENT_KEY)), "revoked");
        _ask(provider, outcomes, 0, ANY_RUN);
        IMarketTypes.Shown memory shown = _shown(run);
        market.reveal(lock.id, Packing.record(lock.records[0]), ANY_RUN, shown);
        vm.warp(START + 3 * WINDOW);
        _timeOut(_lock(), 0);
        vm.assertEq(_total(pool) + _total(rerun), BONDS / 2, "the bond of the first trade is gone");
    }

    function acceptAs(Outcome[] memory outcomes, Signer memory buys, Signer memory sells) external {
        _acceptBoth(_lock(), _indices(2), outcomes, buys, sells);
    }

    function refund() external {
        _refund(_lock(), _indices(2));
    }

    function giveUp() external {
        _giveUp(_lock(), _indices(2), provider, PROVIDER_KEY);
    }

    function _slashBoth(uint256 time) private {
        Outcome[] memory outcomes = _decideBoth(Outcome(SLASHED, 0, CEILING));
        vm.warp(time + WINDOW);
        _settle(_lock(), _indices(2), outcomes);
    }

    function _assertSlashed(uint256 leaving) private view {
        _assertAccount(provider, FUNDS - BONDS - leaving, 0, "both bonds are gone");
        _assertAccount(buyer, FUNDS, 0, "the buyer has its payments back");
        vm.assertEq(_total(pool) + _total(rerun), BONDS, "the re-run and the pool have the bonds");
    }

    function _two(Outcome memory end) private pure returns (Outcome[] memory outcomes) {
        outcomes = new Outcome[](2);
        (outcomes[0], outcomes[1]) = (end, end);
    }
}
