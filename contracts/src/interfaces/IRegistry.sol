// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Who may act for whom
/// @notice Every address is an identity in the shape of ERC-1056, so that resolvers of `did:ethr` read it: it has a controller
/// (itself, until it names another), keys with a scope and an expiry, and attributes. Two kinds of keys mean something to the
/// market: agent keys sign receipts, delegate keys sign orders of one side within limits. Anybody registers sets of
/// verifiers. The contract holds no money and has no administrator.
///
/// What a controller can do. It names and revokes keys and attributes of its identity and may hand it on. It can never move
/// the identity's money out of the market: a withdrawal needs the signature of the address itself, whoever controls it here.
/// A controller who is not honest can name a delegate key and let it trade badly; what is lost that way is bounded by nothing
/// but the limits it sets itself, so give an identity only to whom you would give the choice of such keys. The address itself
/// can sign its own orders and withdrawals at any time, but not take the control back.
///
/// Scopes. `delegateType` and `name` are text in the high bytes, rest zero. The market reads three of the types: "suan/agent",
/// "suan/buy" and "suan/sell". The names "suan/document" and "suan/service" hold the 32-byte hash of the identity's document and
/// of the description of its service. Resolvers understand "veriKey", "sigAuth", "did/pub/..." and "did/svc/...". All others
/// are free. Every change is told in an ERC-1056 event that points to the block of the change before (previousChange, 0 for
/// the first); changed() is the block to begin with.
///
/// Where this differs from the contract in the text of ERC-1056: a time is inclusive, here and in the events (a key is valid
/// in the second `validTo`), which is how did:ethr resolvers read it; what is revoked has validTo 0; permissions given by
/// signature are EIP-712 messages of the domain "Suan Registry" with the identity's nonce and a deadline, in place of packed
/// bytes and v, r, s; no identity is given to the zero address; an attribute has at most ATTRIBUTE_BYTES_MAX bytes. A signature
/// may be that of a wallet where the market accepts one.
interface IRegistry {
    // ------------------------------------------------------------------------------------------------ types

    /// @notice What a delegate key may sign for its owner on one side of the market. One storage word.
    struct Delegate {
        uint96 spendCap; // base units per UTC day; on the payments (buy) or bonds (sell) locked, which the market counts
        uint96 worstPrice; // base units per GFLOPS.h; bounds the limit price of an order: a maximum for buy, a minimum for sell
        uint40 validUntil; // unix seconds, inclusive; 0 is a revoked key
        uint24 version; // counts the settings of this key; 0 means never set
    }

    // ------------------------------------------------------------------------------------------------ errors

    /// @notice An address that must be set is zero.
    error ZeroAddress();
    /// @notice The signed permission was handed in after its deadline.
    error SignatureExpired(uint40 deadline);
    /// @notice The signature is malformed or made by somebody else than `account`, who controls the identity.
    error InvalidSignature(address account);
    /// @notice Only the controller of an identity changes it.
    error NotController(address identity, address caller);
    /// @notice A key of this type has limits: name it with setDelegate or setDelegateSigned.
    error LimitsMissing(bytes32 delegateType);
    /// @notice The value of "suan/document" and "suan/service" is a hash of 32 bytes.
    error InvalidHashLength(bytes32 name, uint256 length);
    /// @notice The value of an attribute has at most `limit` bytes; publish more elsewhere and set its hash.
    error AttributeTooLong(uint256 length, uint256 limit);
    /// @notice A side is 1 (buy) or 2 (sell).
    error InvalidSide(uint8 side);
    /// @notice A set has 1 to `limit` members.
    error InvalidMemberCount(uint256 count, uint256 limit);
    /// @notice Members must be strictly ascending and not zero.
    error MembersNotAscending(address before, address member);
    /// @notice A threshold is 1 to the number of members.
    error InvalidThreshold(uint8 threshold, uint256 members);
    /// @notice No such verifier set was registered.
    error UnknownVerifierSet(bytes32 id);

    // ------------------------------------------------------------------------------------------------ events

    /// @notice `owner` is the controller of `identity` from now on (ERC-1056).
    event DIDOwnerChanged(address indexed identity, address owner, uint256 previousChange);
    /// @notice `delegate` is a key of `identity` in the scope `delegateType` until `validTo` (ERC-1056; 0: not any more).
    event DIDDelegateChanged(
        address indexed identity, bytes32 delegateType, address delegate, uint256 validTo, uint256 previousChange
    );
    /// @notice The attribute `name` of `identity` is `value` until `validTo` (ERC-1056; 0: not any more).
    event DIDAttributeChanged(
        address indexed identity, bytes32 name, bytes value, uint256 validTo, uint256 previousChange
    );
    /// @notice `key` signs receipts for `owner` until `validUntil` (0: not any more).
    event AgentSet(address indexed owner, address indexed key, uint40 validUntil);
    /// @notice `key` signs orders of `owner` on `side` within these limits; what it had spent counts from zero again.
    event DelegateSet(
        address indexed owner, address indexed key, uint8 side, uint96 spendCap, uint96 worstPrice, uint40 validUntil
    );
    /// @notice A set of verifiers came into being. It never changes.
    event VerifierSetRegistered(bytes32 indexed id, address[] members, uint8 threshold, uint96 payoutCap);

    // ------------------------------------------------------------------------------------------------ identity

    /// @notice The controller of an identity: the last one named, at first the address itself.
    function identityOwner(address identity) external view returns (address);

    /// @notice The number of the block with the last change of an identity; 0 if it never changed.
    function changed(address identity) external view returns (uint256);

    /// @notice The nonce that the next signed permission of this identity must carry.
    function nonces(address identity) external view returns (uint256);

    /// @notice Hand an identity to another controller. Its keys stay; a permission that the one before signed and that was not
    /// handed in yet is void.
    /// @dev The controller. Reverts with NotController, ZeroAddress.
    function changeOwner(address identity, address newOwner) external;

    /// @notice The same with the controller's signature over ChangeOwner(address identity,address newOwner,uint256 nonce,uint40
    /// deadline), handed in by anybody.
    /// @dev Every ...Signed function reverts with SignatureExpired after the deadline, InvalidSignature unless the controller
    /// signed exactly these values, and InvalidAccountNonce unless `nonce` is nonces(identity): a nonce works once.
    function changeOwnerSigned(
        address identity,
        address newOwner,
        uint256 nonce,
        uint40 deadline,
        bytes calldata signature
    ) external;

    // ------------------------------------------------------------------------------------------------ keys in general

    /// @notice Whether `delegate` is a key of `identity` in the scope `delegateType` now.
    function validDelegate(address identity, bytes32 delegateType, address delegate) external view returns (bool);

    /// @notice Name a key for `validity` seconds from now, both ends included. What does not fit into uint40 counts as for ever.
    /// @dev The controller. "suan/agent" is the same as setAgent. Reverts with NotController, ZeroAddress, and with LimitsMissing
    /// for "suan/buy" and "suan/sell".
    function addDelegate(address identity, bytes32 delegateType, address delegate, uint256 validity) external;

    /// @notice The same with the controller's signature over AddDelegate(address identity,bytes32 delegateType,address delegate,
    /// uint256 validity,uint256 nonce,uint40 deadline). The validity begins when it is handed in, at the latest at the deadline.
    /// @dev Reverts like addDelegate and changeOwnerSigned.
    function addDelegateSigned(
        address identity,
        bytes32 delegateType,
        address delegate,
        uint256 validity,
        uint256 nonce,
        uint40 deadline,
        bytes calldata signature
    ) external;

    /// @notice Revoke a key in one scope at once. All scopes, those with limits too.
    /// @dev The controller. Reverts with NotController, ZeroAddress.
    function revokeDelegate(address identity, bytes32 delegateType, address delegate) external;

    /// @notice The same with the controller's signature over RevokeDelegate(address identity,bytes32 delegateType,address delegate,
    /// uint256 nonce,uint40 deadline).
    /// @dev Reverts like revokeDelegate and changeOwnerSigned.
    function revokeDelegateSigned(
        address identity,
        bytes32 delegateType,
        address delegate,
        uint256 nonce,
        uint40 deadline,
        bytes calldata signature
    ) external;

    // ------------------------------------------------------------------------------------------------ attributes

    /// @notice Set an attribute for `validity` seconds, as in addDelegate. Only the event remembers it.
    /// @dev The controller. Reverts with NotController, AttributeTooLong, InvalidHashLength.
    function setAttribute(address identity, bytes32 name, bytes calldata value, uint256 validity) external;

    /// @notice The same with the controller's signature over SetAttribute(address identity,bytes32 name,bytes value,uint256
    /// validity,uint256 nonce,uint40 deadline).
    /// @dev Reverts like setAttribute and changeOwnerSigned.
    function setAttributeSigned(
        address identity,
        bytes32 name,
        bytes calldata value,
        uint256 validity,
        uint256 nonce,
        uint40 deadline,
        bytes calldata signature
    ) external;

    /// @notice Revoke an attribute with this value.
    /// @dev The controller. Reverts like setAttribute.
    function revokeAttribute(address identity, bytes32 name, bytes calldata value) external;

    /// @notice The same with the controller's signature over RevokeAttribute(address identity,bytes32 name,bytes value,uint256
    /// nonce,uint40 deadline).
    /// @dev Reverts like setAttribute and changeOwnerSigned.
    function revokeAttributeSigned(
        address identity,
        bytes32 name,
        bytes calldata value,
        uint256 nonce,
        uint40 deadline,
        bytes calldata signature
    ) external;

    // ------------------------------------------------------------------------------------------------ agents

    /// @notice Name `key` an agent of the caller until `validUntil` (unix seconds, inclusive; 0 revokes).
    /// @dev Anybody who controls their own identity. Reverts with NotController, ZeroAddress.
    function setAgent(address key, uint40 validUntil) external;

    /// @notice The same for the identity `owner` with its controller's signature over SetAgent(address owner,address key,uint40
    /// validUntil,uint256 nonce,uint40 deadline), handed in by anybody.
    /// @dev Reverts with ZeroAddress and like changeOwnerSigned.
    function setAgentSigned(
        address owner,
        address key,
        uint40 validUntil,
        uint256 nonce,
        uint40 deadline,
        bytes calldata signature
    ) external;

    /// @notice Until when (unix seconds, inclusive) `key` is an agent of `owner`; 1 if it was one and was revoked, 0 if it never was.
    function agentValidUntil(address owner, address key) external view returns (uint40);

    // ------------------------------------------------------------------------------------------------ delegates

    /// @notice Let `key` sign orders of the caller on `side` (1 buy, 2 sell).
    /// @dev Anybody who controls their own identity. A new setting replaces the one before on the same side and starts a new
    /// spend count; `validUntil` 0 revokes. Reverts with NotController, ZeroAddress, InvalidSide.
    function setDelegate(address key, uint8 side, uint96 spendCap, uint96 worstPrice, uint40 validUntil) external;

    /// @notice The same for the identity `owner` with its controller's signature over SetDelegate(address owner,address key,uint8
    /// side,uint96 spendCap,uint96 worstPrice,uint40 validUntil,uint256 nonce,uint40 deadline), handed in by anybody.
    /// @dev Reverts like setDelegate and changeOwnerSigned.
    function setDelegateSigned(
        address owner,
        address key,
        uint8 side,
        uint96 spendCap,
        uint96 worstPrice,
        uint40 validUntil,
        uint256 nonce,
        uint40 deadline,
        bytes calldata signature
    ) external;

    /// @notice The present setting; all zero if `key` was never a delegate of `owner` on `side`.
    function delegateOf(address owner, address key, uint8 side) external view returns (Delegate memory);

    // ------------------------------------------------------------------------------------------------ verifiers

    /// @notice Register a set of verifiers: `threshold` of `members` decide together, and their verdicts may pay out at most
    /// `payoutCap` base units in one payout window, which the market counts (0: nothing at all).
    /// @dev Anybody. Members strictly ascending, at most VERIFIERS_MAX. A set that exists already is left as it is, without
    /// an event. Reverts with InvalidMemberCount, MembersNotAscending, InvalidThreshold.
    /// @return id keccak256(abi.encode(members, threshold, payoutCap)).
    function registerVerifierSet(address[] calldata members, uint8 threshold, uint96 payoutCap)
        external
        returns (bytes32 id);

    /// @notice Members (ascending), threshold and payout cap (base units) of a registered set.
    /// @dev Reverts with UnknownVerifierSet.
    function verifierSetOf(bytes32 id)
        external
        view
        returns (address[] memory members, uint8 threshold, uint96 payoutCap);

    /// @notice The payout cap (base units) of a registered set.
    /// @dev Reverts with UnknownVerifierSet.
    function payoutCapOf(bytes32 id) external view returns (uint96);

    /// @notice Whether the set was registered.
    function isVerifierSet(bytes32 id) external view returns (bool);
}
