// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";

/// @dev A fill before it is packed: positions of its orders, and runs of the bid.
struct Fill {
    uint32 offer;
    uint32 bid;
    uint32 firstRun;
    uint32 runs;
}

/// @dev How a trade ends, before it is packed.
struct Outcome {
    uint8 kind;
    uint32 runsDelivered;
    uint64 units;
}

/// @dev What TradeLocked says of a trade, member by member.
struct Record {
    bytes32 trade;
    address provider;
    address buyer;
    uint96 price;
    uint32 runs;
    uint64 ceiling;
    uint128 bond;
    uint40 deliverBy;
    uint32 firstRun;
    uint32 offerNonce;
    uint32 bidNonce;
    uint8 index;
}

/// @title The packed words of IMarketTypes, written down independently of the contracts
library Packing {
    uint256 internal constant UNITS_PER_GFLOPS_HOUR = 3_600_000;

    // ------------------------------------------------------------------------------------------------ orders

    function offer(IMarketTypes.Offer memory o, bytes memory signature, uint8 clearing, uint8 wallet)
        internal
        pure
        returns (IMarketTypes.PackedOffer memory p)
    {
        p.makerAndPrice = uint256(bytes32(abi.encodePacked(o.maker, o.price)));
        bytes memory fields =
            abi.encodePacked(o.units, o.nonce, o.validUntil, o.deliverBy, o.maxFeeBps, clearing, wallet);
        p.fields = uint256(bytes32(fields)) >> 48;
        p.terms = o.terms;
        (p.r, p.vs) = short(signature);
    }

    function bid(IMarketTypes.Bid memory b, bytes memory signature, uint8 clearing, uint8 wallet)
        internal
        pure
        returns (IMarketTypes.PackedBid memory p)
    {
        p.makerAndPrice = uint256(bytes32(abi.encodePacked(b.maker, b.price)));
        bytes memory fields =
            abi.encodePacked(b.runs, b.ceiling, b.nonce, b.validUntil, b.deliverBy, b.maxFeeBps, clearing, wallet);
        p.fields = uint256(bytes32(fields)) >> 16;
        p.terms = b.terms;
        (p.r, p.vs) = short(signature);
    }

    /// @dev ERC-2098 of 65 bytes; of anything else two zero words, which nobody signed.
    function short(bytes memory signature) internal pure returns (bytes32 r, bytes32 vs) {
        if (signature.length != 65) return (0, 0);
        uint8 v = uint8(signature[64]);
        assembly ("memory-safe") {
            r := mload(add(signature, 32))
            vs := mload(add(signature, 64))
        }
        if (v == 28) vs |= bytes32(uint256(1) << 255);
    }

    /// @dev 10 bytes.
    function fill(Fill memory f) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(f.offer), uint8(f.bid), f.firstRun, f.runs);
    }

    // ------------------------------------------------------------------------------------------------ records

    function record(Record memory r) internal pure returns (IMarketTypes.Record memory p) {
        p.trade = r.trade;
        p.providerAndPrice = uint256(bytes32(abi.encodePacked(r.provider, r.price)));
        p.buyerAndWork = uint256(bytes32(abi.encodePacked(r.buyer, r.runs, r.ceiling)));
        bytes memory terms =
            abi.encodePacked(uint96(r.bond), r.deliverBy, r.firstRun, r.offerNonce, r.bidNonce, r.index);
        p.terms = uint256(bytes32(terms)) >> 16;
    }

    function records(Record[] memory all) internal pure returns (IMarketTypes.Record[] memory packed) {
        packed = new IMarketTypes.Record[](all.length);
        for (uint256 i; i < all.length; ++i) {
            packed[i] = record(all[i]);
        }
    }

    /// @dev From the data of TradeLocked.
    function unpack(bytes32 trade, bytes memory data) internal pure returns (Record memory r) {
        r.trade = trade;
        (uint256 first, uint256 second, uint256 third) = abi.decode(data, (uint256, uint256, uint256));
        (r.provider, r.price) = (address(uint160(first >> 96)), uint96(first));
        (r.buyer, r.runs, r.ceiling) = (address(uint160(second >> 96)), uint32(second >> 64), uint64(second));
        (r.bond, r.deliverBy, r.firstRun) = (uint128(third >> 144), uint40(third >> 104), uint32(third >> 72));
        (r.offerNonce, r.bidNonce, r.index) = (uint32(third >> 40), uint32(third >> 8), uint8(third));
    }

    /// @dev What the buyer locked, rounded up.
    function payment(Record memory r) internal pure returns (uint128) {
        uint256 product = uint256(r.price) * r.ceiling * r.runs;
        return uint128((product + UNITS_PER_GFLOPS_HOUR - 1) / UNITS_PER_GFLOPS_HOUR);
    }

    // ------------------------------------------------------------------------------------------------ outcomes

    /// @dev 14 bytes for each record.
    function outcomes(Record[] memory all, Outcome[] memory ends) internal pure returns (bytes memory packed) {
        for (uint256 i; i < ends.length; ++i) {
            uint8 index = i < all.length ? all[i].index : uint8(i);
            packed = bytes.concat(packed, outcome(index, ends[i]));
        }
    }

    function outcome(uint8 index, Outcome memory end) internal pure returns (bytes14) {
        return bytes14(abi.encodePacked(index, end.kind, end.runsDelivered, end.units));
    }

    /// @dev As it stands in events.
    function outcomeWord(uint8 index, Outcome memory end) internal pure returns (uint256) {
        return uint112(outcome(index, end));
    }

    /// @dev The second word of TradeClosed.
    function amounts(uint256 paid, uint256 second) internal pure returns (uint256) {
        return (paid << 128) | second;
    }
}
