// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {DisputeTest} from "../utils/DisputeTest.sol";
import {Outcome, Packing} from "../utils/Packing.sol";

/// @dev A buyer who got its results tries to name their price.
contract UnderpayingTest is DisputeTest {
    function testFuzz_a_buyer_ahead_of_the_verdict_pays_no_less_than_verifiers_say(
        uint32 runs,
        uint64 units,
        uint32 done,
        uint64 work
    ) external {
        Outcome[] memory cheap = _two(_possible(runs, units));
        vm.assume(cheap[0].units != 4 * CEILING);
        Outcome memory honest = _possible(done, work);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidOutcome.selector, lock.records[0].trade));
        this.acceptAlone(cheap);
        Outcome[] memory outcomes = _decideBoth(honest);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NothingOpen.selector, lock.id));
        this.acceptAlone(_two(_all())); // decided: not even to pay all
        vm.warp(START + WINDOW);
        _settle(_lock(), _indices(2), outcomes);
        uint256 paid = uint256(PRICE) * honest.units / CEILING;
        _assertAccount(buyer, FUNDS - 2 * paid, 0, "what verifiers say");
        _assertAccount(provider, FUNDS + 2 * (paid - paid / 100), 0, "less the fee");
    }

    /// @dev One word of the provider is not another: it agreed to these outcomes, and to none that the buyer puts in their place.
    function testFuzz_what_the_provider_agreed_to_is_no_leave_to_pay_less(uint64 agreed, uint64 units, uint8 trade)
        external
    {
        Outcome[] memory signed = _two(_possible(4, agreed));
        Outcome[] memory sent = _two(_possible(4, agreed));
        sent[trade % 2] = _possible(4, units);
        vm.assume(sent[trade % 2].units != signed[trade % 2].units);
        bytes memory word = _sign(PROVIDER_KEY, _acceptance(lock.id, Packing.outcomes(lock.records, signed)));
        bytes memory packed = Packing.outcomes(lock.records, sent);
        bytes memory own = _sign(BUYER_KEY, _acceptance(lock.id, packed));
        IMarketTypes.Proven memory proven = _prove(_lock(), _indices(2));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, provider));
        market.accept(lock.head, buyer, own, provider, word, packed, proven);
        _assertAccount(buyer, FUNDS - 8 * PRICE, 8 * PRICE, "everything is locked");
    }

    /// @dev A single open trade among others is no cover for a cheap one: every record of the call is checked, open or not.
    function testFuzz_a_cheap_trade_does_not_hide_behind_one_that_is_paid(uint8 which, uint64 units) external {
        which = which % 2;
        Outcome[] memory outcomes = _two(_all());
        outcomes[which] = _possible(4, units);
        vm.assume(outcomes[which].units != 4 * CEILING);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidOutcome.selector, lock.records[which].trade));
        this.acceptAlone(outcomes);
        _accept(_lock(), _only(1 - which), _outcome(SETTLED, 4, 4 * CEILING), buyer, BUYER_KEY);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidOutcome.selector, lock.records[which].trade));
        this.acceptAlone(outcomes);
        _assertAccount(buyer, FUNDS - 8 * PRICE, 4 * PRICE, "the other trade waits for its verdict");
        _assertAccount(provider, FUNDS - 0.8 ether + 4 * PRICE - 4 * PRICE / 100, 0.8 ether, "one is paid in full");
    }

    /// @dev No time makes the buyer's word worth more: not before, not after deliver by, nor when the provider gave up.
    function testFuzz_no_time_lets_the_buyer_alone_pay_less(uint40 time, bool givenUp, uint64 units) external {
        Outcome[] memory cheap = _two(_possible(4, units));
        vm.assume(cheap[0].units != 4 * CEILING);
        if (givenUp) _giveUp(_lock(), _indices(2), provider, PROVIDER_KEY);
        vm.warp(bound(time, START, START + 60 days));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidOutcome.selector, lock.records[0].trade));
        this.acceptAlone(cheap);
        _assertAccount(provider, FUNDS - 1.6 ether, 1.6 ether, "both bonds wait");
    }

    function acceptAlone(Outcome[] memory outcomes) external {
        _accept(_lock(), _indices(2), outcomes, buyer, BUYER_KEY);
    }

    /// @dev An outcome that pays something.
    function _possible(uint32 runs, uint64 units) private pure returns (Outcome memory) {
        runs = uint32(bound(runs, 1, 4));
        return Outcome(SETTLED, runs, uint64(bound(units, runs * (CEILING / 10), runs * CEILING)));
    }

    function _two(Outcome memory end) private pure returns (Outcome[] memory outcomes) {
        outcomes = new Outcome[](2);
        (outcomes[0], outcomes[1]) = (end, end);
    }
}
