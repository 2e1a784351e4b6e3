// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../interfaces/IMarketEvents.sol";
import {Accounts} from "./Accounts.sol";
import {Rules, State, Word} from "./State.sol";

/// @title What a challenger claims, and how the bond behind it ends
library Claims {
    using Accounts for Word;

    /// @notice No receipt backs a run that is paid for, or no false receipt a slash. Whoever has it shows it; else the outcome falls.
    uint8 internal constant NO_RECEIPT = 1;
    /// @notice A receipt says what was not computed. Arbiters rule.
    uint8 internal constant FALSE_RECEIPT = 2;
    /// @notice The outcome is another one than the receipts give. Arbiters rule.
    uint8 internal constant WRONG_COUNT = 3;
    /// @notice The run of a claim that names none.
    uint32 internal constant ANY_RUN = type(uint32).max;
    /// @notice Stands in the place of the challenger once what it asked for was shown: it is asked for once.
    address internal constant SHOWN = address(1);
    /// @notice How a dispute ended: by a ruling, because a receipt was missing, or as decided, since nobody ruled.
    uint8 internal constant RULED = 1;
    uint8 internal constant FELL = 2;
    uint8 internal constant STOOD = 3;
    /// @notice A revealed receipt costs its challenger the dispute bond divided by this.
    uint96 internal constant REVEAL_SHARE = 10;

    /// @notice A claim ends: its bond is free, but `forfeited` of it, which goes to `opponent`, and `opponent` pays `reward`.
    function release(
        State storage self,
        Rules memory rules,
        bytes32 trade,
        address challenger,
        uint8 claim,
        uint32 run,
        address opponent,
        uint96 forfeited,
        uint96 reward
    ) internal {
        if (reward != 0) self.accounts[opponent].debit(reward);
        self.accounts[challenger].release(rules.disputeBond, rules.disputeBond - forfeited + reward);
        if (forfeited != 0) self.accounts[opponent].credit(forfeited);
        emit IMarketEvents.ClaimEnded(trade, challenger, claim, run, rules.disputeBond, opponent, forfeited, reward);
    }
}
