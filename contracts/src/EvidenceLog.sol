// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {IEvidenceLog} from "./interfaces/IEvidenceLog.sol";
import {Signatures} from "./libraries/Signatures.sol";

/// @title Append-only chains of Merkle roots
/// @dev What each function does, who may call it and when it reverts is said in IEvidenceLog.
contract EvidenceLog is IEvidenceLog, EIP712 {
    bytes32 internal constant APPEND_EVIDENCE_TYPEHASH = keccak256(
        "AppendEvidence(address publisher,bytes32 kind,uint32 number,bytes32 root,uint64 count,uint40 deadline)"
    );

    struct Chain {
        bytes28 head; // slot 0
        uint32 length; // slot 0
    }

    mapping(address publisher => mapping(bytes32 kind => Chain)) private _chains;

    constructor() EIP712("Suan Evidence Log", "1") {}

    // ------------------------------------------------------------------------------------------------ chains

    /// @inheritdoc IEvidenceLog
    function append(bytes32 kind, bytes32 root, uint64 count) external returns (uint32 number) {
        return _append(_chains[msg.sender][kind], msg.sender, kind, root, count);
    }

    /// @inheritdoc IEvidenceLog
    function appendSigned(
        address publisher,
        bytes32 kind,
        uint32 number,
        bytes32 root,
        uint64 count,
        uint40 deadline,
        bytes calldata signature
    ) external {
        if (block.timestamp > deadline) revert SignatureExpired(deadline);
        bytes32 structHash =
            keccak256(abi.encode(APPEND_EVIDENCE_TYPEHASH, publisher, kind, number, root, count, deadline));
        if (!Signatures.isSignedBy(publisher, _hashTypedDataV4(structHash), signature)) {
            revert InvalidSignature(publisher);
        }
        Chain storage chain = _chains[publisher][kind];
        if (number != chain.length) revert NotNext(number, chain.length);
        _append(chain, publisher, kind, root, count);
    }

    /// @inheritdoc IEvidenceLog
    function headOf(address publisher, bytes32 kind) external view returns (bytes28) {
        return _chains[publisher][kind].head;
    }

    /// @inheritdoc IEvidenceLog
    function lengthOf(address publisher, bytes32 kind) external view returns (uint32) {
        return _chains[publisher][kind].length;
    }

    /// @inheritdoc IEvidenceLog
    function verify(bytes32 root, bytes32[] calldata proof, bytes32 leaf) external pure returns (bool) {
        return MerkleProof.verifyCalldata(proof, root, leaf);
    }

    // ------------------------------------------------------------------------------------------------ pieces

    function _append(Chain storage chain, address publisher, bytes32 kind, bytes32 root, uint64 count)
        private
        returns (uint32 number)
    {
        if (root == 0 || count == 0) revert NothingToAppend(kind);
        Chain memory old = chain;
        number = old.length;
        bytes28 head = bytes28(keccak256(abi.encode(old.head, publisher, kind, number, root, count)));
        (chain.head, chain.length) = (head, number + 1);
        emit EvidenceAnchored(publisher, kind, number, root, count, head);
    }
}
