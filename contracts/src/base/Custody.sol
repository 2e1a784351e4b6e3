// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IMarket} from "../interfaces/IMarket.sol";
import {IRegistry} from "../interfaces/IRegistry.sol";
import {Account, Accounts} from "../libraries/Accounts.sol";
import {Amounts} from "../libraries/Amounts.sol";
import {Fills} from "../libraries/Fills.sol";
import {Orders} from "../libraries/Orders.sol";
import {Signatures} from "../libraries/Signatures.sol";

/// @title First part of the market: what is fixed, who administers, and how money comes in and leaves
/// @dev The only code that touches the token.
abstract contract Custody is IMarket, EIP712, Nonces {
    using Accounts for mapping(address => Account);
    using SafeERC20 for IERC20;

    /// @notice The highest fee that can be deployed: 10 %.
    uint16 public constant FEE_BPS_MAX = 1_000;

    // ------------------------------------------------------------------------------------------------ immutables

    IERC20 public immutable token;
    IRegistry public immutable registry;
    address public immutable admin;
    address public immutable treasury;
    address public immutable pool;
    address public immutable rerunAccount;
    uint16 public immutable feeBps;
    uint16 public immutable bondBps;
    uint96 public immutable bondFloorPrice;
    uint40 public immutable verificationGrace;
    uint40 public immutable withdrawalDelay;

    // ------------------------------------------------------------------------------------------------ storage

    struct Exit {
        uint128 amount; // slot 0
        uint64 readyAt; // slot 0
    }

    /// @notice Who may open batches.
    address public operator; // slot with paused
    /// @notice Whether deposits and openings are paused.
    bool public paused;
    /// @notice Base units in the market: the sum of available, locked and exiting of all accounts. At most 2^128 - 1.
    uint256 public custody;

    mapping(address owner => Account) internal _accounts;
    mapping(address owner => Exit) private _exits;

    // ------------------------------------------------------------------------------------------------ constructor

    constructor(Parameters memory p) EIP712("Suan", "1") {
        if (
            p.token == address(0) || p.registry == address(0) || p.admin == address(0) || p.treasury == address(0)
                || p.pool == address(0) || p.rerunAccount == address(0)
        ) revert ZeroAddress();
        if (p.feeBps > FEE_BPS_MAX) revert ParameterTooLarge(p.feeBps, FEE_BPS_MAX);
        if (p.bondBps > Amounts.BPS) revert ParameterTooLarge(p.bondBps, Amounts.BPS);
        // Bounded, so that deliverBy + 2 * grace stays far inside 64 bits and money is never caught for years.
        if (p.verificationGrace > Fills.TERM_MAX) revert ParameterTooLarge(p.verificationGrace, Fills.TERM_MAX);
        if (p.withdrawalDelay > Fills.TERM_MAX) revert ParameterTooLarge(p.withdrawalDelay, Fills.TERM_MAX);
        token = IERC20(p.token);
        registry = IRegistry(p.registry);
        admin = p.admin;
        treasury = p.treasury;
        pool = p.pool;
        rerunAccount = p.rerunAccount;
        feeBps = p.feeBps;
        bondBps = p.bondBps;
        bondFloorPrice = p.bondFloorPrice;
        verificationGrace = p.verificationGrace;
        withdrawalDelay = p.withdrawalDelay;
        operator = p.operator;
        emit OperatorChanged(p.operator);
    }

    // ------------------------------------------------------------------------------------------------ administration

    modifier onlyAdmin() {
        if (msg.sender != admin) revert NotAdmin(msg.sender);
        _;
    }

    modifier whenNotPaused() {
        if (paused) revert MarketPaused();
        _;
    }

    /// @inheritdoc IMarket
    function setOperator(address newOperator) external onlyAdmin {
        operator = newOperator;
        emit OperatorChanged(newOperator);
    }

    /// @inheritdoc IMarket
    function setPaused(bool newPaused) external onlyAdmin {
        paused = newPaused;
        emit Paused(newPaused);
    }

    // ------------------------------------------------------------------------------------------------ money in and out

    /// @inheritdoc IMarket
    function deposit(address account, uint128 amount) external whenNotPaused {
        _deposit(account, msg.sender, amount);
    }

    /// @inheritdoc IMarket
    function depositWithPermit(address owner, uint128 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        whenNotPaused
    {
        IERC20Permit(address(token)).permit(owner, address(this), amount, deadline, v, r, s);
        _deposit(owner, owner, amount);
    }

    /// @inheritdoc IMarket
    function requestWithdrawal(uint128 amount) external {
        _requestWithdrawal(msg.sender, amount);
    }

    /// @inheritdoc IMarket
    function requestWithdrawalSigned(
        address account,
        uint128 amount,
        uint256 nonce,
        uint40 deadline,
        bytes calldata signature
    ) external {
        if (block.timestamp > deadline) revert SignatureExpired(deadline);
        bytes32 digest = _hashTypedDataV4(Orders.hashWithdrawalRequest(account, amount, nonce, deadline));
        if (!Signatures.isSignedBy(account, digest, signature)) revert InvalidSignature(account);
        _useCheckedNonce(account, nonce);
        _requestWithdrawal(account, amount);
    }

    /// @inheritdoc IMarket
    function withdraw(address account) external {
        Exit memory exit = _exits[account];
        if (exit.amount == 0) revert NothingToWithdraw(account);
        if (block.timestamp < exit.readyAt) revert WithdrawalNotReady(account, exit.readyAt);
        delete _exits[account];
        custody -= exit.amount;
        emit Withdrawn(account, exit.amount);
        token.safeTransfer(account, exit.amount);
    }

    /// @dev The token comes last. Whoever reenters from it makes this deposit's difference of balances wrong, and it reverts.
    function _deposit(address account, address from, uint128 amount) private {
        if (account == address(0)) revert ZeroAddress();
        if (amount == 0) revert ZeroAmount();
        uint256 total = custody + amount;
        if (total > type(uint128).max) revert CustodyLimitExceeded(total, type(uint128).max);
        uint256 balance = token.balanceOf(address(this));
        custody = total;
        _accounts.credit(account, amount);
        emit Deposited(account, from, amount);
        token.safeTransferFrom(from, address(this), amount);
        uint256 received = token.balanceOf(address(this)) - balance;
        if (received != amount) revert TransferMismatch(amount, received);
    }

    function _requestWithdrawal(address account, uint128 amount) private {
        if (amount == 0) revert ZeroAmount();
        uint128 available = _accounts.available(account);
        if (available < amount) revert InsufficientAvailable(account, available, amount);
        _accounts.debit(account, amount);
        uint64 readyAt = uint64(block.timestamp) + withdrawalDelay;
        _exits[account] = Exit(_exits[account].amount + amount, readyAt);
        emit WithdrawalRequested(account, amount, readyAt);
    }

    // ------------------------------------------------------------------------------------------------ views

    /// @inheritdoc IMarket
    function accountOf(address account) external view returns (uint128 available, uint128 locked) {
        return (_accounts.available(account), _accounts.locked(account));
    }

    /// @inheritdoc IMarket
    function exitOf(address account) external view returns (uint128 amount, uint64 readyAt) {
        return (_exits[account].amount, _exits[account].readyAt);
    }
}
