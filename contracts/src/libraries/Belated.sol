// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Accounts} from "./Accounts.sol";
import {Amounts} from "./Amounts.sol";
import {Batches} from "./Batches.sol";
import {Counts} from "./Counts.sol";
import {Exits} from "./Exits.sol";
import {BID_SIZE, CLEARING_SIZE, CheckedClearing, CheckedOrder, Fills, OFFER_SIZE} from "./Fills.sol";
import {Orders} from "./Orders.sol";
import {Places} from "./Places.sol";
import {RejectCodes} from "./RejectCodes.sol";
import {Spending} from "./Spending.sol";
import {State, Word} from "./State.sol";

/// @dev An order as in CheckedOrder.
struct DraftOffer {
    bytes32 hash;
    uint256 makerAndPrice;
    uint256 fields;
    uint256 code;
    bytes32 grant;
    uint256 spendCap;
    uint256[4] pointers; // into the market's memory and storage
    uint256 bondPrice;
}

struct DraftBid {
    bytes32 hash;
    uint256 makerAndPrice;
    uint256 fields;
    uint256 code;
    bytes32 grant;
    uint256 spendCap;
}

/// @dev A fill of which everything was checked but quantities and money. Each part lies as it does in the market's memory.
struct Draft {
    DraftOffer offer;
    DraftBid bid;
    bytes32 clearing; // its id
    bytes32 product;
    uint256 price;
    uint256 fill; // as in Fills
    uint256 terms; // due and index, where a record has them
    uint256 exposure; // to the verifier set so far
    uint256 cap; // what it may not pass
}

/// @dev Words of a Draft.
uint256 constant DRAFT_WORDS = 24;

/// @title Fills whose makers drew back between match and lock
/// @notice Orders are matched off chain, and no contract sees a match. So that nobody can look at a match and then take it back for
/// nothing, a cancelled order locks for one match window more what was left of it (Counts), and so does money that was asked
/// out (Exits). The market tries a fill without this first.
/// @dev Code of its own, called by the market; it runs on the market's state.
library Belated {
    using Accounts for State;
    using Fills for uint256;
    using Places for State;
    using Spending for State;

    /// @notice Whether a fill that was refused with this code may lock here.
    function mayHelp(uint256 code) internal pure returns (bool) {
        return code == RejectCodes.CANCELLED || code == RejectCodes.INSUFFICIENT_FUNDS
            || code == RejectCodes.INSUFFICIENT_BOND;
    }

    /// @notice What lock() takes, for code that has the orders in memory: the parts of a Draft, as they lie there.
    function draftOf(
        CheckedOrder memory offer,
        CheckedOrder memory bid,
        uint256 fill,
        uint256 terms,
        uint256 exposure,
        uint256 cap
    ) internal pure returns (uint256[DRAFT_WORDS] memory draft) {
        CheckedClearing memory clearing = offer.clearing;
        (uint256 sold, uint256 bought, uint256 cleared) = (OFFER_SIZE, BID_SIZE, CLEARING_SIZE);
        assembly ("memory-safe") {
            let next := draft
            mcopy(next, offer, sold)
            next := add(next, sold)
            mcopy(next, bid, bought)
            next := add(next, bought)
            mcopy(next, clearing, cleared)
            next := add(next, cleared)
            mstore(next, fill)
            mstore(add(next, 32), terms)
            mstore(add(next, 64), exposure)
            mstore(add(next, 96), cap)
        }
    }

    /// @notice Lock the fill and return the leaf of its trade, or write nothing and return the code of the first rule that forbids it;
    /// and the exposure after it. `words` are a Draft. The nonces are not too far.
    function lock(State storage self, uint256[DRAFT_WORDS] calldata words)
        external
        returns (uint256 code, bytes32 leaf, uint256 exposure)
    {
        Draft calldata d;
        assembly ("memory-safe") {
            d := words
        }
        exposure = d.exposure;
        uint64 units = uint64(_unitsOf(d)); // of more the offer has not enough
        uint256 payment = Amounts.lockPaymentUp(uint96(d.price), units);
        uint256 bond = Amounts.paymentDown(uint96(d.offer.bondPrice), units);
        code = _take(self, d, payment, bond);
        if (code == RejectCodes.NONE) (leaf, exposure) = (_report(d, bond), exposure + payment + bond);
    }

    /// @dev Quantities, money, caps; writes if nothing forbids it.
    function _take(State storage self, Draft calldata d, uint256 payment, uint256 bond) private returns (uint256 code) {
        uint256 nextSold;
        Word storage sold;
        (code, nextSold, sold) = _takeUnits(self, d);
        if (code != RejectCodes.NONE) return code;
        uint256 nextBought;
        uint256 flips;
        Word storage bought;
        (code, nextBought, flips, bought) = _takeRuns(self, d);
        if (code != RejectCodes.NONE) return code;
        code = _pay(self, d, payment, bond);
        if (code != RejectCodes.NONE) return code;
        (sold.value, bought.value) = (nextSold, nextBought);
        if (flips != 0) Counts.flipBits(self, d.bid.makerAndPrice.maker(), d.bid.fields.nonce(), flips);
    }

    function _pay(State storage self, Draft calldata d, uint256 payment, uint256 bond) private returns (uint256 code) {
        (address buyer, address provider) = (d.bid.makerAndPrice.maker(), d.offer.makerAndPrice.maker());
        code = Exits.codeOf(self, buyer, payment, provider, bond);
        if (code != RejectCodes.NONE) return code;
        if (d.exposure + payment + bond > d.cap) return RejectCodes.CAP_REACHED;
        (bytes32 sells, bytes32 buys) = (d.offer.grant, d.bid.grant);
        if (!self.maySpend(sells, bond, d.offer.spendCap) || !self.maySpend(buys, payment, d.bid.spendCap)) {
            return RejectCodes.DELEGATE_NOT_ALLOWED;
        }
        self.spend(sells, bond);
        self.spend(buys, payment);
        Exits.giveBack(self, buyer, payment, provider, bond);
        _lock(self.accountOf(buyer), Accounts.BIDS, d.bid.fields.nonce(), payment);
        _lock(self.accountOf(provider), Accounts.OFFERS, d.offer.fields.nonce(), bond);
    }

    function _lock(Word storage account, uint256 side, uint256 nonce, uint256 amount) private {
        account.value = Accounts.locking(Accounts.raising(account.value, side, nonce), amount);
    }

    function _report(Draft calldata d, uint256 bond) private returns (bytes32) {
        uint256 price = type(uint96).max;
        uint256 provider = (d.offer.makerAndPrice & ~price) | d.price;
        uint256 buyer = (d.bid.makerAndPrice & ~price) | (d.fill.runsOf() << 64) | d.bid.fields.work();
        uint256 terms = d.terms | (bond << 144) | (d.fill.firstRunOf() << 72);
        terms |= (d.offer.fields.nonce() << 40) | (d.bid.fields.nonce() << 8);
        bytes32 trade = keccak256(abi.encode(d.offer.hash, d.bid.hash, d.fill.firstRunOf(), d.clearing));
        return Batches.locked(trade, provider, buyer, terms);
    }

    /// @dev 32 * 64 bits.
    function _unitsOf(Draft calldata d) private pure returns (uint256) {
        return d.fill.runsOf() * d.bid.fields.work();
    }

    /// @dev In the place, or in its shadow.
    function _takeUnits(State storage self, Draft calldata d)
        private
        view
        returns (uint256 code, uint256 next, Word storage word)
    {
        (address maker, uint256 fields, uint256 units) = (d.offer.makerAndPrice.maker(), d.offer.fields, _unitsOf(d));
        uint256 shift;
        (word, shift) = self.ofOffer(maker, fields.nonce());
        (code, next) = Places.takeUnits(word.value, shift, fields.nonce(), units, fields.work(), fields.validUntil());
        if (code != RejectCodes.CANCELLED) return (code, next, word);
        word = Counts.shadowOf(self, maker, Orders.SELL, fields.nonce());
        if (!Counts.covers(word.value, fields.nonce())) return (code, 0, word);
        (code, next) = Places.takeUnits(word.value, 0, fields.nonce(), units, fields.work(), fields.validUntil());
    }

    /// @dev In the place, or in its shadow.
    function _takeRuns(State storage self, Draft calldata d)
        private
        view
        returns (uint256 code, uint256 next, uint256 flips, Word storage word)
    {
        (address maker, uint256 nonce) = (d.bid.makerAndPrice.maker(), d.bid.fields.nonce());
        uint256 shift;
        (word, shift) = self.ofBid(maker, nonce);
        (code, next, flips) = _takeRunsAt(self, maker, d, word.value, shift);
        if (code != RejectCodes.CANCELLED) return (code, next, flips, word);
        word = Counts.shadowOf(self, maker, Orders.BUY, nonce);
        if (!Counts.covers(word.value, nonce)) return (code, 0, 0, word);
        (code, next, flips) = _takeRunsAt(self, maker, d, word.value, 0);
    }

    function _takeRunsAt(State storage self, address maker, Draft calldata d, uint256 word, uint256 shift)
        private
        view
        returns (uint256 wrong, uint256 next, uint256 flips)
    {
        (wrong, next, flips) = Places.takeNewRuns(d.bid.fields, d.fill, word, shift);
        if (wrong != 0) return Counts.takeOld(self, maker, d.bid.fields, d.fill, word, shift);
    }
}
