// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketTypes} from "../../../src/interfaces/IMarketTypes.sol";
import {Ledger} from "./Ledger.sol";

/// @dev Who is on the market, what they do without trading, and who may lose how much by a call.
abstract contract People is Ledger {
    uint256 internal constant PEOPLE = 8;
    uint256 public vouchers;
    bool public somebodyLostMore;
    address[PEOPLE] internal _people;
    mapping(address => uint256) internal _mayLose;
    uint40 internal _now = START;
    uint56 private _salt;
    IMarketTypes.Session[] internal _sessions;

    constructor() {
        payoutCap = 40 ether;
        vm.recordLogs();
        setUp();
        _fund(stranger, FUNDS);
        vm.prank(provider);
        registry.setAgent(vm.addr(AGENT_KEY), type(uint40).max);
        vm.prank(provider2);
        registry.setAgent(vm.addr(AGENT_KEY), type(uint40).max);
        _people = [provider, provider2, buyer, buyer2, stranger, treasury, pool, rerun];
        _fold(vm.getRecordedLogs());
    }

    /// @dev Folds the events of the action into the books, and compares what everybody has with what everybody had.
    modifier watched() {
        vm.warp(_now);
        uint256[PEOPLE] memory before;
        for (uint256 i; i < PEOPLE; ++i) {
            before[i] = _wealth(_people[i]);
        }
        vm.recordLogs();
        _;
        _fold(vm.getRecordedLogs());
        for (uint256 i; i < PEOPLE; ++i) {
            if (_wealth(_people[i]) + _mayLose[_people[i]] < before[i]) somebodyLostMore = true;
            _mayLose[_people[i]] = 0;
        }
    }

    // ------------------------------------------------------------------------------------------------ in and out

    function deposit(uint256 who, uint128 amount) external watched {
        _fund(_people[who % 5], uint128(bound(amount, 1, 100 ether)));
    }

    function requestWithdrawal(uint256 who, uint128 amount) external watched {
        address account = _people[who % PEOPLE];
        uint256 available = _available(account);
        if (available == 0) return;
        vm.prank(account);
        market.requestWithdrawal(uint128(bound(amount, 1, available)));
    }

    function withdraw(uint256 who, uint256 pause) external watched {
        address account = _people[who % PEOPLE];
        (uint128 amount, uint64 readyAt) = market.exitOf(account);
        if (amount == 0) return;
        if (pause % 2 == 0) _passTo(readyAt);
        if (_now < readyAt) return;
        _mayLose[account] = amount;
        market.withdraw(account);
    }

    // ------------------------------------------------------------------------------------------------ sessions

    function openSession(uint96 ceiling, bool crossed) external watched {
        IMarketTypes.Session memory s = _session(++_salt);
        if (crossed) (s.buyer, s.provider) = (buyer2, provider2);
        s.expiresAt = _now + 2 hours;
        s.ceiling = uint96(bound(ceiling, 1, 20 ether));
        (uint128 exiting,) = market.exitOf(s.buyer);
        (uint128 fresh,) = market.freshOf(s.buyer);
        if (exiting - fresh < s.ceiling) {
            if (_available(s.buyer) < s.ceiling) return;
            vm.prank(s.buyer);
            market.requestWithdrawal(s.ceiling);
            _passTo(_now + MATCH);
        }
        vm.prank(s.buyer);
        market.openSession(s);
        _sessions.push(s);
    }

    function redeem(uint256 which, uint256 other, uint96 amount, bool forged) external watched {
        if (_sessions.length == 0) return;
        IMarketTypes.SignedVoucher[] memory all = new IMarketTypes.SignedVoucher[](2);
        for (uint256 i; i < 2; ++i) {
            IMarketTypes.Session memory s = _sessions[(i == 0 ? which : other) % _sessions.length];
            uint256 cumulative = bound(amount >> (8 * i), 0, uint256(s.ceiling) + 1);
            bool bad = forged && i == 0;
            all[i] = _voucher(s, cumulative, bad ? STRANGER_KEY : _keyOf(s.buyer));
            (uint96 paid, bool isOpen) = market.sessionState(_sessionId(s));
            if (bad || !isOpen || cumulative <= paid || cumulative > s.ceiling) continue;
            _mayLose[s.buyer] += cumulative - paid;
            ++vouchers;
        }
        market.redeem(all);
    }

    function closeSession(uint256 which, bool byProvider) external watched {
        if (_sessions.length == 0) return;
        IMarketTypes.Session memory s = _sessions[which % _sessions.length];
        (, bool isOpen) = market.sessionState(_sessionId(s));
        if (!isOpen || (!byProvider && _now < s.expiresAt + GRACE)) return;
        vm.prank(byProvider ? s.provider : stranger);
        market.closeSession(s);
    }

    // ------------------------------------------------------------------------------------------------ pieces

    function _wealth(address account) internal view returns (uint256) {
        (uint128 exiting,) = market.exitOf(account);
        return _available(account) + _locked(account) + exiting;
    }

    function _keyOf(address account) internal view returns (uint256) {
        if (account == provider) return PROVIDER_KEY;
        if (account == provider2) return PROVIDER2_KEY;
        return account == buyer ? BUYER_KEY : BUYER2_KEY;
    }

    function _passTo(uint256 time) internal {
        if (time <= _now) return;
        _now = uint40(time);
        vm.warp(_now);
    }
}
