// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {IMarketEvents} from "../interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../interfaces/IMarketTypes.sol";
import {Accounts} from "./Accounts.sol";
import {Amounts} from "./Amounts.sol";
import {Exits} from "./Exits.sol";
import {Fills} from "./Fills.sol";
import {Orders} from "./Orders.sol";
import {RejectCodes} from "./RejectCodes.sol";
import {Signatures} from "./Signatures.sol";
import {Rules, State, Word} from "./State.sol";

/// @title Payment by the second: a ceiling is locked once, cumulative vouchers pay it out
/// @notice One word a session: known (bit 255) | closed (bit 254) | paid 96. Its terms are in its id, and come along.
/// @dev Code of its own, called by the market; it runs on the market's state.
library Sessions {
    using Accounts for Word;

    uint256 private constant KNOWN = 1 << 255;
    uint256 private constant CLOSED = 1 << 254;

    /// @notice Id of a session: the hash of its terms. The signature over a voucher binds it to this contract by its domain.
    function idOf(IMarketTypes.Session calldata s) internal pure returns (bytes32) {
        return _idOf((uint256(uint160(s.buyer)) << 96) | s.ceiling, _termsOf(s));
    }

    function _termsOf(IMarketTypes.Session calldata s) private pure returns (uint256) {
        return (uint256(uint160(s.provider)) << 96) | (uint256(s.expiresAt) << 56) | s.salt;
    }

    function _idOf(uint256 buyerAndCeiling, uint256 providerAndTerms) private pure returns (bytes32) {
        return Hashes.efficientKeccak256(bytes32(buyerAndCeiling), bytes32(providerAndTerms));
    }

    function read(State storage self, bytes32 id) internal view returns (uint96 paid, bool isOpen) {
        uint256 word = self.sessions[id];
        return (uint96(word), word & (KNOWN | CLOSED) == KNOWN);
    }

    /// @dev See IMarket.openSession.
    function open(State storage self, IMarketTypes.Session calldata s) external returns (bytes32 id) {
        id = idOf(s);
        if (
            self.sessions[id] != 0 || s.buyer != msg.sender || s.provider == address(0) || s.provider == s.buyer
                || s.ceiling == 0 || s.expiresAt <= block.timestamp || s.expiresAt > block.timestamp + Fills.TERM_MAX
        ) revert IMarketEvents.InvalidSession(id);
        Exits.lock(self, s.buyer, s.ceiling);
        self.sessions[id] = KNOWN;
        emit IMarketEvents.SessionOpened(id, s);
    }

    /// @dev See IMarket.redeem.
    function redeem(State storage self, Rules memory rules, IMarketTypes.SignedVoucher[] calldata vouchers) external {
        uint256 fees;
        for (uint256 i; i < vouchers.length; ++i) {
            IMarketTypes.SignedVoucher calldata v = vouchers[i];
            bytes32 id = _idOf(v.buyerAndCeiling, v.providerAndTerms);
            uint256 word = self.sessions[id];
            uint256 code = _judge(rules.domain, id, word, v);
            if (code != RejectCodes.NONE) {
                emit IMarketEvents.VoucherRejected(i, id, uint8(code));
                continue;
            }
            unchecked {
                // paid < cumulative <= ceiling, which is locked and below 2^96
                uint256 paid = v.cumulative - uint96(word);
                uint256 fee = Amounts.feeDown(paid, rules.feeBps);
                fees += fee;
                self.sessions[id] = KNOWN | v.cumulative;
                self.accounts[address(uint160(v.buyerAndCeiling >> 96))].release(paid, 0);
                self.accounts[address(uint160(v.providerAndTerms >> 96))].credit(paid - fee);
                emit IMarketEvents.VoucherRedeemed(id, (paid << 128) | fee, v.cumulative);
            }
        }
        if (fees != 0) self.accounts[rules.treasury].credit(fees);
    }

    function _judge(bytes32 domain, bytes32 id, uint256 word, IMarketTypes.SignedVoucher calldata v)
        private
        view
        returns (uint256)
    {
        if (word & (KNOWN | CLOSED) != KNOWN) return RejectCodes.SESSION_NOT_OPEN;
        if (v.cumulative <= uint96(word)) return RejectCodes.VOUCHER_NOT_GREATER;
        if (v.cumulative > uint96(v.buyerAndCeiling)) return RejectCodes.CEILING_EXCEEDED;
        address buyer = address(uint160(v.buyerAndCeiling >> 96));
        bytes32 digest = Orders.digestOf(domain, Orders.hashVoucher(id, v.cumulative));
        if (Signatures.signerOf(digest, v.r, v.vs) == buyer) return RejectCodes.NONE;
        uint8 parity = uint8(uint256(v.vs) >> 255) + 27;
        bytes memory signature = abi.encodePacked(v.r, v.vs & bytes32(type(uint256).max >> 1), parity);
        return Signatures.isValidWallet(buyer, digest, signature) ? RejectCodes.NONE : RejectCodes.BAD_SIGNATURE;
    }

    /// @dev See IMarket.closeSession.
    function close(State storage self, Rules memory rules, IMarketTypes.Session calldata s) external {
        bytes32 id = idOf(s);
        (uint96 paid, bool isOpen) = read(self, id);
        if (!isOpen) revert IMarketEvents.InvalidSession(id);
        uint256 from = uint256(s.expiresAt) + rules.verificationGrace;
        if (msg.sender != s.provider && block.timestamp < from) revert IMarketEvents.SessionNotExpired(id, from);
        self.sessions[id] = KNOWN | CLOSED | paid;
        uint96 released = s.ceiling - paid;
        self.accounts[s.buyer].release(released, released);
        emit IMarketEvents.SessionClosed(id, released);
    }
}
