// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {MarketTest} from "../utils/MarketTest.sol";
import {Fill, Outcome} from "../utils/Packing.sol";

/// @dev A set of verifiers takes more than its cap, or strangers use the cap up to keep others from their money.
contract CrowdingTest is MarketTest {
    uint8 private constant CAP_REACHED = 14;
    uint256 private constant BOND = 0.2 ether;
    /// @dev Payment and bond of one run.
    uint256 private constant EACH = PRICE + BOND;

    /// @dev Payments or bonds, all at once: what a set takes is what its trades locked.
    function testFuzz_a_set_takes_no_more_than_its_cap(uint96 cap, uint8 count, bool slashes) external {
        count = uint8(bound(count, 1, 10));
        _capPayouts(uint96(bound(cap, 0, 12 * EACH)));
        uint256 fit = payoutCap / EACH < count ? payoutCap / EACH : count;
        Lock memory lock = _openTrades(count);
        vm.assertEq(lock.records.length, fit, "as many trades as the cap has room for");
        vm.assertEq(lock.codes.length, count - fit, "the others are refused");
        if (fit < count) vm.assertEq(lock.codes[0], CAP_REACHED, "because of the cap");
        if (fit == 0) return;
        vm.assertEq(market.exposureOf(verifierSet), fit * EACH, "payments and bonds");
        Outcome[] memory ends = new Outcome[](fit);
        for (uint256 i; i < fit; ++i) {
            ends[i] = slashes ? Outcome(SLASHED, 0, CEILING) : Outcome(SETTLED, 1, CEILING);
        }
        _close(lock, _indices(fit), ends);
        uint256 paid = slashes ? 0 : fit * PRICE;
        _assertAccount(buyer, FUNDS - paid, 0, "payments that were locked");
        uint256 kept = slashes ? FUNDS - fit * BOND : FUNDS + paid - paid / 100;
        _assertAccount(provider, kept, 0, "bonds that were locked");
        vm.assertLe(slashes ? fit * BOND : paid, payoutCap, "and never more than the cap");
        vm.assertEq(market.exposureOf(verifierSet), 0, "what ended makes room");
    }

    /// @dev Dust is settled first in as many windows as the attacker likes; a payment as large as all the room there is comes on
    /// the second.
    function testFuzz_dust_delays_no_payment(uint8 count, uint64 ceiling, uint40 late) external {
        count = uint8(bound(count, 1, 5));
        ceiling = uint64(bound(ceiling, 1, 1_000));
        _capPayouts(uint96(4 * EACH + 1 ether));
        Lock memory honest = _openOne(4);
        Lock[] memory dust = new Lock[](count);
        for (uint32 i; i < count; ++i) {
            dust[i] = _openWash(i, 1, ceiling);
            _decide(dust[i], _indices(1), _outcome(SETTLED, 1, ceiling));
        }
        _decide(honest, _indices(1), _outcome(SETTLED, 4, 4 * CEILING));
        vm.warp(START + WINDOW + bound(late, 0, 10 * WINDOW));
        for (uint256 i; i < count; ++i) {
            _settle(dust[i], _indices(1), _outcome(SETTLED, 1, ceiling));
        }
        _settle(honest, _indices(1), _outcome(SETTLED, 4, 4 * CEILING));
        _assertAccount(buyer, FUNDS - 4 * PRICE, 0, "paid");
        _assertAccount(provider, FUNDS + 4 * PRICE - 4 * PRICE / 100, 0, "less the fee");
    }

    /// @dev Who trades with itself takes room from new trades, for as long as as much of its own money is locked; no longer.
    function testFuzz_wash_trades_delay_nobody_and_crowd_out_new_trades_only_while_they_last(uint8 runs, uint8 how)
        external
    {
        runs = uint8(bound(runs, 1, 9));
        _capPayouts(uint96((1 + uint256(runs)) * EACH));
        Lock memory honest = _openOne(1);
        Lock memory wash = _openWash(1, runs, CEILING);
        vm.assertEq(_locked(buyer2) + _locked(provider2), runs * EACH, "as much as the room that it takes");
        _assertRejected(_openFrom(1, 1), CAP_REACHED);
        _decide(honest, _indices(1), _settled(1));
        uint256 fee;
        if (how % 3 == 0) {
            _accept(wash, _indices(1), _outcome(SETTLED, runs, runs * CEILING), buyer2, BUYER2_KEY);
            fee = uint256(runs) * PRICE / 100;
        } else if (how % 3 == 1) {
            _giveUp(wash, _indices(1), provider2, PROVIDER2_KEY);
            vm.warp(START + WINDOW);
            _refund(wash, _indices(1));
        } else {
            vm.warp(START + 2 hours + GRACE);
            _refund(wash, _indices(1));
        }
        vm.assertEq(_available(buyer2) + _available(provider2), 2 * uint256(FUNDS) - fee, "its money is free again");
        if (block.timestamp < START + 1 hours) vm.assertEq(_openFrom(1, 1).records.length, 1, "and so is the room");
        if (block.timestamp < START + WINDOW) vm.warp(START + WINDOW);
        _settle(honest, _indices(1), _settled(1));
        vm.assertEq(_available(provider), FUNDS - _locked(provider) + PRICE - PRICE / 100, "what was locked is paid");
    }

    /// @dev A dispute holds the room of its trade until it ends, and no longer: by then at the latest new trades fit again.
    function testFuzz_disputes_keep_a_cap_full_no_longer_than_arbiters_may_rule(uint40 pause, bool ruled) external {
        _capPayouts(uint96(EACH));
        _fund(stranger, FUNDS);
        Lock memory lock = _openOne(1);
        _decide(lock, _indices(1), _settled(1));
        vm.warp(START + bound(pause, 0, WINDOW - 1));
        _dispute(stranger, lock, _indices(1), _settled(1), 0);
        _assertRejected(_openFrom(1, 1), CAP_REACHED);
        if (ruled) {
            _rule(lock, 0, Outcome(SETTLED, 1, CEILING));
        } else {
            vm.warp(START + 3 * WINDOW);
            _timeOut(lock, 0);
        }
        vm.assertEq(market.exposureOf(verifierSet), 0, "no exposure");
        vm.assertEq(_openFrom(1, 1).records.length, 1, "a new trade fits");
        _assertAccount(stranger, FUNDS - (ruled ? DISPUTE_BOND : 0), 0, "a ruling makes the stranger pay for it");
    }

    // ------------------------------------------------------------------------------------------------ pieces

    function _openTrades(uint32 count) private returns (Lock memory) {
        Opening memory o = _opening(_offer(), _bid(), 1);
        o.fills = new Fill[](count);
        for (uint32 i; i < count; ++i) {
            o.fills[i] = Fill(0, 0, i, 1);
        }
        return _open(o);
    }

    /// @dev The second buyer and the second provider are one person.
    function _openWash(uint32 nonce, uint32 runs, uint64 ceiling) private returns (Lock memory) {
        IMarketTypes.Offer memory offer = _offer();
        IMarketTypes.Bid memory bid = _bid();
        (offer.maker, bid.maker, bid.ceiling) = (provider2, buyer2, ceiling);
        (offer.nonce, bid.nonce) = (nonce, nonce);
        Opening memory o = _opening(offer, bid, runs);
        o.offerSignatures[0] = _sign(PROVIDER2_KEY, _offerHash(offer));
        o.bidSignatures[0] = _sign(BUYER2_KEY, _bidHash(bid));
        return _open(o);
    }
}
