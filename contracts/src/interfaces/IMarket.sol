// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The market's escrow: the only contract that holds tokens
/// @notice Money stands in accounts: `available`, `locked` (payments and bonds of open trades) and `exiting` (asked out, not
/// yet ready). A trade locks the buyer's payment and the provider's bond in open(), on the strength of both signed orders,
/// and ends exactly once: close() by verdict of the verifiers both orders name, refund() by anybody once they were silent too
/// long, payAttested() by anybody if they attested a delivery and were silent on its verdict.
///
/// Powers. `operator` submits batches in open() and can neither move nor hold money without both signatures. `admin` names the
/// operator and may pause deposits and openings; closing, refunds, cancelling and leaving can not be paused. Nobody can change
/// the code or a parameter. Everything else may be sent by anybody, since the signatures carry the authority.
///
/// Units. Money is in base units of the token, work in work units, a price in base units per 3,600,000 work units (one
/// GFLOPS.h), time in unix seconds.
interface IMarket {
    // ------------------------------------------------------------------------------------------------ types

    /// @notice What is fixed at deployment, for ever, and the first operator.
    struct Parameters {
        address token; // ERC-20 without transfer fee or rebasing; ERC-2612 for depositWithPermit
        address registry;
        address admin;
        address operator;
        address treasury; // earns the fee
        address pool; // gets what is left of a slashed bond
        address rerunAccount; // is paid for the re-run that uncovered a false receipt, out of the bond
        uint16 feeBps; // of the payment, paid by the provider out of it
        uint16 bondBps; // of the offer's price
        uint96 bondFloorPrice; // a bond is never computed from less than this price
        uint40 verificationGrace; // seconds
        uint40 withdrawalDelay; // seconds
    }

    /// @notice A provider sells `units` of work.
    struct Offer {
        address maker;
        bytes32 product;
        uint8 side; // 2
        uint96 price; // the least acceptable
        uint64 units;
        uint64 nonce;
        uint40 validUntil;
        uint40 deliverBy;
        bytes32 verifierSet;
        uint16 maxFeeBps;
        bytes32 terms;
    }

    /// @notice A buyer asks for `runs` runs of a job, each billed by count up to `ceiling` work units.
    struct Bid {
        address maker;
        bytes32 product;
        uint8 side; // 1
        uint96 price; // the most acceptable
        uint32 runs;
        uint64 ceiling;
        uint64 nonce;
        uint40 validUntil;
        uint40 deliverBy;
        bytes32 verifierSet;
        uint16 maxFeeBps;
        bytes32 terms;
    }

    /// @notice One auction of one product, and the Merkle root of all orders that took part.
    struct Clearing {
        bytes32 product;
        uint64 number;
        bytes32 orderSetRoot;
        uint96 price;
    }

    /// @notice `runs` runs of a bid, from `firstRun` on, at an offer; the first three are positions in the arrays of open().
    struct Fill {
        uint32 offer;
        uint32 bid;
        uint32 clearing;
        uint32 firstRun;
        uint32 runs;
    }

    /// @notice An open trade. Only its hash is stored (in the root of its batch); whoever closes it brings it along.
    struct Record {
        bytes32 trade;
        bytes32 offer;
        bytes32 bid;
        address provider;
        address buyer;
        uint32 index;
        uint32 firstRun;
        uint32 runs;
        uint64 ceiling;
        uint96 price;
        uint128 payment;
        uint128 bond;
        uint40 deliverBy;
    }

    /// @notice What the id of a lock batch is the hash of.
    struct BatchHead {
        uint64 number;
        bytes32 root;
        bytes32 verifierSet;
        uint32 count;
    }

    /// @notice What became of a trade: kind 0 refunded, 1 settled, 2 slashed.
    /// @dev Settled: 1 <= runsDelivered <= runs and runsDelivered * ceil(ceiling / 10) <= units <= runsDelivered * ceiling.
    /// Refunded: both zero. Slashed: runsDelivered zero, units = work of the re-run.
    struct Outcome {
        uint8 kind;
        uint32 runsDelivered;
        uint64 units;
    }

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
    /// @notice A parameter of the constructor is above its limit.
    error ParameterTooLarge(uint256 value, uint256 limit);
    /// @notice The token delivered another amount than asked for.
    error TransferMismatch(uint256 expected, uint256 received);
    /// @notice The market cannot hold more than `limit` base units in all.
    error CustodyLimitExceeded(uint256 custody, uint256 limit);
    /// @notice The account has less available than asked for.
    error InsufficientAvailable(address account, uint128 available, uint128 amount);
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
    /// @notice None of the trades named is open.
    error NothingOpen(bytes32 batchId);
    /// @notice The trade is closed already.
    error TradeNotOpen(bytes32 trade);
    /// @notice The verifiers signed an outcome that the rules of Outcome forbid.
    error InvalidOutcome(bytes32 trade);
    /// @notice Too early: possible from `from`.
    error TooEarly(bytes32 trade, uint256 from);
    /// @notice Too late: possible before `until`.
    error TooLate(bytes32 trade, uint256 until);
    /// @notice A delivery was attested, so the trade is not refunded.
    error TradeAttested(bytes32 trade);
    /// @notice No delivery was attested.
    error TradeNotAttested(bytes32 trade);
    /// @notice A later attestation must name more delivered runs than the one before.
    error AttestationNotGreater(bytes32 trade, uint32 runsDelivered);

    // ------------------------------------------------------------------------------------------------ events

    /// @notice `amount` came in from `from`: available of `account` grew by it.
    event Deposited(address indexed account, address indexed from, uint128 amount);
    /// @notice `amount` moved from available to exiting; all of exiting is ready at `readyAt`.
    event WithdrawalRequested(address indexed account, uint128 amount, uint64 readyAt);
    /// @notice All that was exiting, `amount`, left the market to `account`.
    event Withdrawn(address indexed account, uint128 amount);
    /// @notice `order` of `maker` trades no more.
    event OrderCancelled(address indexed maker, bytes32 indexed order);
    /// @notice The operator is `operator` from now on.
    event OperatorChanged(address operator);
    /// @notice Deposits and openings were paused or resumed.
    event Paused(bool paused);
    /// @notice An open() named this clearing. The same clearing may come again in a later batch.
    event ClearingCommitted(
        bytes32 indexed clearingId, bytes32 indexed product, uint64 number, bytes32 orderSetRoot, uint96 price
    );
    /// @notice A fill became a trade: `payment` of `buyer` and `bond` of `provider` moved from available to locked.
    event TradeLocked(
        bytes32 indexed trade,
        bytes32 indexed offer,
        bytes32 indexed bid,
        address provider,
        address buyer,
        uint32 index,
        uint32 firstRun,
        uint32 runs,
        uint64 ceiling,
        uint96 price,
        uint128 payment,
        uint128 bond,
        uint40 deliverBy
    );
    /// @notice The fill at `position` was refused for the reason `code` (see RejectCodes); nothing moved. `offer` and `bid` are
    /// order hashes, zero if the fill's index is outside the array.
    event FillRejected(uint32 indexed position, bytes32 indexed offer, bytes32 indexed bid, uint8 code);
    /// @notice The trades whose TradeLocked events precede this one in the same transaction form a batch.
    event BatchLocked(bytes32 indexed batchId, uint64 number, bytes32 root, bytes32 verifierSet, uint32 count);
    /// @notice A trade ended; its payment and bond are not locked any more.
    /// @dev Settled: `paid` is the payment before the fee; the provider got paid - fee and the whole bond, the treasury `fee`,
    /// the buyer the rest of the lock. Refunded: buyer the lock, provider the bond. Slashed: buyer the whole lock; `slashed` is
    /// the whole bond, of which min(slashed, floor(price * units / 3,600,000)) went to the re-run account, the rest to the pool.
    event TradeClosed(
        bytes32 indexed trade,
        bytes32 indexed batchId,
        uint8 kind,
        uint32 runsDelivered,
        uint64 units,
        uint128 paid,
        uint128 fee,
        uint128 slashed
    );
    /// @notice A close() ended the trades whose bits are set in `bits`, on the evidence of the receipts under `receiptsRoot`.
    event BatchSealed(bytes32 indexed batchId, uint256 bits, bytes32 receiptsRoot);
    /// @notice The verifiers saw a delivery in time: the trade cannot be refunded by timeout any more.
    event DeliveryAttested(bytes32 indexed trade, bytes32 indexed batchId, uint32 runsDelivered, uint64 units);

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

    /// @notice Move `amount` of the caller from available to exiting. The delay starts anew for all that is exiting.
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

    // ------------------------------------------------------------------------------------------------ orders

    /// @notice Stop `order` of the caller from trading, at once and for ever. Open trades of it go on.
    /// @dev Any maker, also before the order was ever seen here. Cancelling twice does nothing more.
    function cancel(bytes32 order) external;

    /// @notice The same with the signature of `maker` (never of a delegate) over Cancel, handed in by anybody.
    /// @dev Reverts with InvalidSignature. A replay does nothing more.
    function cancelSigned(address maker, bytes32 order, bytes calldata signature) external;

    // ------------------------------------------------------------------------------------------------ trades

    /// @notice Lock payment and bond of every fill that keeps the rules; the others are reported by FillRejected and change
    /// nothing. Each order's signature is checked once, however many fills use it.
    /// @dev Operator only. Reverts with NotOperator, MarketPaused, InvalidLength (1 to 200 fills, at most 200 of each array),
    /// LengthMismatch (one signature for each order), UnknownVerifierSet. If no fill is accepted, there is no batch and the
    /// returned id is zero. Known limit: the runs of a bid are counted, never more than it asks for are open or settled, but not
    /// told apart; that no run is traded twice at once is for auditors to see in the TradeLocked events.
    function open(
        bytes32 verifierSet,
        Clearing[] calldata clearings,
        Offer[] calldata offers,
        bytes[] calldata offerSignatures,
        Bid[] calldata bids,
        bytes[] calldata bidSignatures,
        Fill[] calldata fills
    ) external returns (bytes32 batchId);

    /// @notice End trades by verdict: pay, refund or slash. Quantity not used returns to both orders.
    /// @dev Anybody who holds k of n signatures, in ascending order of signer, over Verdict(batchId,
    /// keccak256(abi.encode(bytes32[] trades, Outcome[] outcomes)), receiptsRoot). Records: any subset of the batch in ascending
    /// order of index, with OpenZeppelin's multiproof (all of it: an empty proof and count - 1 flags true). Possible as long as
    /// the trades are open, at any time. A trade that ended meanwhile is passed over. Reverts with LengthMismatch,
    /// InvalidLength, InvalidProof, QuorumNotReached, InvalidOutcome, NothingOpen.
    function close(
        BatchHead calldata head,
        Record[] calldata records,
        Outcome[] calldata outcomes,
        bytes32[] calldata proof,
        bool[] calldata proofFlags,
        bytes32 receiptsRoot,
        bytes[] calldata signatures
    ) external;

    /// @notice Give payment and bond back after the verifiers' silence.
    /// @dev Anybody, from deliverBy + verificationGrace of each record on, for trades without an attested delivery. A trade
    /// that ended meanwhile is passed over. Reverts with InvalidLength, InvalidProof, TooEarly, TradeAttested, NothingOpen.
    function refund(
        BatchHead calldata head,
        Record[] calldata records,
        bytes32[] calldata proof,
        bool[] calldata proofFlags
    ) external;

    /// @notice Record that `runsDelivered` runs, billed `units`, were delivered in time, so that the trade is not refunded while
    /// it waits for its verdict.
    /// @dev Anybody who holds k of n signatures over DeliveryAttestation, before deliverBy + verificationGrace. May be repeated
    /// with more delivered runs. Reverts with InvalidProof, QuorumNotReached, TradeNotOpen, TooLate, InvalidOutcome,
    /// AttestationNotGreater.
    function attestDelivery(
        BatchHead calldata head,
        Record calldata record,
        bytes32[] calldata proof,
        uint32 runsDelivered,
        uint64 units,
        bytes[] calldata signatures
    ) external;

    /// @notice Settle a trade as attested, after the verifiers' silence on its verdict.
    /// @dev Anybody, from deliverBy + 2 * verificationGrace on. Reverts with InvalidProof, TradeNotOpen, TradeNotAttested,
    /// TooEarly.
    function payAttested(BatchHead calldata head, Record calldata record, bytes32[] calldata proof) external;

    // ------------------------------------------------------------------------------------------------ views

    /// @notice Balances of an account; what is exiting stands in exitOf().
    function accountOf(address account) external view returns (uint128 available, uint128 locked);

    /// @notice What is on its way out, and when it is ready.
    function exitOf(address account) external view returns (uint128 amount, uint64 readyAt);

    /// @notice Quantity of an order (work units of an offer, runs of a bid) in open or settled trades, the most that ever was,
    /// and whether the maker cancelled it.
    function orderState(address maker, bytes32 order)
        external
        view
        returns (uint64 consumed, uint64 peak, bool cancelled);

    /// @notice Bit i is set while the trade with index i is open.
    function openBits(bytes32 batchId) external view returns (uint256);

    /// @notice What was attested for a trade of a batch; zero if nothing.
    function attestationOf(bytes32 batchId, uint32 index) external view returns (uint32 runsDelivered, uint64 units);

    /// @notice Sum of all payments (buy) or bonds (sell) that the present setting of a delegate key has locked.
    function spentBy(address owner, address key, uint8 side) external view returns (uint256);

    /// @notice Order hash: EIP-712 digest of an offer.
    function hashOffer(Offer calldata offer) external view returns (bytes32);

    /// @notice Order hash: EIP-712 digest of a bid.
    function hashBid(Bid calldata bid) external view returns (bytes32);
}
