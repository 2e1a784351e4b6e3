// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {DisputeTest} from "../utils/DisputeTest.sol";
import {Outcome, Packing} from "../utils/Packing.sol";

/// @dev Somebody with honest or hostile signatures tries to make the market forget a trade, or decide it twice.
contract OverwritingTest is DisputeTest {
    uint256 private constant EARNED = 4 * uint256(PRICE) - 4 * uint256(PRICE) / 100;

    /// @dev A first verdict gives one trade an outcome that it can not have; a second one names both, and is sent again once the
    /// first was settled.
    function testFuzz_a_verdict_sent_again_forgets_no_trade(uint8 which, uint8 kind, uint32 runs, uint40 pause)
        external
    {
        which = which % 2;
        Outcome[] memory bad = _outcome(uint8(bound(kind, 3, 255)), runs, 1);
        _decide(_lock(), _only(which), bad);
        uint256 time = START + bound(pause, 0, 1 hours);
        vm.warp(time);
        Outcome[] memory both = _decideBoth(_all());
        bytes32 id = _idOf(lock.id, _verdictOf(lock.records, both));
        vm.assertEq(market.decided(id) & 3, 2 - which, "the other trade waits");
        vm.warp(time + WINDOW);
        _settle(_lock(), _only(which), bad); // it refunds
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NothingOpen.selector, lock.id));
        this.decideBoth(both);
        vm.assertEq(market.decided(id) & 3, 2 - which, "it waits still");
        _settle(_lock(), _indices(2), both);
        _assertAccount(buyer, FUNDS - 4 * PRICE, 0, "one is refunded, one is paid");
        _assertAccount(provider, FUNDS + EARNED, 0, "once");
    }

    /// @dev Honest signatures alone: a dispute that nobody rules on ends, and the verdict is sent again.
    function testFuzz_a_dispute_that_times_out_opens_nothing(uint8 which, bool settledFirst, uint40 late) external {
        which = which % 2;
        Outcome[] memory both = _decideBoth(_all());
        _dispute(provider, _lock(), _indices(2), both, which);
        vm.warp(START + WINDOW);
        if (settledFirst) _settle(_lock(), _indices(2), both);
        vm.warp(START + bound(late, 3 * WINDOW, 100 days));
        _timeOut(_lock(), which);
        vm.assertEq(market.openBits(lock.id), 0, "nothing is open again");
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NothingOpen.selector, lock.id));
        this.decideBoth(both);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NothingOpen.selector, lock.id));
        this.refundBoth();
        if (!settledFirst) _settle(_lock(), _indices(2), both);
        _assertAccount(buyer, FUNDS - 8 * PRICE, 0, "both are paid");
        _assertAccount(provider, FUNDS + 2 * EARNED, 0, "once each");
    }

    /// @dev Verifiers sign two verdicts about one trade: what was decided first ends it, and is what a dispute is about.
    function testFuzz_of_two_verdicts_about_a_trade_the_first_alone_counts(uint64 first, uint64 second, bool disputed)
        external
    {
        first = uint64(bound(first, 4 * (CEILING / 10), 4 * CEILING));
        second = uint64(bound(second, 4 * (CEILING / 10), 4 * CEILING));
        bytes32 root = receiptsRoot;
        Outcome[] memory before = _decideBoth(Outcome(SETTLED, 4, first));
        receiptsRoot = keccak256("another root");
        Outcome[] memory other = new Outcome[](2);
        (other[0], other[1]) = (Outcome(SETTLED, 4, second), Outcome(SLASHED, 0, CEILING));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NothingOpen.selector, lock.id));
        this.decideBoth(other);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.TradeNotOpen.selector, lock.records[0].trade));
        this.disputeAs(buyer, other, 0);
        receiptsRoot = root;
        if (disputed) _dispute(buyer, _lock(), _indices(2), before, 0);
        vm.warp(START + 3 * WINDOW);
        if (disputed) _timeOut(_lock(), 0);
        _settle(_lock(), _indices(2), before);
        receiptsRoot = keccak256("another root");
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NothingOpen.selector, lock.id));
        this.settle(other);
        uint256 paid = uint256(PRICE) * first / CEILING;
        _assertAccount(buyer, FUNDS - 2 * paid, 0, "by the first");
        _assertAccount(provider, FUNDS + 2 * (paid - paid / 100), 0, "by the first");
    }

    /// @dev Three verdicts about two trades, sent, disputed, settled, timed out and refunded in any order at any time: in the end
    /// no money is locked, and none appeared.
    function testFuzz_no_order_of_calls_locks_a_trade_for_ever(uint256 seed) external {
        uint256 all = market.custody();
        uint256 time = START;
        for (uint256 i; i < 16; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            time += (seed >> 16) % WINDOW;
            vm.warp(time);
            try this.act(seed % 6, (seed >> 8) % 3, (seed >> 12) % 2) {} catch {}
        }
        vm.warp(START + 100 days);
        for (uint256 i; i < 3; ++i) {
            try this.act(1, i, 0) {} catch {}
        }
        for (uint256 i; i < 2; ++i) {
            try this.act(3, 0, i) {} catch {}
            try this.act(4, 0, i) {} catch {}
        }
        vm.assertEq(_locked(buyer) + _locked(provider) + _locked(stranger), 0, "every trade came to an end");
        vm.assertEq(market.exposureOf(verifierSet), 0, "and makes room");
        uint256 sum = _total(buyer) + _total(provider) + _total(stranger) + _total(provider2) + _total(buyer2);
        vm.assertEq(sum + _total(treasury) + _total(pool) + _total(rerun), all, "nothing appears or disappears");
    }

    /// @dev One step of the above, about one of the verdicts or one of the trades.
    function act(uint256 what, uint256 verdict, uint256 trade) external {
        uint256[] memory named = verdict == 2 ? _indices(2) : _only(verdict);
        Outcome[] memory outcomes = new Outcome[](named.length);
        for (uint256 i; i < named.length; ++i) {
            outcomes[i] = verdict == 0 ? Outcome(SETTLED, 4, 1) : _all(); // the first can not be
        }
        if (what == 0) _decide(_lock(), named, outcomes);
        if (what == 1) _settle(_lock(), named, outcomes);
        if (what == 2) _dispute(stranger, _lock(), named, outcomes, trade);
        if (what == 3) _timeOut(_lock(), trade);
        if (what == 4) _refund(_lock(), _only(trade));
        if (what == 5) _giveUp(_lock(), _only(trade), provider, PROVIDER_KEY);
    }

    function decideBoth(Outcome[] memory outcomes) external {
        _decide(_lock(), _indices(2), outcomes);
    }

    function refundBoth() external {
        _refund(_lock(), _indices(2));
    }
}
