// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketTypes} from "./IMarketTypes.sol";

/// @title What the market reports: errors and events
/// @notice Balances, orders and trades can be rebuilt from the events and the calldata alone.
interface IMarketEvents is IMarketTypes {
    // ------------------------------------------------------------------------------------------------ errors

    /// @notice Only the admin may do this.
    error NotAdmin(address caller);
    /// @notice Only the operator may do this.
    error NotOperator(address caller);
    /// @notice Deposits and openings are paused.
    error MarketPaused();
    /// @notice An address that must be set is zero.
    error ZeroAddress();
    /// @notice An amount that must be positive is zero.
    error ZeroAmount();
    /// @notice A side is 1 (buy) or 2 (sell).
    error InvalidSide(uint8 side);
    /// @notice The nonce is more than 256 above `newest`, the highest of its maker and side that ever locked a trade or was
    /// cancelled, or it is 2^29 or more. Cancel a nonce up to newest + 256 first.
    error NonceTooFar(uint32 nonce, uint32 newest);
    /// @notice A parameter of the constructor is above its limit.
    error ParameterTooLarge(uint256 value, uint256 limit);
    /// @notice The token delivered another amount than asked for.
    error TransferMismatch(uint256 expected, uint256 received);
    /// @notice The market cannot hold more than `limit` base units in all.
    error CustodyLimitExceeded(uint256 custody, uint256 limit);
    /// @notice The account has less available than asked for.
    error InsufficientAvailable(address account, uint128 available, uint128 amount);
    /// @notice Less than asked for, `exiting`, of the account was asked out a match window ago or earlier.
    error InsufficientExit(address account, uint128 exiting, uint128 amount);
    /// @notice Nothing of the account is on its way out.
    error NothingToWithdraw(address account);
    /// @notice The delay of the withdrawal has not passed.
    error WithdrawalNotReady(address account, uint64 readyAt);
    /// @notice The signed request was handed in after its deadline.
    error SignatureExpired(uint40 deadline);
    /// @notice The signature is malformed or made by somebody else than `account`.
    error InvalidSignature(address account);
    /// @notice Two arrays that go together have different lengths.
    error LengthMismatch(uint256 left, uint256 right);
    /// @notice An array is empty or longer than `limit`.
    error InvalidLength(uint256 length, uint256 limit);
    /// @notice The verifier set is not in the registry.
    error UnknownVerifierSet(bytes32 id);
    /// @notice The signatures are no quorum of the verifier set: one is malformed, not of a member, out of ascending order, or
    /// there are fewer than the threshold. `accepted` counts the good ones before that.
    error QuorumNotReached(bytes32 verifierSet, uint256 accepted, uint256 threshold);
    /// @notice The records do not belong to the batch, or not in ascending order of index.
    error InvalidProof(bytes32 batchId);
    /// @notice None of the trades named is open, or waits under this verdict.
    error NothingOpen(bytes32 batchId);
    /// @notice The set named is not the one that the batch or the market was made with.
    error WrongKeySet(bytes32 expected, bytes32 given);
    /// @notice Outcomes are 14 bytes each, in strictly ascending order of an index that the batch has.
    error MalformedOutcomes(bytes32 batchId);
    /// @notice The trade is closed already.
    error TradeNotOpen(bytes32 trade);
    /// @notice An outcome that the rules of Verdict forbid for this trade.
    error InvalidOutcome(bytes32 trade);
    /// @notice Too early: possible from `from`.
    error TooEarly(bytes32 trade, uint256 from);
    /// @notice Too late: possible before `until`.
    error TooLate(bytes32 trade, uint256 until);
    /// @notice The trade is not disputed (any more).
    error NotDisputed(bytes32 trade);
    /// @notice Nobody can claim this about what was decided: a receipt of a run that the trade does not have, of what is not paid.
    error InvalidClaim(bytes32 trade);
    /// @notice Somebody else made this claim, or two did.
    error ClaimTaken(bytes32 trade);
    /// @notice The receipt is not the one under the root that the disputed verdict names.
    error InvalidReceipt(bytes32 trade);
    /// @notice There is no such session (any more), or it was opened before.
    error InvalidSession(bytes32 session);
    /// @notice The session can be closed by anybody from `from` on, and by its provider before.
    error SessionNotExpired(bytes32 session, uint256 from);

    // ------------------------------------------------------------------------------------------------ events

    /// @notice `amount` came in from `from`: available of `account` grew by it.
    event Deposited(address indexed account, address indexed from, uint128 amount);
    /// @notice `amount` moved from available to exiting; all of exiting is ready at `readyAt`.
    event WithdrawalRequested(address indexed account, uint128 amount, uint64 readyAt);
    /// @notice `amount` moved back from exiting to available, for a trade that is locked next: it was asked out less than a match
    /// window ago.
    event WithdrawalReduced(address indexed account, uint128 amount);
    /// @notice All that was exiting, `amount`, left the market to `account`.
    event Withdrawn(address indexed account, uint128 amount);
    /// @notice The order of `maker` on `side` with this nonce trades no more, nor does an older one in its place; trades matched
    /// before may still be locked for one match window.
    event OrderCancelled(address indexed maker, uint8 indexed side, uint32 nonce);
    /// @notice The operator is `operator` from now on.
    event OperatorChanged(address operator);
    /// @notice Deposits and openings were paused or resumed.
    event Paused(bool paused);
    /// @notice An open() named this clearing. The same clearing may come again in a later batch.
    event ClearingCommitted(
        bytes32 indexed clearingId, bytes32 indexed product, uint64 number, bytes32 orderSetRoot, uint96 price
    );
    /// @notice A fill became a trade: the payment of the buyer and the bond of the provider moved from available to locked. The
    /// data are the last three words of its Record; makers and nonces in them name the two orders.
    event TradeLocked(bytes32 indexed trade, uint256 providerAndPrice, uint256 buyerAndWork, uint256 terms);
    /// @notice The fill at `position` was refused for the reason `code` (see RejectCodes); nothing moved. `offer` and `bid` are
    /// order hashes, zero if the fill's index is outside the array.
    event FillRejected(uint32 indexed position, bytes32 indexed offer, bytes32 indexed bid, uint8 code);
    /// @notice The trades whose TradeLocked events precede this one in the same transaction form a batch.
    event BatchLocked(bytes32 indexed batchId, uint64 number, bytes32 root, bytes32 verifierSet, uint32 count);
    /// @notice Verifiers decided the trades whose bits are set in `bits`; settle() pays from `settleAfter` on. What the verdict
    /// says of other trades was passed over, because they had ended or were decided before.
    event BatchDecided(
        bytes32 indexed batchId, bytes32 indexed verdict, uint256 bits, bytes32 receiptsRoot, uint40 settleAfter
    );
    /// @notice settle() ended the trades whose bits are set in `bits` as the verdict says, and refunded those of which it said what
    /// they can not have; the TradeClosed events precede.
    event BatchSettled(bytes32 indexed batchId, bytes32 indexed verdict, uint256 bits);
    /// @notice A trade ended; its payment and bond are not locked any more.
    /// @dev outcome: index 8 | kind 8 | runsDelivered 32 | units 64. amounts: paid 128 | feeOrSlashed 128. Settled: `paid` is the
    /// payment before the fee; the provider got paid - fee and the bond, the treasury the fee, the buyer the rest of the lock.
    /// Refunded: buyer the lock, provider the bond. Slashed: buyer the lock; the whole bond is slashed: min(bond, floor(price *
    /// units / 3,600,000)) to the re-run account, the rest to the pool.
    event TradeClosed(bytes32 indexed trade, uint256 outcome, uint256 amounts);
    /// @notice The provider gave the trade up: anybody may refund it from `refundAfter` on, if it is still open then.
    event TradeGivenUp(bytes32 indexed trade, uint256 refundAfter);
    /// @notice `challenger` claims something (see IMarket.dispute) about the decided `outcome` of a trade, and locked `bond` for it.
    event DisputeOpened(
        bytes32 indexed trade,
        bytes32 indexed verdict,
        address indexed challenger,
        uint256 outcome,
        uint96 bond,
        uint40 revealBy,
        uint40 ruleBy,
        uint8 claim,
        uint32 run
    );
    /// @notice What was asked for about `run` was shown: that the verdict bills nothing for it, if `unbilled`. `receipt` is zero and `words` empty if the verdict rests on none.
    event ReceiptRevealed(
        bytes32 indexed trade, bytes32 indexed receipt, uint32 run, bool unbilled, bytes words, bytes signature
    );
    /// @notice A dispute ended with `outcome`, after the TradeClosed event of the trade: 1 by a ruling, 2 refunded because a receipt
    /// was not shown, 3 as decided.
    event DisputeEnded(bytes32 indexed trade, uint256 outcome, uint8 reason);
    /// @notice A claim ended, and its challenger's `bond` is not locked any more: `forfeited` of it went to `opponent`, the rest is
    /// available. A challenger who was right got `reward` from the available money of `opponent`, to whom the trade had just given
    /// it. `run` is 2^32 - 1 for a claim that names none.
    event ClaimEnded(
        bytes32 indexed trade,
        address indexed challenger,
        uint8 claim,
        uint32 run,
        uint96 bond,
        address opponent,
        uint96 forfeited,
        uint96 reward
    );
    /// @notice `ceiling` of the buyer moved from exiting to locked.
    event SessionOpened(bytes32 indexed session, Session terms);
    /// @notice The provider was paid `paid` more, less the fee; `cumulative` in all.
    event VoucherRedeemed(bytes32 indexed session, uint256 paidAndFee, uint256 cumulative);
    /// @notice The voucher at `position` was refused; nothing moved. See RejectCodes.
    event VoucherRejected(uint256 indexed position, bytes32 indexed session, uint8 code);
    /// @notice `released` of the buyer moved from locked to available; the session pays no more.
    event SessionClosed(bytes32 indexed session, uint96 released);
    /// @notice All that was exiting of `account`, `amount`, went into its account in another market.
    event Migrated(address indexed account, address indexed market, uint128 amount);
}
