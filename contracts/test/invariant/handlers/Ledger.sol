// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarketEvents} from "../../../src/interfaces/IMarketEvents.sol";
import {IMarketTypes} from "../../../src/interfaces/IMarketTypes.sol";
import {Packing, Record} from "../../utils/Packing.sol";
import {ReceiptTest} from "../../utils/ReceiptTest.sol";
import {Vm} from "../../utils/Test.sol";

/// @dev The books as somebody keeps them who sees the market's events and nothing else.
abstract contract Ledger is ReceiptTest {
    enum Stage {
        None,
        Open,
        Decided,
        Disputed,
        Ended
    }

    struct Account {
        uint256 available;
        uint256 locked;
        uint256 exiting;
        uint256 fresh; // of exiting, until freshUntil
        uint256 freshUntil;
    }

    struct Trade {
        Record record;
        Stage stage;
    }

    mapping(address owner => Account) internal books;
    mapping(bytes32 trade => Trade) internal trades;
    mapping(bytes32 trade => uint256) internal refundsFrom; // of trades that were given up
    mapping(bytes32 session => IMarketTypes.Session) internal sessions;
    mapping(bytes32 session => uint256) internal paidOf;
    mapping(bytes32 session => bool) internal isOpenSession;
    Lock[] internal batches;
    uint256 public bookedCustody;
    uint256 public openLocks; // payments and bonds of trades that have not ended
    uint256 public disputeBonds;
    uint256 public sessionLocks; // what sessions may still pay
    uint256 public ended;
    bool public endedTwice;
    bool public paidMoreThanLocked;
    bool public tookBackTooLate;

    Record[] private _pending;

    function _fold(Vm.Log[] memory logs) internal {
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].emitter != address(market)) continue;
            bytes32 topic = logs[i].topics[0];
            if (!_foldMoney(topic, logs[i]) && !_foldTrade(topic, logs[i]) && !_foldDispute(topic, logs[i])) {
                _foldSession(topic, logs[i]);
            }
        }
    }

    // ------------------------------------------------------------------------------------------------ in and out

    function _foldMoney(bytes32 topic, Vm.Log memory log) private returns (bool) {
        if (topic == IMarketEvents.Deposited.selector) {
            uint256 amount = abi.decode(log.data, (uint128));
            books[_account(log.topics[1])].available += amount;
            bookedCustody += amount;
        } else if (topic == IMarketEvents.WithdrawalRequested.selector) {
            _askedOut(books[_account(log.topics[1])], log);
        } else if (topic == IMarketEvents.WithdrawalReduced.selector) {
            uint256 amount = abi.decode(log.data, (uint128));
            Account storage account = books[_account(log.topics[1])];
            account.available += amount;
            account.exiting -= amount;
            account.fresh -= amount;
            if (block.timestamp >= account.freshUntil) tookBackTooLate = true;
        } else if (topic == IMarketEvents.Withdrawn.selector) {
            uint256 amount = abi.decode(log.data, (uint128));
            books[_account(log.topics[1])].exiting -= amount;
            bookedCustody -= amount;
        } else {
            return false;
        }
        return true;
    }

    function _askedOut(Account storage account, Vm.Log memory log) private {
        (uint128 amount, uint64 readyAt) = abi.decode(log.data, (uint128, uint64));
        account.available -= amount;
        account.exiting += amount;
        account.fresh = _freshIn(account) + amount;
        account.freshUntil = readyAt - DELAY + MATCH;
    }

    function _freshIn(Account storage account) internal view returns (uint256) {
        return block.timestamp < account.freshUntil ? account.fresh : 0;
    }

    // ------------------------------------------------------------------------------------------------ trades

    function _foldTrade(bytes32 topic, Vm.Log memory log) private returns (bool) {
        if (topic == IMarketEvents.TradeLocked.selector) {
            _lockTrade(Packing.unpack(log.topics[1], log.data));
        } else if (topic == IMarketEvents.BatchLocked.selector) {
            _lockBatch(log);
        } else if (topic == IMarketEvents.BatchDecided.selector) {
            (uint256 bits,,) = abi.decode(log.data, (uint256, bytes32, uint40));
            _move(_batchOf(log.topics[1]), bits, Stage.Open, Stage.Decided);
        } else if (topic == IMarketEvents.TradeGivenUp.selector) {
            refundsFrom[log.topics[1]] = abi.decode(log.data, (uint256));
        } else if (topic == IMarketEvents.TradeClosed.selector) {
            (uint256 outcome, uint256 amounts) = abi.decode(log.data, (uint256, uint256));
            _endTrade(trades[log.topics[1]], outcome, amounts);
        } else {
            return false;
        }
        return true;
    }

    function _lockTrade(Record memory r) private {
        uint256 payment = Packing.payment(r);
        _lockMoney(r.buyer, payment);
        _lockMoney(r.provider, r.bond);
        openLocks += payment + r.bond;
        trades[r.trade].record = r;
        trades[r.trade].stage = Stage.Open;
        _pending.push(r);
    }

    function _lockBatch(Vm.Log memory log) private {
        Lock storage lock = batches.push();
        lock.id = log.topics[1];
        lock.head = abi.decode(log.data, (IMarketTypes.BatchHead));
        for (uint256 i; i < _pending.length; ++i) {
            lock.records.push(_pending[i]);
        }
        delete _pending;
    }

    function _endTrade(Trade storage t, uint256 outcome, uint256 amounts) private {
        if (t.stage == Stage.Ended || t.stage == Stage.None) endedTwice = true;
        t.stage = Stage.Ended;
        ++ended;
        Record memory r = t.record;
        uint256 payment = Packing.payment(r);
        (uint256 paid, uint256 second) = (amounts >> 128, uint128(amounts));
        if (paid > payment || uint64(outcome) > uint256(r.ceiling) * r.runs && paid != 0) paidMoreThanLocked = true;
        openLocks -= payment + r.bond;
        books[r.buyer].locked -= payment;
        books[r.buyer].available += payment - paid;
        books[r.provider].locked -= r.bond;
        if (uint8(outcome >> 96) == SLASHED) {
            if (second != r.bond) paidMoreThanLocked = true;
            uint256 cost = uint256(r.price) * uint64(outcome) / 3_600_000;
            if (cost > r.bond) cost = r.bond;
            books[rerun].available += cost;
            books[pool].available += r.bond - cost;
        } else {
            books[r.provider].available += r.bond + paid - second;
            books[treasury].available += second;
        }
    }

    function _move(Lock storage lock, uint256 bits, Stage from, Stage to) private {
        for (uint256 i; i < lock.records.length; ++i) {
            if ((bits >> i) & 1 == 0) continue;
            if (trades[lock.records[i].trade].stage != from) endedTwice = true;
            trades[lock.records[i].trade].stage = to;
        }
    }

    // ------------------------------------------------------------------------------------------------ disputes

    function _foldDispute(bytes32 topic, Vm.Log memory log) private returns (bool) {
        if (topic == IMarketEvents.DisputeOpened.selector) {
            (, uint96 bond,,,,) = abi.decode(log.data, (uint256, uint96, uint40, uint40, uint8, uint32));
            _lockMoney(_account(log.topics[3]), bond);
            disputeBonds += bond;
            Trade storage t = trades[log.topics[1]];
            if (t.stage != Stage.Decided && t.stage != Stage.Disputed) endedTwice = true;
            t.stage = Stage.Disputed;
        } else if (topic == IMarketEvents.ClaimEnded.selector) {
            (,, uint96 bond, address opponent, uint96 forfeited, uint96 reward) =
                abi.decode(log.data, (uint8, uint32, uint96, address, uint96, uint96));
            address challenger = _account(log.topics[2]);
            disputeBonds -= bond;
            books[challenger].locked -= bond;
            books[challenger].available += bond - forfeited + reward;
            books[opponent].available = books[opponent].available + forfeited - reward;
        } else {
            return false;
        }
        return true;
    }

    // ------------------------------------------------------------------------------------------------ sessions

    function _foldSession(bytes32 topic, Vm.Log memory log) private {
        bytes32 id = log.topics.length > 1 ? log.topics[1] : bytes32(0);
        if (topic == IMarketEvents.SessionOpened.selector) {
            IMarketTypes.Session memory s = abi.decode(log.data, (IMarketTypes.Session));
            (sessions[id], isOpenSession[id]) = (s, true);
            books[s.buyer].exiting -= s.ceiling;
            books[s.buyer].locked += s.ceiling;
            sessionLocks += s.ceiling;
        } else if (topic == IMarketEvents.VoucherRedeemed.selector) {
            (uint256 paidAndFee, uint256 cumulative) = abi.decode(log.data, (uint256, uint256));
            (uint256 paid, uint256 fee) = (paidAndFee >> 128, uint128(paidAndFee));
            paidOf[id] += paid;
            if (paidOf[id] != cumulative || cumulative > sessions[id].ceiling) paidMoreThanLocked = true;
            sessionLocks -= paid;
            books[sessions[id].buyer].locked -= paid;
            books[sessions[id].provider].available += paid - fee;
            books[treasury].available += fee;
        } else if (topic == IMarketEvents.SessionClosed.selector) {
            uint96 released = abi.decode(log.data, (uint96));
            if (!isOpenSession[id]) endedTwice = true;
            isOpenSession[id] = false;
            sessionLocks -= released;
            books[sessions[id].buyer].locked -= released;
            books[sessions[id].buyer].available += released;
        }
    }

    // ------------------------------------------------------------------------------------------------ pieces

    function _lockMoney(address account, uint256 amount) private {
        books[account].available -= amount;
        books[account].locked += amount;
    }

    function _batchOf(bytes32 id) private view returns (Lock storage) {
        for (uint256 i; i < batches.length; ++i) {
            if (batches[i].id == id) return batches[i];
        }
        revert("no such batch");
    }

    function _account(bytes32 topic) private pure returns (address) {
        return address(uint160(uint256(topic)));
    }
}
