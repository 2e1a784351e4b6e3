// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {MarketTest} from "../utils/MarketTest.sol";
import {Outcome} from "../utils/Packing.sol";

contract PlacesTest is MarketTest {
    /// @dev The naive model: every order has counters of its own, and every place remembers its youngest order.
    struct Count {
        uint256 consumed;
        uint256 peak;
        bool cancelled;
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
        vm.prank(provider);
        market.cancel(SELL, 5 + 512);
        _assertRejected(_openAt(5, 5, 1), 3);
        _assertRejected(_openAt(5 + 256, 5, 1), 3);
        _assertRejected(_openAt(5 + 512, 5, 1), 3);
        vm.assertEq(_openAt(5 + 768, 5, 1).records.length, 1, "an even younger one trades");
    }

    function test_an_order_that_ended_is_not_cancelled_again() external {
        _openAt(5 + 256, 5, 1);
        vm.recordLogs();
        vm.prank(provider);
        market.cancel(SELL, 5);
        vm.assertEq(vm.getRecordedLogs().length, 0, "nothing to say");
        vm.assertEq(_openAt(5 + 256, 5, 1).records.length, 1, "the younger goes on");
    }

    function test_the_last_nonces_trade() external {
        uint32 last = type(uint32).max;
        Lock memory lock = _openAt(last, last, 2);
        vm.assertEq(_sold(lock.records[0]), 2 * CEILING, "units");
        _closeOne(lock, SETTLED, 1, CEILING);
        vm.assertEq(_bought(lock.records[0]), 1, "runs");
        _assertRejected(_openAt(last - 256, 1, 1), 3);
    }

    function testFuzz_places_count_like_a_naive_model(uint256[12] memory actions) external {
        for (uint256 i; i < actions.length; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(actions[i], i)));
            (uint32 offer, uint32 bid) = (_nonce(seed), _nonce(seed >> 16));
            if (seed % 5 == 0) {
                _cancel(seed >> 40 & 1 == 0 ? BUY : SELL, offer);
            } else {
                _trade(offer, bid, uint32(1 + (seed >> 48) % 4), seed >> 64);
            }
            _compare();
        }
    }

    function _trade(uint32 offer, uint32 bid, uint32 runs, uint256 end) private {
        bool fits = _fits(SELL, offer, runs * CEILING, 10 * CEILING) && _fits(BUY, bid, runs, 10);
        Lock memory lock = _openAt(offer, bid, runs);
        vm.assertEq(lock.records.length, fits ? 1 : 0, "it trades exactly when the model says");
        if (!fits) return;
        _take(SELL, offer, runs * CEILING);
        _take(BUY, bid, runs);
        _compare();
        if (end % 3 == 0) return; // stays open
        uint32 done = uint32(bound(end >> 8, 1, runs));
        Outcome[] memory outcomes = _outcome(SETTLED, done, done * (CEILING / 10));
        if (end % 3 == 1) {
            _acceptBoth(lock, _indices(1), outcomes, Signer(buyer, BUYER_KEY), Signer(provider, PROVIDER_KEY));
            _counts[SELL][offer].consumed -= runs * CEILING - done * (CEILING / 10);
            _counts[BUY][bid].consumed -= runs - done;
        } else {
            _close(lock, _indices(1), _outcome(REFUNDED, 0, 0));
            _counts[SELL][offer].consumed -= runs * CEILING;
            _counts[BUY][bid].consumed -= runs;
        }
    }

    function _cancel(uint8 side, uint32 nonce) private {
        vm.prank(side == SELL ? provider : buyer);
        market.cancel(side, nonce);
        if (_ended(side, nonce)) return;
        _occupy(side, nonce);
        _counts[side][nonce].cancelled = true;
    }

    function _take(uint8 side, uint32 nonce, uint256 quantity) private {
        _occupy(side, nonce);
        Count storage count = _counts[side][nonce];
        count.consumed += quantity;
        if (count.consumed > count.peak) count.peak = count.consumed;
    }

    function _occupy(uint8 side, uint32 nonce) private {
        (_used[side][nonce % 256], _youngest[side][nonce % 256]) = (true, nonce);
    }

    function _ended(uint8 side, uint32 nonce) private view returns (bool) {
        bool replaced = _used[side][nonce % 256] && _youngest[side][nonce % 256] > nonce;
        return replaced || _counts[side][nonce].cancelled;
    }

    function _fits(uint8 side, uint32 nonce, uint256 quantity, uint256 most) private view returns (bool) {
        return !_ended(side, nonce) && _counts[side][nonce].consumed + quantity <= most;
    }

    /// @dev All orders that the fuzz can name, on both sides.
    function _compare() private view {
        for (uint256 k; k < 15; ++k) {
            uint32 nonce = uint32(256 * (k / 5) + k % 5);
            for (uint8 side = BUY; side <= SELL; ++side) {
                (uint64 consumed, uint64 peak, bool ended) =
                    market.orderState(side == SELL ? provider : buyer, side, nonce);
                vm.assertTrue(ended == _ended(side, nonce), "ended");
                if (ended) continue;
                vm.assertEq(consumed, _counts[side][nonce].consumed, "consumed");
                vm.assertEq(peak, _counts[side][nonce].peak, "peak");
            }
        }
    }

    /// @dev Five neighbouring places, which share words on both sides, of three generations.
    function _nonce(uint256 seed) private pure returns (uint32) {
        return uint32(256 * (seed % 3) + (seed >> 8) % 5);
    }

    function _openAt(uint32 offerNonce, uint32 bidNonce, uint32 runs) private returns (Lock memory) {
        IMarketTypes.Offer memory offer = _offer();
        IMarketTypes.Bid memory bid = _bid();
        (offer.nonce, bid.nonce) = (offerNonce, bidNonce);
        return _open(_opening(offer, bid, runs));
    }
}
