// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketTypes} from "../../../src/interfaces/IMarketTypes.sol";
import {ANY_RUN, FALSE_RECEIPT, NO_RECEIPT} from "../../utils/MarketTest.sol";
import {Fill, Outcome, Packing, Record} from "../../utils/Packing.sol";
import {People} from "./People.sol";

/// @dev Does what people do on a market, with amounts brought into range, and moves time. It names before every call who may lose
/// how much by it, and looks afterwards whether anybody lost more.
contract MarketHandler is People {
    struct Decision {
        uint256 batch;
        uint256[] indices;
        Outcome[] outcomes;
        bytes32 receiptsRoot;
        bytes32 id;
    }

    struct Asked {
        uint256 batch;
        uint256 index;
        uint32 run;
    }

    uint256 public decisions;
    uint256 public disputes;
    uint256 public givenUp;
    mapping(bytes32 trade => uint256) public givenUpAt; // when its provider first said so
    bool public placesAreRight = true;
    uint32 private _nonce;
    Decision[] private _decisions;
    Asked[] private _asked;

    // ------------------------------------------------------------------------------------------------ openings

    /// @dev Orders of fresh nonces, of the nonce before, or of the same place a generation later.
    function open(uint96 price, uint8 runs, uint8 fills, uint8 step, bool crossed) external watched {
        if (step % 3 == 0 || _nonce == 0) ++_nonce;
        if (step % 16 == 1) _nonce += 256;
        IMarketTypes.Offer memory offer = _offer();
        IMarketTypes.Bid memory bid = _bid();
        (offer.validUntil, bid.validUntil) = (type(uint40).max, type(uint40).max);
        (offer.deliverBy, bid.deliverBy) = (_now + 2 hours, _now + 3 hours);
        if (crossed) (offer.maker, bid.maker) = (provider2, buyer2);
        (offer.nonce, bid.nonce) = (_reachable(offer.maker, SELL), _reachable(bid.maker, BUY));
        Opening memory o = _opening(offer, bid, 1);
        if (crossed) {
            o.offerSignatures[0] = _sign(PROVIDER2_KEY, _offerHash(offer));
            o.bidSignatures[0] = _sign(BUYER2_KEY, _bidHash(bid));
        }
        o.clearings[0].price = uint96(bound(price, offer.price, bid.price));
        o.clearings[0].number = uint64(batches.length); // no two trades have one name
        o.fills = new Fill[](bound(fills, 1, 5));
        uint32 count = uint32(bound(runs, 1, 3));
        for (uint32 i; i < o.fills.length; ++i) {
            o.fills[i] = Fill(0, 0, (i + step / 16) * count % 10, count);
        }
        _send(o);
        _checkPlace(offer.maker, SELL, offer.nonce, offer.units);
        _checkPlace(bid.maker, BUY, bid.nonce, bid.runs);
    }

    function cancel(uint256 who, bool sells) external watched {
        if (_nonce == 0) return;
        address maker = _people[who % 4];
        uint8 side = sells ? SELL : BUY;
        uint32 nonce = _reachable(maker, side);
        vm.prank(maker);
        market.cancel(side, nonce);
    }

    // ------------------------------------------------------------------------------------------------ verdicts

    function decide(uint256 which, uint256 mask, uint256 kinds, uint64 units) external watched {
        if (batches.length == 0) return;
        uint256 batch = which % batches.length;
        Lock memory lock = batches[batch];
        uint256[] memory indices = _some(lock.records.length, mask);
        if (!_anyIs(lock, indices, Stage.Open)) return;
        Decision storage d = _decisions.push();
        (d.batch, d.indices) = (batch, indices);
        for (uint256 i; i < indices.length; ++i) {
            d.outcomes.push(_outcomeOf(lock.records[indices[i]], kinds >> (3 * i), units));
        }
        // The verdict's one receipt is of its first trade.
        Record memory first = lock.records[indices[0]];
        bytes memory words = _receipt(first.trade, first.firstRun);
        receiptsRoot = _receiptLeaf(words, first.trade, first.firstRun, ACCEPTED, first.ceiling);
        d.receiptsRoot = receiptsRoot;
        d.id = _decide(lock, indices, d.outcomes);
        ++decisions;
    }

    function settle(uint256 which, uint256 pause) external watched {
        if (_decisions.length == 0) return;
        Decision memory d = _decisions[which % _decisions.length];
        uint256 word = market.decided(d.id);
        if (uint200(word) == 0) return;
        if (pause % 2 == 0) _passTo(uint40(word >> 200));
        if (_now < uint40(word >> 200)) return;
        Lock memory lock = batches[d.batch];
        for (uint256 i; i < d.indices.length; ++i) {
            if ((word >> d.indices[i]) & 1 == 1) _allow(lock.records[d.indices[i]], d.outcomes[i]);
        }
        receiptsRoot = d.receiptsRoot;
        _settle(lock, d.indices, d.outcomes);
    }

    /// @dev The buyer alone pays the lock; both agree on anything that the trade can have, by the provider's agent too.
    function accept(uint256 which, uint256 mask, uint8 signers, uint64 units) external watched {
        if (batches.length == 0) return;
        Lock memory lock = batches[which % batches.length];
        uint256[] memory indices = _some(lock.records.length, mask);
        if (!_anyIs(lock, indices, Stage.Open)) return;
        Outcome[] memory outcomes = new Outcome[](indices.length);
        for (uint256 i; i < indices.length; ++i) {
            Record memory r = lock.records[indices[i]];
            outcomes[i] =
                signers % 3 == 0 ? Outcome(SETTLED, r.runs, r.runs * r.ceiling) : _outcomeOf(r, SETTLED, units);
            if (trades[r.trade].stage == Stage.Open) _allow(r, outcomes[i]);
        }
        Record memory one = lock.records[0];
        Signer memory sells = Signer(one.provider, signers % 3 == 1 ? _keyOf(one.provider) : AGENT_KEY);
        if (signers % 3 == 0) sells.account = address(0);
        _acceptBoth(lock, indices, outcomes, Signer(one.buyer, _keyOf(one.buyer)), sells);
    }

    function giveUp(uint256 which, uint256 mask) external watched {
        if (batches.length == 0) return;
        uint256 batch = which % batches.length;
        Lock memory lock = batches[batch];
        uint256[] memory indices = _some(lock.records.length, mask);
        bool anyNew;
        for (uint256 i; i < indices.length; ++i) {
            bytes32 trade = lock.records[indices[i]].trade;
            if (trades[trade].stage != Stage.Open || givenUpAt[trade] != 0) continue;
            anyNew = true;
            givenUpAt[trade] = _now;
        }
        if (!anyNew) return;
        _giveUp(lock, indices, lock.records[0].provider, _keyOf(lock.records[0].provider));
        ++givenUp;
    }

    // ------------------------------------------------------------------------------------------------ time

    function refund(uint256 which, uint256 pause) external watched {
        if (batches.length == 0) return;
        Lock memory lock = batches[which % batches.length];
        if (!_anyIs(lock, _indices(lock.records.length), Stage.Open)) return;
        uint256 from;
        for (uint256 i; i < lock.records.length; ++i) {
            if (trades[lock.records[i].trade].stage != Stage.Open) continue;
            uint256 due = _refundableFrom(lock.records[i]);
            if (due > from) from = due;
        }
        if (pause % 2 == 0) _passTo(from);
        if (_now >= from) _refund(lock, _indices(lock.records.length));
    }

    function passTime(uint40 time) external {
        _passTo(_now + bound(time, 1, 20 minutes));
    }

    // ------------------------------------------------------------------------------------------------ disputes

    /// @dev Asks for a receipt, or for a ruling; of a trade that is disputed already too.
    function dispute(uint256 which, uint256 place, uint256 who) external watched {
        if (_decisions.length == 0) return;
        Decision memory d = _decisions[which % _decisions.length];
        Lock memory lock = batches[d.batch];
        uint256 i = place % d.indices.length;
        Record memory r = lock.records[d.indices[i]];
        address challenger = _people[who % 5];
        if (_available(challenger) < DISPUTE_BOND) return;
        bool asks = place % 2 == 0 && d.outcomes[i].kind == SETTLED && _isPossible(r, d.outcomes[i]);
        (uint8 claim, uint32 run) = asks ? (NO_RECEIPT, r.firstRun) : (FALSE_RECEIPT, ANY_RUN);
        receiptsRoot = d.receiptsRoot;
        uint256 word = market.decided(d.id);
        if ((word >> d.indices[i]) & 1 == 1 && _now < uint40(word >> 200)) {
            _claim(challenger, lock, d.indices, d.outcomes, r.index, claim, run);
        } else {
            // Joined in time, or refused: too late, taken, or disputed under another verdict.
            try this.join(challenger, lock, d, r.index, claim, run) {}
            catch {
                return;
            }
        }
        if (asks) _asked.push(Asked(d.batch, r.index, run));
        ++disputes;
    }

    function join(address challenger, Lock memory lock, Decision memory d, uint256 index, uint8 claim, uint32 run)
        external
    {
        _claim(challenger, lock, d.indices, d.outcomes, index, claim, run);
    }

    function reveal(uint256 which, uint256 who) external watched {
        if (_decisions.length == 0) return;
        Decision memory d = _decisions[which % _decisions.length];
        Lock memory lock = batches[d.batch];
        Record memory r = lock.records[d.indices[0]];
        (,,, uint40 revealBy,,) = market.disputeOf(lock.id, r.index);
        address challenger = market.claimOf(lock.id, r.index, r.firstRun);
        if (uint160(challenger) < 2 || _now >= revealBy) return; // nobody, or it was shown
        IMarketTypes.Shown memory shown;
        (shown.receiptsRoot, shown.run, shown.verdictOfRun) = (d.receiptsRoot, r.firstRun, ACCEPTED);
        (shown.unitsOfRun, shown.words) = (r.ceiling, _receipt(r.trade, r.firstRun));
        shown.signature = _sign(AGENT_KEY, _receiptDigest(shown.words));
        _mayLose[challenger] += DISPUTE_BOND / 10;
        vm.prank(_people[who % 5]);
        // Another verdict may be the disputed one: then this receipt is not under its root.
        try market.reveal(lock.id, Packing.record(r), r.firstRun, shown) {} catch {}
    }

    function rule(uint256 which, uint256 place, uint256 kind, uint64 units) external watched {
        (Lock memory lock, uint256 index, bool found) = _aDispute(which, place);
        if (!found) return;
        (address challenger, address second,,, uint40 ruleBy,) = market.disputeOf(lock.id, index);
        if (challenger == address(0) || _now >= ruleBy) return;
        Outcome memory end = _outcomeOf(lock.records[index], kind % 3, units);
        _allow(lock.records[index], end);
        _mayLose[lock.records[index].buyer] += DISPUTE_BOND;
        _mayLose[lock.records[index].provider] += DISPUTE_BOND;
        _mayLose[challenger] += DISPUTE_BOND;
        _mayLose[second] += DISPUTE_BOND;
        _rule(lock, index, end);
    }

    /// @dev Nobody loses by it more than what was decided costs it.
    function timeOut(uint256 which, uint256 place, uint256 pause) external watched {
        (Lock memory lock, uint256 index, bool found) = _aDispute(which, place);
        if (!found) return;
        (,,,, uint40 ruleBy,) = market.disputeOf(lock.id, index);
        if (pause % 2 == 0) _passTo(ruleBy);
        if (_now < ruleBy) return;
        Record memory r = lock.records[index];
        _mayLose[r.provider] += r.bond;
        _mayLose[r.buyer] += Packing.payment(r);
        _timeOut(lock, index);
    }

    function reclaim(uint256 which) external watched {
        if (_asked.length == 0) return;
        Asked memory asked = _asked[which % _asked.length];
        Lock memory lock = batches[asked.batch];
        if (uint160(market.claimOf(lock.id, asked.index, asked.run)) < 2) return; // nobody, or it was shown
        if (trades[lock.records[asked.index].trade].stage != Stage.Ended) return;
        market.reclaim(lock.head, _proveOne(lock, asked.index), asked.run);
    }

    // ------------------------------------------------------------------------------------------------ claims

    function sums() external view returns (uint256 available, uint256 locked, uint256 exiting) {
        for (uint256 i; i < PEOPLE; ++i) {
            available += _available(_people[i]);
            locked += _locked(_people[i]);
            (uint128 amount,) = market.exitOf(_people[i]);
            exiting += amount;
        }
    }

    function custody() external view returns (uint256, uint256) {
        return (market.custody(), token.balanceOf(address(market)));
    }

    /// @notice Whether the market's storage is what its events say: accounts, exits, trades, sessions.
    function booksAreRight() external view returns (bool) {
        for (uint256 i; i < PEOPLE; ++i) {
            address who = _people[i];
            (uint128 exiting,) = market.exitOf(who);
            if (_available(who) != books[who].available || _locked(who) != books[who].locked) return false;
            (uint128 fresh,) = market.freshOf(who);
            if (exiting != books[who].exiting || fresh != _freshIn(books[who])) return false;
        }
        for (uint256 i; i < batches.length; ++i) {
            uint256 bits = market.openBits(batches[i].id);
            for (uint256 k; k < batches[i].records.length; ++k) {
                Stage stage = trades[batches[i].records[k].trade].stage;
                if ((bits >> k) & 1 == 1 != (stage == Stage.Open)) return false;
                bytes32 trade = batches[i].records[k].trade;
                if (market.refundableFrom(batches[i].id, k) != refundsFrom[trade]) return false;
                (,,,, uint40 ruleBy,) = market.disputeOf(batches[i].id, k);
                if ((ruleBy != 0) != (stage == Stage.Disputed)) return false;
            }
        }
        for (uint256 i; i < _sessions.length; ++i) {
            bytes32 id = _sessionId(_sessions[i]);
            (uint96 paid, bool isOpen) = market.sessionState(id);
            if (paid != paidOf[id] || isOpen != isOpenSession[id]) return false;
        }
        return market.custody() == bookedCustody && market.exposureOf(verifierSet) == openLocks;
    }

    // ------------------------------------------------------------------------------------------------ pieces

    /// @dev By the verifiers' silence, or a window after the provider gave it up.
    function _refundableFrom(Record memory r) private view returns (uint256 from) {
        from = r.deliverBy + GRACE;
        uint256 given = givenUpAt[r.trade];
        if (given != 0 && given + WINDOW < from) from = given + WINDOW;
    }

    /// @dev Who loses by an outcome, and how much at most.
    function _allow(Record memory r, Outcome memory end) private {
        uint256 paid = uint256(r.price) * end.units / 3_600_000;
        if (end.kind == SETTLED && paid <= Packing.payment(r)) _mayLose[r.buyer] += paid;
        if (end.kind == SLASHED) _mayLose[r.provider] += r.bond;
    }

    function _aDispute(uint256 which, uint256 place)
        private
        view
        returns (Lock memory lock, uint256 index, bool found)
    {
        for (uint256 i; i < batches.length; ++i) {
            lock = batches[(which % batches.length + i) % batches.length];
            for (uint256 k; k < lock.records.length; ++k) {
                index = (place % lock.records.length + k) % lock.records.length;
                if (trades[lock.records[index].trade].stage == Stage.Disputed) return (lock, index, true);
            }
        }
    }

    function _anyIs(Lock memory lock, uint256[] memory indices, Stage stage) private view returns (bool) {
        for (uint256 i; i < indices.length; ++i) {
            if (trades[lock.records[indices[i]].trade].stage == stage) return true;
        }
        return false;
    }

    /// @dev The indices whose bits are set in the mask, or all.
    function _some(uint256 count, uint256 mask) private pure returns (uint256[] memory indices) {
        mask &= (1 << count) - 1;
        if (mask == 0) return _indices(count);
        indices = new uint256[](count);
        uint256 next;
        for (uint256 i; i < count; ++i) {
            if ((mask >> i) & 1 == 1) indices[next++] = i;
        }
        assembly ("memory-safe") {
            mstore(indices, next)
        }
    }

    /// @dev Of kinds 0 to 2 an outcome that the trade can have, else one that it can not.
    function _outcomeOf(Record memory r, uint256 kind, uint64 units) private pure returns (Outcome memory) {
        kind = kind % 8;
        if (kind == 7) return Outcome(SETTLED, r.runs, units | (1 << 62));
        if (kind % 3 == REFUNDED) return Outcome(REFUNDED, 0, 0);
        if (kind % 3 == SLASHED) return Outcome(SLASHED, 0, units);
        uint32 runs = uint32(bound(units, 1, r.runs));
        return Outcome(SETTLED, runs, uint64(bound(units, runs * (r.ceiling / 10), runs * r.ceiling)));
    }

    function _isPossible(Record memory r, Outcome memory end) private pure returns (bool) {
        return end.kind != SETTLED || end.units <= uint256(r.runs) * r.ceiling;
    }

    /// @dev The nonce of now, or the highest that this maker may use.
    function _reachable(address maker, uint8 side) private view returns (uint32) {
        (uint32 offer, uint32 bid) = market.newestNonces(maker);
        uint32 most = (side == SELL ? offer : bid) + 256;
        return _nonce < most ? _nonce : most;
    }

    /// @dev consumed <= reached <= quantity of the order that was traded last.
    function _checkPlace(address maker, uint8 side, uint32 nonce, uint256 quantity) private {
        (uint64 consumed, uint64 reached, bool over) = market.orderState(maker, side, nonce);
        if (!over && (consumed > reached || reached > quantity)) placesAreRight = false;
    }
}
