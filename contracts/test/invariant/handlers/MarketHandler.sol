// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../src/interfaces/IMarket.sol";
import {MarketTest} from "../../utils/MarketTest.sol";

/// @dev Does what people do on a market, with amounts brought into range, and moves time. Keeps ghost sums: what came in, what
/// left, and all locks that are open.
contract MarketHandler is MarketTest {
    address[] public people;
    uint256 public deposited;
    uint256 public withdrawn;
    uint256 public closed;
    uint256 public opened;
    uint40 private _now = START;
    uint64 private _nonce;
    Lock[] private _open_;
    bytes32[] private _offers;
    bytes32[] private _bids;
    mapping(bytes32 order => uint256) public quantityOf;

    constructor() {
        setUp();
        people = [provider, provider2, buyer, buyer2, treasury, pool, rerun];
        deposited = market.custody();
    }

    function deposit(uint256 who, uint128 amount) external {
        amount = uint128(bound(amount, 1, 100 ether));
        _fund(people[who % 4], amount);
        deposited += amount;
    }

    function requestWithdrawal(uint256 who, uint128 amount) external {
        address account = people[who % people.length];
        uint256 available = _available(account);
        if (available == 0) return;
        vm.prank(account);
        market.requestWithdrawal(uint128(bound(amount, 1, available)));
    }

    function withdraw(uint256 who, uint256 pause) external {
        address account = people[who % people.length];
        (uint128 amount, uint64 readyAt) = market.exitOf(account);
        if (amount == 0) return;
        if (pause % 2 == 0 && _now < readyAt) _pass(uint40(readyAt) - _now);
        if (_now < readyAt) return;
        market.withdraw(account);
        withdrawn += amount;
    }

    /// @dev Offers and bids of fresh nonces, or of the one before, so that orders fill up and are refused too.
    function open(uint96 price, uint8 runs, uint8 fills, bool fresh, bool crossed) external {
        if (fresh || _nonce == 0) ++_nonce;
        IMarket.Offer memory offer = _offer();
        IMarket.Bid memory bid = _bid();
        (offer.nonce, bid.nonce) = (_nonce, _nonce);
        (offer.validUntil, bid.validUntil) = (type(uint40).max, type(uint40).max);
        (offer.deliverBy, bid.deliverBy) = (_now + 2 hours, _now + 3 hours);
        (offer.maker, bid.maker) = crossed ? (provider2, buyer2) : (provider, buyer);
        Opening memory o = _opening(offer, bid, 1);
        if (crossed) {
            o.offerSignatures[0] = _sign(PROVIDER2_KEY, _offerHash(offer));
            o.bidSignatures[0] = _sign(BUYER2_KEY, _bidHash(bid));
        }
        o.clearings[0].price = uint96(bound(price, offer.price, bid.price));
        o.fills = new IMarket.Fill[](bound(fills, 1, 5));
        uint32 count = uint32(bound(runs, 1, 5));
        for (uint32 i; i < o.fills.length; ++i) {
            o.fills[i] = IMarket.Fill(0, 0, 0, i, count);
        }
        _remember(_open(o), offer, bid);
    }

    function close(uint256 which, uint256 kind, uint256 part, uint64 units) external {
        if (_open_.length == 0) return;
        Lock memory lock = _open_[which % _open_.length];
        uint256 count = bound(part, 1, lock.records.length);
        IMarket.Outcome[] memory outcomes = new IMarket.Outcome[](count);
        for (uint256 i; i < count; ++i) {
            outcomes[i] = _outcomeOf(lock.records[i], (kind >> (2 * i)) % 3, units);
        }
        if (market.openBits(lock.id) & ((1 << count) - 1) == 0) return;
        _close(lock, _indices(count), outcomes);
        ++closed;
    }

    function refund(uint256 which, uint256 pause) external {
        if (_open_.length == 0) return;
        Lock memory lock = _open_[which % _open_.length];
        uint256 from = lock.records[0].deliverBy + GRACE;
        if (pause % 2 == 0 && _now < from) _pass(uint40(from - _now));
        if (_now < from || market.openBits(lock.id) == 0) return;
        for (uint256 i; i < lock.records.length; ++i) {
            (uint32 runs,) = market.attestationOf(lock.id, uint32(i));
            if (runs != 0 && market.openBits(lock.id) & (1 << i) != 0) return;
        }
        _refund(lock, _indices(lock.records.length));
        ++closed;
    }

    function attest(uint256 which, uint256 pause) external {
        if (_open_.length == 0) return;
        Lock memory lock = _open_[which % _open_.length];
        uint256 index = which % lock.records.length;
        IMarket.Record memory r = lock.records[index];
        (uint32 runs, uint64 units) = market.attestationOf(lock.id, uint32(index));
        if (market.openBits(lock.id) & (1 << index) == 0) return;
        if (runs == 0) {
            if (_now < r.deliverBy + GRACE) _attest(lock, index, 1, r.ceiling);
            return;
        }
        uint256 from = r.deliverBy + 2 * GRACE;
        if (pause % 2 == 0 && _now < from) _pass(uint40(from - _now));
        if (_now < from) return;
        vm.assertEq(units, r.ceiling, "what was attested");
        _pay(lock, index);
        ++closed;
    }

    function cancel(uint256 who, uint256 which) external {
        if (_offers.length == 0) return;
        vm.prank(people[who % 4]);
        market.cancel(which % 2 == 0 ? _offers[which % _offers.length] : _bids[which % _bids.length]);
    }

    function passTime(uint40 time) external {
        _pass(uint40(bound(time, 1, 1 hours)));
    }

    // ------------------------------------------------------------------------------------------------ what is remembered

    /// @notice Payment and bond of every trade whose bit is set.
    function openLocks() external view returns (uint256 sum) {
        for (uint256 i; i < _open_.length; ++i) {
            uint256 bits = market.openBits(_open_[i].id);
            for (uint256 k; k < _open_[i].records.length; ++k) {
                if ((bits >> k) & 1 == 1) sum += _open_[i].records[k].payment + _open_[i].records[k].bond;
            }
        }
    }

    function sums() external view returns (uint256 available, uint256 locked, uint256 exiting) {
        for (uint256 i; i < people.length; ++i) {
            available += _available(people[i]);
            locked += _locked(people[i]);
            (uint128 amount,) = market.exitOf(people[i]);
            exiting += amount;
        }
    }

    function custody() external view returns (uint256, uint256) {
        return (market.custody(), token.balanceOf(address(market)));
    }

    /// @notice Whether no order has more than it asks for in open and settled trades, and none more than its peak.
    function ordersAreWithinBounds() external view returns (bool) {
        for (uint256 i; i < _offers.length; ++i) {
            for (uint256 k; k < 4; ++k) {
                if (!_within(people[k], _offers[i]) || !_within(people[k], _bids[i])) return false;
            }
        }
        return true;
    }

    function _within(address maker, bytes32 order) private view returns (bool) {
        (uint64 consumed, uint64 peak,) = market.orderState(maker, order);
        return consumed <= peak && peak <= quantityOf[order];
    }

    function _remember(Lock memory lock, IMarket.Offer memory offer, IMarket.Bid memory bid) private {
        _offers.push(_offerHash(offer));
        _bids.push(_bidHash(bid));
        quantityOf[_offerHash(offer)] = offer.units;
        quantityOf[_bidHash(bid)] = bid.runs;
        if (lock.records.length == 0) return;
        ++opened;
        Lock storage stored = _open_.push();
        stored.id = lock.id;
        stored.head = lock.head;
        for (uint256 i; i < lock.records.length; ++i) {
            stored.records.push(lock.records[i]);
        }
    }

    function _outcomeOf(IMarket.Record memory r, uint256 kind, uint64 units)
        private
        pure
        returns (IMarket.Outcome memory)
    {
        if (kind == REFUNDED) return IMarket.Outcome(REFUNDED, 0, 0);
        if (kind == SLASHED) return IMarket.Outcome(SLASHED, 0, units);
        uint32 runs = uint32(bound(units, 1, r.runs));
        return IMarket.Outcome(SETTLED, runs, uint64(bound(units, runs * (r.ceiling / 10), runs * r.ceiling)));
    }

    function _pass(uint40 time) private {
        _now += time;
        vm.warp(_now);
    }
}
