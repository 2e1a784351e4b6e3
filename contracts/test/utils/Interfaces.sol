// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {IMarket} from "../../src/interfaces/IMarket.sol";
import {IRegistry} from "../../src/interfaces/IRegistry.sol";

/// @dev The market as it is deployed: IMarket and the getters of what its constructor fixes.
interface ITestMarket is IMarket {
    function token() external view returns (address);
    function registry() external view returns (address);
    function admin() external view returns (address);
    function operator() external view returns (address);
    function treasury() external view returns (address);
    function pool() external view returns (address);
    function rerunAccount() external view returns (address);
    function feeBps() external view returns (uint16);
    function bondBps() external view returns (uint16);
    function bondFloorPrice() external view returns (uint96);
    function verificationGrace() external view returns (uint40);
    function withdrawalDelay() external view returns (uint40);
    function matchWindow() external view returns (uint40);
    function disputeWindow() external view returns (uint40);
    function disputeBond() external view returns (uint96);
    function arbiterSet() external view returns (bytes32);
    function paused() external view returns (bool);
    function custody() external view returns (uint256);
    function nonces(address owner) external view returns (uint256);
}

/// @dev The registry as it is deployed.
interface ITestRegistry is IRegistry {
    function nonces(address owner) external view returns (uint256);
}

/// @dev The token without value.
interface ITestToken is IERC20Metadata {
    error FaucetLimitExceeded(uint256 amount, uint256 limit);

    function faucet(address account, uint256 amount) external;
    function nonces(address owner) external view returns (uint256);
}
