// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ITestToken} from "../utils/Interfaces.sol";
import {MarketTest} from "../utils/MarketTest.sol";

contract FaucetTest is MarketTest {
    function testFuzz_anybody_mints_up_to_a_million_tokens(uint256 amount) external {
        amount = bound(amount, 0, 1_000_000 ether);
        vm.prank(stranger);
        token.faucet(delegate, amount);
        vm.assertEq(token.balanceOf(delegate), amount, "minted");
        vm.assertEq(token.decimals(), 18, "decimals");
    }

    function testFuzz_more_is_refused(uint256 amount) external {
        amount = bound(amount, 1_000_000 ether + 1, type(uint256).max);
        vm.expectRevert(abi.encodeWithSelector(ITestToken.FaucetLimitExceeded.selector, amount, 1_000_000 ether));
        token.faucet(delegate, amount);
    }
}
