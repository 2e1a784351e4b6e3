// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title A token without value for local chains and test networks
/// @notice Anybody may take from the faucet. Never use it where money is real.
contract TestToken is ERC20Permit {
    /// @notice The most that one call of faucet() mints: a million tokens.
    uint256 public constant FAUCET_MAX = 1_000_000 ether;

    /// @notice One call asked for more than the faucet gives.
    error FaucetLimitExceeded(uint256 amount, uint256 limit);

    constructor() ERC20("Suan Test Token", "TSUAN") ERC20Permit("Suan Test Token") {}

    /// @notice Mint `amount` (base units, 18 decimals) to `account`.
    /// @dev Anybody. Reverts with FaucetLimitExceeded above FAUCET_MAX.
    function faucet(address account, uint256 amount) external {
        if (amount > FAUCET_MAX) revert FaucetLimitExceeded(amount, FAUCET_MAX);
        _mint(account, amount);
    }
}
