// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IMarket} from "../interfaces/IMarket.sol";
import {IRegistry} from "../interfaces/IRegistry.sol";
import {Accounts} from "../libraries/Accounts.sol";
import {Amounts} from "../libraries/Amounts.sol";
import {Exits} from "../libraries/Exits.sol";
import {Fills} from "../libraries/Fills.sol";
import {Orders} from "../libraries/Orders.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {Rules, State, Word} from "../libraries/State.sol";

/// @title First part of the market: what is fixed, who administers, and how money comes in and leaves
/// @dev The only code that touches the token.
abstract contract Custody is IMarket, EIP712, Nonces {
    using Accounts for Word;
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
    address public immutable acknowledger;
    uint16 public immutable feeBps;
    uint16 public immutable bondBps;
    uint96 public immutable bondFloorPrice;
    uint40 public immutable verificationGrace;
    uint40 public immutable withdrawalDelay;
    uint40 public immutable matchWindow;
    uint40 public immutable disputeWindow;
    uint96 public immutable disputeBond;
    bytes32 public immutable arbiterSet;

    // ------------------------------------------------------------------------------------------------ storage

    /// @notice Who may open batches.
    address public operator; // slot with paused
    /// @notice Whether deposits and openings are paused.
    bool public paused;
    /// @notice Base units in the market: the sum of available, locked and exiting of all accounts. At most 2^96 - 1, so that any
    /// amount fits its place in a packed word.
    uint256 public custody;

    State internal _state;

    // ------------------------------------------------------------------------------------------------ constructor

    constructor(Parameters memory p) EIP712("Suan", "1") {
        if (
            p.token == address(0) || p.registry == address(0) || p.admin == address(0) || p.treasury == address(0)
                || p.pool == address(0) || p.rerunAccount == address(0) || p.acknowledger == address(0)
        ) revert ZeroAddress();
        if (p.feeBps > FEE_BPS_MAX) revert ParameterTooLarge(p.feeBps, FEE_BPS_MAX);
        if (p.bondBps > Amounts.BPS) revert ParameterTooLarge(p.bondBps, Amounts.BPS);
        // Bounded, so that deliverBy + grace stays far inside 64 bits and money is never caught for years.
        if (p.verificationGrace > Fills.TERM_MAX) revert ParameterTooLarge(p.verificationGrace, Fills.TERM_MAX);
        if (p.withdrawalDelay > Fills.TERM_MAX) revert ParameterTooLarge(p.withdrawalDelay, Fills.TERM_MAX);
        if (p.matchWindow > Exits.WINDOW_MAX) revert ParameterTooLarge(p.matchWindow, Exits.WINDOW_MAX);
        // What a trade may still lock can not have left.
        if (p.matchWindow > p.withdrawalDelay) revert ParameterTooLarge(p.matchWindow, p.withdrawalDelay);
        // Whoever gained by a verdict can not have left before it could be disputed.
        if (p.disputeWindow > p.withdrawalDelay) revert ParameterTooLarge(p.disputeWindow, p.withdrawalDelay);
        if (p.disputeWindow == 0) revert ZeroAmount();
        if (!IRegistry(p.registry).isVerifierSet(p.arbiterSet)) revert UnknownVerifierSet(p.arbiterSet);
        token = IERC20(p.token);
        registry = IRegistry(p.registry);
        admin = p.admin;
        treasury = p.treasury;
        pool = p.pool;
        rerunAccount = p.rerunAccount;
        acknowledger = p.acknowledger;
        feeBps = p.feeBps;
        bondBps = p.bondBps;
        bondFloorPrice = p.bondFloorPrice;
        verificationGrace = p.verificationGrace;
        withdrawalDelay = p.withdrawalDelay;
        matchWindow = p.matchWindow;
        disputeWindow = p.disputeWindow;
        disputeBond = p.disputeBond;
        arbiterSet = p.arbiterSet;
        operator = p.operator;
        emit OperatorChanged(p.operator);
    }

    // ------------------------------------------------------------------------------------------------ administration

    modifier onlyAdmin() {
        _checkAdmin();
        _;
    }

    function _checkAdmin() private view {
        if (msg.sender != admin) revert NotAdmin(msg.sender);
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
        Exits.request(_state, msg.sender, amount, withdrawalDelay, matchWindow);
    }

    /// @inheritdoc IMarket
    function requestWithdrawalSigned(
        address account,
        uint128 amount,
        uint256 nonce,
        uint40 deadline,
        bytes calldata signature
    ) external {
        _checkSigned(account, Orders.hashWithdrawalRequest(account, amount, nonce, deadline), deadline, signature);
        _useCheckedNonce(account, nonce);
        Exits.request(_state, account, amount, withdrawalDelay, matchWindow);
    }

    /// @inheritdoc IMarket
    function withdraw(address account) external {
        uint128 amount = _takeExit(account);
        emit Withdrawn(account, amount);
        token.safeTransfer(account, amount);
    }

    /// @inheritdoc IMarket
    function migrate(address account, address market, uint256 nonce, uint40 deadline, bytes calldata signature)
        external
    {
        _checkSigned(account, Orders.hashMigration(account, market, nonce, deadline), deadline, signature);
        _useCheckedNonce(account, nonce);
        uint128 amount = _takeExit(account);
        emit Migrated(account, market, amount);
        token.forceApprove(market, amount);
        IMarket(market).deposit(account, amount);
    }

    /// @dev What is signed without a deadline names the last moment there is.
    function _checkSigned(address account, bytes32 structHash, uint40 deadline, bytes calldata signature)
        internal
        view
    {
        Signatures.check(_domainSeparatorV4(), account, structHash, deadline, signature);
    }

    function _takeExit(address account) private returns (uint128 amount) {
        amount = Exits.take(_state, account);
        custody -= amount;
    }

    /// @dev The token comes last. Whoever reenters from it makes this deposit's difference of balances wrong, and it reverts.
    function _deposit(address account, address from, uint128 amount) private {
        if (account == address(0)) revert ZeroAddress();
        if (amount == 0) revert ZeroAmount();
        uint256 total = custody + amount;
        if (total > type(uint96).max) revert CustodyLimitExceeded(total, type(uint96).max);
        uint256 balance = token.balanceOf(address(this));
        custody = total;
        _state.accounts[account].credit(amount);
        emit Deposited(account, from, amount);
        token.safeTransferFrom(from, address(this), amount);
        uint256 received = token.balanceOf(address(this)) - balance;
        if (received != amount) revert TransferMismatch(amount, received);
    }

    /// @dev For code that runs in a library and can not see immutables.
    function _rules() internal view returns (Rules memory) {
        return Rules({
            treasury: treasury,
            pool: pool,
            rerunAccount: rerunAccount,
            feeBps: feeBps,
            verificationGrace: verificationGrace,
            disputeWindow: disputeWindow,
            disputeBond: disputeBond,
            arbiterSet: arbiterSet,
            domain: _domainSeparatorV4(),
            registry: address(registry),
            acknowledger: acknowledger
        });
    }

    // ------------------------------------------------------------------------------------------------ views

    /// @inheritdoc IMarket
    function accountOf(address account) external view returns (uint128 available, uint128 locked) {
        Word storage balance = _state.accounts[account];
        return (uint128(balance.available()), uint128(balance.locked()));
    }

    /// @inheritdoc IMarket
    function exitOf(address account) external view returns (uint128 amount, uint64 readyAt) {
        return (_state.exits[account].amount, _state.exits[account].readyAt);
    }

    /// @inheritdoc IMarket
    function freshOf(address account) external view returns (uint128 amount, uint64 until) {
        return Exits.read(_state, account);
    }
}
