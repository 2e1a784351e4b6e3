// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketTypes} from "../interfaces/IMarketTypes.sol";

/// @title EIP-712 struct hashes of what is signed for the market
/// @dev Every member of a struct is one word, exactly as EIP-712 encodes it.
library Orders {
    uint8 internal constant BUY = 1;
    uint8 internal constant SELL = 2;

    bytes32 internal constant OFFER_TYPEHASH = keccak256(
        "Offer(address maker,bytes32 product,uint8 side,uint96 price,uint64 units,uint32 nonce,uint40 validUntil,uint40 deliverBy,bytes32 verifierSet,uint16 maxFeeBps,bytes32 terms)"
    );
    bytes32 internal constant BID_TYPEHASH = keccak256(
        "Bid(address maker,bytes32 product,uint8 side,uint96 price,uint32 runs,uint64 ceiling,uint32 nonce,uint40 validUntil,uint40 deliverBy,bytes32 verifierSet,uint16 maxFeeBps,bytes32 terms)"
    );
    bytes32 internal constant CANCEL_TYPEHASH = keccak256("Cancel(address maker,uint8 side,uint32 nonce)");
    bytes32 internal constant WITHDRAWAL_REQUEST_TYPEHASH =
        keccak256("WithdrawalRequest(address account,uint128 amount,uint256 nonce,uint40 deadline)");
    bytes32 internal constant MIGRATION_TYPEHASH =
        keccak256("Migration(address account,address market,uint256 nonce,uint40 deadline)");
    bytes32 internal constant VERDICT_TYPEHASH =
        keccak256("Verdict(bytes32 batch,bytes outcomes,bytes32 receiptsRoot)");
    bytes32 internal constant ACCEPTANCE_TYPEHASH = keccak256("Acceptance(bytes32 batch,bytes outcomes)");
    bytes32 internal constant GIVING_UP_TYPEHASH = keccak256("GivingUp(bytes32 batch,uint256 trades)");
    bytes32 internal constant RULING_TYPEHASH =
        keccak256("Ruling(bytes32 batch,bytes32 trade,uint8 kind,uint32 runsDelivered,uint64 units)");
    bytes32 internal constant VOUCHER_TYPEHASH = keccak256("Voucher(bytes32 session,uint128 cumulative)");
    bytes32 internal constant RECEIPT_ACKNOWLEDGEMENT_TYPEHASH = keccak256("ReceiptAcknowledgement(bytes32 receipt)");
    bytes32 internal constant RECEIPT_TYPEHASH = keccak256(
        "Receipt(bytes32 trade,uint32 run,bytes32 module,bytes32 input,bytes32 output,bytes32 seed,uint64 fp64,uint64 fp32,uint64 integer,uint64 memoryControl,uint64 fuel,string engine,string profile,uint8 exitReason,uint64 cpuMilliseconds,uint64 wallMilliseconds,uint64 peakMemoryBytes,uint40 startedAt,uint40 endedAt,bytes32 evidence)"
    );

    /// @notice The 32 bytes that are signed (EIP-712).
    function digestOf(bytes32 domain, bytes32 structHash) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, hex"1901")
            mstore(add(m, 2), domain)
            mstore(add(m, 34), structHash)
            digest := keccak256(m, 66)
        }
    }

    /// @notice A form in memory for digestOfOffer(): twelve words of the struct, then 66 bytes to sign. What all offers of a batch
    /// share stands in it already.
    function offerForm(bytes32 domain, bytes32 verifierSet) internal pure returns (uint256 form) {
        bytes32 typeHash = OFFER_TYPEHASH;
        assembly ("memory-safe") {
            form := mload(0x40)
            mstore(0x40, add(form, 480))
            mstore(form, typeHash)
            mstore(add(form, 96), 2)
            mstore(add(form, 288), verifierSet)
            mstore(add(form, 384), hex"1901")
            mstore(add(form, 386), domain)
        }
    }

    /// @notice The 32 bytes that are signed for an offer as it stands in calldata.
    function digestOfOffer(uint256 form, IMarketTypes.PackedOffer calldata o, bytes32 product)
        internal
        pure
        returns (bytes32 digest)
    {
        assembly ("memory-safe") {
            let maker := calldataload(o)
            let fields := calldataload(add(o, 32))
            mstore(add(form, 32), shr(96, maker))
            mstore(add(form, 64), product)
            mstore(add(form, 128), and(maker, 0xffffffffffffffffffffffff))
            mstore(add(form, 160), and(shr(144, fields), 0xffffffffffffffff))
            mstore(add(form, 192), and(shr(112, fields), 0xffffffff))
            mstore(add(form, 224), and(shr(72, fields), 0xffffffffff))
            mstore(add(form, 256), and(shr(32, fields), 0xffffffffff))
            mstore(add(form, 320), and(shr(16, fields), 0xffff))
            mstore(add(form, 352), calldataload(add(o, 64)))
            mstore(add(form, 418), keccak256(form, 384))
            digest := keccak256(add(form, 384), 66)
        }
    }

    /// @notice A form in memory for digestOfBid(): thirteen words of the struct, then 66 bytes to sign.
    function bidForm(bytes32 domain, bytes32 verifierSet) internal pure returns (uint256 form) {
        bytes32 typeHash = BID_TYPEHASH;
        assembly ("memory-safe") {
            form := mload(0x40)
            mstore(0x40, add(form, 512))
            mstore(form, typeHash)
            mstore(add(form, 96), 1)
            mstore(add(form, 320), verifierSet)
            mstore(add(form, 416), hex"1901")
            mstore(add(form, 418), domain)
        }
    }

    /// @notice The 32 bytes that are signed for a bid as it stands in calldata.
    function digestOfBid(uint256 form, IMarketTypes.PackedBid calldata b, bytes32 product)
        internal
        pure
        returns (bytes32 digest)
    {
        assembly ("memory-safe") {
            let maker := calldataload(b)
            let fields := calldataload(add(b, 32))
            mstore(add(form, 32), shr(96, maker))
            mstore(add(form, 64), product)
            mstore(add(form, 128), and(maker, 0xffffffffffffffffffffffff))
            mstore(add(form, 160), and(shr(208, fields), 0xffffffff))
            mstore(add(form, 192), and(shr(144, fields), 0xffffffffffffffff))
            mstore(add(form, 224), and(shr(112, fields), 0xffffffff))
            mstore(add(form, 256), and(shr(72, fields), 0xffffffffff))
            mstore(add(form, 288), and(shr(32, fields), 0xffffffffff))
            mstore(add(form, 352), and(shr(16, fields), 0xffff))
            mstore(add(form, 384), calldataload(add(b, 64)))
            mstore(add(form, 450), keccak256(form, 416))
            digest := keccak256(add(form, 416), 66)
        }
    }

    /// @notice Of the words as they stand in calldata.
    function hashOffer(IMarketTypes.Offer calldata offer) internal pure returns (bytes32) {
        uint256 first;
        assembly ("memory-safe") {
            first := offer
        }
        return _hashWords(OFFER_TYPEHASH, first, 11 * 32);
    }

    /// @notice Of the words as they stand in calldata.
    function hashBid(IMarketTypes.Bid calldata bid) internal pure returns (bytes32) {
        uint256 first;
        assembly ("memory-safe") {
            first := bid
        }
        return _hashWords(BID_TYPEHASH, first, 12 * 32);
    }

    function _hashWords(bytes32 typeHash, uint256 first, uint256 length) private pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, typeHash)
            calldatacopy(add(m, 32), first, length)
            hash := keccak256(m, add(length, 32))
        }
    }

    function hashCancel(address maker, uint8 side, uint32 nonce) internal pure returns (bytes32) {
        return keccak256(abi.encode(CANCEL_TYPEHASH, maker, side, nonce));
    }

    function hashWithdrawalRequest(address account, uint128 amount, uint256 nonce, uint40 deadline)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(WITHDRAWAL_REQUEST_TYPEHASH, account, amount, nonce, deadline));
    }

    function hashMigration(address account, address market, uint256 nonce, uint40 deadline)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(MIGRATION_TYPEHASH, account, market, nonce, deadline));
    }

    function hashVerdict(bytes32 batch, IMarketTypes.Verdict calldata verdict) internal pure returns (bytes32) {
        return keccak256(abi.encode(VERDICT_TYPEHASH, batch, keccak256(verdict.outcomes), verdict.receiptsRoot));
    }

    function hashAcceptance(bytes32 batch, bytes calldata outcomes) internal pure returns (bytes32) {
        return keccak256(abi.encode(ACCEPTANCE_TYPEHASH, batch, keccak256(outcomes)));
    }

    /// @dev trades: bit i for the trade with index i.
    function hashGivingUp(bytes32 batch, uint256 trades) internal pure returns (bytes32) {
        return keccak256(abi.encode(GIVING_UP_TYPEHASH, batch, trades));
    }

    /// @dev outcome: kind 8 | runsDelivered 32 | units 64.
    function hashRuling(bytes32 batch, bytes32 trade, uint256 outcome) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(RULING_TYPEHASH, batch, trade, uint8(outcome >> 96), uint32(outcome >> 64), uint64(outcome))
        );
    }

    function hashVoucher(bytes32 session, uint256 cumulative) internal pure returns (bytes32) {
        return keccak256(abi.encode(VOUCHER_TYPEHASH, session, cumulative));
    }

    function hashReceiptAcknowledgement(bytes32 receipt) internal pure returns (bytes32) {
        return keccak256(abi.encode(RECEIPT_ACKNOWLEDGEMENT_TYPEHASH, receipt));
    }

    /// @notice hashStruct of a receipt given as its words.
    function hashReceipt(bytes calldata words) internal pure returns (bytes32) {
        return keccak256(bytes.concat(RECEIPT_TYPEHASH, words));
    }
}
