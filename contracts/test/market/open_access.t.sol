// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {MarketTest} from "../utils/MarketTest.sol";
import {Fill} from "../utils/Packing.sol";

contract OpenAccessTest is MarketTest {
    function testFuzz_only_the_operator_opens(address caller) external {
        vm.assume(caller != operator);
        Opening memory o = _opening(_offer(), _bid(), 1);
        operator = caller;
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.NotOperator.selector, caller));
        this.send(o);
    }

    function test_nobody_opens_while_paused() external {
        Opening memory o = _opening(_offer(), _bid(), 1);
        vm.prank(admin);
        market.setPaused(true);
        vm.expectRevert(IMarketEvents.MarketPaused.selector);
        this.send(o);
        vm.prank(admin);
        market.setPaused(false);
        vm.assertEq(_open(o).records.length, 1, "after the pause");
    }

    function testFuzz_an_unknown_verifier_set_is_refused(bytes32 set) external {
        vm.assume(set != verifierSet && set != arbiterSet);
        Opening memory o = _opening(_offer(), _bid(), 1);
        verifierSet = set;
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.UnknownVerifierSet.selector, set));
        this.send(o);
    }

    function testFuzz_arrays_have_1_to_200_members(uint8 which, uint256 length) external {
        length = bound(length, 201, 300);
        Opening memory o = _opening(_offer(), _bid(), 1);
        if (which % 5 == 0) (o.fills, length) = (new Fill[](0), 0);
        if (which % 5 == 1) o.fills = new Fill[](length);
        if (which % 5 == 2) o.clearings = new IMarketTypes.Clearing[](length);
        if (which % 5 == 3) _lengthenOffers(o, length);
        if (which % 5 == 4) _lengthenBids(o, length);
        vm.expectRevert(abi.encodeWithSelector(IMarketEvents.InvalidLength.selector, length, 200));
        this.send(o);
    }

    function test_fills_come_whole() external {
        Opening memory o = _opening(_offer(), _bid(), 1);
        bytes memory call_ = _openCall(o);
        // The last word of the calldata holds the ten bytes of the one fill, the word before their number.
        call_[call_.length - 33] = bytes1(uint8(11));
        vm.prank(operator);
        (bool ok, bytes memory answer) = address(market).call(call_);
        vm.assertFalse(ok, "cut short");
        bytes memory refusal = abi.encodeWithSelector(IMarketEvents.LengthMismatch.selector, 10, 11);
        vm.assertEq(keccak256(answer), keccak256(refusal), "its reason");
    }

    function test_clearings_are_committed_also_when_no_fill_is_accepted() external {
        Opening memory o = _opening(_offer(), _bid(), 0);
        bytes32 id = keccak256(abi.encode(PRODUCT, uint64(1), keccak256("orders"), PRICE));
        vm.expectEmit(true, true, true, true, address(market));
        emit IMarketEvents.ClearingCommitted(id, PRODUCT, 1, keccak256("orders"), PRICE);
        bytes32 batch = _send(o);
        vm.assertEq(batch, bytes32(0), "no batch");
    }

    function _lengthenOffers(Opening memory o, uint256 length) private pure {
        o.offers = new IMarketTypes.Offer[](length);
        (o.offerSignatures, o.offerWallets) = (new bytes[](length), new uint8[](length));
    }

    function _lengthenBids(Opening memory o, uint256 length) private pure {
        o.bids = new IMarketTypes.Bid[](length);
        (o.bidSignatures, o.bidWallets) = (new bytes[](length), new uint8[](length));
    }

    /// @dev A call of its own, for vm.expectRevert.
    function send(Opening memory o) external {
        _send(o);
    }
}
