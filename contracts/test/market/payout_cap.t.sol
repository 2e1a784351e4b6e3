// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {MarketTest} from "../utils/MarketTest.sol";
import {Fill, Outcome} from "../utils/Packing.sol";

/// @dev The cap of a set bounds what is locked in its trades. A trade that ends by verdict was locked for a dispute window, so
/// that is the most that its verdicts move in any window, and nobody's payment ever waits for room.
contract PayoutCapTest is MarketTest {
    uint8 private constant CAP_REACHED = 14;
    /// @dev Payment and bond of one run.
    uint256 private constant EACH = PRICE + 0.2 ether;

    function test_a_fill_above_the_cap_is_refused_and_what_fits_behind_it_is_locked() external {
        _capPayouts(uint96(3 * EACH));
        Opening memory o = _opening(_offer(), _bid(), 1);
        o.fills = new Fill[](3);
        (o.fills[0], o.fills[1], o.fills[2]) = (Fill(0, 0, 0, 2), Fill(0, 0, 2, 2), Fill(0, 0, 4, 1));
        Lock memory lock = _open(o);
        vm.assertEq(lock.records.length, 2, "two of three runs more than fit");
        vm.assertEq(lock.records[1].runs, 1, "the smaller one does");
        vm.assertEq(market.exposureOf(verifierSet), 3 * EACH, "payments and bonds");
        _assertAccount(buyer, FUNDS - 3 * PRICE, 3 * PRICE, "nothing of the refused one is locked");
    }

    function test_a_refused_fill_says_so() external {
        _capPayouts(uint96(EACH - 1));
        _assertRejected(_open(_opening(_offer(), _bid(), 1)), CAP_REACHED);
    }

    function test_a_set_that_may_move_nothing_opens_nothing() external {
        _capPayouts(0);
        _assertRejected(_open(_opening(_offer(), _bid(), 1)), CAP_REACHED);
    }

    function test_all_batches_of_a_set_count_and_each_set_by_itself() external {
        _capPayouts(uint96(2 * EACH));
        _openOne(1);
        _openOneMore(2, 1);
        bytes32 full = verifierSet;
        _assertRejected(_openAgain(3, 1), CAP_REACHED);
        _capPayouts(uint96(2 * EACH + 1));
        vm.assertEq(_openAgain(4, 1).records.length, 1, "another set");
        vm.assertEq(market.exposureOf(full), 2 * EACH, "the first");
        vm.assertEq(market.exposureOf(verifierSet), EACH, "the second");
    }

    function testFuzz_whatever_ends_a_trade_makes_room(uint8 how) external {
        _capPayouts(uint96(EACH));
        Lock memory lock = _openOne(1);
        how = how % 4;
        if (how == 0) _close(lock, _indices(1), _settled(1));
        if (how == 1) _close(lock, _indices(1), _outcome(SLASHED, 0, CEILING));
        if (how == 2) _accept(lock, _indices(1), _settled(1), buyer, BUYER_KEY);
        if (how == 3) {
            vm.warp(START + 2 hours + GRACE);
            _refund(lock, _indices(1));
        }
        vm.assertEq(market.exposureOf(verifierSet), 0, "no exposure");
    }

    /// @dev A set that is hostile as a whole, with accomplices on both sides, opens, decides and settles as fast as it can.
    function testFuzz_no_window_moves_more_than_the_cap(uint96 cap, uint8[12] memory runs, uint40[12] memory pauses)
        external
    {
        cap = uint96(bound(cap, 0, 12 * EACH));
        _capPayouts(cap);
        uint40[12] memory closedAt;
        uint256[12] memory moved;
        uint40 time = START;
        Lock memory waits;
        Outcome[] memory end;
        uint40 due;
        for (uint32 i; i < 12; ++i) {
            time += uint40(bound(pauses[i], 0, WINDOW));
            vm.warp(time);
            if (due != 0 && time >= due) {
                uint256 before = _total(buyer) + _total(provider);
                _settle(waits, _indices(1), end);
                // Paid to the provider it stays in this sum: count the payment, or the bond.
                moved[i] =
                    end[0].kind == SETTLED ? PRICE * end[0].runsDelivered : before - _total(buyer) - _total(provider);
                (closedAt[i], due) = (time, 0);
            }
            if (due != 0) continue;
            uint32 many = uint32(bound(runs[i], 1, 9));
            waits = _openAgain(i + 1, many);
            if (waits.records.length == 0) continue;
            end = i % 2 == 0 ? _outcome(SETTLED, many, many * CEILING) : _outcome(SLASHED, 0, CEILING);
            _decide(waits, _indices(1), end);
            due = time + WINDOW;
        }
        for (uint256 i; i < 12; ++i) {
            uint256 sum;
            for (uint256 k; k < 12; ++k) {
                if (closedAt[k] >= closedAt[i] && closedAt[k] < closedAt[i] + WINDOW) sum += moved[k];
            }
            vm.assertLe(sum, cap, "payments and bonds that moved in a window");
        }
    }

    /// @dev Strangers that trade with themselves take room from new trades alone, with as much money locked; whatever is locked
    /// settles when its window is over.
    function test_wash_trades_and_dust_do_not_delay_a_payment() external {
        _capPayouts(uint96(6 * EACH));
        Lock memory honest = _openOne(1);
        Lock memory wash = _openWash(4, CEILING);
        Lock memory dust = _openWash(1, 5);
        _decide(honest, _indices(1), _settled(1));
        _decide(wash, _indices(1), _outcome(SETTLED, 4, 4 * CEILING));
        _decide(dust, _indices(1), _outcome(SETTLED, 1, 5));
        vm.warp(START + WINDOW);
        _settle(dust, _indices(1), _outcome(SETTLED, 1, 5));
        _settle(wash, _indices(1), _outcome(SETTLED, 4, 4 * CEILING));
        _settle(honest, _indices(1), _settled(1));
        _assertAccount(buyer, FUNDS - PRICE, 0, "paid in the first second");
    }

    // ------------------------------------------------------------------------------------------------ pieces

    function _total(address account) private view returns (uint256) {
        return _available(account) + _locked(account);
    }

    function _openOneMore(uint32 nonce, uint32 runs) private {
        vm.assertEq(_openAgain(nonce, runs).records.length, 1, "locked");
    }

    function _openAgain(uint32 nonce, uint32 runs) private returns (Lock memory) {
        IMarketTypes.Offer memory offer = _offer();
        IMarketTypes.Bid memory bid = _bid();
        (offer.nonce, bid.nonce) = (nonce, nonce);
        (offer.validUntil, bid.validUntil) = (type(uint40).max, type(uint40).max);
        (offer.deliverBy, bid.deliverBy) = (uint40(block.timestamp) + 2 hours, uint40(block.timestamp) + 2 hours);
        return _open(_opening(offer, bid, runs));
    }

    function _openWash(uint32 runs, uint64 ceiling) private returns (Lock memory) {
        IMarketTypes.Offer memory offer = _offer();
        IMarketTypes.Bid memory bid = _bid();
        (offer.maker, bid.maker, bid.ceiling) = (provider2, buyer2, ceiling);
        (offer.nonce, bid.nonce) = (runs, runs);
        Opening memory o = _opening(offer, bid, runs);
        o.offerSignatures[0] = _sign(PROVIDER2_KEY, _offerHash(offer));
        o.bidSignatures[0] = _sign(BUYER2_KEY, _bidHash(bid));
        return _open(o);
    }
}
