// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../src/interfaces/IMarket.sol";
import {MarketTest} from "../utils/MarketTest.sol";

contract OpenAccessTest is MarketTest {
    function test_only_the_operator_opens() external {
        Opening memory o = _opening(_offer(), _bid(), 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.NotOperator.selector, stranger));
        vm.prank(stranger);
        market.open(verifierSet, o.clearings, o.offers, o.offerSignatures, o.bids, o.bidSignatures, o.fills);
    }

    function test_nobody_opens_while_paused() external {
        Opening memory o = _opening(_offer(), _bid(), 1);
        vm.prank(admin);
        market.setPaused(true);
        vm.expectRevert(IMarket.MarketPaused.selector);
        this.send(o);
        vm.prank(admin);
        market.setPaused(false);
        vm.assertEq(_open(o).records.length, 1, "after the pause");
    }

    function test_an_unknown_verifier_set_is_refused() external {
        Opening memory o = _opening(_offer(), _bid(), 1);
        verifierSet = keccak256("nobody");
        vm.expectRevert(abi.encodeWithSelector(IMarket.UnknownVerifierSet.selector, verifierSet));
        this.send(o);
    }

    function testFuzz_arrays_have_1_to_200_members(uint8 which, uint256 length) external {
        length = bound(length, 201, 300);
        Opening memory o = _opening(_offer(), _bid(), 1);
        if (which % 5 == 0) (o.fills, length) = (new IMarket.Fill[](0), 0);
        if (which % 5 == 1) o.fills = new IMarket.Fill[](length);
        if (which % 5 == 2) o.clearings = new IMarket.Clearing[](length);
        if (which % 5 == 3) o.offers = new IMarket.Offer[](length);
        if (which % 5 == 4) o.bids = new IMarket.Bid[](length);
        vm.expectRevert(abi.encodeWithSelector(IMarket.InvalidLength.selector, length, 200));
        this.send(o);
    }

    function test_every_order_needs_a_signature_beside_it() external {
        Opening memory o = _opening(_offer(), _bid(), 1);
        o.offerSignatures = new bytes[](0);
        vm.expectRevert(abi.encodeWithSelector(IMarket.LengthMismatch.selector, 1, 0));
        this.send(o);
        o = _opening(_offer(), _bid(), 1);
        o.bidSignatures = new bytes[](2);
        vm.expectRevert(abi.encodeWithSelector(IMarket.LengthMismatch.selector, 1, 2));
        this.send(o);
    }

    function test_clearings_are_committed_also_when_no_fill_is_accepted() external {
        Opening memory o = _opening(_offer(), _bid(), 0);
        bytes32 id = keccak256(abi.encode(PRODUCT, uint64(1), keccak256("orders"), PRICE));
        vm.expectEmit(true, true, true, true, address(market));
        emit IMarket.ClearingCommitted(id, PRODUCT, 1, keccak256("orders"), PRICE);
        bytes32 batch = _send(o);
        vm.assertEq(batch, bytes32(0), "no batch");
    }

    /// @dev A call of its own, for vm.expectRevert.
    function send(Opening memory o) external {
        _send(o);
    }
}
