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

    function test_parameters_have_limits() external {
        IMarketTypes.Parameters memory p = _parameters();
        p.feeBps = 1_001;
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.ParameterTooLarge.selector, 1_001, 1_000));
        this.deploy(p);
        p = _parameters();
        p.bondBps = 10_001;
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.ParameterTooLarge.selector, 10_001, 10_000));
        this.deploy(p);
        p = _parameters();
        p.verificationGrace = 30 days + 1;
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.ParameterTooLarge.selector, 30 days + 1, 30 days));
        this.deploy(p);
        p = _parameters();
        p.withdrawalDelay = 30 days + 1;
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.ParameterTooLarge.selector, 30 days + 1, 30 days));
        this.deploy(p);
    }

    function test_a_dispute_window_is_not_zero_and_ends_before_whoever_gained_can_leave() external {
        IMarketTypes.Parameters memory p = _parameters();
        p.disputeWindow = 0;
        vm.expectRevert(IMarketEvents.ZeroAmount.selector);
        this.deploy(p);
        p.disputeWindow = DELAY + 1;
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.ParameterTooLarge.selector, DELAY + 1, DELAY));
        this.deploy(p);
        p.disputeWindow = DELAY;
        vm.assertEq(_deploy(p).disputeWindow(), DELAY, "as long as the delay");
    }

    function test_the_arbiters_are_registered() external {
        IMarketTypes.Parameters memory p = _parameters();
        p.arbiterSet = keccak256("nobody");
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.UnknownVerifierSet.selector, p.arbiterSet));
        this.deploy(p);
    }

    function test_the_highest_parameters_deploy() external {
        IMarketTypes.Parameters memory p = _parameters();
        (p.feeBps, p.bondBps, p.verificationGrace) = (1_000, 10_000, 30 days);
        (p.withdrawalDelay, p.disputeWindow) = (30 days, 30 days);
        vm.assertEq(_deploy(p).feeBps(), 1_000, "deployed");
    }

    function test_the_admin_changes_the_operator() external {
        vm.expectEmit(false, false, false, true, address(market));
        emit IMarketEvents.OperatorChanged(stranger);
        vm.prank(admin);
        market.setOperator(stranger);
        operator = stranger;
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
