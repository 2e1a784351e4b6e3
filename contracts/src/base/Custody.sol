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
    uint40 public immutable disputeWindow;
    uint96 public immutable disputeBond;
    bytes32 public immutable arbiterSet;

    // ------------------------------------------------------------------------------------------------ storage

    struct Exit {
        uint128 amount; // slot 0
        uint64 readyAt; // slot 0
    }

    /// @notice Who may open batches.
    address public operator; // slot with paused
    /// @notice Whether deposits and openings are paused.
    bool public paused;
    /// @notice Base units in the market: the sum of available, locked and exiting of all accounts. At most 2^96 - 1, so that any
    /// amount fits its place in a packed word.
    uint256 public custody;

    State internal _state;
    mapping(address owner => Exit) private _exits;

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
        disputeWindow = p.disputeWindow;
        disputeBond = p.disputeBond;
        arbiterSet = p.arbiterSet;
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
        uint128 amount = _takeExit(account);
        emit Withdrawn(account, amount);
        token.safeTransfer(account, amount);
    }

    /// @inheritdoc IMarket
    function migrate(address account, address market, uint256 nonce, uint40 deadline, bytes calldata signature)
        external
    {
        if (block.timestamp > deadline) revert SignatureExpired(deadline);
        bytes32 digest = _hashTypedDataV4(Orders.hashMigration(account, market, nonce, deadline));
        if (!Signatures.isSignedBy(account, digest, signature)) revert InvalidSignature(account);
        _useCheckedNonce(account, nonce);
        uint128 amount = _takeExit(account);
        emit Migrated(account, market, amount);
        token.forceApprove(market, amount);
        IMarket(market).deposit(account, amount);
    }

    function _takeExit(address account) private returns (uint128 amount) {
        Exit memory exit = _exits[account];
        amount = exit.amount;
        if (amount == 0) revert NothingToWithdraw(account);
        if (block.timestamp < exit.readyAt) revert WithdrawalNotReady(account, exit.readyAt);
        delete _exits[account];
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

    function _requestWithdrawal(address account, uint128 amount) private {
        if (amount == 0) revert ZeroAmount();
        Word storage balance = _state.accounts[account];
        uint128 available = uint128(balance.available()); // custody fits 96 bits
        if (available < amount) revert InsufficientAvailable(account, available, amount);
        balance.debit(amount);
        uint64 readyAt = uint64(block.timestamp) + withdrawalDelay;
        _exits[account] = Exit(_exits[account].amount + amount, readyAt);
        emit WithdrawalRequested(account, amount, readyAt);
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
        return (_exits[account].amount, _exits[account].readyAt);
    }
}
