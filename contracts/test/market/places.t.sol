// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {MarketTest} from "../utils/MarketTest.sol";
import {Outcome} from "../utils/Packing.sol";

contract PlacesTest is MarketTest {
    /// @dev The naive model: every order has counters of its own, a bid remembers of each run whether it had its turn, and every
    /// place remembers its youngest order.
    struct Count {
        uint256 consumed;
        uint256 reached;
        uint256 back; // runs of a bid that came back and did not trade again
        uint256 turns; // bits of runs that traded
        bool cancelled;
        uint256 until; // trades of it may still be locked before this, after a cancel ended it
    }

    mapping(uint8 side => mapping(uint256 nonce => Count)) private _counts;
    mapping(uint8 side => mapping(uint256 place => uint256)) private _youngest;
    mapping(uint8 side => mapping(uint256 place => bool)) private _used;

    function test_a_younger_order_in_the_same_place_ends_the_older() external {
        Lock memory first = _openAt(5, 5, 1);
        vm.assertEq(_openAt(5 + 256, 6, 1).records.length, 1, "an offer 256 later");
        _assertRejected(_openAt(5, 6, 1), 3);
        (uint64 consumed,, bool ended) = market.orderState(provider, SELL, 5);
        vm.assertEq(consumed, 0, "its count is gone");
        vm.assertTrue(ended, "it trades no more");
        _closeOne(first, SETTLED, 1, CEILING / 2); // its open trade ends as ever, and gives nothing to the younger
        (consumed,,) = market.orderState(provider, SELL, 5 + 256);
        vm.assertEq(consumed, CEILING, "the younger keeps its own count");
        vm.assertEq(_openAt(6, 5 + 256, 1).records.length, 1, "a bid 256 later");
        _assertRejected(_openAt(6, 5, 1), 3);
    }

    function test_cancelling_a_younger_order_ends_the_older_too() external {
        for (uint32 nonce = 256; nonce <= 768; nonce += 256) {
            vm.prank(provider);
            market.cancel(SELL, nonce < 768 ? nonce : 5 + 512);
        }
        vm.warp(START + MATCH);
        _assertRejected(_openAt(5, 5, 1), 3);
        _assertRejected(_openAt(5 + 256, 5, 1), 3);
        _assertRejected(_openAt(5 + 512, 5, 1), 3);
        vm.assertEq(_openAt(5 + 768, 5, 1).records.length, 1, "an even younger one trades");
    }

    function test_an_order_that_ended_is_not_cancelled_again() external {
        _openAt(5, 5, 1);
        _openAt(5 + 256, 6, 1);
        vm.recordLogs();
        vm.prank(provider);
        market.cancel(SELL, 5);
        vm.assertEq(vm.getRecordedLogs().length, 0, "nothing to say");
        vm.assertEq(_openAt(5 + 256, 7, 1).records.length, 1, "the younger goes on");
    }

    function test_the_last_nonces_trade() external {
        uint32 last = NONCE_MOST;
        _setNewest(provider, last - 256);
        _setNewest(buyer, last - 256);
        Lock memory lock = _openAt(last, last, 2);
        vm.assertEq(_sold(lock.records[0]), 2 * CEILING, "units");
        _closeOne(lock, SETTLED, 1, CEILING);
        vm.assertEq(_bought(lock.records[0]), 1, "runs");
        _assertRejected(_openAt(last - 256, 1, 1), 3);
        _assertRejected(_openAt(last + 1, last - 1, 1), 4);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NonceTooFar.selector, last + 1, last));
        vm.prank(provider);
        market.cancel(SELL, last + 1);
    }

    /// @dev As if the maker's orders had come so far on both sides.
    function _setNewest(address maker, uint32 newest) private {
        bytes32 slot = keccak256(abi.encode(maker, 5)); // State.accounts
        uint256 nonces = (uint256(newest) << 224) | (uint256(newest) << 192);
        vm.store(address(market), slot, bytes32(nonces | FUNDS));
    }

    function testFuzz_places_count_like_a_naive_model(uint256[20] memory actions) external {
        _openFirst(); // so that three generations are within reach
        for (uint256 i; i < actions.length; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(actions[i], i)));
            (uint32 offer, uint32 bid) = (_nonce(seed), _nonce(seed >> 16));
            vm.warp(block.timestamp + (seed >> 72) % 3 * 12); // two pauses and a half are a match window
            if (seed % 5 == 0) {
                _cancel(seed >> 40 & 1 == 0 ? BUY : SELL, offer);
            } else {
                uint32 first = uint32((seed >> 56) % 9);
                uint256 most = 10 - first < 4 ? 10 - first : 4;
                _trade(offer, bid, first, uint32(1 + (seed >> 48) % most), seed >> 64);
            }
            _compare();
        }
    }

    function _openFirst() private {
        for (uint32 nonce = 255; nonce < 512; nonce += 256) {
            vm.prank(provider);
            market.cancel(SELL, nonce);
            vm.prank(buyer);
            market.cancel(BUY, nonce);
        }
    }

    function _trade(uint32 offer, uint32 bid, uint32 first, uint32 runs, uint256 end) private {
        (bool isNew, bool isBack) = _kindOf(bid, first, runs);
        bool fits = _fits(offer, runs * CEILING) && _locks(BUY, bid) && (isNew || isBack);
        Lock memory lock = _openAt(offer, bid, first, runs);
        vm.assertEq(lock.records.length, fits ? 1 : 0, "it trades exactly when the model says");
        if (!fits) return;
        _take(offer, runs * CEILING);
        _takeRuns(bid, first, runs, isBack);
        _compare();
        if (end % 3 == 0) return; // stays open
        uint32 done = uint32(bound(end >> 8, 1, runs));
        if (end % 3 == 1) {
            Outcome[] memory outcomes = _outcome(SETTLED, done, done * (CEILING / 10));
            _acceptBoth(lock, _indices(1), outcomes, Signer(buyer, BUYER_KEY), Signer(provider, PROVIDER_KEY));
            _give(offer, bid, runs * CEILING - done * (CEILING / 10), runs - done);
        } else {
            _close(lock, _indices(1), _outcome(REFUNDED, 0, 0));
            _give(offer, bid, runs * CEILING, runs);
        }
    }

    /// @dev Whether the runs all trade for the first time, or all had their turn and as many came back.
    function _kindOf(uint32 bid, uint32 first, uint32 runs) private view returns (bool isNew, bool isBack) {
        Count storage count = _counts[BUY][bid];
        uint256 bits = ((1 << runs) - 1) << first;
        // Never across the first run that is new: a fill has one kind.
        if (first < count.reached && first + runs > count.reached) return (false, false);
        isNew = count.turns & bits == 0;
        isBack = count.turns & bits == bits && count.back >= runs;
    }

    function _cancel(uint8 side, uint32 nonce) private {
        vm.prank(side == SELL ? provider : buyer);
        market.cancel(side, nonce);
        if (_ended(side, nonce)) return;
        bool trading = _used[side][nonce % 256] && !_counts[side][_youngest[side][nonce % 256]].cancelled;
        for (uint32 other = nonce % 256; other <= nonce; other += 256) {
            if (!_locks(side, other)) continue;
            // What an order that trades now had left behind ends for good.
            _counts[side][other].until = trading && _ended(side, other) ? 0 : block.timestamp + MATCH;
        }
        _occupy(side, nonce);
        _counts[side][nonce].cancelled = true;
    }

    function _take(uint32 nonce, uint256 units) private {
        _occupy(SELL, nonce);
        Count storage count = _counts[SELL][nonce];
        count.consumed += units;
        if (count.consumed > count.reached) count.reached = count.consumed;
    }

    function _takeRuns(uint32 nonce, uint32 first, uint32 runs, bool again) private {
        _occupy(BUY, nonce);
        Count storage count = _counts[BUY][nonce];
        count.consumed += runs;
        count.turns |= ((1 << runs) - 1) << first;
        if (again) count.back -= runs;
        if (first + runs > count.reached) count.reached = first + runs;
    }

    /// @dev To an order that has not ended.
    function _give(uint32 offer, uint32 bid, uint256 units, uint256 runs) private {
        if (!_ended(SELL, offer)) _counts[SELL][offer].consumed -= units;
        if (_ended(BUY, bid)) return;
        _counts[BUY][bid].consumed -= runs;
        _counts[BUY][bid].back += runs;
    }

    /// @dev A younger order ends the older, and so it does among those that were cancelled and still lock.
    function _occupy(uint8 side, uint32 nonce) private {
        if (_ended(side, nonce)) {
            for (uint32 older = nonce % 256; older < nonce; older += 256) {
                _counts[side][older].until = 0;
            }
            return;
        }
        (_used[side][nonce % 256], _youngest[side][nonce % 256]) = (true, nonce);
    }

    function _ended(uint8 side, uint32 nonce) private view returns (bool) {
        bool replaced = _used[side][nonce % 256] && _youngest[side][nonce % 256] > nonce;
        return replaced || _counts[side][nonce].cancelled;
    }

    function _locks(uint8 side, uint32 nonce) private view returns (bool) {
        return !_ended(side, nonce) || _counts[side][nonce].until > block.timestamp;
    }

    function _fits(uint32 nonce, uint256 units) private view returns (bool) {
        return _locks(SELL, nonce) && _counts[SELL][nonce].consumed + units <= 10 * CEILING;
    }

    /// @dev All orders that the fuzz can name, on both sides.
    function _compare() private view {
        for (uint256 k; k < 15; ++k) {
            uint32 nonce = uint32(256 * (k / 5) + k % 5);
            for (uint8 side = BUY; side <= SELL; ++side) {
                (uint64 consumed, uint64 reached, bool ended) =
                    market.orderState(side == SELL ? provider : buyer, side, nonce);
                vm.assertTrue(ended == _ended(side, nonce), "ended");
                if (ended) continue;
                vm.assertEq(consumed, _counts[side][nonce].consumed, "consumed");
                vm.assertEq(reached, _counts[side][nonce].reached, "reached");
            }
        }
    }

    /// @dev Five neighbouring places, which share words on both sides, of three generations.
    function _nonce(uint256 seed) private pure returns (uint32) {
        return uint32(256 * (seed % 3) + (seed >> 8) % 5);
    }

    /// @dev New runs of the bid.
    function _openAt(uint32 offerNonce, uint32 bidNonce, uint32 runs) private returns (Lock memory) {
        IMarketTypes.Bid memory bid = _bid();
        bid.nonce = bidNonce;
        return _openAt(offerNonce, bidNonce, _nextRun(bid), runs);
    }

    function _openAt(uint32 offerNonce, uint32 bidNonce, uint32 firstRun, uint32 runs) private returns (Lock memory) {
        IMarketTypes.Offer memory offer = _offer();
        IMarketTypes.Bid memory bid = _bid();
        (offer.nonce, bid.nonce) = (offerNonce, bidNonce);
        (offer.validUntil, bid.validUntil) = (START + 10 days, START + 10 days);
        (offer.deliverBy, bid.deliverBy) = (START + 10 days, START + 10 days);
        Opening memory o = _opening(offer, bid, runs);
        o.fills[0].firstRun = firstRun;
        return _open(o);
    }
}
