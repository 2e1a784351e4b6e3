// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev Fails on purpose, outside the suite: a runner that calls this a success hides real failures too.
contract CanaryTest {
    function test_the_canary_fails() external pure {
        require(1 + 1 == 3, "the canary sang");
    }
}
