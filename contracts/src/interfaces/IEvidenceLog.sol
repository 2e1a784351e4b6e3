// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What was published, in which order, and when at the latest
/// @notice Anybody keeps chains of Merkle roots here, one for each kind of evidence: receipts, clearings, certificates of
/// capacity or of carbon, whatever comes. A root is appended once and stays; whoever has the published leaves can show that
/// nothing was changed, left out or put in between. The contract knows no kind by name, holds no money and has no administrator.
///
/// A chain is the pair (publisher, kind). Its head commits to every root before it:
/// head(0) = 0, head(n + 1) = first 28 bytes of keccak256(abi.encode(bytes28 head(n), publisher, kind, uint32 n, root, uint64 count)).
/// 28 bytes leave room for the length in the same word, so that an entry costs one write; two histories with one head are as hard
/// to find as a collision of SHA-224 (2^112).
interface IEvidenceLog {
    // ------------------------------------------------------------------------------------------------ errors

    /// @notice The signed wish was handed in after its deadline.
    error SignatureExpired(uint40 deadline);
    /// @notice The signature is malformed or made by somebody else than `account`.
    error InvalidSignature(address account);
    /// @notice The next entry of this chain is `next`: another was signed.
    error NotNext(uint32 number, uint32 next);
    /// @notice A root stands for at least one leaf, and neither is zero.
    error NothingToAppend(bytes32 kind);

    // ------------------------------------------------------------------------------------------------ events

    /// @notice Entry `number` (from 0) of the chain (publisher, kind): a tree of `count` leaves; `head` is the chain's new head.
    event EvidenceAnchored(
        address indexed publisher, bytes32 indexed kind, uint32 number, bytes32 root, uint64 count, bytes28 head
    );

    // ------------------------------------------------------------------------------------------------ chains

    /// @notice Append a root over `count` leaves to the caller's chain of this kind.
    /// @dev Anybody, for themselves. Reverts with NothingToAppend.
    /// @return number The number of the entry.
    function append(bytes32 kind, bytes32 root, uint64 count) external returns (uint32 number);

    /// @notice The same with the publisher's signature over AppendEvidence(address publisher,bytes32 kind,uint32 number,bytes32
    /// root,uint64 count,uint40 deadline) in the domain "Suan Evidence Log", handed in by anybody.
    /// @dev `number` must be lengthOf(publisher, kind), so a signature works once and only at its place. Reverts with
    /// SignatureExpired, InvalidSignature, NotNext, NothingToAppend.
    function appendSigned(
        address publisher,
        bytes32 kind,
        uint32 number,
        bytes32 root,
        uint64 count,
        uint40 deadline,
        bytes calldata signature
    ) external;

    /// @notice The head of a chain; zero while it has no entry.
    function headOf(address publisher, bytes32 kind) external view returns (bytes28);

    /// @notice How many entries a chain has.
    function lengthOf(address publisher, bytes32 kind) external view returns (uint32);

    /// @notice Whether `leaf` is under `root` in a tree of OpenZeppelin's StandardMerkleTree.
    /// @param leaf keccak256(bytes.concat(keccak256(abi.encode(values)))).
    function verify(bytes32 root, bytes32[] calldata proof, bytes32 leaf) external pure returns (bool);
}
