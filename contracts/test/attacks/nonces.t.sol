// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {MarketTest} from "../utils/MarketTest.sol";
import {Fill} from "../utils/Packing.sol";

/// @dev A delegate with a cap of dust, and an operator that locks whatever it signs, try to end their owner's side for ever.
contract NoncesTest is MarketTest {
    uint32 private constant COUNT = 12;
    uint8 private constant NONCE_TOO_FAR = 4;
    uint96 private constant DUST = 1e15;

    /// @dev Bids of one run of one work unit, spread over all nonces that there are, the highest first or last.
    function testFuzz_a_buyers_delegate_does_not_use_up_its_nonces(uint32 seed, bool falling) external {
        _grant(buyer, BUY);
        Opening memory o = _emptyOpening(1, COUNT, COUNT);
        o.offers[0] = _offer();
        o.offerSignatures[0] = _sign(PROVIDER_KEY, _offerHash(o.offers[0]));
        uint32 newest;
        uint256 expected;
        for (uint32 i; i < COUNT; ++i) {
            IMarketTypes.Bid memory bid = _bid();
            (bid.runs, bid.ceiling) = (1, 1);
            bid.nonce = falling ? type(uint32).max - i : _spread(seed, i);
            (o.bids[i], o.bidSignatures[i]) = (bid, _sign(DELEGATE_KEY, _bidHash(bid)));
            o.fills[i] = Fill(0, i, 0, 1);
            if (bid.nonce > newest + 256) continue;
            ++expected;
            if (bid.nonce > newest) newest = bid.nonce;
        }
        vm.assertEq(_open(o).records.length, expected, "those that are not too far ahead");
        (, uint32 found) = market.newestNonces(buyer);
        vm.assertEq(found, newest, "the newest of its trades");
        vm.assertLe(newest, COUNT * 256, "by 256 a trade at most");
        vm.assertLe(market.spentBy(buyer, delegate, BUY), DUST, "each costs some of the cap");
        _revoke(buyer, BUY);
        IMarketTypes.Bid memory own = _bid();
        own.nonce = newest + 1;
        IMarketTypes.Offer memory offer = _offer();
        offer.nonce = 2;
        uint256 before = _locked(buyer);
        vm.assertEq(_open(_opening(offer, own, 1)).records.length, 1, "the owner goes on");
        vm.assertEq(_locked(buyer) - before, PRICE, "with its own order");
    }

    function testFuzz_a_providers_delegate_does_not_use_up_its_nonces(uint32 seed, bool falling) external {
        _grant(provider, SELL);
        Opening memory o = _emptyOpening(COUNT, 1, COUNT);
        o.bids[0] = _bid();
        (o.bids[0].runs, o.bids[0].ceiling) = (COUNT, 1);
        o.bidSignatures[0] = _sign(BUYER_KEY, _bidHash(o.bids[0]));
        uint32 newest;
        uint32 expected;
        for (uint32 i; i < COUNT; ++i) {
            IMarketTypes.Offer memory offer = _offer();
            offer.units = 1;
            offer.nonce = falling ? type(uint32).max - i : _spread(seed, i);
            (o.offers[i], o.offerSignatures[i]) = (offer, _sign(DELEGATE_KEY, _offerHash(offer)));
            o.fills[i] = Fill(i, 0, i, 1);
            if (offer.nonce > newest + 256) continue;
            ++expected;
            if (offer.nonce > newest) newest = offer.nonce;
        }
        vm.assertEq(_open(o).records.length, expected, "those that are not too far ahead");
        (uint32 found,) = market.newestNonces(provider);
        vm.assertEq(found, newest, "the newest of its trades");
        vm.assertLe(market.spentBy(provider, delegate, SELL), DUST, "each costs some of the cap");
        _revoke(provider, SELL);
        IMarketTypes.Offer memory own = _offer();
        own.nonce = newest + 1;
        IMarketTypes.Bid memory bid = _bid();
        bid.nonce = 2;
        uint256 before = _locked(provider);
        vm.assertEq(_open(_opening(own, bid, 1)).records.length, 1, "the owner goes on");
        vm.assertEq(_locked(provider) - before, 0.2 ether, "with its own order");
    }

    /// @dev An order that is refused moves no nonce: only a trade with money behind it does, or the owner's own word.
    function testFuzz_what_does_not_trade_moves_no_nonce(uint32 nonce, uint8 why) external {
        nonce = uint32(bound(nonce, 1, 256));
        IMarketTypes.Bid memory bid = _bid();
        bid.nonce = nonce;
        if (why % 4 == 0) bid.price = PRICE - 1;
        if (why % 4 == 1) bid.maxFeeBps = 0;
        if (why % 4 == 2) bid.validUntil = START - 1;
        Opening memory o = _opening(_offer(), bid, 1);
        if (why % 4 == 3) o.bidSignatures[0] = _sign(DELEGATE_KEY, _bidHash(bid));
        vm.assertEq(_open(o).records.length, 0, "refused");
        (, uint32 newest) = market.newestNonces(buyer);
        vm.assertEq(newest, 0, "as before");
        bid = _bid();
        bid.nonce = 257;
        _assertRejected(_open(_opening(_offer(), bid, 1)), NONCE_TOO_FAR);
    }

    /// @dev Near and far ahead of each other, each in a place of its own.
    function _spread(uint32 seed, uint32 i) private pure returns (uint32) {
        return 256 * uint32(uint256(keccak256(abi.encode(seed, i))) % (i + 3)) + i;
    }

    function _grant(address owner, uint8 side) private {
        vm.prank(owner);
        registry.setDelegate(delegate, side, DUST, side == BUY ? 0.9 ether : 0.8 ether, START + 1 days);
    }

    /// @dev The owner notices.
    function _revoke(address owner, uint8 side) private {
        vm.prank(owner);
        registry.setDelegate(delegate, side, 0, 0, 0);
    }
}
