// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IMarket} from "./interfaces/IMarket.sol";
import {IRegistry} from "./interfaces/IRegistry.sol";
import {Account, Accounts} from "./libraries/Accounts.sol";
import {Amounts} from "./libraries/Amounts.sol";
import {Batches} from "./libraries/Batches.sol";
import {CheckedClearing, CheckedOrder, Fills} from "./libraries/Fills.sol";
import {OrderState} from "./libraries/OrderStates.sol";
import {Orders} from "./libraries/Orders.sol";
import {RejectCodes} from "./libraries/RejectCodes.sol";
import {Signatures} from "./libraries/Signatures.sol";

/// @title Escrow of the market
/// @dev What each function does, who may call it and when it reverts is said in IMarket.
contract Market is IMarket, EIP712, Nonces {
    using Accounts for mapping(address => Account);
    using SafeERC20 for IERC20;

    /// @dev What one open() works on: everything checked once, read by every fill.
    struct Opening {
        CheckedClearing[] clearings;
        CheckedOrder[] offers;
        CheckedOrder[] bids;
        bytes32 verifierSet;
    }

    // ------------------------------------------------------------------------------------------------ constants

    /// @notice Fills of one open(), and so trades of one batch: the bits of a word, with room to spare.
    uint256 public constant FILLS_MAX = 200;
    /// @notice The highest fee that can be deployed: 10 %.
    uint16 public constant FEE_BPS_MAX = 1_000;

    uint8 internal constant REFUNDED = 0;
    uint8 internal constant SETTLED = 1;
    uint8 internal constant SLASHED = 2;

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
    address public operator; // slot with paused and batches
    /// @notice Whether deposits and openings are paused.
    bool public paused;
    /// @notice Lock batches so far; the next one gets the number batches + 1.
    uint64 public batches;
    /// @notice Base units in the market: the sum of available, locked and exiting of all accounts. At most 2^128 - 1.
    uint256 public custody;

    mapping(address owner => Account) private _accounts;
    mapping(address owner => Exit) private _exits;
    mapping(address maker => mapping(bytes32 order => OrderState)) private _orders;
    mapping(bytes32 grant => uint256) private _spent;
    mapping(bytes32 batchId => mapping(uint32 index => uint256)) private _attestations; // runsDelivered << 64 | units
    /// @inheritdoc IMarket
    mapping(bytes32 batchId => uint256) public openBits;

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

    // ------------------------------------------------------------------------------------------------ orders

    /// @inheritdoc IMarket
    function cancel(bytes32 order) external {
        _cancel(msg.sender, order);
    }

    /// @inheritdoc IMarket
    function cancelSigned(address maker, bytes32 order, bytes calldata signature) external {
        bytes32 digest = _hashTypedDataV4(Orders.hashCancel(maker, order));
        if (!Signatures.isSignedBy(maker, digest, signature)) revert InvalidSignature(maker);
        _cancel(maker, order);
    }

    function _cancel(address maker, bytes32 order) private {
        OrderState state = _orders[maker][order];
        if (state.cancelled()) return;
        _orders[maker][order] = state.cancel();
        emit OrderCancelled(maker, order);
    }

    // ------------------------------------------------------------------------------------------------ opening

    /// @inheritdoc IMarket
    function open(
        bytes32 verifierSet,
        Clearing[] memory clearings,
        Offer[] calldata offers,
        bytes[] calldata offerSignatures,
        Bid[] calldata bids,
        bytes[] calldata bidSignatures,
        Fill[] calldata fills
    ) external whenNotPaused returns (bytes32 batchId) {
        if (msg.sender != operator) revert NotOperator(msg.sender);
        if (!registry.isVerifierSet(verifierSet)) revert UnknownVerifierSet(verifierSet);
        _checkLength(fills.length);
        Opening memory opening;
        opening.verifierSet = verifierSet;
        opening.clearings = _checkClearings(clearings);
        opening.offers = _checkOffers(verifierSet, offers, offerSignatures);
        opening.bids = _checkBids(verifierSet, bids, bidSignatures);
        return _openBatch(opening, fills);
    }

    function _checkClearings(Clearing[] memory clearings) private returns (CheckedClearing[] memory checked) {
        _checkLength(clearings.length);
        checked = new CheckedClearing[](clearings.length);
        for (uint256 i; i < clearings.length; ++i) {
            Clearing memory c = clearings[i];
            checked[i] = CheckedClearing(keccak256(abi.encode(c)), c.product, c.price);
            emit ClearingCommitted(checked[i].id, c.product, c.number, c.orderSetRoot, c.price);
        }
    }

    function _checkOffers(bytes32 verifierSet, Offer[] calldata offers, bytes[] calldata signatures)
        private
        view
        returns (CheckedOrder[] memory checked)
    {
        _checkLength(offers.length);
        if (signatures.length != offers.length) revert LengthMismatch(offers.length, signatures.length);
        checked = new CheckedOrder[](offers.length);
        for (uint256 i; i < offers.length; ++i) {
            Offer calldata o = offers[i];
            CheckedOrder memory order = checked[i];
            order.hash = _hashTypedDataV4(Orders.hashOffer(o));
            order.maker = o.maker;
            order.product = o.product;
            order.price = o.price;
            order.quantity = o.units;
            order.validUntil = o.validUntil;
            order.deliverBy = o.deliverBy;
            order.code = _checkTerms(o.side == Orders.SELL, o.verifierSet == verifierSet, o.deliverBy, o.maxFeeBps);
            if (order.code == RejectCodes.NONE) _checkSigner(order, Orders.SELL, signatures[i]);
        }
    }

    function _checkBids(bytes32 verifierSet, Bid[] calldata bids, bytes[] calldata signatures)
        private
        view
        returns (CheckedOrder[] memory checked)
    {
        _checkLength(bids.length);
        if (signatures.length != bids.length) revert LengthMismatch(bids.length, signatures.length);
        checked = new CheckedOrder[](bids.length);
        for (uint256 i; i < bids.length; ++i) {
            Bid calldata b = bids[i];
            CheckedOrder memory order = checked[i];
            order.hash = _hashTypedDataV4(Orders.hashBid(b));
            order.maker = b.maker;
            order.product = b.product;
            order.price = b.price;
            order.quantity = b.runs;
            order.ceiling = b.ceiling;
            order.validUntil = b.validUntil;
            order.deliverBy = b.deliverBy;
            order.code = _checkTerms(b.side == Orders.BUY, b.verifierSet == verifierSet, b.deliverBy, b.maxFeeBps);
            if (order.code == RejectCodes.NONE) _checkSigner(order, Orders.BUY, signatures[i]);
        }
    }

    function _checkTerms(bool sideFits, bool verifierSetFits, uint40 deliverBy, uint16 maxFeeBps)
        private
        view
        returns (uint8)
    {
        if (!sideFits) return RejectCodes.BAD_SIDE;
        if (!verifierSetFits) return RejectCodes.WRONG_VERIFIER_SET;
        if (block.timestamp >= deliverBy) return RejectCodes.EXPIRED;
        if (maxFeeBps < feeBps) return RejectCodes.FEE_ABOVE_MAXIMUM;
        return RejectCodes.NONE;
    }

    /// @dev The maker, or a key the maker made a delegate for this side; notes the delegate's setting for the spend cap.
    function _checkSigner(CheckedOrder memory order, uint8 side, bytes calldata signature) private view {
        address signer = Signatures.signerOf(order.hash, signature);
        if (signer == address(0)) {
            order.code = RejectCodes.BAD_SIGNATURE;
        } else if (signer != order.maker) {
            IRegistry.Delegate memory delegate = registry.delegateOf(order.maker, signer, side);
            order.code = Fills.codeOfDelegate(delegate, side, order.price);
            order.spendCap = delegate.spendCap;
            order.grant = _grantOf(order.maker, signer, side, delegate.version);
            // A stranger's key is a bad signature; only a key that the maker once named can be "not allowed".
            if (delegate.version == 0 && registry.delegateOf(order.maker, signer, 3 - side).version == 0) {
                order.code = RejectCodes.BAD_SIGNATURE;
            }
        }
    }

    function _openBatch(Opening memory opening, Fill[] calldata fills) private returns (bytes32 batchId) {
        bytes32[] memory leaves = new bytes32[](fills.length);
        uint32 count;
        for (uint32 i; i < fills.length; ++i) {
            (uint8 code, Record memory record) = _lockFill(opening, fills[i]);
            if (code == RejectCodes.NONE) {
                record.index = count;
                leaves[count++] = Batches.leafOf(record);
                _emitLocked(record);
            } else {
                emit FillRejected(i, record.offer, record.bid, code);
            }
        }
        if (count == 0) return 0;
        BatchHead memory head = BatchHead(++batches, Batches.rootOf(leaves, count), opening.verifierSet, count);
        batchId = Batches.idOf(head);
        openBits[batchId] = (1 << count) - 1;
        emit BatchLocked(batchId, head.number, head.root, head.verifierSet, count);
    }

    /// @dev Returns the reason for a refusal, with at least the order hashes in the record, or the record of the new trade
    /// (but for its index). Nothing is written before the last check.
    function _lockFill(Opening memory opening, Fill calldata fill) private returns (uint8 code, Record memory record) {
        if (fill.offer < opening.offers.length) record.offer = opening.offers[fill.offer].hash;
        if (fill.bid < opening.bids.length) record.bid = opening.bids[fill.bid].hash;
        if (
            fill.offer >= opening.offers.length || fill.bid >= opening.bids.length
                || fill.clearing >= opening.clearings.length
        ) return (RejectCodes.BAD_INDEX, record);
        CheckedOrder memory offer = opening.offers[fill.offer];
        CheckedOrder memory bid = opening.bids[fill.bid];
        CheckedClearing memory clearing = opening.clearings[fill.clearing];
        code = Fills.codeOfPair(offer, bid, clearing, fill);
        if (code != RejectCodes.NONE) return (code, record);

        uint256 units = uint256(fill.runs) * bid.ceiling;
        code = Fills.codeOfQuantity(offer, _orders[offer.maker][offer.hash], units);
        if (code != RejectCodes.NONE) return (code, record);
        code = Fills.codeOfQuantity(bid, _orders[bid.maker][bid.hash], fill.runs);
        if (code != RejectCodes.NONE) return (code, record);

        code = _lockMoney(offer, bid, clearing.price, uint64(units), record); // units <= offer.units, so 64 bits hold them
        if (code != RejectCodes.NONE) return (code, record);
        _orders[offer.maker][offer.hash] = _orders[offer.maker][offer.hash].take(uint64(units));
        _orders[bid.maker][bid.hash] = _orders[bid.maker][bid.hash].take(fill.runs);

        record.trade = keccak256(abi.encode(offer.hash, bid.hash, fill.firstRun, clearing.id));
        record.provider = offer.maker;
        record.buyer = bid.maker;
        record.firstRun = fill.firstRun;
        record.runs = fill.runs;
        record.ceiling = bid.ceiling;
        record.price = clearing.price;
        record.deliverBy = Fills.dueOf(offer, bid);
    }

    /// @dev Both sides can pay and are allowed to, or nothing is written. The makers differ, so neither check spoils the other.
    function _lockMoney(
        CheckedOrder memory offer,
        CheckedOrder memory bid,
        uint96 price,
        uint64 units,
        Record memory record
    ) private returns (uint8) {
        uint256 payment = Amounts.lockPaymentUp(price, units);
        uint256 bond = Amounts.paymentDown(Amounts.bondPriceDown(offer.price, bondBps, bondFloorPrice), units);
        if (payment > _accounts.available(bid.maker)) return RejectCodes.INSUFFICIENT_FUNDS;
        if (bond > _accounts.available(offer.maker)) return RejectCodes.INSUFFICIENT_BOND;
        if (offer.grant != 0 && _spent[offer.grant] + bond > offer.spendCap) return RejectCodes.DELEGATE_NOT_ALLOWED;
        if (bid.grant != 0 && _spent[bid.grant] + payment > bid.spendCap) return RejectCodes.DELEGATE_NOT_ALLOWED;
        if (offer.grant != 0) _spent[offer.grant] += bond;
        if (bid.grant != 0) _spent[bid.grant] += payment;
        _accounts.lock(bid.maker, payment);
        _accounts.lock(offer.maker, bond);
        record.payment = uint128(payment); // at most what is available, which has 128 bits; the bond too
        record.bond = uint128(bond);
        return RejectCodes.NONE;
    }

    function _emitLocked(Record memory r) private {
        emit TradeLocked(
            r.trade,
            r.offer,
            r.bid,
            r.provider,
            r.buyer,
            r.index,
            r.firstRun,
            r.runs,
            r.ceiling,
            r.price,
            r.payment,
            r.bond,
            r.deliverBy
        );
    }

    // ------------------------------------------------------------------------------------------------ closing

    /// @inheritdoc IMarket
    function close(
        BatchHead calldata head,
        Record[] memory records,
        Outcome[] memory outcomes,
        bytes32[] calldata proof,
        bool[] calldata proofFlags,
        bytes32 receiptsRoot,
        bytes[] calldata signatures
    ) external {
        if (outcomes.length != records.length) {
            revert LengthMismatch(records.length, outcomes.length);
        }
        bytes32 verdict = _hashOutcomes(records, outcomes);
        bytes32 batchId = _proveAll(head, records, proof, proofFlags);
        verdict = Orders.hashVerdict(batchId, verdict, receiptsRoot);
        _checkQuorum(head.verifierSet, verdict, signatures);
        _closeAll(batchId, records, outcomes, receiptsRoot);
    }

    /// @inheritdoc IMarket
    function refund(
        BatchHead calldata head,
        Record[] memory records,
        bytes32[] calldata proof,
        bool[] calldata proofFlags
    ) external {
        bytes32 batchId = _proveAll(head, records, proof, proofFlags);
        uint256 bits = openBits[batchId];
        uint256 left = bits;
        for (uint256 i; i < records.length; ++i) {
            Record memory r = records[i];
            if (left & (1 << r.index) == 0) continue;
            if (block.timestamp < _refundAfter(r)) revert TooEarly(r.trade, _refundAfter(r));
            if (_attestations[batchId][r.index] != 0) revert TradeAttested(r.trade);
            left ^= 1 << r.index;
            _closeTrade(batchId, r, Outcome(REFUNDED, 0, 0));
        }
        if (left == bits) revert NothingOpen(batchId);
        openBits[batchId] = left;
    }

    /// @inheritdoc IMarket
    function attestDelivery(
        BatchHead calldata head,
        Record memory record,
        bytes32[] calldata proof,
        uint32 runsDelivered,
        uint64 units,
        bytes[] calldata signatures
    ) external {
        bytes32 batchId = _proveOpen(head, record, proof);
        if (block.timestamp >= _refundAfter(record)) revert TooLate(record.trade, _refundAfter(record));
        if (!_isValid(record, Outcome(SETTLED, runsDelivered, units))) revert InvalidOutcome(record.trade);
        _checkQuorum(
            head.verifierSet, Orders.hashDeliveryAttestation(batchId, record.trade, runsDelivered, units), signatures
        );
        if (runsDelivered <= _attestations[batchId][record.index] >> 64) {
            revert AttestationNotGreater(record.trade, runsDelivered);
        }
        _attestations[batchId][record.index] = (uint256(runsDelivered) << 64) | units;
        emit DeliveryAttested(record.trade, batchId, runsDelivered, units);
    }

    /// @inheritdoc IMarket
    function payAttested(BatchHead calldata head, Record memory record, bytes32[] calldata proof) external {
        bytes32 batchId = _proveOpen(head, record, proof);
        uint256 attested = _attestations[batchId][record.index];
        if (attested == 0) revert TradeNotAttested(record.trade);
        uint256 from = _refundAfter(record) + verificationGrace;
        if (block.timestamp < from) revert TooEarly(record.trade, from);
        openBits[batchId] ^= 1 << record.index;
        _closeTrade(batchId, record, Outcome(SETTLED, uint32(attested >> 64), uint64(attested)));
    }

    /// @dev Closes what is still open of `records`, and passes over the rest.
    function _closeAll(bytes32 batchId, Record[] memory records, Outcome[] memory outcomes, bytes32 receiptsRoot)
        private
    {
        uint256 bits = openBits[batchId];
        uint256 left = bits;
        for (uint256 i; i < records.length; ++i) {
            uint256 bit = 1 << records[i].index;
            if (left & bit == 0) continue;
            left ^= bit;
            _closeTrade(batchId, records[i], outcomes[i]);
        }
        if (left == bits) revert NothingOpen(batchId);
        openBits[batchId] = left;
        emit BatchSealed(batchId, bits ^ left, receiptsRoot);
    }

    /// @dev Pays out payment and bond of a trade whose bit the caller clears, and gives unused quantity back to both orders.
    function _closeTrade(bytes32 batchId, Record memory r, Outcome memory o) private {
        if (!_isValid(r, o)) revert InvalidOutcome(r.trade);
        uint256 paid;
        uint256 fee;
        uint256 slashed;
        if (o.kind == SETTLED) {
            paid = Amounts.paymentDown(r.price, o.units); // units are at most those locked, so it is at most r.payment
            fee = Amounts.feeDown(paid, feeBps);
            _accounts.release(r.provider, r.bond, r.bond + paid - fee);
            if (fee != 0) _accounts.credit(treasury, fee);
        } else if (o.kind == SLASHED) {
            slashed = r.bond;
            uint256 rerun = Amounts.paymentDown(r.price, o.units);
            if (rerun > slashed) rerun = slashed;
            _accounts.release(r.provider, r.bond, 0);
            if (rerun != 0) _accounts.credit(rerunAccount, rerun);
            if (slashed != rerun) _accounts.credit(pool, slashed - rerun);
        } else {
            _accounts.release(r.provider, r.bond, r.bond);
        }
        _accounts.release(r.buyer, r.payment, r.payment - paid);
        _giveBack(r, o);
        emit TradeClosed(
            r.trade, batchId, o.kind, o.runsDelivered, o.units, uint128(paid), uint128(fee), uint128(slashed)
        );
    }

    /// @dev A slashed trade used nothing: its `units` are those of the re-run.
    function _giveBack(Record memory r, Outcome memory o) private {
        uint64 used = o.kind == SETTLED ? o.units : 0;
        uint64 units = uint64(r.runs) * r.ceiling - used;
        uint32 runs = r.runs - o.runsDelivered;
        if (units != 0) _orders[r.provider][r.offer] = _orders[r.provider][r.offer].give(units);
        if (runs != 0) _orders[r.buyer][r.bid] = _orders[r.buyer][r.bid].give(runs);
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

    /// @inheritdoc IMarket
    function orderState(address maker, bytes32 order)
        external
        view
        returns (uint64 consumed, uint64 peak, bool cancelled)
    {
        OrderState state = _orders[maker][order];
        return (state.consumed(), state.peak(), state.cancelled());
    }

    /// @inheritdoc IMarket
    function attestationOf(bytes32 batchId, uint32 index) external view returns (uint32 runsDelivered, uint64 units) {
        uint256 attested = _attestations[batchId][index];
        return (uint32(attested >> 64), uint64(attested));
    }

    /// @inheritdoc IMarket
    function spentBy(address owner, address key, uint8 side) external view returns (uint256) {
        return _spent[_grantOf(owner, key, side, registry.delegateOf(owner, key, side).version)];
    }

    /// @inheritdoc IMarket
    function hashOffer(Offer calldata offer) external view returns (bytes32) {
        return _hashTypedDataV4(Orders.hashOffer(offer));
    }

    /// @inheritdoc IMarket
    function hashBid(Bid calldata bid) external view returns (bytes32) {
        return _hashTypedDataV4(Orders.hashBid(bid));
    }

    // ------------------------------------------------------------------------------------------------ pieces

    function _proveAll(
        BatchHead calldata head,
        Record[] memory records,
        bytes32[] calldata proof,
        bool[] calldata proofFlags
    ) private pure returns (bytes32 batchId) {
        _checkLength(records.length);
        batchId = Batches.idOf(head);
        bytes32[] memory leaves = new bytes32[](records.length);
        for (uint256 i; i < records.length; ++i) {
            leaves[i] = Batches.leafOf(records[i]);
        }
        if (!Batches.containsAll(head, proof, proofFlags, leaves)) revert InvalidProof(batchId);
    }

    function _proveOpen(BatchHead calldata head, Record memory record, bytes32[] calldata proof)
        private
        view
        returns (bytes32 batchId)
    {
        batchId = Batches.idOf(head);
        if (!Batches.contains(head, proof, Batches.leafOf(record))) revert InvalidProof(batchId);
        if (openBits[batchId] & (1 << record.index) == 0) revert TradeNotOpen(record.trade);
    }

    function _checkQuorum(bytes32 verifierSet, bytes32 structHash, bytes[] calldata signatures) private view {
        (address[] memory members, uint8 threshold) = registry.verifierSetOf(verifierSet);
        uint256 accepted = Signatures.countMembers(_hashTypedDataV4(structHash), signatures, members);
        if (accepted < threshold || accepted != signatures.length) {
            revert QuorumNotReached(verifierSet, accepted, threshold);
        }
    }

    function _hashOutcomes(Record[] memory records, Outcome[] memory outcomes) private pure returns (bytes32) {
        bytes32[] memory trades = new bytes32[](records.length);
        for (uint256 i; i < records.length; ++i) {
            trades[i] = records[i].trade;
        }
        return keccak256(abi.encode(trades, outcomes));
    }

    function _isValid(Record memory r, Outcome memory o) private pure returns (bool) {
        if (o.kind == REFUNDED) return o.runsDelivered == 0 && o.units == 0;
        if (o.kind == SLASHED) return o.runsDelivered == 0;
        if (o.kind != SETTLED || o.runsDelivered == 0 || o.runsDelivered > r.runs) return false;
        return
            o.units >= Amounts.leastUnitsUp(o.runsDelivered, r.ceiling)
                && o.units <= uint256(o.runsDelivered) * r.ceiling;
    }

    function _refundAfter(Record memory r) private view returns (uint256) {
        return uint256(r.deliverBy) + verificationGrace;
    }

    function _grantOf(address owner, address key, uint8 side, uint24 version) private pure returns (bytes32) {
        return keccak256(abi.encode(owner, key, side, version));
    }

    function _checkLength(uint256 length) private pure {
        if (length == 0 || length > FILLS_MAX) revert InvalidLength(length, FILLS_MAX);
    }
}
