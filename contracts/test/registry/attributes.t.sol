// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {IRegistry} from "../../src/interfaces/IRegistry.sol";
import {MarketTest} from "../utils/MarketTest.sol";

contract AttributesTest is MarketTest {
    function testFuzz_the_event_tells_an_attribute_and_its_end(bytes32 name, bytes memory value, uint32 validity)
        external
    {
        vm.assume(name != "suan/document" && name != "suan/service" && value.length <= 2_048);
        vm.roll(30);
        vm.expectEmit(true, false, false, true, address(registry));
        emit IRegistry.DIDAttributeChanged(provider, name, value, uint256(START) + validity, 0);
        vm.prank(provider);
        registry.setAttribute(provider, name, value, validity);
        vm.roll(31);
        vm.expectEmit(true, false, false, true, address(registry));
        emit IRegistry.DIDAttributeChanged(provider, name, value, 0, 30);
        vm.prank(provider);
        registry.revokeAttribute(provider, name, value);
        vm.assertEq(registry.changed(provider), 31, "the last change");
    }

    function testFuzz_document_and_service_are_hashes(bytes32 hash, bytes memory value) external {
        vm.assume(value.length != 32 && value.length <= 2_048);
        for (uint256 i; i < 2; ++i) {
            bytes32 name = i == 0 ? bytes32("suan/document") : bytes32("suan/service");
            vm.expectEmit(true, false, false, true, address(registry));
            emit IRegistry.DIDAttributeChanged(
                provider, name, abi.encodePacked(hash), uint256(START) + 60, i * block.number
            );
            vm.prank(provider);
            registry.setAttribute(provider, name, abi.encodePacked(hash), 60);
            vm.expectRevert(abi.encodeWithSelector(IRegistry.InvalidHashLength.selector, name, value.length));
            vm.prank(provider);
            registry.setAttribute(provider, name, value, 60);
        }
    }

    function test_an_attribute_has_at_most_2048_bytes() external {
        vm.prank(provider);
        registry.setAttribute(provider, "name", new bytes(2_048), 60);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.AttributeTooLong.selector, 2_049, 2_048));
        vm.prank(provider);
        registry.setAttribute(provider, "name", new bytes(2_049), 60);
    }

    function testFuzz_anybody_hands_in_both_permissions_once(bytes memory value) external {
        vm.assume(value.length <= 2_048);
        bytes memory signature = _set(PROVIDER_KEY, value);
        vm.expectEmit(true, false, false, true, address(registry));
        emit IRegistry.DIDAttributeChanged(provider, "name", value, uint256(START) + 60, 0);
        registry.setAttributeSigned(provider, "name", value, 60, 0, START, signature);
        vm.expectRevert(abi.encodeWithSelector(Nonces.InvalidAccountNonce.selector, provider, 1));
        registry.setAttributeSigned(provider, "name", value, 60, 0, START, signature);
        signature = _revoke(PROVIDER_KEY, value);
        vm.expectEmit(true, false, false, true, address(registry));
        emit IRegistry.DIDAttributeChanged(provider, "name", value, 0, block.number);
        registry.revokeAttributeSigned(provider, "name", value, 1, START, signature);
        vm.assertEq(registry.nonces(provider), 2, "both nonces are used");
    }

    function test_other_values_strangers_and_late_permissions_are_refused() external {
        bytes memory refusal = abi.encodeWithSelector(IRegistry.InvalidSignature.selector, provider);
        bytes memory signature = _set(PROVIDER_KEY, "value");
        vm.expectRevert(refusal);
        registry.setAttributeSigned(provider, "name", "other", 60, 0, START, signature);
        vm.expectRevert(refusal);
        registry.revokeAttributeSigned(provider, "name", "value", 0, START, signature);
        signature = _revoke(STRANGER_KEY, "value");
        vm.expectRevert(refusal);
        registry.revokeAttributeSigned(provider, "name", "value", 1, START, signature);
        signature = _set(PROVIDER_KEY, "value");
        vm.warp(START + 1);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.SignatureExpired.selector, START));
        registry.setAttributeSigned(provider, "name", "value", 60, 0, START, signature);
    }

    function _set(uint256 key, bytes memory value) private view returns (bytes memory) {
        bytes32 typeHash = keccak256(
            "SetAttribute(address identity,bytes32 name,bytes value,uint256 validity,uint256 nonce,uint40 deadline)"
        );
        bytes32 hash = keccak256(abi.encode(typeHash, provider, bytes32("name"), keccak256(value), 60, 0, START));
        return _sign(key, _registryDigest(hash));
    }

    function _revoke(uint256 key, bytes memory value) private view returns (bytes memory) {
        bytes32 typeHash =
            keccak256("RevokeAttribute(address identity,bytes32 name,bytes value,uint256 nonce,uint40 deadline)");
        bytes32 hash = keccak256(abi.encode(typeHash, provider, bytes32("name"), keccak256(value), 1, START));
        return _sign(key, _registryDigest(hash));
    }
}
