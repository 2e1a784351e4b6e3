// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {ITestMarket} from "../utils/Interfaces.sol";
import {MarketTest} from "../utils/MarketTest.sol";

contract MigrateTest is MarketTest {
    ITestMarket private next;

    function setUp() public override {
        super.setUp();
        next = _deploy(_parameters());
        vm.prank(buyer);
        market.requestWithdrawal(FUNDS - 10 ether);
    }

    function test_all_that_is_exiting_goes_into_the_same_account_of_another_market() external {
        vm.warp(START + DELAY);
        bytes memory signature = _migration(BUYER_KEY, address(next), 0, START + DELAY);
        vm.expectEmit(true, true, false, true, address(market));
        emit IMarketEvents.Migrated(buyer, address(next), FUNDS - 10 ether);
        vm.prank(stranger);
        market.migrate(buyer, address(next), 0, START + DELAY, signature);
        (uint128 moved,) = next.accountOf(buyer);
        vm.assertEq(moved, FUNDS - 10 ether, "there");
        _assertAccount(buyer, 10 ether, 0, "here");
        vm.assertEq(market.custody(), 3 * uint256(FUNDS) + 10 ether, "custody here");
        vm.assertEq(token.balanceOf(address(market)), market.custody(), "tokens here");
        vm.assertEq(next.custody(), FUNDS - 10 ether, "custody there");
        vm.assertEq(token.allowance(address(market), address(next)), 0, "no allowance is left");
    }

    function test_open_trades_and_orders_stay() external {
        Lock memory lock = _openOne(2);
        vm.warp(START + DELAY);
        market.migrate(buyer, address(next), 0, START + DELAY, _migration(BUYER_KEY, address(next), 0, START + DELAY));
        _closeOne(lock, SETTLED, 2, 2 * CEILING);
        _assertAccount(buyer, 10 ether - 2 * PRICE, 0, "the trade ended here");
        vm.assertTrue(market.hashBid(_bid()) != next.hashBid(_bid()), "an order names its market");
    }

    function testFuzz_it_waits_for_the_delay(uint40 time) external {
        vm.warp(bound(time, START, START + DELAY - 1));
        bytes memory signature = _migration(BUYER_KEY, address(next), 0, START + DELAY);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.WithdrawalNotReady.selector, buyer, START + DELAY));
        market.migrate(buyer, address(next), 0, START + DELAY, signature);
    }

    function test_nothing_exiting_is_nothing_to_move() external {
        bytes32 typeHash = keccak256("Migration(address account,address market,uint256 nonce,uint40 deadline)");
        bytes32 hash = keccak256(abi.encode(typeHash, provider, address(next), 0, START));
        bytes memory signature = _sign(PROVIDER_KEY, _marketDigest(hash));
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NothingToWithdraw.selector, provider));
        market.migrate(provider, address(next), 0, START, signature);
    }

    function test_a_signature_serves_one_market_once_until_its_deadline() external {
        vm.warp(START + DELAY);
        bytes memory signature = _migration(BUYER_KEY, address(next), 0, START + DELAY);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, buyer));
        market.migrate(buyer, address(this), 0, START + DELAY, signature);
        market.migrate(buyer, address(next), 0, START + DELAY, signature);
        vm.expectRevert(abi.encodeWithSelector(Nonces.InvalidAccountNonce.selector, buyer, 1));
        market.migrate(buyer, address(next), 0, START + DELAY, signature);
        vm.warp(START + DELAY + 1);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.SignatureExpired.selector, START + DELAY));
        market.migrate(buyer, address(next), 1, START + DELAY, signature);
    }

    function testFuzz_nobody_elses_key_moves_anybody(uint256 key) external {
        key = bound(key, 1, type(uint128).max);
        vm.assume(key != BUYER_KEY);
        vm.prank(buyer);
        registry.setDelegate(vm.addr(key), BUY, type(uint96).max, type(uint96).max, type(uint40).max);
        vm.warp(START + DELAY);
        bytes memory signature = _migration(key, address(next), 0, START + DELAY);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidSignature.selector, buyer));
        market.migrate(buyer, address(next), 0, START + DELAY, signature);
    }

    function test_if_the_other_market_refuses_nothing_moves() external {
        vm.prank(admin);
        next.setPaused(true);
        vm.warp(START + DELAY);
        bytes memory signature = _migration(BUYER_KEY, address(next), 0, START + DELAY);
        vm.expectRevert(IMarketEvents.MarketPaused.selector);
        market.migrate(buyer, address(next), 0, START + DELAY, signature);
        (uint128 amount,) = market.exitOf(buyer);
        vm.assertEq(amount, FUNDS - 10 ether, "still exiting");
        vm.assertEq(market.nonces(buyer), 0, "the nonce is unused");
    }

    function test_into_itself_nothing_moves() external {
        vm.warp(START + DELAY);
        bytes memory signature = _migration(BUYER_KEY, address(market), 0, START + DELAY);
        vm.expectRevert(
            abi.encodeWithSelector(IMarketEvents.TransferMismatch.selector, uint256(FUNDS - 10 ether), uint256(0))
        );
        market.migrate(buyer, address(market), 0, START + DELAY, signature);
    }

    function test_a_market_that_is_none_gets_no_more_than_was_exiting() external {
        TakingMarket thief = new TakingMarket(token);
        vm.warp(START + DELAY);
        bytes memory signature = _migration(BUYER_KEY, address(thief), 0, START + DELAY);
        market.migrate(buyer, address(thief), 0, START + DELAY, signature);
        thief.take(address(market), FUNDS - 10 ether);
        vm.assertEq(token.balanceOf(address(market)), market.custody(), "all that belongs to others is there");
        vm.expectRevert();
        thief.take(address(market), 1);
    }

    function test_a_pause_keeps_nobody_inside() external {
        vm.prank(admin);
        market.setPaused(true);
        vm.warp(START + DELAY);
        market.migrate(buyer, address(next), 0, START + DELAY, _migration(BUYER_KEY, address(next), 0, START + DELAY));
        (uint128 moved,) = next.accountOf(buyer);
        vm.assertEq(moved, FUNDS - 10 ether, "moved");
    }

    function _migration(uint256 key, address to, uint256 nonce, uint40 deadline) private view returns (bytes memory) {
        bytes32 typeHash = keccak256("Migration(address account,address market,uint256 nonce,uint40 deadline)");
        return _sign(key, _marketDigest(keccak256(abi.encode(typeHash, buyer, to, nonce, deadline))));
    }
}

/// @dev Takes its allowance later, and credits nobody.
contract TakingMarket {
    IERC20 private immutable _token;

    constructor(IERC20 token) {
        _token = token;
    }

    function deposit(address, uint128) external pure {}

    function take(address from, uint256 amount) external {
        require(_token.transferFrom(from, address(this), amount), "no");
    }
}
