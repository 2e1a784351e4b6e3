// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {State} from "./State.sol";

/// @title What delegates lock in a day (UTC) under one setting, their grant; no grant has no limit
library Spending {
    function maySpend(State storage self, bytes32 grant, uint256 amount, uint256 cap) internal view returns (bool) {
        return grant == 0 || spentToday(self, grant) + amount <= cap;
    }

    function spend(State storage self, bytes32 grant, uint256 amount) internal {
        if (grant == 0) return;
        self.spent[grant] = (_today() << 128) | (spentToday(self, grant) + amount);
    }

    function spentToday(State storage self, bytes32 grant) internal view returns (uint256) {
        uint256 spent = self.spent[grant];
        return spent >> 128 == _today() ? uint128(spent) : 0;
    }

    function _today() private view returns (uint256) {
        return block.timestamp / 1 days;
    }
}
