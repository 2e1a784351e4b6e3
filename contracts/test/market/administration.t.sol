// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Market} from "../../src/Market.sol";
import {IMarket} from "../../src/interfaces/IMarket.sol";
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
    }

    function testFuzz_every_address_but_the_operator_is_needed(uint8 which) external {
        IMarket.Parameters memory p = _parameters();
        which = which % 6;
        if (which == 0) p.token = address(0);
        if (which == 1) p.registry = address(0);
        if (which == 2) p.admin = address(0);
        if (which == 3) p.treasury = address(0);
        if (which == 4) p.pool = address(0);
        if (which == 5) p.rerunAccount = address(0);
        vm.expectRevert(IMarket.ZeroAddress.selector);
        new Market(p);
    }

    function test_parameters_have_limits() external {
        IMarket.Parameters memory p = _parameters();
        p.feeBps = 1_001;
        vm.expectRevert(abi.encodeWithSelector(IMarket.ParameterTooLarge.selector, 1_001, 1_000));
        new Market(p);
        p = _parameters();
        p.bondBps = 10_001;
        vm.expectRevert(abi.encodeWithSelector(IMarket.ParameterTooLarge.selector, 10_001, 10_000));
        new Market(p);
        p = _parameters();
        p.verificationGrace = 30 days + 1;
        vm.expectRevert(abi.encodeWithSelector(IMarket.ParameterTooLarge.selector, 30 days + 1, 30 days));
        new Market(p);
        p = _parameters();
        p.withdrawalDelay = 30 days + 1;
        vm.expectRevert(abi.encodeWithSelector(IMarket.ParameterTooLarge.selector, 30 days + 1, 30 days));
        new Market(p);
    }

    function test_the_admin_changes_the_operator() external {
        vm.expectEmit(false, false, false, true, address(market));
        emit IMarket.OperatorChanged(stranger);
        vm.prank(admin);
        market.setOperator(stranger);
        operator = stranger;
        vm.assertEq(_openOne(1).records.length, 1, "the new one opens");
    }

    function testFuzz_nobody_else_administers(address caller) external {
        vm.assume(caller != admin);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotAdmin.selector, caller));
        vm.prank(caller);
        market.setOperator(caller);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotAdmin.selector, caller));
        vm.prank(caller);
        market.setPaused(true);
    }

    function test_a_pause_is_announced() external {
        vm.expectEmit(false, false, false, true, address(market));
        emit IMarket.Paused(true);
        vm.prank(admin);
        market.setPaused(true);
        vm.assertTrue(market.paused(), "paused");
    }
}
