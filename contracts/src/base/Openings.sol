// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../interfaces/IMarket.sol";
import {IRegistry} from "../interfaces/IRegistry.sol";
import {Account, Accounts} from "../libraries/Accounts.sol";
import {Amounts} from "../libraries/Amounts.sol";
import {Batches} from "../libraries/Batches.sol";
import {CheckedClearing, CheckedOrder, Fills} from "../libraries/Fills.sol";
import {OrderState} from "../libraries/OrderStates.sol";
import {Orders} from "../libraries/Orders.sol";
import {RejectCodes} from "../libraries/RejectCodes.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {Custody} from "./Custody.sol";

/// @title Second part of the market: orders, and how a fill becomes a trade with money behind it
abstract contract Openings is Custody {
    using Accounts for mapping(address => Account);

    /// @dev What one open() works on: everything checked once, read by every fill.
    struct Opening {
        CheckedClearing[] clearings;
        CheckedOrder[] offers;
        CheckedOrder[] bids;
        bytes32 verifierSet;
    }

    /// @notice Fills of one open(), and so trades of one batch: the bits of a word, with room to spare.
    uint256 public constant FILLS_MAX = 200;

    /// @notice Lock batches so far; the next one gets the number batches + 1.
    uint64 public batches;
    mapping(address maker => mapping(bytes32 order => OrderState)) internal _orders;
    mapping(bytes32 grant => uint256) private _spent;
    /// @inheritdoc IMarket
    mapping(bytes32 batchId => uint256) public openBits;

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

    // ------------------------------------------------------------------------------------------------ views

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

    function _grantOf(address owner, address key, uint8 side, uint24 version) private pure returns (bytes32) {
        return keccak256(abi.encode(owner, key, side, version));
    }

    function _checkLength(uint256 length) internal pure {
        if (length == 0 || length > FILLS_MAX) revert InvalidLength(length, FILLS_MAX);
    }
}
