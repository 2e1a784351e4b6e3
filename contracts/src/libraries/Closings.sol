// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../interfaces/IMarketTypes.sol";
import {Accounts} from "./Accounts.sol";
import {Amounts} from "./Amounts.sol";
import {Places} from "./Places.sol";
import {Records} from "./Records.sol";
import {Rules, State, Word} from "./State.sol";

/// @dev What the trades of one call add up to for the accounts that all of them share, and for their verifier set.
struct Totals {
    uint256 freed; // payments and bonds that are not locked any more
    uint256 fee;
    uint256 rerun;
    uint256 pool;
}

/// @title How a trade ends: who gets its payment and its bond, and what its orders get back
library Closings {
    using Accounts for State;
    using Accounts for Word;
    using Places for State;
    using Records for IMarketTypes.Record;
    using Records for uint256;

    /// @notice What the trade pays if it ends so, before the fee. Down: the dust stays with the buyer.
    function paymentOf(IMarketTypes.Record calldata r, uint256 outcome) internal pure returns (uint256) {
        return outcome.kindOf() == Records.SETTLED ? Amounts.paymentDown(r.price(), outcome.unitsOf()) : 0;
    }

    /// @notice Pay out a trade of which the caller forgets that it is open.
    /// @dev The caller has checked that the record allows the outcome.
    function close(
        State storage self,
        Rules memory rules,
        IMarketTypes.Record calldata r,
        uint256 outcome,
        Totals memory totals
    ) internal {
        unchecked {
            // Sums of parts of what is locked: below 2^96, see Accounts.
            uint256 paid = paymentOf(r, outcome);
            uint256 bond = r.bond();
            uint256 units = r.lockedUnits();
            uint256 payment = Amounts.lockPaymentUp(r.price(), uint64(units));
            uint256 second; // fee or slashed
            uint256 toProvider = bond;
            if (outcome.kindOf() == Records.SETTLED) {
                second = Amounts.feeDown(paid, rules.feeBps);
                totals.fee += second;
                toProvider = bond + paid - second; // units <= those locked, so paid <= payment
                units -= outcome.unitsOf();
            } else if (outcome.kindOf() == Records.SLASHED) {
                second = bond;
                toProvider = 0;
                uint256 rerun = Amounts.paymentDown(r.price(), outcome.unitsOf());
                if (rerun > bond) rerun = bond;
                totals.rerun += rerun;
                totals.pool += bond - rerun;
            }
            totals.freed += payment + bond;
            self.accountOf(r.provider()).release(bond, toProvider);
            self.accountOf(r.buyer()).release(payment, payment - paid);
            _giveBack(self, r, units, r.runs() - outcome.runsOf());
            _emitClosed(r.trade, outcome, (paid << 128) | second);
        }
    }

    /// @dev emit TradeClosed(trade, outcome, amounts), out of the scratch space.
    function _emitClosed(bytes32 trade, uint256 outcome, uint256 amounts) private {
        bytes32 topic = IMarketEvents.TradeClosed.selector;
        assembly ("memory-safe") {
            mstore(0, outcome)
            mstore(32, amounts)
            log2(0, 64, topic, trade)
        }
    }

    /// @notice Pay the accounts that all trades of a call share, and lower the exposure to their verifier set.
    function payTotals(State storage self, Rules memory rules, bytes32 verifierSet, Totals memory totals) internal {
        unchecked {
            // Each of these trades raised it by as much when it was locked.
            self.exposure[verifierSet] -= totals.freed;
        }
        if (totals.fee != 0) self.accounts[rules.treasury].credit(totals.fee);
        if (totals.rerun != 0) self.accounts[rules.rerunAccount].credit(totals.rerun);
        if (totals.pool != 0) self.accounts[rules.pool].credit(totals.pool);
    }

    /// @dev To the orders, if they have not ended. A slashed trade used nothing: its outcome's `units` are those of the re-run.
    function _giveBack(State storage self, IMarketTypes.Record calldata r, uint256 units, uint256 runs) private {
        if (units != 0) {
            uint256 nonce = r.offerNonce();
            (Word storage word, uint256 shift) = self.ofOffer(r.provider(), nonce);
            Places.giveUnits(word, shift, nonce, units);
        }
        if (runs != 0) {
            uint256 nonce = r.bidNonce();
            (Word storage word, uint256 shift) = self.ofBid(r.buyer(), nonce);
            Places.giveRuns(word, shift, nonce, runs);
        }
    }
}
