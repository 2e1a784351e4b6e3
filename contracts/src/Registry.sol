// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IRegistry} from "./interfaces/IRegistry.sol";
import {Orders} from "./libraries/Orders.sol";
import {Signatures} from "./libraries/Signatures.sol";

/// @title Identities, their keys, and verifier sets
/// @dev What each function does, who may call it and when it reverts is said in IRegistry.
contract Registry is IRegistry, EIP712, Nonces {
    /// @notice The most members of a verifier set: checking a verdict costs one signature each.
    uint256 public constant VERIFIERS_MAX = 16;
    /// @notice The most bytes of an attribute: room for a key or an address of a service, not for a document.
    uint256 public constant ATTRIBUTE_BYTES_MAX = 2_048;

    /// @dev Until when a revoked agent was valid: the first second, so that it is known to have been one.
    uint40 internal constant REVOKED = 1;

    bytes32 internal constant AGENT = "suan/agent";
    bytes32 internal constant BUY = "suan/buy";
    bytes32 internal constant SELL = "suan/sell";
    bytes32 internal constant DOCUMENT_HASH = "suan/document";
    bytes32 internal constant SERVICE_HASH = "suan/service";

    bytes32 internal constant CHANGE_OWNER_TYPEHASH =
        keccak256("ChangeOwner(address identity,address newOwner,uint256 nonce,uint40 deadline)");
    bytes32 internal constant ADD_DELEGATE_TYPEHASH = keccak256(
        "AddDelegate(address identity,bytes32 delegateType,address delegate,uint256 validity,uint256 nonce,uint40 deadline)"
    );
    bytes32 internal constant REVOKE_DELEGATE_TYPEHASH = keccak256(
        "RevokeDelegate(address identity,bytes32 delegateType,address delegate,uint256 nonce,uint40 deadline)"
    );
    bytes32 internal constant SET_ATTRIBUTE_TYPEHASH = keccak256(
        "SetAttribute(address identity,bytes32 name,bytes value,uint256 validity,uint256 nonce,uint40 deadline)"
    );
    bytes32 internal constant REVOKE_ATTRIBUTE_TYPEHASH =
        keccak256("RevokeAttribute(address identity,bytes32 name,bytes value,uint256 nonce,uint40 deadline)");
    bytes32 internal constant SET_AGENT_TYPEHASH =
        keccak256("SetAgent(address owner,address key,uint40 validUntil,uint256 nonce,uint40 deadline)");
    bytes32 internal constant SET_DELEGATE_TYPEHASH = keccak256(
        "SetDelegate(address owner,address key,uint8 side,uint96 spendCap,uint96 worstPrice,uint40 validUntil,uint256 nonce,uint40 deadline)"
    );

    struct Identity {
        address controller; // slot 0; zero: the address itself
        uint96 changed; // slot 0; block number
    }

    struct VerifierSet {
        address[] members; // slot 0: their number
        uint8 threshold; // slot 1
        uint96 payoutCap; // slot 1
    }

    mapping(address identity => Identity) private _identities;
    /// @dev Keys without limits, agents among them.
    mapping(address identity => mapping(bytes32 delegateType => mapping(address key => uint40 validTo))) private _keys;
    mapping(address owner => mapping(address key => mapping(uint8 side => Delegate))) private _delegates;
    mapping(bytes32 id => VerifierSet) private _verifierSets;

    modifier onlyController(address identity) {
        if (identityOwner(identity) != msg.sender) revert NotController(identity, msg.sender);
        _;
    }

    constructor() EIP712("Suan Registry", "1") {}

    // ------------------------------------------------------------------------------------------------ identity

    /// @inheritdoc IRegistry
    function identityOwner(address identity) public view returns (address) {
        address controller = _identities[identity].controller;
        return controller == address(0) ? identity : controller;
    }

    /// @inheritdoc IRegistry
    function changed(address identity) external view returns (uint256) {
        return _identities[identity].changed;
    }

    /// @inheritdoc IRegistry
    function nonces(address identity) public view override(IRegistry, Nonces) returns (uint256) {
        return Nonces.nonces(identity);
    }

    /// @inheritdoc IRegistry
    function changeOwner(address identity, address newOwner) external onlyController(identity) {
        _changeOwner(identity, newOwner);
    }

    /// @inheritdoc IRegistry
    function changeOwnerSigned(
        address identity,
        address newOwner,
        uint256 nonce,
        uint40 deadline,
        bytes calldata signature
    ) external {
        bytes32 structHash = keccak256(abi.encode(CHANGE_OWNER_TYPEHASH, identity, newOwner, nonce, deadline));
        _useSignature(identity, structHash, nonce, deadline, signature);
        _changeOwner(identity, newOwner);
    }

    // ------------------------------------------------------------------------------------------------ keys in general

    /// @inheritdoc IRegistry
    function validDelegate(address identity, bytes32 delegateType, address delegate) external view returns (bool) {
        uint8 side = _sideOf(delegateType);
        uint40 validTo =
            side == 0 ? _keys[identity][delegateType][delegate] : _delegates[identity][delegate][side].validUntil;
        return block.timestamp <= validTo;
    }

    /// @inheritdoc IRegistry
    function addDelegate(address identity, bytes32 delegateType, address delegate, uint256 validity)
        external
        onlyController(identity)
    {
        _addDelegate(identity, delegateType, delegate, validity);
    }

    /// @inheritdoc IRegistry
    function addDelegateSigned(
        address identity,
        bytes32 delegateType,
        address delegate,
        uint256 validity,
        uint256 nonce,
        uint40 deadline,
        bytes calldata signature
    ) external {
        bytes32 structHash = keccak256(
            abi.encode(ADD_DELEGATE_TYPEHASH, identity, delegateType, delegate, validity, nonce, deadline)
        );
        _useSignature(identity, structHash, nonce, deadline, signature);
        _addDelegate(identity, delegateType, delegate, validity);
    }

    /// @inheritdoc IRegistry
    function revokeDelegate(address identity, bytes32 delegateType, address delegate)
        external
        onlyController(identity)
    {
        _revokeDelegate(identity, delegateType, delegate);
    }

    /// @inheritdoc IRegistry
    function revokeDelegateSigned(
        address identity,
        bytes32 delegateType,
        address delegate,
        uint256 nonce,
        uint40 deadline,
        bytes calldata signature
    ) external {
        bytes32 structHash = keccak256(
            abi.encode(REVOKE_DELEGATE_TYPEHASH, identity, delegateType, delegate, nonce, deadline)
        );
        _useSignature(identity, structHash, nonce, deadline, signature);
        _revokeDelegate(identity, delegateType, delegate);
    }

    // ------------------------------------------------------------------------------------------------ attributes

    /// @inheritdoc IRegistry
    function setAttribute(address identity, bytes32 name, bytes calldata value, uint256 validity)
        external
        onlyController(identity)
    {
        _setAttribute(identity, name, value, _validTo(validity));
    }

    /// @inheritdoc IRegistry
    function setAttributeSigned(
        address identity,
        bytes32 name,
        bytes calldata value,
        uint256 validity,
        uint256 nonce,
        uint40 deadline,
        bytes calldata signature
    ) external {
        bytes32 structHash = keccak256(
            abi.encode(SET_ATTRIBUTE_TYPEHASH, identity, name, keccak256(value), validity, nonce, deadline)
        );
        _useSignature(identity, structHash, nonce, deadline, signature);
        _setAttribute(identity, name, value, _validTo(validity));
    }

    /// @inheritdoc IRegistry
    function revokeAttribute(address identity, bytes32 name, bytes calldata value) external onlyController(identity) {
        _setAttribute(identity, name, value, 0);
    }

    /// @inheritdoc IRegistry
    function revokeAttributeSigned(
        address identity,
        bytes32 name,
        bytes calldata value,
        uint256 nonce,
        uint40 deadline,
        bytes calldata signature
    ) external {
        bytes32 structHash = keccak256(
            abi.encode(REVOKE_ATTRIBUTE_TYPEHASH, identity, name, keccak256(value), nonce, deadline)
        );
        _useSignature(identity, structHash, nonce, deadline, signature);
        _setAttribute(identity, name, value, 0);
    }

    // ------------------------------------------------------------------------------------------------ agents

    /// @inheritdoc IRegistry
    function setAgent(address key, uint40 validUntil) external onlyController(msg.sender) {
        _setKey(msg.sender, AGENT, key, validUntil);
    }

    /// @inheritdoc IRegistry
    function setAgentSigned(
        address owner,
        address key,
        uint40 validUntil,
        uint256 nonce,
        uint40 deadline,
        bytes calldata signature
    ) external {
        bytes32 structHash = keccak256(abi.encode(SET_AGENT_TYPEHASH, owner, key, validUntil, nonce, deadline));
        _useSignature(owner, structHash, nonce, deadline, signature);
        _setKey(owner, AGENT, key, validUntil);
    }

    /// @inheritdoc IRegistry
    function agentValidUntil(address owner, address key) external view returns (uint40) {
        return _keys[owner][AGENT][key];
    }

    // ------------------------------------------------------------------------------------------------ delegates

    /// @inheritdoc IRegistry
    function setDelegate(address key, uint8 side, uint96 spendCap, uint96 worstPrice, uint40 validUntil)
        external
        onlyController(msg.sender)
    {
        _setDelegate(msg.sender, key, side, Delegate(spendCap, worstPrice, validUntil, 0));
    }

    /// @inheritdoc IRegistry
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
    ) external {
        bytes32 structHash = keccak256(
            abi.encode(SET_DELEGATE_TYPEHASH, owner, key, side, spendCap, worstPrice, validUntil, nonce, deadline)
        );
        _useSignature(owner, structHash, nonce, deadline, signature);
        _setDelegate(owner, key, side, Delegate(spendCap, worstPrice, validUntil, 0));
    }

    /// @inheritdoc IRegistry
    function delegateOf(address owner, address key, uint8 side) external view returns (Delegate memory) {
        return _delegates[owner][key][side];
    }

    // ------------------------------------------------------------------------------------------------ verifiers

    /// @inheritdoc IRegistry
    function registerVerifierSet(address[] calldata members, uint8 threshold, uint96 payoutCap)
        external
        returns (bytes32 id)
    {
        if (members.length == 0 || members.length > VERIFIERS_MAX) {
            revert InvalidMemberCount(members.length, VERIFIERS_MAX);
        }
        if (threshold == 0 || threshold > members.length) revert InvalidThreshold(threshold, members.length);
        address before;
        for (uint256 i; i < members.length; ++i) {
            if (members[i] <= before) revert MembersNotAscending(before, members[i]);
            before = members[i];
        }
        id = keccak256(abi.encode(members, threshold, payoutCap));
        if (isVerifierSet(id)) return id;
        _verifierSets[id] = VerifierSet(members, threshold, payoutCap);
        emit VerifierSetRegistered(id, members, threshold, payoutCap);
    }

    /// @inheritdoc IRegistry
    function verifierSetOf(bytes32 id)
        external
        view
        returns (address[] memory members, uint8 threshold, uint96 payoutCap)
    {
        if (!isVerifierSet(id)) revert UnknownVerifierSet(id);
        VerifierSet storage set = _verifierSets[id];
        return (set.members, set.threshold, set.payoutCap);
    }

    /// @inheritdoc IRegistry
    function payoutCapOf(bytes32 id) external view returns (uint96) {
        VerifierSet storage set = _verifierSets[id];
        if (set.threshold == 0) revert UnknownVerifierSet(id);
        return set.payoutCap;
    }

    /// @inheritdoc IRegistry
    function isVerifierSet(bytes32 id) public view returns (bool) {
        return _verifierSets[id].threshold != 0;
    }

    // ------------------------------------------------------------------------------------------------ pieces

    function _changeOwner(address identity, address newOwner) private {
        if (newOwner == address(0)) revert ZeroAddress();
        uint256 previousChange = _touch(identity);
        _identities[identity].controller = newOwner;
        emit DIDOwnerChanged(identity, newOwner, previousChange);
    }

    function _addDelegate(address identity, bytes32 delegateType, address delegate, uint256 validity) private {
        if (_sideOf(delegateType) != 0) revert LimitsMissing(delegateType);
        _setKey(identity, delegateType, delegate, _validTo(validity));
    }

    function _revokeDelegate(address identity, bytes32 delegateType, address delegate) private {
        uint8 side = _sideOf(delegateType);
        if (side == 0) _setKey(identity, delegateType, delegate, 0);
        else _setDelegate(identity, delegate, side, Delegate(0, 0, 0, 0));
    }

    function _setAttribute(address identity, bytes32 name, bytes calldata value, uint40 validTo) private {
        if (value.length > ATTRIBUTE_BYTES_MAX) revert AttributeTooLong(value.length, ATTRIBUTE_BYTES_MAX);
        if ((name == DOCUMENT_HASH || name == SERVICE_HASH) && value.length != 32) {
            revert InvalidHashLength(name, value.length);
        }
        emit DIDAttributeChanged(identity, name, value, validTo, _touch(identity));
    }

    function _setKey(address identity, bytes32 delegateType, address key, uint40 validTo) private {
        if (key == address(0)) revert ZeroAddress();
        // What an agent signed stays signed: who revokes its key can not take its receipts back.
        if (validTo == 0 && delegateType == AGENT && _keys[identity][AGENT][key] != 0) validTo = REVOKED;
        _keys[identity][delegateType][key] = validTo;
        if (delegateType == AGENT) emit AgentSet(identity, key, validTo);
        emit DIDDelegateChanged(identity, delegateType, key, validTo, _touch(identity));
    }

    function _setDelegate(address owner, address key, uint8 side, Delegate memory setting) private {
        if (key == address(0)) revert ZeroAddress();
        if (side != Orders.BUY && side != Orders.SELL) revert InvalidSide(side);
        setting.version = _delegates[owner][key][side].version + 1;
        _delegates[owner][key][side] = setting;
        emit DelegateSet(owner, key, side, setting.spendCap, setting.worstPrice, setting.validUntil);
        bytes32 delegateType = side == Orders.BUY ? BUY : SELL;
        emit DIDDelegateChanged(owner, delegateType, key, setting.validUntil, _touch(owner));
    }

    /// @dev Notes that `identity` changes in this block and returns the block of the change before.
    function _touch(address identity) private returns (uint256 previousChange) {
        previousChange = _identities[identity].changed;
        _identities[identity].changed = uint96(block.number);
    }

    /// @dev The side of a scope with limits, 0 for all others.
    function _sideOf(bytes32 delegateType) private pure returns (uint8) {
        if (delegateType == BUY) return Orders.BUY;
        return delegateType == SELL ? Orders.SELL : 0;
    }

    function _validTo(uint256 validity) private view returns (uint40) {
        uint256 most = type(uint40).max - block.timestamp;
        return validity < most ? uint40(block.timestamp + validity) : type(uint40).max;
    }

    function _useSignature(
        address identity,
        bytes32 structHash,
        uint256 nonce,
        uint40 deadline,
        bytes calldata signature
    ) private {
        if (block.timestamp > deadline) revert SignatureExpired(deadline);
        address controller = identityOwner(identity);
        if (!Signatures.isSignedBy(controller, _hashTypedDataV4(structHash), signature)) {
            revert InvalidSignature(controller);
        }
        _useCheckedNonce(identity, nonce);
    }
}
