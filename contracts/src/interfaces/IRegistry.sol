// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Who may act for whom
/// @notice Owners name agent keys (they sign receipts) and delegate keys (they sign orders, within limits, and can never
/// withdraw); anybody registers sets of verifiers. The contract holds no money and has no administrator.
interface IRegistry {
    // ------------------------------------------------------------------------------------------------ types

    /// @notice What a delegate key may sign for its owner on one side of the market. One storage word.
    struct Delegate {
        uint96 spendCap; // base units; on the sum of all payments (buy) or bonds (sell) locked in one day (UTC)
        uint96 worstPrice; // base units per GFLOPS.h; bounds the limit price of an order: a maximum for buy, a minimum for sell
        uint40 validUntil; // unix seconds, inclusive; 0 is a revoked key
        uint24 version; // counts the settings of this key; 0 means never set
    }

    // ------------------------------------------------------------------------------------------------ errors

    /// @notice An address that must be set is zero.
    error ZeroAddress();
    /// @notice The signed permission was handed in after its deadline.
    error SignatureExpired(uint40 deadline);
    /// @notice The signature is malformed or made by somebody else than `owner`.
    error InvalidSignature(address owner);
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

    /// @notice `key` signs receipts for `owner` until `validUntil` (0: not any more).
    event AgentSet(address indexed owner, address indexed key, uint40 validUntil);
    /// @notice `key` signs orders of `owner` on `side` within these limits; what it had spent today counts from zero again.
    event DelegateSet(
        address indexed owner, address indexed key, uint8 side, uint96 spendCap, uint96 worstPrice, uint40 validUntil
    );
    /// @notice A set of verifiers came into being. It never changes.
    event VerifierSetRegistered(bytes32 indexed id, address[] members, uint8 threshold, uint96 payoutCap);

    // ------------------------------------------------------------------------------------------------ agents

    /// @notice Name `key` an agent of the caller until `validUntil` (unix seconds, inclusive; 0 revokes).
    /// @dev Anybody, for themselves. Reverts with ZeroAddress.
    function setAgent(address key, uint40 validUntil) external;

    /// @notice The same with the signature of `owner` over SetAgent, handed in by anybody.
    /// @dev Reverts with SignatureExpired, InvalidSignature, ZeroAddress, and InvalidAccountNonce unless `nonce` is
    /// nonces(owner); a nonce works once.
    function setAgentSigned(
        address owner,
        address key,
        uint40 validUntil,
        uint256 nonce,
        uint40 deadline,
        bytes calldata signature
    ) external;

    /// @notice Until when (unix seconds, inclusive) `key` is an agent of `owner`; 0 if it is none.
    function agentValidUntil(address owner, address key) external view returns (uint40);

    // ------------------------------------------------------------------------------------------------ delegates

    /// @notice Let `key` sign orders of the caller on `side` (1 buy, 2 sell).
    /// @dev Anybody, for themselves. A new setting replaces the one before on the same side and starts a new spend count;
    /// `validUntil` 0 revokes. Reverts with ZeroAddress, InvalidSide.
    function setDelegate(address key, uint8 side, uint96 spendCap, uint96 worstPrice, uint40 validUntil) external;

    /// @notice The same with the signature of `owner` over SetDelegate, handed in by anybody.
    /// @dev Reverts like setAgentSigned and setDelegate.
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

    /// @notice Register a set of verifiers: `threshold` of `members` decide together, and their verdicts pay out at most
    /// `payoutCap` base units in one payout window of a market.
    /// @dev Anybody. Members strictly ascending, at most VERIFIERS_MAX. A set that exists already is left as it is, without
    /// an event. Reverts with InvalidMemberCount, MembersNotAscending, InvalidThreshold.
    /// @return id keccak256(abi.encode(members, threshold, payoutCap)).
    function registerVerifierSet(address[] calldata members, uint8 threshold, uint96 payoutCap)
        external
        returns (bytes32 id);

    /// @notice Members (ascending), threshold and payout cap of a registered set.
    /// @dev Reverts with UnknownVerifierSet.
    function verifierSetOf(bytes32 id)
        external
        view
        returns (address[] memory members, uint8 threshold, uint96 payoutCap);

    /// @notice Whether the set was registered.
    function isVerifierSet(bytes32 id) external view returns (bool);
}
