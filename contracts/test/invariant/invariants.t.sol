// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "../utils/Test.sol";
import {MarketHandler} from "./handlers/MarketHandler.sol";

/// @dev The numbers are those of README.md beside this file.
contract InvariantsTest is Test {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    MarketHandler private handler;

    function setUp() external {
        handler = new MarketHandler();
    }

    /// @dev forge asks this for what it may call.
    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](10);
        selectors[0] = MarketHandler.deposit.selector;
        selectors[1] = MarketHandler.requestWithdrawal.selector;
        selectors[2] = MarketHandler.withdraw.selector;
        selectors[3] = MarketHandler.open.selector;
        selectors[4] = MarketHandler.open.selector;
        selectors[5] = MarketHandler.close.selector;
        selectors[6] = MarketHandler.refund.selector;
        selectors[7] = MarketHandler.attest.selector;
        selectors[8] = MarketHandler.cancel.selector;
        selectors[9] = MarketHandler.passTime.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function test_the_handler_really_trades() external {
        handler.open(0.85 ether, 2, 3, true, false);
        handler.close(0, 1, 2, 4_000_000);
        handler.attest(0, 0);
        vm.assertEq(handler.opened(), 1, "a batch was opened");
        vm.assertEq(handler.closed(), 1, "a part of it was closed");
        vm.assertGe(handler.openLocks(), 1, "the rest is open");
    }

    function invariant_1_custody_is_the_sum_of_all_accounts_and_exits() external view {
        (uint256 available, uint256 locked, uint256 exiting) = handler.sums();
        (uint256 custody, uint256 tokens) = handler.custody();
        vm.assertEq(available + locked + exiting, custody, "sum of accounts");
        vm.assertEq(tokens, custody, "tokens");
    }

    function invariant_2_custody_is_what_came_in_less_what_left() external view {
        (uint256 custody,) = handler.custody();
        vm.assertEq(custody, handler.deposited() - handler.withdrawn(), "in less out");
    }

    function invariant_3_locked_is_payment_and_bond_of_every_open_trade() external view {
        (, uint256 locked,) = handler.sums();
        vm.assertEq(locked, handler.openLocks(), "open trades");
    }

    function invariant_4_no_order_passes_its_quantity() external view {
        vm.assertTrue(handler.ordersAreWithinBounds(), "consumed <= peak <= quantity");
    }
}
