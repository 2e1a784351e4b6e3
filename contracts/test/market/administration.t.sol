// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {MarketTest} from "../utils/MarketTest.sol";

contract AdministrationTest is MarketTest {
    function test_the_constructor_fixes_every_parameter() external view {
        vm.assertEq(address(market.token()), address(token), "token");
        vm.assertEq(address(market.registry()), address(registry), "registry");
        vm.assertEq(market.admin(), admin, "admin");
        vm.assertEq(market.operator(), operator, "operator");
        vm.assertEq(market.treasury(), treasury, "treasury");
        vm.assertEq(market.pool(), pool, "pool");
        vm.assertEq(market.rerunAccount(), rerun, "re-run account");
        vm.assertEq(market.feeBps(), FEE_BPS, "fee");
        vm.assertEq(market.bondBps(), BOND_BPS, "bond");
        vm.assertEq(market.bondFloorPrice(), BOND_FLOOR, "bond floor");
        vm.assertEq(market.verificationGrace(), GRACE, "grace");
        vm.assertEq(market.withdrawalDelay(), DELAY, "delay");
        vm.assertEq(market.matchWindow(), MATCH, "match window");
        vm.assertEq(market.disputeWindow(), WINDOW, "dispute window");
        vm.assertEq(market.disputeBond(), DISPUTE_BOND, "dispute bond");
        vm.assertEq(market.arbiterSet(), arbiterSet, "arbiters");
    }

    function testFuzz_every_address_but_the_operator_is_needed(uint8 which) external {
        IMarketTypes.Parameters memory p = _parameters();
        which = which % 7;
        if (which == 0) p.token = address(0);
        if (which == 1) p.registry = address(0);
        if (which == 2) p.admin = address(0);
        if (which == 3) p.treasury = address(0);
        if (which == 4) p.pool = address(0);
        if (which == 5) p.rerunAccount = address(0);
        if (which == 6) p.acknowledger = address(0);
        vm.expectRevert(IMarketEvents.ZeroAddress.selector);
        this.deploy(p);
    }

    function testFuzz_parameters_have_limits(uint8 which, uint40 value) external {
        IMarketTypes.Parameters memory p = _parameters();
        uint256 limit = which % 4 == 0 ? 1_000 : which % 4 == 1 ? 10_000 : 30 days;
        uint256 most = which % 4 < 2 ? type(uint16).max : type(uint40).max;
        value = uint40(bound(value, limit + 1, most));
        if (which % 4 == 0) p.feeBps = uint16(value);
        if (which % 4 == 1) p.bondBps = uint16(value);
        if (which % 4 == 2) p.verificationGrace = value;
        if (which % 4 == 3) p.withdrawalDelay = value;
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.ParameterTooLarge.selector, value, limit));
        this.deploy(p);
    }

    function testFuzz_a_dispute_window_is_not_zero_and_ends_before_whoever_gained_can_leave(uint40 window) external {
        IMarketTypes.Parameters memory p = _parameters();
        p.disputeWindow = 0;
        vm.expectRevert(IMarketEvents.ZeroAmount.selector);
        this.deploy(p);
        p.disputeWindow = uint40(bound(window, DELAY + 1, type(uint40).max));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.ParameterTooLarge.selector, p.disputeWindow, DELAY));
        this.deploy(p);
        p.disputeWindow = uint40(bound(window, 1, DELAY));
        vm.assertEq(_deploy(p).disputeWindow(), p.disputeWindow, "at most as long as the delay");
    }

    function testFuzz_the_arbiters_are_registered(bytes32 set) external {
        vm.assume(set != verifierSet && set != arbiterSet);
        IMarketTypes.Parameters memory p = _parameters();
        p.arbiterSet = set;
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.UnknownVerifierSet.selector, set));
        this.deploy(p);
    }

    function test_a_match_window_lasts_a_minute_at_most_and_no_longer_than_a_withdrawal() external {
        IMarketTypes.Parameters memory p = _parameters();
        p.matchWindow = 61;
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.ParameterTooLarge.selector, 61, 60));
        this.deploy(p);
        (p.matchWindow, p.withdrawalDelay, p.disputeWindow) = (60, 59, 59);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.ParameterTooLarge.selector, 60, 59));
        this.deploy(p);
        p.withdrawalDelay = 60;
        this.deploy(p);
    }

    function test_the_highest_parameters_deploy() external {
        IMarketTypes.Parameters memory p = _parameters();
        (p.feeBps, p.bondBps, p.verificationGrace) = (1_000, 10_000, 30 days);
        (p.withdrawalDelay, p.disputeWindow) = (30 days, 30 days);
        vm.assertEq(_deploy(p).feeBps(), 1_000, "deployed");
    }

    function testFuzz_the_admin_changes_the_operator(address next) external {
        vm.expectEmit(false, false, false, true, address(market));
        emit IMarketEvents.OperatorChanged(next);
        vm.prank(admin);
        market.setOperator(next);
        operator = next;
        vm.assertEq(_openOne(1).records.length, 1, "the new one opens");
    }

    function testFuzz_nobody_else_administers(address caller) external {
        vm.assume(caller != admin);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NotAdmin.selector, caller));
        vm.prank(caller);
        market.setOperator(caller);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NotAdmin.selector, caller));
        vm.prank(caller);
        market.setPaused(true);
    }

    /// @dev A call of its own, for vm.expectRevert.
    function deploy(IMarketTypes.Parameters memory p) external {
        _deploy(p);
    }

    function test_a_pause_is_announced() external {
        vm.expectEmit(false, false, false, true, address(market));
        emit IMarketEvents.Paused(true);
        vm.prank(admin);
        market.setPaused(true);
        vm.assertTrue(market.paused(), "paused");
    }
}
