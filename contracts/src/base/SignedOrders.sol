// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../interfaces/IMarket.sol";
import {IRegistry} from "../interfaces/IRegistry.sol";
import {Accounts} from "../libraries/Accounts.sol";
import {Amounts} from "../libraries/Amounts.sol";
import {Counts} from "../libraries/Counts.sol";
import {
    BID_SIZE,
    CLEARING_SIZE,
    CheckedClearing,
    CheckedOrder,
    Fills,
    OFFER_SIZE,
    PACKED_SIZE
} from "../libraries/Fills.sol";
import {Orders} from "../libraries/Orders.sol";
import {Places} from "../libraries/Places.sol";
import {RejectCodes} from "../libraries/RejectCodes.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {Spending} from "../libraries/Spending.sol";
import {State, Word, slotOf} from "../libraries/State.sol";
import {Custody} from "./Custody.sol";

/// @title Second part of the market: signed orders, what ends them, and the checks that each passes once for all its fills
abstract contract SignedOrders is Custody {
    using Accounts for State;
    using Fills for bytes;
    using Fills for uint256;
    using Places for State;
    using Spending for State;

    /// @dev What one open() works on: everything checked once, read by every fill.
    struct Opening {
        CheckedClearing clearings; // the first of a row, see CLEARING_SIZE
        uint256 clearingCount;
        CheckedOrder offers; // the first of a row, see OFFER_SIZE
        uint256 offerCount;
        CheckedOrder bids; // the first of a row, see BID_SIZE
        uint256 bidCount;
        bytes32 verifierSet;
        bytes32 domain;
        uint256 exposure; // to the verifier set, with the trades of this call so far
        uint256 payoutCap; // what it may not pass
    }

    /// @notice Fills of one open(), and so trades of one batch: the bits of a word, with room to spare.
    uint256 public constant FILLS_MAX = 200;

    constructor(Parameters memory p) Custody(p) {}

    // ------------------------------------------------------------------------------------------------ orders

    /// @inheritdoc IMarket
    function cancel(uint8 side, uint32 nonce) external {
        _cancel(msg.sender, side, nonce);
    }

    /// @inheritdoc IMarket
    function cancelSigned(address maker, uint8 side, uint32 nonce, bytes calldata signature) external {
        _checkSigned(maker, Orders.hashCancel(maker, side, nonce), type(uint40).max, signature);
        _cancel(maker, side, nonce);
    }

    function _cancel(address maker, uint8 side, uint32 nonce) private {
        Counts.cancel(_state, maker, side, nonce, matchWindow);
    }

    // ------------------------------------------------------------------------------------------------ checking

    function _checkClearings(Opening memory o, Clearing[] calldata clearings) internal {
        uint256 length = clearings.length;
        _checkLength(length);
        CheckedClearing memory checked = Fills.allocate(length);
        (o.clearings, o.clearingCount) = (checked, length);
        for (uint256 i; i < length; ++i) {
            Clearing calldata c = clearings[i];
            (checked.id, checked.product, checked.price) = (keccak256(abi.encode(c)), c.product, c.price);
            emit ClearingCommitted(checked.id, c.product, c.number, c.orderSetRoot, c.price);
            assembly ("memory-safe") {
                checked := add(checked, CLEARING_SIZE)
            }
        }
    }

    function _checkOffers(Opening memory o, PackedOffer[] calldata offers, bytes[] calldata walletSignatures)
        internal
        view
    {
        uint256 length = offers.length;
        _checkLength(length);
        uint256 form = Orders.offerForm(o.domain, o.verifierSet);
        CheckedOrder memory order = Fills.allocate(length, OFFER_SIZE);
        (o.offers, o.offerCount) = (order, length);
        PackedOffer calldata x = Fills.firstOf(offers);
        unchecked {
            for (uint256 i; i < length; ++i) {
                (uint256 makerAndPrice, uint256 fields) = (x.makerAndPrice, x.fields);
                (order.makerAndPrice, order.fields, order.grant) = (makerAndPrice, fields, 0);
                (uint256 code, bytes32 product, uint256 price) = _checkClearing(o, fields);
                order.hash = Orders.digestOfOffer(form, x, product);
                if (code == RejectCodes.NONE) {
                    if (price < uint96(makerAndPrice)) code = RejectCodes.PRICE_OUTSIDE_LIMITS;
                    else if (fields.work() >= Places.UNITS_END) code = RejectCodes.BAD_INDEX;
                    else code = _checkSigner(order, Orders.SELL, x.r, x.vs, walletSignatures);
                }
                order.code = code;
                if (code == RejectCodes.NONE) _prepare(o, order);
                assembly ("memory-safe") {
                    order := add(order, OFFER_SIZE)
                    x := add(x, PACKED_SIZE)
                }
            }
        }
    }

    /// @dev What all fills of the offer need.
    function _prepare(Opening memory o, CheckedOrder memory offer) private view {
        address maker = offer.makerAndPrice.maker();
        (Word storage place, uint256 shift) = _state.ofOffer(maker, offer.fields.nonce());
        CheckedClearing memory clearing = o.clearings;
        uint256 position = offer.fields.clearing();
        assembly ("memory-safe") {
            clearing := add(clearing, mul(position, CLEARING_SIZE)) // in the row: the offer has no code
        }
        offer.clearing = clearing;
        (offer.account, offer.place, offer.shift) = (slotOf(_state.accountOf(maker)), slotOf(place), shift);
        offer.bondPrice = Amounts.bondPriceDown(uint96(offer.makerAndPrice), bondBps, bondFloorPrice);
    }

    function _checkBids(Opening memory o, PackedBid[] calldata bids, bytes[] calldata walletSignatures) internal view {
        uint256 length = bids.length;
        _checkLength(length);
        uint256 form = Orders.bidForm(o.domain, o.verifierSet);
        CheckedOrder memory order = Fills.allocate(length, BID_SIZE);
        (o.bids, o.bidCount) = (order, length);
        PackedBid calldata x = Fills.firstOf(bids);
        unchecked {
            for (uint256 i; i < length; ++i) {
                (uint256 makerAndPrice, uint256 fields) = (x.makerAndPrice, x.fields);
                (order.makerAndPrice, order.fields, order.grant) = (makerAndPrice, fields, 0);
                (uint256 code, bytes32 product, uint256 price) = _checkClearing(o, fields);
                order.hash = Orders.digestOfBid(form, x, product);
                if (code == RejectCodes.NONE) {
                    if (price > uint96(makerAndPrice)) code = RejectCodes.PRICE_OUTSIDE_LIMITS;
                    else if (fields.runs() >= Places.RUNS_END || fields.work() == 0) code = RejectCodes.BAD_INDEX;
                    else code = _checkSigner(order, Orders.BUY, x.r, x.vs, walletSignatures);
                }
                order.code = code;
                assembly ("memory-safe") {
                    order := add(order, BID_SIZE)
                    x := add(x, PACKED_SIZE)
                }
            }
        }
    }

    /// @dev Product and price of the clearing that the order names; an order that names none that is there has no product.
    function _checkClearing(Opening memory o, uint256 fields)
        private
        view
        returns (uint256 code, bytes32 product, uint256 price)
    {
        uint256 position = fields.clearing();
        if (position >= o.clearingCount) return (RejectCodes.BAD_INDEX, 0, 0);
        CheckedClearing memory clearing = o.clearings;
        assembly ("memory-safe") {
            clearing := add(clearing, mul(position, CLEARING_SIZE))
        }
        (product, price) = (clearing.product, clearing.price);
        if (block.timestamp >= fields.deliverBy()) code = RejectCodes.EXPIRED;
        else if (fields.maxFeeBps() < feeBps) code = RejectCodes.FEE_ABOVE_MAXIMUM;
    }

    /// @dev The maker's key, or a key the maker made a delegate for this side (its setting is noted for the spend cap), or the
    /// maker's wallet.
    function _checkSigner(
        CheckedOrder memory order,
        uint8 side,
        bytes32 r,
        bytes32 vs,
        bytes[] calldata walletSignatures
    ) private view returns (uint256) {
        address maker = order.makerAndPrice.maker();
        uint256 wallet = order.fields.wallet();
        if (wallet == 0) {
            address signer = Signatures.signerOf(order.hash, r, vs);
            if (signer != address(0)) {
                if (signer == maker) return RejectCodes.NONE;
                (bool known, uint256 code) = _checkDelegate(order, maker, signer, side);
                if (known) return code;
            }
        }
        return
            _isWallet(order.hash, maker, wallet, r, vs, walletSignatures) ? RejectCodes.NONE : RejectCodes.BAD_SIGNATURE;
    }

    /// @dev Not known if `signer` never was a delegate: a stranger's key is a bad signature, one once named is "not allowed".
    function _checkDelegate(CheckedOrder memory order, address maker, address signer, uint8 side)
        private
        view
        returns (bool known, uint256 code)
    {
        IRegistry.Delegate memory delegate = registry.delegateOf(maker, signer, side);
        if (delegate.version == 0 && registry.delegateOf(maker, signer, 3 - side).version == 0) return (false, 0);
        order.spendCap = delegate.spendCap;
        order.grant = _grantOf(maker, signer, side, delegate.version);
        return (true, Fills.codeOfDelegate(delegate, side, uint96(order.makerAndPrice)));
    }

    function _isWallet(
        bytes32 digest,
        address maker,
        uint256 wallet,
        bytes32 r,
        bytes32 vs,
        bytes[] calldata walletSignatures
    ) private view returns (bool) {
        if (maker.code.length == 0) return false;
        if (wallet > walletSignatures.length) return false;
        if (wallet != 0) return Signatures.isValidWallet(maker, digest, walletSignatures[wallet - 1]);
        uint8 v = uint8(uint256(vs) >> 255) + 27;
        bytes32 s = vs & bytes32(type(uint256).max >> 1);
        return Signatures.isValidWallet(maker, digest, abi.encodePacked(r, s, v));
    }

    // ------------------------------------------------------------------------------------------------ views

    /// @inheritdoc IMarket
    function orderState(address maker, uint8 side, uint32 nonce)
        external
        view
        returns (uint64 consumed, uint64 reached, bool ended)
    {
        return Counts.read(_state, maker, side, nonce);
    }

    /// @inheritdoc IMarket
    function newestNonces(address maker) external view returns (uint32 offer, uint32 bid) {
        uint256 newest = _state.accountOf(maker).value >> Accounts.BIDS;
        return (uint32(newest >> 32), uint32(newest));
    }

    /// @inheritdoc IMarket
    function spentBy(address owner, address key, uint8 side) external view returns (uint256) {
        return _state.spentToday(_grantOf(owner, key, side, registry.delegateOf(owner, key, side).version));
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
