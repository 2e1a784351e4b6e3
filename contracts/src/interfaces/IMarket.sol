// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "./IMarketEvents.sol";

/// @title The market's escrow: the only contract that holds tokens
/// @notice Money stands in accounts: `available`, `locked` (payments and bonds of trades that have not ended, ceilings of
/// sessions, bonds of disputes) and `exiting` (asked out, not yet ready). A trade locks the buyer's payment and the provider's
/// bond in open(), on the strength of both signed orders, and ends exactly once:
/// - accept(): the buyer alone pays the whole lock; for less the provider signs too;
/// - decide() and, one dispute window later, settle(): k of n verifiers of the set that both orders name. Nothing moves inside
///   the window, so whatever a dispute rules is there to be paid in full;
/// - dispute(), then reveal(), rule() by the arbiters or timeOut() by anybody;
/// - giveUp() by its provider and, if no verdict comes within a dispute window, refund() by anybody;
/// - refund() by anybody once the verifiers were silent too long, whatever was delivered: nobody is paid for work that k
///   verifiers did not recompute, and saying that they did is a verdict.
///
/// Powers. `operator` submits batches in open() and can neither move nor hold money without both signatures. `admin` names the
/// operator and may pause deposits, openings and new sessions; deciding, closing, cancelling and leaving can not be paused.
/// Nobody can change the code or a parameter. Everything else may be sent by anybody: the signatures carry the authority.
///
/// Units. Money is in base units of the token, work in work units, a price in base units per 3,600,000 work units (one
/// GFLOPS.h), time in unix seconds. `a 160 | b 96` means a word with `a` in the high bits.
interface IMarket is IMarketEvents {
    // ------------------------------------------------------------------------------------------------ administration

    /// @notice Name the operator. The zero address stops openings.
    /// @dev Admin only. Reverts with NotAdmin.
    function setOperator(address operator) external;

    /// @notice Pause or resume deposits and openings, nothing else.
    /// @dev Admin only. Reverts with NotAdmin.
    function setPaused(bool paused) external;

    // ------------------------------------------------------------------------------------------------ money in and out

    /// @notice Move `amount` tokens of the caller into the available balance of `account`.
    /// @dev Anybody who approved the market. Reverts with MarketPaused, ZeroAddress, ZeroAmount, TransferMismatch,
    /// CustodyLimitExceeded, and as the token does.
    function deposit(address account, uint128 amount) external;

    /// @notice Move `amount` tokens of `owner` into the owner's available balance by the owner's ERC-2612 permit.
    /// @dev Anybody who holds the permit. Reverts like deposit(), and as the token does for a bad permit. A permit that was
    /// handed to the token directly before is spent: then the owner sends deposit(), or signs another one.
    function depositWithPermit(address owner, uint128 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;

    /// @notice Move `amount` of the caller from available to exiting. The delay starts anew for all that is exiting. For one match
    /// window trades of the account may take it back (freshOf), since they may have been matched before; asking again within
    /// the window begins it anew for all that is fresh.
    /// @dev Anybody, for themselves. Reverts with ZeroAmount, InsufficientAvailable.
    function requestWithdrawal(uint128 amount) external;

    /// @notice The same with the signature of `account` (never of a delegate) over WithdrawalRequest, handed in by anybody.
    /// @dev Reverts like requestWithdrawal(), with SignatureExpired, InvalidSignature, and InvalidAccountNonce unless `nonce`
    /// is nonces(account); a nonce works once.
    function requestWithdrawalSigned(
        address account,
        uint128 amount,
        uint256 nonce,
        uint40 deadline,
        bytes calldata signature
    ) external;

    /// @notice Send all that is exiting and ready to `account` itself.
    /// @dev Anybody. Reverts with NothingToWithdraw, WithdrawalNotReady. Cannot be paused.
    function withdraw(address account) external;

    /// @notice Move all that is exiting and ready into the account of the same owner in another market: how users follow a new
    /// deployment.
    /// @dev Anybody who holds a signature of `account` over Migration(address account,address market,uint256 nonce,uint40
    /// deadline). Open orders do not move: they name this contract, and are signed anew. Reverts with SignatureExpired,
    /// InvalidSignature, InvalidAccountNonce, NothingToWithdraw, WithdrawalNotReady, and as the other market does.
    function migrate(address account, address market, uint256 nonce, uint40 deadline, bytes calldata signature) external;

    // ------------------------------------------------------------------------------------------------ orders

    /// @notice Stop the caller's order with this nonce from trading, for ever. Open trades of it go on; for one match window more
    /// trades may be locked within what was left of it, since they may have been matched before, and nothing of those returns
    /// to it.
    /// @dev Any maker, also before the order was ever seen here. It also ends older orders that share its place (orderState),
    /// and makes the nonce the newest of its side if it is above it (newestNonces). Reverts with InvalidSide, NonceTooFar.
    function cancel(uint8 side, uint32 nonce) external;

    /// @notice The same with the signature of `maker` (never of a delegate) over Cancel, handed in by anybody.
    /// @dev Reverts with InvalidSignature, InvalidSide, NonceTooFar. A replay does nothing more.
    function cancelSigned(address maker, uint8 side, uint32 nonce, bytes calldata signature) external;

    // ------------------------------------------------------------------------------------------------ trades

    /// @notice Lock payment and bond of every fill that keeps the rules; the others are reported by FillRejected and change
    /// nothing. Each order's signature is checked once, however many fills use it: ECDSA of the maker or a delegate key, then
    /// ERC-1271 with a gas cap if the maker has code.
    /// @dev Operator only. Reverts with NotOperator, MarketPaused, InvalidLength (1 to 200 fills, at most 200 of each array),
    /// LengthMismatch (fills are 10 bytes each), UnknownVerifierSet. If no fill is accepted, there is no batch and the returned id is zero.
    /// A fill names its runs by number. New runs of a bid are at or above all that any fill named before; runs that a fill passes
    /// over may trade later, in time, and runs that came back may trade again, no more of them than came back. Known limit: which
    /// runs came back is not known here, only how many, so if some did, a fill may name one that did not; and under one
    /// clearing such a fill can have the id of an earlier trade. Verifiers bill no run that another trade of the bid holds.
    function open(
        bytes32 verifierSet,
        Clearing[] calldata clearings,
        PackedOffer[] calldata offers,
        PackedBid[] calldata bids,
        bytes[] calldata walletSignatures,
        bytes calldata fills
    ) external returns (bytes32 batchId);

    /// @notice Say how trades end, and start the dispute window. No money moves.
    /// @dev Anybody who holds k of n signatures, in ascending order of signer, over Verdict(bytes32 batch,bytes
    /// outcomes,bytes32 receiptsRoot). Trades that are not open are passed over; no trade is ever opened again, so
    /// a verdict has effect once. Reverts with WrongKeySet, QuorumNotReached, NothingOpen, MalformedOutcomes.
    /// @return id hashStruct of the Verdict.
    function decide(
        BatchHead calldata head,
        KeySet calldata verifiers,
        Verdict calldata verdict,
        bytes[] calldata signatures
    ) external returns (bytes32 id);

    /// @notice Pay, refund or slash as decided, once the dispute window is over. Quantity not used returns to both orders.
    /// @dev Anybody, any time after. Records: those of the verdict's outcomes, all of them, in order. A trade that is disputed or
    /// ended is passed over; an outcome that the trade can not have refunds it. Reverts with LengthMismatch, InvalidProof,
    /// InvalidOutcome (an index that is not its record's), NothingOpen, TooEarly.
    function settle(BatchHead calldata head, Verdict calldata verdict, Proven calldata proven) external;

    /// @notice End open trades at once as paid, by signature of the buyer, and of the provider unless the buyer pays all that was
    /// locked: neither alone ends what the other could still claim.
    /// @dev Anybody who holds the signatures over Acceptance(bytes32 batch,bytes outcomes). All outcomes are of kind settled and
    /// all records of `buyer`. `provider` zero: each outcome is all runs at the full ceiling, and providerSignature is not read.
    /// Else all records are of `provider`, who signed too, itself or by an agent key that is valid now. Trades that are not open
    /// are passed over. Reverts with LengthMismatch, InvalidProof, InvalidSignature, InvalidOutcome, NothingOpen.
    function accept(
        BatchHead calldata head,
        address buyer,
        bytes calldata buyerSignature,
        address provider,
        bytes calldata providerSignature,
        bytes calldata outcomes,
        Proven calldata proven
    ) external;

    /// @notice Note that the provider gives open trades up: one dispute window from now anybody may refund those that are still
    /// open. Until then they are open as before, and whatever verifiers decide of them counts.
    /// @dev Anybody who holds the signature of `provider` (never of an agent) over GivingUp(bytes32 batch,uint256 trades), with
    /// the bits of the records' indices; all records must be of that provider. What was noted before stays as it was; trades that
    /// are not open are passed over. Reverts with InvalidLength, InvalidProof, InvalidSignature, and NothingOpen if there is
    /// nothing new to note.
    function giveUp(BatchHead calldata head, address provider, Proven calldata proven, bytes calldata signature)
        external;

    /// @notice Give payment and bond back after the verifiers' silence, whether or not something was delivered, or what the
    /// provider gave up.
    /// @dev Anybody, from deliverBy + verificationGrace of each record on, or from refundableFrom() on if that is earlier, for
    /// trades that are not decided. A trade that is not open is passed over. Reverts with InvalidLength, InvalidProof, TooEarly,
    /// NothingOpen.
    function refund(BatchHead calldata head, Proven calldata proven) external;

    // ------------------------------------------------------------------------------------------------ disputes

    /// @notice Claim something about what was decided of one trade, inside the window, with the caller's bond:
    /// - 1, no receipt: nobody has a receipt for `run` of a paid trade; of a slashed one, that any receipt was found false (`run` is
    ///   2^32 - 1). Whoever has it shows it (reveal()), which ends the claim; else the trade is refunded. Each run is a claim of its
    ///   own, and what was shown of it is not asked for again;
    /// - 2, false receipt, and 3, wrong count: arbiters must rule. One more challenger may join the first.
    /// The first claim takes the trade out of its verdict. All deadlines count from the end of the verdict's window, whoever
    /// claims when: one window more to reveal, two to rule.
    /// @dev Anybody with disputeBond available. `proven` holds the one record. Claims 2 and 3 also for half a window after a receipt
    /// was revealed, by whoever could not see it before. Reverts with InvalidProof, TradeNotOpen, NotDisputed (by another verdict),
    /// TooLate, InvalidClaim, ClaimTaken, InsufficientAvailable.
    function dispute(BatchHead calldata head, Verdict calldata verdict, Proven calldata proven, uint8 claim, uint32 run)
        external;

    /// @notice Answer the claim that there is no receipt for `run`. The claim ends; of its bond a tenth goes to the caller, for the gas.
    /// Of a paid run: the leaf under the disputed verdict's root that bills it, with the receipt that the provider's agent
    /// signed; or that receipt with the exchange's acknowledgement, so that evidence that is withheld convicts nobody; or the leaf
    /// that bills nothing for it, as long as no more such runs were shown than the outcome leaves out. Of a slash: the leaf of
    /// a rejected receipt, with it.
    /// @dev Anybody, before revealBy; the provider's agent, the exchange or the evidence store has it. Reverts with NotDisputed (no
    /// such claim), TooLate, InvalidReceipt, InvalidSignature.
    function reveal(bytes32 batchId, Record calldata record, uint32 run, Shown calldata shown) external;

    /// @notice End a disputed trade by ruling of the arbiters: any outcome that the trade can have. If it differs from what was
    /// decided its challengers share a reward, at most a bond, from the side to which the ruling leaves less than the decision
    /// did, if there is one (from the pool after a slash); else, and if that side is a challenger itself, the challenger's bond
    /// goes to the other side, or to the pool if it is no side.
    /// @dev Anybody who holds k of n signatures of the arbiter set over Ruling(bytes32 batch,bytes32 trade,uint8 kind,uint32
    /// runsDelivered,uint64 units), before ruleBy, of trades about which claim 2 or 3 was made. Reverts with InvalidProof,
    /// NotDisputed, TooLate, WrongKeySet, QuorumNotReached, InvalidOutcome.
    function rule(
        BatchHead calldata head,
        KeySet calldata arbiters,
        Proven calldata proven,
        uint256 outcome,
        bytes[] calldata signatures
    ) external;

    /// @notice End a disputed trade without a ruling: refunded from revealBy on if a receipt is missing; else as decided, from ruleBy
    /// on, or if nobody claimed that arbiters must rule, as soon as nobody can any more. All bonds are free, nobody is rewarded.
    /// @dev Anybody. Reverts with InvalidProof, NotDisputed, TooEarly.
    function timeOut(BatchHead calldata head, Proven calldata proven) external;

    /// @notice Free the bond of a claim for the receipt of `run` that was still open when the trade ended.
    /// @dev Anybody. Reverts with InvalidProof, NotDisputed (no such claim, or the trade has not ended).
    function reclaim(BatchHead calldata head, Proven calldata proven, uint32 run) external;

    // ------------------------------------------------------------------------------------------------ sessions

    /// @notice Lock `ceiling` of what the caller asked out a match window ago or earlier for a provider, to be paid by vouchers until
    /// `expiresAt`. It need not wait for the withdrawal delay.
    /// @dev The session's buyer. Reverts with MarketPaused, InvalidSession (used before, not the caller's, expired or more than 30
    /// days ahead), InsufficientExit.
    function openSession(Session calldata session) external returns (bytes32 id);

    /// @notice Pay what each voucher adds to what was paid before. A bad voucher is reported and passed over.
    /// @dev Anybody, also after expiry as long as the session was not closed. Reverts with InvalidLength (1 to 200).
    function redeem(SignedVoucher[] calldata vouchers) external;

    /// @notice Free what was not paid.
    /// @dev The provider any time; anybody from expiresAt + verificationGrace on. Reverts with InvalidSession,
    /// SessionNotExpired.
    function closeSession(Session calldata session) external;

    // ------------------------------------------------------------------------------------------------ views

    /// @notice Balances of an account; what is exiting stands in exitOf().
    function accountOf(address account) external view returns (uint128 available, uint128 locked);

    /// @notice What is on its way out, and when it is ready.
    function exitOf(address account) external view returns (uint128 amount, uint64 readyAt);

    /// @notice What of it trades of the account may still take back, and until when: it was asked out less than a match window ago.
    function freshOf(address account) external view returns (uint128 amount, uint64 until);

    /// @notice Quantity of an order (work units of an offer, runs of a bid) in trades that are open or settled; how far it ever got:
    /// the most units of an offer that ever were, or the first run of a bid that is new; and whether it can trade no more:
    /// cancelled, or replaced.
    /// @dev Each maker has 256 places on each side. Order n stands in place n % 256, and ends the orders before it there: at most
    /// the last 256 nonces of a maker and side are live. Side 1 is buy, 2 sell.
    function orderState(address maker, uint8 side, uint32 nonce)
        external
        view
        returns (uint64 consumed, uint64 reached, bool ended);

    /// @notice The highest nonces of offers and of bids of a maker that ever locked a trade or were cancelled. An order more than 256
    /// above the newest of its side is refused, so that a delegate key can not use up the nonces of its owner. A maker of whose
    /// last 256 orders none traded cancels the highest of them that it needs no more.
    function newestNonces(address maker) external view returns (uint32 offer, uint32 bid);

    /// @notice Lock batches so far; the next one gets the number batches + 1.
    function batches() external view returns (uint64);

    /// @notice Bit i is set while the trade with index i is open and not decided.
    function openBits(bytes32 batchId) external view returns (uint256);

    /// Verdict.
    function decided(bytes32 verdict) external view returns (uint256);

    /// @notice Payments and bonds, base units, that are locked in trades of the set; never more than its payout cap.
    function exposureOf(bytes32 verifierSet) external view returns (uint256);

    /// @notice Who claims that arbiters must rule on a trade (zero: nobody), until when such claims may be made, receipts be shown and
    /// arbiters rule, and how many receipts are asked for. All zero for a trade that is not disputed (any more).
    function disputeOf(bytes32 batchId, uint256 index)
        external
        view
        returns (address challenger, address second, uint40 claimBy, uint40 revealBy, uint40 ruleBy, uint32 missing);

    /// @notice Who asks for the receipt of a run of a trade; the address 1 once it was shown.
    function claimOf(bytes32 batchId, uint256 index, uint32 run) external view returns (address);

    /// @notice From when on anybody may refund a trade because its provider gave it up, if it is open then; zero if it did not.
    function refundableFrom(bytes32 batchId, uint256 index) external view returns (uint256);

    /// @notice What was paid for a session, and whether it is open.
    function sessionState(bytes32 session) external view returns (uint96 paid, bool isOpen);

    /// @notice Id of a session.
    function hashSession(Session calldata session) external pure returns (bytes32);

    /// @notice Sum of all payments (buy) or bonds (sell) that a delegate key has locked today (UTC) under its present setting.
    function spentBy(address owner, address key, uint8 side) external view returns (uint256);

    /// @notice Order hash: EIP-712 digest of an offer.
    function hashOffer(Offer calldata offer) external view returns (bytes32);

    /// @notice Order hash: EIP-712 digest of a bid.
    function hashBid(Bid calldata bid) external view returns (bytes32);
}
