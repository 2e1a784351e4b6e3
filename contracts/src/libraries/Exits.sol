// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../interfaces/IMarketEvents.sol";
import {Accounts} from "./Accounts.sol";
import {RejectCodes} from "./RejectCodes.sol";
import {Exit, State, Word} from "./State.sol";

/// @title Money on its way out of the market, and how far trades may still reach for it
/// @notice Orders are matched off chain, and a trade locks its money some seconds later. So money that was asked out stays within
/// reach of the trades of its owner for one match window: it is fresh. A trade takes fresh money only if what is available does
/// not suffice, and no more than it lacks. Asking again within the window adds to what is fresh, and the window begins anew for
/// all of it; what was asked out before an earlier window is never fresh again. No money leaves while it is fresh: the market's
/// withdrawal delay is at least its match window. A session takes only what is not fresh any more.
/// @dev Code of its own, called by the market; it runs on the market's state.
library Exits {
    using Accounts for State;
    using Accounts for Word;

    /// @notice The longest match window, in seconds.
    uint256 internal constant WINDOW_MAX = 60;

    /// @dev See IMarket.requestWithdrawal. `delay` and `window` of the market.
    function request(State storage self, address account, uint128 amount, uint256 delay, uint256 window) external {
        if (amount == 0) revert IMarketEvents.ZeroAmount();
        Word storage balance = self.accountOf(account);
        uint128 available = uint128(balance.available()); // custody fits 96 bits
        if (available < amount) revert IMarketEvents.InsufficientAvailable(account, available, amount);
        balance.debit(amount);
        Exit memory exit = self.exits[account];
        unchecked {
            // Parts of custody, and times of this century.
            exit.fresh = uint96(_freshOf(exit) + amount);
            exit.amount += uint96(amount);
            (exit.readyAt, exit.lead) = (uint40(block.timestamp + delay), uint24(delay - window));
        }
        self.exits[account] = exit;
        emit IMarketEvents.WithdrawalRequested(account, amount, exit.readyAt);
    }

    /// @notice Forget the exit, all of which leaves the market. Reverts with NothingToWithdraw, WithdrawalNotReady.
    function take(State storage self, address account) external returns (uint128 amount) {
        Exit memory exit = self.exits[account];
        if (exit.amount == 0) revert IMarketEvents.NothingToWithdraw(account);
        if (block.timestamp < exit.readyAt) revert IMarketEvents.WithdrawalNotReady(account, exit.readyAt);
        delete self.exits[account];
        return exit.amount;
    }

    /// @notice Move `ceiling` from exiting to locked, out of what is not fresh. Reverts with InsufficientExit.
    function lock(State storage self, address account, uint96 ceiling) internal {
        Exit memory exit = self.exits[account];
        unchecked {
            uint256 fresh = _freshOf(exit);
            uint256 free = exit.amount - fresh;
            if (free < ceiling) revert IMarketEvents.InsufficientExit(account, uint128(free), ceiling);
            (exit.amount, exit.fresh) = (exit.amount - ceiling, uint96(fresh));
        }
        _write(self, account, exit);
        self.accountOf(account).hold(ceiling);
    }

    /// @notice The code of the first side that has not what it must lock, not even with what is fresh.
    function codeOf(State storage self, address buyer, uint256 payment, address provider, uint256 bond)
        internal
        view
        returns (uint256)
    {
        if (_lackOf(self, buyer, payment) > _freshOf(self.exits[buyer])) return RejectCodes.INSUFFICIENT_FUNDS;
        if (_lackOf(self, provider, bond) > _freshOf(self.exits[provider])) return RejectCodes.INSUFFICIENT_BOND;
        return RejectCodes.NONE;
    }

    /// @notice Make available what both sides lack, out of what is fresh. The caller has asked codeOf().
    function giveBack(State storage self, address buyer, uint256 payment, address provider, uint256 bond) internal {
        _giveBack(self, buyer, _lackOf(self, buyer, payment));
        _giveBack(self, provider, _lackOf(self, provider, bond));
    }

    function _giveBack(State storage self, address account, uint256 amount) private {
        if (amount == 0) return;
        Exit memory exit = self.exits[account];
        unchecked {
            // At most what is fresh.
            exit.amount -= uint96(amount);
            exit.fresh -= uint96(amount);
        }
        _write(self, account, exit);
        self.accountOf(account).credit(amount);
        emit IMarketEvents.WithdrawalReduced(account, uint128(amount));
    }

    /// @notice See IMarket.freshOf.
    function read(State storage self, address account) external view returns (uint128 amount, uint64 until) {
        Exit memory exit = self.exits[account];
        return (uint128(_freshOf(exit)), exit.readyAt - exit.lead);
    }

    /// @dev An exit of nothing is forgotten, with its times.
    function _write(State storage self, address account, Exit memory exit) private {
        if (exit.amount == 0) delete self.exits[account];
        else self.exits[account] = exit;
    }

    /// @dev What the account lacks of what it must have available.
    function _lackOf(State storage self, address account, uint256 needed) private view returns (uint256) {
        uint256 available = self.accountOf(account).available();
        return needed > available ? needed - available : 0;
    }

    function _freshOf(Exit memory exit) private view returns (uint256) {
        return block.timestamp < exit.readyAt - exit.lead ? exit.fresh : 0;
    }
}
