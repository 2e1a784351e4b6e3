// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {SessionTest} from "../utils/SessionTest.sol";
import {Outcome} from "../utils/Packing.sol";

/// @dev What calls cost as deployed, without the 21,000 and the calldata of their transaction. Each number is kept in
/// snapshots/market.json; another one fails until somebody writes it down (CONTRIBUTING.md). Real transactions: make gas.
contract GasTest is SessionTest {
    uint32 private constant MANY = 100;

    function test_the_life_of_one_trade() external {
        Lock memory lock = _openOne(1);
        _note("open 1");
        _lifeOf(lock, "1");
    }

    function test_a_trade_whose_makers_drew_back() external {
        vm.prank(buyer);
        market.requestWithdrawal(FUNDS);
        vm.prank(provider);
        market.cancel(SELL, 1);
        _openOne(1);
        _note("open 1, belated");
    }

    function test_the_life_of_a_hundred_trades() external {
        Lock memory lock = _openMany(MANY);
        _note("open 100");
        _lifeOf(lock, "100");
    }

    function test_a_hundred_trades_that_their_buyer_accepts() external {
        Lock memory lock = _openMany(MANY);
        _accept(lock, _indices(MANY), _settled(MANY), buyer, BUYER_KEY);
        _note("accept 100");
    }

    function test_a_trade_that_both_sides_settle_between_them() external {
        Lock memory lock = _openOne(2);
        Signer memory buys = Signer(buyer, BUYER_KEY);
        _acceptBoth(lock, _indices(1), _settled(1), buys, Signer(provider, PROVIDER_KEY));
        _note("accept 1, both");
    }

    function test_a_trade_that_its_provider_gives_up() external {
        Lock memory lock = _openOne(1);
        _giveUp(lock, _indices(1), provider, PROVIDER_KEY);
        _note("giveUp 1");
        vm.warp(START + WINDOW);
        _refund(lock, _indices(1));
        _note("refund 1, given up");
    }

    function test_a_trade_that_nobody_delivered() external {
        Lock memory lock = _openOne(1);
        vm.warp(START + 2 days);
        _refund(lock, _indices(1));
        _note("refund 1");
    }

    function test_a_dispute_that_arbiters_rule_on() external {
        _fund(stranger, FUNDS);
        Lock memory lock = _openOne(1);
        Outcome[] memory outcomes = _settled(1);
        _decide(lock, _indices(1), outcomes);
        _dispute(stranger, lock, _indices(1), outcomes, 0);
        _note("dispute");
        _rule(lock, 0, Outcome(SLASHED, 0, CEILING));
        _note("rule");
    }

    function test_a_dispute_that_nobody_answers() external {
        _fund(stranger, FUNDS);
        Lock memory lock = _openOne(1);
        Outcome[] memory outcomes = _settled(1);
        _decide(lock, _indices(1), outcomes);
        _dispute(stranger, lock, _indices(1), outcomes, 0);
        vm.warp(block.timestamp + 3 * WINDOW);
        _timeOut(lock, 0);
        _note("timeOut");
    }

    function test_a_session_with_two_vouchers() external {
        IMarketTypes.Session memory session = _session(1);
        _openSession(session);
        _note("openSession");
        _redeem(_voucher(session, 1 ether, BUYER_KEY));
        _note("redeem 1, first");
        _redeem(_voucher(session, 2 ether, BUYER_KEY));
        _note("redeem 1, second");
        vm.prank(provider);
        market.closeSession(session);
        _note("closeSession");
    }

    function test_money_in_and_out_and_a_cancelled_order() external {
        _fund(buyer, FUNDS);
        _note("deposit");
        vm.prank(buyer);
        market.cancel(BUY, 7);
        _note("cancel");
        vm.prank(buyer);
        market.requestWithdrawal(1 ether);
        _note("requestWithdrawal");
        vm.warp(block.timestamp + 30 days);
        market.withdraw(buyer);
        _note("withdraw");
    }

    function _lifeOf(Lock memory lock, string memory count) private {
        uint256[] memory all = _indices(lock.records.length);
        Outcome[] memory outcomes = _settled(all.length);
        _decide(lock, all, outcomes);
        _note(string.concat("decide ", count));
        vm.warp(block.timestamp + WINDOW);
        _settle(lock, all, outcomes);
        _note(string.concat("settle ", count));
    }

    function _note(string memory name) private {
        vm.snapshotGasLastCall("market", name);
    }
}
