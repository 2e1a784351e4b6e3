// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../interfaces/IMarket.sol";

/// @title EIP-712 struct hashes of what is signed for the market
/// @dev Every member of a struct is one word in abi.encode, exactly as EIP-712 encodes it, so a whole struct is encoded at once.
library Orders {
    uint8 internal constant BUY = 1;
    uint8 internal constant SELL = 2;

    bytes32 internal constant OFFER_TYPEHASH = keccak256(
        "Offer(address maker,bytes32 product,uint8 side,uint96 price,uint64 units,uint64 nonce,uint40 validUntil,uint40 deliverBy,bytes32 verifierSet,uint16 maxFeeBps,bytes32 terms)"
    );
    bytes32 internal constant BID_TYPEHASH = keccak256(
        "Bid(address maker,bytes32 product,uint8 side,uint96 price,uint32 runs,uint64 ceiling,uint64 nonce,uint40 validUntil,uint40 deliverBy,bytes32 verifierSet,uint16 maxFeeBps,bytes32 terms)"
    );
    bytes32 internal constant CANCEL_TYPEHASH = keccak256("Cancel(address maker,bytes32 order)");
    bytes32 internal constant WITHDRAWAL_REQUEST_TYPEHASH =
        keccak256("WithdrawalRequest(address account,uint128 amount,uint256 nonce,uint40 deadline)");
    bytes32 internal constant VERDICT_TYPEHASH =
        keccak256("Verdict(bytes32 batch,bytes32 outcomes,bytes32 receiptsRoot)");
    bytes32 internal constant DELIVERY_ATTESTATION_TYPEHASH =
        keccak256("DeliveryAttestation(bytes32 batch,bytes32 trade,uint32 runsDelivered,uint64 units)");

    function hashOffer(IMarket.Offer calldata offer) internal pure returns (bytes32) {
        return keccak256(abi.encode(OFFER_TYPEHASH, offer));
    }

    function hashBid(IMarket.Bid calldata bid) internal pure returns (bytes32) {
        return keccak256(abi.encode(BID_TYPEHASH, bid));
    }

    function hashCancel(address maker, bytes32 order) internal pure returns (bytes32) {
        return keccak256(abi.encode(CANCEL_TYPEHASH, maker, order));
    }

    function hashWithdrawalRequest(address account, uint128 amount, uint256 nonce, uint40 deadline)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(WITHDRAWAL_REQUEST_TYPEHASH, account, amount, nonce, deadline));
    }

    function hashVerdict(bytes32 batch, bytes32 outcomes, bytes32 receiptsRoot) internal pure returns (bytes32) {
        return keccak256(abi.encode(VERDICT_TYPEHASH, batch, outcomes, receiptsRoot));
    }

    function hashDeliveryAttestation(bytes32 batch, bytes32 trade, uint32 runsDelivered, uint64 units)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(DELIVERY_ATTESTATION_TYPEHASH, batch, trade, runsDelivered, units));
    }
}
