// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketTypes} from "../../src/interfaces/IMarketTypes.sol";
import {MarketTest} from "./MarketTest.sol";
import {Packing} from "./Packing.sol";

/// @dev Sessions of the buyer with the provider, and vouchers.
abstract contract SessionTest is MarketTest {
    uint96 internal constant CEILING_PAID = 10 ether;

    function _session(uint56 salt) internal view returns (IMarketTypes.Session memory) {
        return IMarketTypes.Session(buyer, CEILING_PAID, provider, START + 1 hours, salt);
    }

    /// @dev The hash of the terms, computed here again.
    function _sessionId(IMarketTypes.Session memory s) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(s.buyer, s.ceiling, s.provider, s.expiresAt, s.salt));
    }

    /// @dev Of money that was asked out a match window before.
    function _openSession(IMarketTypes.Session memory s) internal returns (bytes32) {
        _askOut(s.buyer, s.ceiling);
        vm.prank(s.buyer);
        return market.openSession(s);
    }

    /// @dev Until no trade can take it back.
    function _askOut(address account, uint128 amount) internal {
        vm.prank(account);
        market.requestWithdrawal(amount);
        vm.warp(block.timestamp + MATCH);
    }

    function _voucherDigest(bytes32 session, uint256 cumulative) internal view returns (bytes32) {
        bytes32 typeHash = keccak256("Voucher(bytes32 session,uint128 cumulative)");
        return _marketDigest(keccak256(abi.encode(typeHash, session, cumulative)));
    }

    function _voucher(IMarketTypes.Session memory s, uint256 cumulative, uint256 key)
        internal
        view
        returns (IMarketTypes.SignedVoucher memory v)
    {
        v.buyerAndCeiling = uint256(bytes32(abi.encodePacked(s.buyer, s.ceiling)));
        v.providerAndTerms = uint256(bytes32(abi.encodePacked(s.provider, s.expiresAt, s.salt)));
        v.cumulative = cumulative;
        (v.r, v.vs) = Packing.short(_sign(key, _voucherDigest(_sessionId(s), cumulative)));
    }

    function _one(IMarketTypes.SignedVoucher memory voucher)
        internal
        pure
        returns (IMarketTypes.SignedVoucher[] memory vouchers)
    {
        vouchers = new IMarketTypes.SignedVoucher[](1);
        vouchers[0] = voucher;
    }

    function _redeem(IMarketTypes.SignedVoucher memory voucher) internal {
        market.redeem(_one(voucher));
    }
}
