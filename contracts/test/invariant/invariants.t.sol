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

    /// @dev forge asks this for what it may call. Opening and deciding come twice: all else needs them.
    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](21);
        selectors[0] = handler.deposit.selector;
        selectors[1] = handler.requestWithdrawal.selector;
        selectors[2] = handler.withdraw.selector;
        selectors[3] = handler.open.selector;
        selectors[4] = handler.open.selector;
        selectors[5] = handler.cancel.selector;
        selectors[6] = handler.decide.selector;
        selectors[7] = handler.decide.selector;
        selectors[8] = handler.settle.selector;
        selectors[9] = handler.accept.selector;
        selectors[10] = handler.refund.selector;
        selectors[11] = handler.dispute.selector;
        selectors[12] = handler.reveal.selector;
        selectors[13] = handler.rule.selector;
        selectors[14] = handler.timeOut.selector;
        selectors[15] = handler.openSession.selector;
        selectors[16] = handler.redeem.selector;
        selectors[17] = handler.closeSession.selector;
        selectors[18] = handler.passTime.selector;
        selectors[19] = handler.giveUp.selector;
        selectors[20] = handler.reclaim.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function test_the_handler_really_trades_disputes_and_pays() external {
        handler.open(0.85 ether, 2, 5, 0, false);
        handler.decide(0, 1, 1, 4_000_000);
        handler.settle(0, 0);
        vm.assertEq(handler.ended(), 1, "one settled by verdict");
        handler.decide(0, 2, 1, 4_000_000);
        handler.dispute(1, 0, 4); // asks for a receipt
        handler.reveal(1, 0);
        handler.dispute(1, 1, 4); // wants a ruling
        handler.rule(0, 1, 2, 100);
        vm.assertEq(handler.ended(), 2, "one ended by a ruling");
        handler.decide(0, 4, 1, 4_000_000);
        handler.dispute(2, 0, 4);
        handler.timeOut(0, 2, 0);
        handler.reclaim(1);
        vm.assertEq(handler.ended(), 3, "one ended by silence");
        handler.giveUp(0, 24);
        vm.assertEq(handler.givenUp(), 1, "two given up");
        handler.accept(0, 8, 2, 4_000_000);
        vm.assertEq(handler.ended(), 4, "one accepted");
        handler.refund(0, 0);
        vm.assertEq(handler.ended(), 5, "one refunded by time");
        handler.openSession(10 ether, false);
        handler.redeem(0, 0, 1 ether, false);
        vm.assertGe(handler.vouchers(), 1, "a voucher was paid");
        handler.closeSession(0, true);
        vm.assertEq(handler.disputes(), 3, "claims");
        vm.assertEq(handler.openLocks() + handler.disputeBonds() + handler.sessionLocks(), 0, "nothing is locked");
        _check();
    }

    function invariant_1_to_8() external view {
        _check();
    }

    /// @dev In one function, because forge runs its sequences anew for every other.
    function _check() private view {
        (uint256 available, uint256 locked, uint256 exiting) = handler.sums();
        (uint256 custody, uint256 tokens) = handler.custody();
        vm.assertEq(available + locked + exiting, custody, "1: custody is the sum of all accounts");
        vm.assertEq(tokens, custody, "1: tokens");
        uint256 locks = handler.openLocks() + handler.disputeBonds() + handler.sessionLocks();
        vm.assertEq(locked, locks, "2: locked is what trades, disputes and sessions lock");
        vm.assertFalse(handler.endedTwice(), "3: everything ends once");
        vm.assertFalse(handler.paidMoreThanLocked(), "4: nothing pays more than it locked");
        vm.assertTrue(handler.placesAreRight(), "5: consumed <= reached <= quantity");
        vm.assertFalse(handler.tookBackTooLate(), "6: a trade takes back only what was just asked out");
        vm.assertTrue(handler.booksAreRight(), "6: the events replayed are the storage");
        vm.assertLe(handler.openLocks(), 40 ether, "8: no more is locked in trades than the cap of their set");
        vm.assertFalse(handler.somebodyLostMore(), "7: nothing leaves an account without authority");
    }
}
