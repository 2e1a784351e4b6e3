// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEvidenceLog} from "../../src/interfaces/IEvidenceLog.sol";
import {Test} from "../utils/Test.sol";

contract AppendSignedTest is Test {
    uint40 private constant START = 1_800_000_000;
    uint256 private constant KEY = 0x9B;
    bytes32 private constant KIND = "carbon";
    bytes32 private constant ROOT = keccak256("certificates");

    IEvidenceLog private log;
    address private publisher = vm.addr(KEY);

    function setUp() external {
        vm.warp(START);
        log = IEvidenceLog(vm.deployCode("EvidenceLog.sol:EvidenceLog", ""));
    }

    function testFuzz_anybody_hands_in_the_publishers_signature(address sender, bytes32 root, uint64 count) external {
        vm.assume(root != 0 && count != 0);
        bytes memory signature = _sign(KEY, 0, root, count);
        bytes28 head = bytes28(keccak256(abi.encode(bytes28(0), publisher, KIND, uint32(0), root, count)));
        vm.expectEmit(true, true, false, true, address(log));
        emit IEvidenceLog.EvidenceAnchored(publisher, KIND, 0, root, count, head);
        vm.prank(sender);
        log.appendSigned(publisher, KIND, 0, root, count, START, signature);
        vm.assertEq(bytes32(log.headOf(publisher, KIND)), bytes32(head), "the publisher's chain");
        vm.assertEq(log.lengthOf(publisher, KIND), 1, "one entry");
    }

    function test_a_signature_works_once_and_at_its_place() external {
        bytes memory second = _sign(KEY, 1, ROOT, 2);
        vm.expectRevert(abi.encodeWithSelector(IEvidenceLog.NotNext.selector, 1, 0));
        log.appendSigned(publisher, KIND, 1, ROOT, 2, START, second);
        bytes memory first = _sign(KEY, 0, ROOT, 2);
        log.appendSigned(publisher, KIND, 0, ROOT, 2, START, first);
        vm.expectRevert(abi.encodeWithSelector(IEvidenceLog.NotNext.selector, 0, 1));
        log.appendSigned(publisher, KIND, 0, ROOT, 2, START, first);
        log.appendSigned(publisher, KIND, 1, ROOT, 2, START, second);
        vm.assertEq(log.lengthOf(publisher, KIND), 2, "both in order");
    }

    function test_an_entry_of_the_publisher_itself_takes_the_place() external {
        bytes memory signature = _sign(KEY, 0, ROOT, 2);
        vm.prank(publisher);
        log.append(KIND, keccak256("other"), 1);
        vm.expectRevert(abi.encodeWithSelector(IEvidenceLog.NotNext.selector, 0, 1));
        log.appendSigned(publisher, KIND, 0, ROOT, 2, START, signature);
    }

    function test_other_values_and_strangers_are_refused() external {
        bytes memory signature = _sign(KEY, 0, ROOT, 2);
        bytes memory refusal = abi.encodeWithSelector(IEvidenceLog.InvalidSignature.selector, publisher);
        vm.expectRevert(refusal);
        log.appendSigned(publisher, "capacity", 0, ROOT, 2, START, signature);
        vm.expectRevert(refusal);
        log.appendSigned(publisher, KIND, 0, keccak256("other"), 2, START, signature);
        vm.expectRevert(refusal);
        log.appendSigned(publisher, KIND, 0, ROOT, 3, START, signature);
        vm.expectRevert(refusal);
        log.appendSigned(publisher, KIND, 0, ROOT, 2, START + 1, signature);
        signature = _sign(0xC1, 0, ROOT, 2);
        vm.expectRevert(refusal);
        log.appendSigned(publisher, KIND, 0, ROOT, 2, START, signature);
        vm.expectRevert(abi.encodeWithSelector(IEvidenceLog.InvalidSignature.selector, address(0)));
        log.appendSigned(address(0), KIND, 0, ROOT, 2, START, new bytes(65));
    }

    function test_after_the_deadline_and_for_nothing_it_is_refused() external {
        bytes memory signature = _sign(KEY, 0, 0, 2);
        vm.expectRevert(abi.encodeWithSelector(IEvidenceLog.NothingToAppend.selector, KIND));
        log.appendSigned(publisher, KIND, 0, 0, 2, START, signature);
        signature = _sign(KEY, 0, ROOT, 2);
        vm.warp(START + 1);
        vm.expectRevert(abi.encodeWithSelector(IEvidenceLog.SignatureExpired.selector, START));
        log.appendSigned(publisher, KIND, 0, ROOT, 2, START, signature);
    }

    /// @dev The domain is computed here again, independently of the contract.
    function _sign(uint256 key, uint32 number, bytes32 root, uint64 count) private view returns (bytes memory) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Suan Evidence Log"),
                keccak256("1"),
                block.chainid,
                address(log)
            )
        );
        bytes32 typeHash = keccak256(
            "AppendEvidence(address publisher,bytes32 kind,uint32 number,bytes32 root,uint64 count,uint40 deadline)"
        );
        bytes32 hash = keccak256(abi.encode(typeHash, publisher, KIND, number, root, count, START));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, keccak256(abi.encodePacked(hex"1901", domain, hash)));
        return abi.encodePacked(r, s, v);
    }
}
