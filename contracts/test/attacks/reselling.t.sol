// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {MarketTest} from "../utils/MarketTest.sol";
import {Fill, Outcome, Record} from "../utils/Packing.sol";

/// @dev An operator and a provider sell one run of a buyer several times; verifiers find each receipt true.
contract ResellingTest is MarketTest {
    uint8 private constant NOT_ENOUGH = 7;

    /// @dev In other clearings, and so under other trade ids, at any time, in batches of their own.
    function testFuzz_a_run_that_is_sold_again_and_again_is_paid_once(
        uint32 first,
        uint32 runs,
        uint40[4] memory pauses
    ) external {
        first = uint32(bound(first, 0, 9));
        runs = uint32(bound(runs, 1, 10 - first));
        Lock memory lock = _openAt(1, first, runs);
        vm.assertEq(lock.records.length, 1, "the first time");
        _decide(lock, _indices(1), _outcome(SETTLED, runs, runs * CEILING));
        uint256 time = START;
        bool settled;
        for (uint64 i; i < 4; ++i) {
            time += bound(pauses[i], 0, WINDOW);
            vm.warp(time);
            if (!settled && time >= START + WINDOW) {
                _settle(lock, _indices(1), _outcome(SETTLED, runs, runs * CEILING));
                settled = true;
            }
            _assertRejected(_openAt(2 + i, first, runs), NOT_ENOUGH);
        }
        vm.warp(START + 4 * WINDOW);
        if (!settled) _settle(lock, _indices(1), _outcome(SETTLED, runs, runs * CEILING));
        _assertAccount(buyer, FUNDS - runs * PRICE, 0, "once");
        uint256 paid = uint256(runs) * PRICE;
        _assertAccount(provider, FUNDS + paid - paid / 100, 0, "once");
    }

    /// @dev In one batch, by fills that overlap in any way: no run is in two of its trades, and no two trades have one id.
    function testFuzz_no_two_trades_of_a_batch_share_a_run(uint32[8] memory firsts, uint32[8] memory counts) external {
        Opening memory o = _opening(_offer(), _bid(), 1);
        o.fills = new Fill[](8);
        for (uint256 i; i < 8; ++i) {
            uint32 first = uint32(bound(firsts[i], 0, 9));
            o.fills[i] = Fill(0, 0, first, uint32(bound(counts[i], 1, 10 - first)));
        }
        Lock memory lock = _open(o);
        uint256 sold;
        uint256 total;
        for (uint256 i; i < lock.records.length; ++i) {
            Record memory r = lock.records[i];
            uint256 bits = ((uint256(1) << r.runs) - 1) << r.firstRun;
            vm.assertEq(sold & bits, 0, "each run once");
            sold |= bits;
            total += r.runs;
            for (uint256 k; k < i; ++k) {
                vm.assertTrue(lock.records[k].trade != r.trade, "each trade has its own id");
            }
        }
        for (uint256 i; i < lock.codes.length; ++i) {
            vm.assertEq(lock.codes[i], NOT_ENOUGH, "the others are refused");
        }
        _close(lock, _indices(lock.records.length), _paidInFull(lock.records));
        _assertAccount(buyer, FUNDS - total * PRICE, 0, "each run is paid once");
        vm.assertLe(total, 10, "and there are ten");
    }

    /// @dev Runs that came back trade again, no more of them than came back: whatever comes of it, the buyer pays for no more
    /// runs than it asked for.
    function testFuzz_what_comes_back_is_sold_again_once(uint32 runs, uint32 done, uint32 again) external {
        runs = uint32(bound(runs, 2, 10));
        done = uint32(bound(done, 1, runs - 1));
        again = uint32(bound(again, 1, runs));
        Lock memory lock = _openAt(1, 0, runs);
        _closeOne(lock, SETTLED, done, done * CEILING);
        Lock memory second = _openAt(2, 0, again);
        if (again > runs - done) return _assertRejected(second, NOT_ENOUGH);
        _assertRejected(_openAt(3, 0, runs - done - again + 1), NOT_ENOUGH);
        _closeOne(second, SETTLED, again, again * CEILING);
        _assertAccount(buyer, FUNDS - (done + again) * PRICE, 0, "what was delivered");
        vm.assertLe(done + again, runs, "is no more than was locked at first");
    }

    function _openAt(uint64 clearing, uint32 first, uint32 runs) private returns (Lock memory) {
        IMarketTypes.Offer memory offer = _offer();
        offer.units = 100 * CEILING;
        Opening memory o = _opening(offer, _bid(), runs);
        o.clearings[0].number = clearing;
        o.fills[0].firstRun = first;
        return _open(o);
    }

    function _paidInFull(Record[] memory records) private pure returns (Outcome[] memory outcomes) {
        outcomes = new Outcome[](records.length);
        for (uint256 i; i < records.length; ++i) {
            outcomes[i] = Outcome(SETTLED, records[i].runs, records[i].runs * CEILING);
        }
    }
}
