// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {ITestMarket} from "../utils/Interfaces.sol";
import {MarketTest} from "../utils/MarketTest.sol";

contract DepositTest is MarketTest {
    function testFuzz_tokens_of_the_caller_become_available_to_the_account(uint128 amount) external {
        amount = uint128(bound(amount, 1, 1_000_000 ether));
        token.faucet(stranger, amount);
        vm.prank(stranger);
        token.approve(address(market), amount);
        vm.expectEmit(true, true, false, true, address(market));
        emit IMarketEvents.Deposited(delegate, stranger, amount);
        vm.prank(stranger);
        market.deposit(delegate, amount);
        _assertAccount(delegate, amount, 0, "account");
        _assertAccount(stranger, 0, 0, "caller");
        vm.assertEq(market.custody(), 4 * uint256(FUNDS) + amount, "custody");
        vm.assertEq(token.balanceOf(address(market)), market.custody(), "tokens");
    }

    function test_zero_is_no_deposit() external {
        vm.expectRevert(IMarketEvents.ZeroAmount.selector);
        market.deposit(buyer, 0);
        vm.expectRevert(IMarketEvents.ZeroAddress.selector);
        market.deposit(address(0), 1);
    }

    function testFuzz_without_approval_nothing_moves(uint128 amount, uint128 approved) external {
        amount = uint128(bound(amount, 1, 1_000_000 ether));
        approved = uint128(bound(approved, 0, amount - 1));
        token.faucet(stranger, amount);
        vm.prank(stranger);
        token.approve(address(market), approved);
        vm.expectRevert();
        vm.prank(stranger);
        market.deposit(stranger, amount);
        _assertAccount(stranger, 0, 0, "caller");
    }

    function test_deposits_can_be_paused() external {
        vm.prank(admin);
        market.setPaused(true);
        vm.expectRevert(IMarketEvents.MarketPaused.selector);
        market.deposit(buyer, 1);
        vm.expectRevert(IMarketEvents.MarketPaused.selector);
        market.depositWithPermit(buyer, 1, START, 27, 0, 0);
    }

    function test_a_token_that_takes_a_fee_is_refused() external {
        IMarketTypes.Parameters memory p = _parameters();
        FeeToken fee = new FeeToken();
        p.token = address(fee);
        ITestMarket other = _deploy(p);
        fee.mint(address(this), 100);
        fee.approve(address(other), 100);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.TransferMismatch.selector, 100, 99));
        other.deposit(buyer, 100);
    }

    function test_custody_stays_within_96_bits() external {
        IMarketTypes.Parameters memory p = _parameters();
        FeeToken big = new FeeToken();
        p.token = address(big);
        ITestMarket other = _deploy(p);
        big.setFee(0);
        big.mint(address(this), type(uint256).max);
        big.approve(address(other), type(uint256).max);
        other.deposit(buyer, type(uint96).max);
        uint256 limit = type(uint96).max;
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.CustodyLimitExceeded.selector, limit + 1, limit));
        other.deposit(buyer, 1);
        (uint128 available,) = other.accountOf(buyer);
        vm.assertEq(available, limit, "all of it");
    }

    function test_anybody_hands_in_a_permit_and_the_owner_is_credited() external {
        token.faucet(stranger, 5 ether);
        (uint8 v, bytes32 r, bytes32 s) = _permit(STRANGER_KEY, stranger, 5 ether, START);
        vm.expectEmit(true, true, false, true, address(market));
        emit IMarketEvents.Deposited(stranger, stranger, 5 ether);
        market.depositWithPermit(stranger, 5 ether, START, v, r, s);
        _assertAccount(stranger, 5 ether, 0, "owner");
    }

    function test_a_permit_of_another_amount_signer_or_time_is_refused() external {
        token.faucet(stranger, 5 ether);
        (uint8 v, bytes32 r, bytes32 s) = _permit(STRANGER_KEY, stranger, 4 ether, START);
        vm.expectRevert();
        market.depositWithPermit(stranger, 5 ether, START, v, r, s);
        (v, r, s) = _permit(BUYER_KEY, stranger, 5 ether, START);
        vm.expectRevert();
        market.depositWithPermit(stranger, 5 ether, START, v, r, s);
        (v, r, s) = _permit(STRANGER_KEY, stranger, 5 ether, START - 1);
        vm.expectRevert();
        market.depositWithPermit(stranger, 5 ether, START - 1, v, r, s);
        _assertAccount(stranger, 0, 0, "owner");
    }

    function testFuzz_a_permit_works_once(uint128 amount, address caller) external {
        amount = uint128(bound(amount, 1, 500_000 ether));
        token.faucet(stranger, 2 * uint256(amount));
        (uint8 v, bytes32 r, bytes32 s) = _permit(STRANGER_KEY, stranger, amount, START);
        vm.prank(caller);
        market.depositWithPermit(stranger, amount, START, v, r, s);
        vm.expectRevert();
        vm.prank(caller);
        market.depositWithPermit(stranger, amount, START, v, r, s);
        _assertAccount(stranger, amount, 0, "owner");
    }

    function test_an_allowance_alone_lets_nobody_deposit_for_the_owner() external {
        token.faucet(stranger, 5 ether);
        vm.prank(stranger);
        token.approve(address(market), 5 ether);
        vm.expectRevert();
        market.depositWithPermit(stranger, 5 ether, START, 27, bytes32(uint256(1)), bytes32(uint256(1)));
        vm.assertEq(token.balanceOf(stranger), 5 ether, "the tokens stay");
    }

    function _permit(uint256 key, address owner, uint256 amount, uint256 deadline)
        private
        view
        returns (uint8, bytes32, bytes32)
    {
        bytes32 typeHash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 hash = keccak256(abi.encode(typeHash, owner, address(market), amount, token.nonces(owner), deadline));
        return vm.sign(key, _digest("Suan Test Token", address(token), hash));
    }
}

/// @dev Keeps back a base unit of every transfer.
contract FeeToken is ERC20 {
    uint256 private _fee = 1;

    constructor() ERC20("Fee", "FEE") {}

    function setFee(uint256 fee) external {
        _fee = fee;
    }

    function mint(address account, uint256 amount) external {
        _mint(account, amount);
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (from != address(0) && _fee != 0) super._update(to, address(0xFEE), _fee);
    }
}
