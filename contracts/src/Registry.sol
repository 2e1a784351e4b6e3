// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IRegistry} from "./interfaces/IRegistry.sol";
import {Orders} from "./libraries/Orders.sol";
import {Signatures} from "./libraries/Signatures.sol";

/// @title Agents, delegates and verifier sets
/// @dev What each function does, who may call it and when it reverts is said in IRegistry.
contract Registry is IRegistry, EIP712, Nonces {
    /// @notice The most members of a verifier set: checking a verdict costs one signature each.
    uint256 public constant VERIFIERS_MAX = 16;

    bytes32 internal constant SET_AGENT_TYPEHASH =
        keccak256("SetAgent(address owner,address key,uint40 validUntil,uint256 nonce,uint40 deadline)");
    bytes32 internal constant SET_DELEGATE_TYPEHASH = keccak256(
        "SetDelegate(address owner,address key,uint8 side,uint96 spendCap,uint96 worstPrice,uint40 validUntil,uint256 nonce,uint40 deadline)"
    );

    struct VerifierSet {
        address[] members;
        uint8 threshold;
        uint96 payoutCap;
    }

    mapping(address owner => mapping(address key => uint40)) private _agents;
    mapping(address owner => mapping(address key => mapping(uint8 side => Delegate))) private _delegates;
    mapping(bytes32 id => VerifierSet) private _verifierSets;

    constructor() EIP712("Suan Registry", "1") {}

    // ------------------------------------------------------------------------------------------------ agents

    /// @inheritdoc IRegistry
    function setAgent(address key, uint40 validUntil) external {
        _setAgent(msg.sender, key, validUntil);
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
        _setAgent(owner, key, validUntil);
    }

    /// @inheritdoc IRegistry
    function agentValidUntil(address owner, address key) external view returns (uint40) {
        return _agents[owner][key];
    }

    // ------------------------------------------------------------------------------------------------ delegates

    /// @inheritdoc IRegistry
    function setDelegate(address key, uint8 side, uint96 spendCap, uint96 worstPrice, uint40 validUntil) external {
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
    function isVerifierSet(bytes32 id) public view returns (bool) {
        return _verifierSets[id].threshold != 0;
    }

    // ------------------------------------------------------------------------------------------------ pieces

    function _setAgent(address owner, address key, uint40 validUntil) private {
        if (key == address(0)) revert ZeroAddress();
        _agents[owner][key] = validUntil;
        emit AgentSet(owner, key, validUntil);
    }

    function _setDelegate(address owner, address key, uint8 side, Delegate memory setting) private {
        if (key == address(0)) revert ZeroAddress();
        if (side != Orders.BUY && side != Orders.SELL) revert InvalidSide(side);
        setting.version = _delegates[owner][key][side].version + 1;
        _delegates[owner][key][side] = setting;
        emit DelegateSet(owner, key, side, setting.spendCap, setting.worstPrice, setting.validUntil);
    }

    function _useSignature(address owner, bytes32 structHash, uint256 nonce, uint40 deadline, bytes calldata signature)
        private
    {
        if (block.timestamp > deadline) revert SignatureExpired(deadline);
        if (!Signatures.isSignedBy(owner, _hashTypedDataV4(structHash), signature)) revert InvalidSignature(owner);
        _useCheckedNonce(owner, nonce);
    }
}
