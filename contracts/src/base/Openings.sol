// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../interfaces/IMarket.sol";
import {Accounts} from "../libraries/Accounts.sol";
import {Amounts} from "../libraries/Amounts.sol";
import {Batches} from "../libraries/Batches.sol";
import {Belated, DRAFT_WORDS} from "../libraries/Belated.sol";
import {Counts} from "../libraries/Counts.sol";
import {BID_SIZE, CheckedClearing, CheckedOrder, Fills, OFFER_SIZE} from "../libraries/Fills.sol";
import {Places} from "../libraries/Places.sol";
import {RejectCodes} from "../libraries/RejectCodes.sol";
import {Spending} from "../libraries/Spending.sol";
import {EXPOSURE_KNOWN, State, Word, wordAt} from "../libraries/State.sol";
import {SignedOrders} from "./SignedOrders.sol";

/// @title Third part of the market: how a fill becomes a trade with money behind it
abstract contract Openings is SignedOrders {
    using Accounts for State;
    using Fills for bytes;
    using Fills for uint256;
    using Places for State;
    using Spending for State;

    uint256 private constant FILL_BYTES = 10;

    constructor(Parameters memory p) SignedOrders(p) {}

    // ------------------------------------------------------------------------------------------------ opening

    /// @inheritdoc IMarket
    function open(
        bytes32 verifierSet,
        Clearing[] calldata clearings,
        PackedOffer[] calldata offers,
        PackedBid[] calldata bids,
        bytes[] calldata walletSignatures,
        bytes calldata fills
    ) external whenNotPaused returns (bytes32 batchId) {
        if (msg.sender != operator) revert NotOperator(msg.sender);
        uint256 length = fills.length / FILL_BYTES;
        if (length * FILL_BYTES != fills.length) revert LengthMismatch(length * FILL_BYTES, fills.length);
        _checkLength(length);
        Opening memory o;
        o.verifierSet = verifierSet;
        o.domain = _domainSeparatorV4();
        o.payoutCap = registry.payoutCapOf(verifierSet); // of a registered set, or it reverts
        o.exposure = uint128(_state.exposure[verifierSet]);
        _checkClearings(o, clearings);
        _checkOffers(o, offers, walletSignatures);
        _checkBids(o, bids, walletSignatures);
        return _openBatch(o, fills, length);
    }

    function _openBatch(Opening memory o, bytes calldata fills, uint256 length) private returns (bytes32 batchId) {
        bytes32[] memory leaves = Batches.roomFor(length);
        uint256 count;
        unchecked {
            for (uint256 i; i < length; ++i) {
                bytes32 leaf = _openFill(o, fills.fillAt(i), i, count);
                if (leaf == 0) continue;
                assembly ("memory-safe") {
                    count := add(count, 1) // at most `length`, for which there is room
                    mstore(add(leaves, shl(5, count)), leaf)
                }
            }
        }
        if (count == 0) return 0;
        _state.exposure[o.verifierSet] = EXPOSURE_KNOWN | o.exposure;
        BatchHead memory head = BatchHead(++_state.batches, Batches.rootOf(leaves, count), o.verifierSet, uint32(count));
        batchId = Batches.idOf(head);
        _state.openBits[batchId] = (1 << count) - 1;
        emit BatchLocked(batchId, head.number, head.root, head.verifierSet, head.count);
    }

    /// @dev The leaf of the new trade, or zero after a refusal. Nothing is written before the last check.
    function _openFill(Opening memory o, uint256 fill, uint256 position, uint256 index) private returns (bytes32) {
        (uint256 sold, uint256 bought) = (fill >> 72, uint8(fill >> 64));
        (CheckedOrder memory offer, CheckedOrder memory bid) = (o.offers, o.bids);
        (uint256 offerCount, uint256 bidCount) = (o.offerCount, o.bidCount);
        bool inside;
        assembly ("memory-safe") {
            // Looked at only if they are in their rows.
            offer := add(offer, mul(sold, OFFER_SIZE))
            bid := add(bid, mul(bought, BID_SIZE))
            inside := and(lt(sold, offerCount), lt(bought, bidCount))
        }
        if (!inside) {
            bytes32 offerHash = sold < offerCount ? offer.hash : bytes32(0);
            bytes32 bidHash = bought < bidCount ? bid.hash : bytes32(0);
            emit FillRejected(uint32(position), offerHash, bidHash, uint8(RejectCodes.BAD_INDEX));
            return 0;
        }
        uint256 due = Fills.dueBy(offer.fields, bid.fields);
        uint256 code;
        if (Fills.isWrong(offer, bid, fill, due) != 0) {
            code = Fills.codeOfPair(offer, bid, fill, due);
        } else {
            uint256 bond;
            (code, bond) = _lockFill(o, offer, bid, fill);
            if (code == RejectCodes.NONE) return _record(offer, bid, fill, (bond << 144) | (due << 104) | index);
            bytes32 leaf;
            (code, leaf) = _lockBelated(o, offer, bid, fill, (due << 104) | index, code);
            if (leaf != 0) return leaf;
        }
        emit FillRejected(uint32(position), offer.hash, bid.hash, uint8(code));
        return 0;
    }

    /// @dev Quantity of both orders, then money of both makers; writes if all of it is there.
    function _lockFill(Opening memory o, CheckedOrder memory offer, CheckedOrder memory bid, uint256 fill)
        private
        returns (uint256 code, uint256 bond)
    {
        unchecked {
            (uint256 fields, uint256 sells, address maker) = (bid.fields, offer.fields, bid.makerAndPrice.maker());
            Word storage buyer = _state.accountOf(maker);
            (uint256 buyers, uint256 providers) = (buyer.value, wordAt(offer.account).value);
            if (
                Accounts.isTooFar(providers, Accounts.OFFERS, sells.nonce())
                    || Accounts.isTooFar(buyers, Accounts.BIDS, fields.nonce())
            ) return (RejectCodes.NONCE_TOO_FAR, 0);
            uint256 units = fill.runsOf() * fields.work(); // 32 * 64 bits
            Word storage sold = wordAt(offer.place);
            uint256 nextSold;
            (code, nextSold) =
                Places.takeUnits(sold.value, offer.shift, sells.nonce(), units, sells.work(), sells.validUntil());
            if (code != RejectCodes.NONE) return (code, 0);
            (Word storage bought, uint256 shift) = _state.ofBid(maker, fields.nonce());
            uint256 nextBought;
            uint256 flips;
            (code, nextBought, flips) = _state.takeRuns(maker, fields, fill, bought.value, shift);
            if (code != RejectCodes.NONE) return (code, 0);
            (code, bond) = _lockMoney(o, offer, bid, buyer, buyers, providers, uint64(units)); // at most those of the offer
            if (code != RejectCodes.NONE) return (code, 0);
            sold.value = nextSold;
            bought.value = nextBought;
            if (flips != 0) Counts.flip(_state, maker, fields.nonce(), flips);
        }
    }

    /// @dev Both sides can pay and are allowed to, or nothing is written. The makers differ, so neither check spoils the other.
    /// `buyers` and `providers` are what stands in their accounts.
    function _lockMoney(
        Opening memory o,
        CheckedOrder memory offer,
        CheckedOrder memory bid,
        Word storage buyer,
        uint256 buyers,
        uint256 providers,
        uint64 units
    ) private returns (uint256, uint256 bond) {
        uint256 payment = Amounts.lockPaymentUp(uint96(offer.clearing.price), units);
        bond = Amounts.paymentDown(uint96(offer.bondPrice), units);
        if (payment > Accounts.availableOf(buyers)) return (RejectCodes.INSUFFICIENT_FUNDS, 0);
        if (bond > Accounts.availableOf(providers)) return (RejectCodes.INSUFFICIENT_BOND, 0);
        uint256 exposure = o.exposure + payment + bond;
        if (exposure > o.payoutCap) return (RejectCodes.CAP_REACHED, 0);
        if (offer.grant | bid.grant != 0) {
            bool may =
                _state.maySpend(offer.grant, bond, offer.spendCap) && _state.maySpend(bid.grant, payment, bid.spendCap);
            if (!may) return (RejectCodes.DELEGATE_NOT_ALLOWED, 0);
            _state.spend(offer.grant, bond);
            _state.spend(bid.grant, payment);
        }
        o.exposure = exposure;
        buyers = Accounts.raising(buyers, Accounts.BIDS, bid.fields.nonce());
        providers = Accounts.raising(providers, Accounts.OFFERS, offer.fields.nonce());
        buyer.value = Accounts.locking(buyers, payment);
        wordAt(offer.account).value = Accounts.locking(providers, bond);
        return (RejectCodes.NONE, bond);
    }

    /// @dev A second try for a fill that was refused with `code`, in case a maker drew back after the match: see Belated.
    function _lockBelated(
        Opening memory o,
        CheckedOrder memory offer,
        CheckedOrder memory bid,
        uint256 fill,
        uint256 terms,
        uint256 code
    ) private returns (uint256, bytes32 leaf) {
        if (!Belated.mayHelp(code)) return (code, 0);
        uint256[DRAFT_WORDS] memory draft = Belated.draftOf(offer, bid, fill, terms, o.exposure, o.payoutCap);
        (code, leaf, o.exposure) = Belated.lock(_state, draft);
        return (code, leaf);
    }

    /// @dev `terms` lack what stands in the fill and in the orders.
    function _record(CheckedOrder memory offer, CheckedOrder memory bid, uint256 fill, uint256 terms)
        private
        returns (bytes32)
    {
        CheckedClearing memory clearing = offer.clearing;
        bytes32 trade = _tradeId(offer.hash, bid.hash, fill.firstRunOf(), clearing.id);
        uint256 provider = (offer.makerAndPrice & ~uint256(type(uint96).max)) | clearing.price;
        uint256 fields = bid.fields;
        uint256 buyer = (bid.makerAndPrice & ~uint256(type(uint96).max)) | (fill.runsOf() << 64) | fields.work();
        terms |= (fill.firstRunOf() << 72) | (offer.fields.nonce() << 40) | (fields.nonce() << 8);
        return Batches.locked(trade, provider, buyer, terms);
    }

    /// @dev keccak256(abi.encode(offer, bid, firstRun, clearing)) without leaving memory behind.
    function _tradeId(bytes32 offer, bytes32 bid, uint256 firstRun, bytes32 clearing)
        private
        pure
        returns (bytes32 trade)
    {
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, offer)
            mstore(add(m, 32), bid)
            mstore(add(m, 64), firstRun)
            mstore(add(m, 96), clearing)
            trade := keccak256(m, 128)
        }
    }

    /// @inheritdoc IMarket
    function batches() external view returns (uint64) {
        return _state.batches;
    }

    /// @inheritdoc IMarket
    function openBits(bytes32 batchId) external view returns (uint256) {
        return _state.openBits[batchId];
    }
}
