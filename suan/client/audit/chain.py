"""Replay of the Market from its logs and calldata: who owns what, and whether every step kept the rules.

Nothing here asks the exchange. Each opening is checked from the calldata that carried it (openings.py), each close likewise
(closings.py); this module reads the chain in order, folds the events and compares the fold with the contract's storage.
Growth: linear in the number of events; memory is one entry per account, order and trade.
Known limit: storage is read with eth_call at one block, so the node's own state is trusted for that comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from suan.client.audit import closings, openings
from suan.client.audit.report import Report
from suan.client.audit.state import Account, Books, Parameters
from suan.client.errors import UsageError
from suan.client.rpc import Rpc, RpcError
from suan.core import abi
from suan.core.identity import keccak, to_hex
from suan.core.records import verifier_set_id

Json = dict[str, Any]
GETTERS = {
    "registry": "registry",
    "token": "token",
    "treasury": "treasury",
    "pool": "pool",
    "rerun_account": "rerunAccount",
    "fee_bps": "feeBps",
    "bond_bps": "bondBps",
    "bond_floor_price": "bondFloorPrice",
    "verification_grace": "verificationGrace",
    "withdrawal_delay": "withdrawalDelay",
}
REGISTRY_EVENTS = frozenset(
    {
        "AgentSet", "DelegateSet", "VerifierSetRegistered", "DIDOwnerChanged", "DIDDelegateChanged",
        "DIDAttributeChanged",
    }
)  # fmt: skip
UNKNOWN = "unknown"
ADDRESS_FIELDS = frozenset({"registry", "token", "treasury", "pool", "rerun_account"})


@dataclass(frozen=True)
class Event:
    """A decoded log: `emitter` is the contract, `values` its arguments."""

    name: str
    emitter: str
    values: Json
    block: int
    log_index: int
    tx_hash: str


def read_parameters(rpc: Rpc, market: str, block: int) -> Parameters:
    """Read the immutable figures of the contract at `market`; UsageError when there is none."""
    if not rpc.code(market, block):
        raise UsageError(f"there is no contract at {market} on this chain; check --market and --rpc")
    found: Json = {}
    for name, getter in GETTERS.items():
        try:
            word = rpc.read(market, keccak(f"{getter}()".encode())[:4], block)
        except RpcError as error:
            raise UsageError(f"the contract at {market} is not a Market: {error}") from error
        if len(word) != 32:
            raise UsageError(
                f"the contract at {market} is not a Market: {getter}() answers {len(word)} bytes"
            )
        found[name] = "0x" + word[12:].hex() if name in ADDRESS_FIELDS else int.from_bytes(word, "big")
    return Parameters(chain_id=rpc.chain_id(), market=market, **found)


def read_events(rpc: Rpc, parameters: Parameters, first: int, last: int) -> Iterator[Event]:
    """Decoded events of Market and Registry in chain order; `unknown` for a log that its emitter cannot have written."""
    for log in rpc.logs([parameters.market, parameters.registry], first, last):
        emitter = log["address"].lower()
        try:
            name, values = abi.decode_event(log["topics"], log["data"])
        except ValueError as error:
            name, values = UNKNOWN, {"reason": str(error)}
        if emitter != (parameters.registry if name in REGISTRY_EVENTS else parameters.market):
            name, values = UNKNOWN, {"reason": f"{name} is not an event of {emitter}"}
        yield Event(
            name=name,
            emitter=emitter,
            values=values,
            block=int(log["blockNumber"], 16),
            log_index=int(log["logIndex"], 16),
            tx_hash=log["transactionHash"],
        )


class ChainAudit:
    """Fold the whole history into `books`, writing every breach of a rule into `report`."""

    def __init__(self, rpc: Rpc, parameters: Parameters, report: Report) -> None:
        self.rpc, self.parameters, self.report = rpc, parameters, report
        self.books = Books()
        self._timestamp = (-1, 0)

    def replay(self, first: int, last: int, progress: Callable[[int], None] = lambda _: None) -> Books:
        """Replay blocks first..last."""
        events = read_events(self.rpc, self.parameters, first, last)
        for (block, tx_hash), group in groupby(events, key=lambda event: (event.block, event.tx_hash)):
            self._transaction(block, tx_hash, list(group))
            progress(block)
        self._conserved(last)
        return self.books

    def timestamp(self, block: int) -> int:
        """Unix time of a block."""
        if self._timestamp[0] != block:
            self._timestamp = (block, int(self.rpc.block(block)["timestamp"], 16))
        return self._timestamp[1]

    def _transaction(self, block: int, tx_hash: str, events: list[Event]) -> None:
        self.report.events += len(events)
        names = {event.name for event in events}
        for event in events:
            if event.name == UNKNOWN:
                self.report.differ(
                    tx_hash, f"log {event.log_index}", "an event of the contracts", event.values["reason"]
                )
        try:
            if names & {"TradeLocked", "FillRejected", "ClearingCommitted", "BatchLocked"}:
                openings.check(self, block, tx_hash, events)
            elif names & {"TradeClosed", "BatchSealed", "DeliveryAttested"}:
                closings.check(self, block, tx_hash, events)
        except (LookupError, TypeError, ValueError) as error:  # Calldata that does not fit its own events.
            self.report.differ(tx_hash, "calldata", "one that explains its events", repr(error))
        for event in events:
            handler = _HANDLERS.get(event.name)
            if handler is not None:
                handler(self, event)

    def call_of(self, tx_hash: str) -> tuple[str, Json] | None:
        """(function, arguments) of a transaction sent straight to the Market; None otherwise."""
        transaction = self.rpc.transaction(tx_hash)
        if (transaction.get("to") or "").lower() != self.parameters.market:
            return None
        try:
            return abi.decode_call(transaction["input"])
        except abi.AbiError:
            return None

    def move(self, address: str, *, available: int = 0, locked: int = 0, exiting: int = 0) -> None:
        """Apply one change to an account; no half of it may ever be negative."""
        account = self.books.accounts[address]
        account.available += available
        account.locked += locked
        account.exiting += exiting
        if min(account.available, account.locked, account.exiting) < 0:
            self.report.differ(address, "balance", "never negative", account)

    def _conserved(self, block: int) -> None:
        inside = sum(a.available + a.locked + a.exiting for a in self.books.accounts.values())
        custody = self.books.deposits - self.books.withdrawals
        held = abi.decode_result(
            "balanceOf", self._read(self.parameters.token, "balanceOf", self.parameters.market, block)
        )
        conserved = self.report.expect("market", "sum of all accounts", custody, inside)
        stored = abi.decode_result(
            "custody", self.rpc.read(self.parameters.market, abi.encode_call("custody"), block)
        )
        conserved &= self.report.expect(
            "market", "custody in the contract's storage", custody, stored["custody"]
        )
        if held["value"] < custody:
            self.report.differ("market", "tokens held", f"at least {custody}", held["value"])
            conserved = False
        self.report.custody = custody
        self.report.money_conserved = conserved
        self._compare_storage(block)

    def _compare_storage(self, block: int) -> None:
        market = self.parameters.market
        for address, account in sorted(self.books.accounts.items()):
            stored = abi.decode_result("accountOf", self._read(market, "accountOf", address, block))
            exit_ = abi.decode_result("exitOf", self._read(market, "exitOf", address, block))
            found = Account(stored["available"], stored["locked"], exit_["amount"])
            self.report.expect(address, "account in the contract's storage", account, found)
            self.report.accounts_checked += 1
        for (maker, order), use in sorted(self.books.uses.items()):
            data = abi.encode_call("orderState", maker, bytes.fromhex(order[2:]))
            stored = abi.decode_result("orderState", self.rpc.read(market, data, block))
            found_use = (stored["consumed"], stored["peak"], stored["cancelled"])
            self.report.expect(
                f"ord_{order}",
                "order in the contract's storage",
                (use.consumed, use.peak, use.cancelled),
                found_use,
            )
        for batch, bits in sorted(self.books.open_bits.items()):
            data = abi.encode_call("openBits", bytes.fromhex(batch[2:]))
            stored = abi.decode_result("openBits", self.rpc.read(market, data, block))
            self.report.expect(f"bat_{batch}", "open trades in the contract's storage", bits, stored["bits"])

    def _read(self, to: str, name: str, argument: str, block: int) -> bytes:
        return self.rpc.read(to, abi.encode_call(name, argument), block)


def _deposited(audit: ChainAudit, event: Event) -> None:
    audit.books.deposits += event.values["amount"]
    audit.move(event.values["account"], available=event.values["amount"])


def _withdrawal_requested(audit: ChainAudit, event: Event) -> None:
    amount = event.values["amount"]
    audit.move(event.values["account"], available=-amount, exiting=amount)
    earliest = audit.timestamp(event.block) + audit.parameters.withdrawal_delay
    if event.values["ready_at"] < earliest:
        audit.report.differ(
            event.values["account"], "exit delay", f"ready at {earliest}", event.values["ready_at"]
        )


def _withdrawn(audit: ChainAudit, event: Event) -> None:
    audit.books.withdrawals += event.values["amount"]
    audit.move(event.values["account"], exiting=-event.values["amount"])


def _cancelled(audit: ChainAudit, event: Event) -> None:
    use = audit.books.uses[(event.values["maker"], event.values["order"])]
    if not use.cancelled:
        use.cancelled, use.cancelled_at = True, audit.timestamp(event.block)


def _operator(audit: ChainAudit, event: Event) -> None:
    audit.books.operator = event.values["operator"]


def _agent(audit: ChainAudit, event: Event) -> None:
    key = (event.values["owner"], event.values["key"])
    audit.books.agents[key].append((event.block, event.values["valid_until"]))


def _delegate(audit: ChainAudit, event: Event) -> None:
    values = event.values
    key = (values["owner"], values["key"], values["side"])
    audit.books.delegates[key] = values
    audit.books.spent[key] = 0  # a new registration starts a new cap


def _verifier_set(audit: ChainAudit, event: Event) -> None:
    values = event.values
    members, threshold, cap = values["members"], values["threshold"], values["payout_cap"]
    expected = to_hex(verifier_set_id(members, threshold, cap))
    audit.report.expect(
        f"verifier set {values['id']}", "hash of members, threshold and cap", expected, values["id"]
    )
    audit.books.verifier_sets[values["id"]] = (members, threshold)


_HANDLERS: dict[str, Callable[[ChainAudit, Event], None]] = {
    "Deposited": _deposited,
    "WithdrawalRequested": _withdrawal_requested,
    "Withdrawn": _withdrawn,
    "OrderCancelled": _cancelled,
    "OperatorChanged": _operator,
    "AgentSet": _agent,
    "DelegateSet": _delegate,
    "VerifierSetRegistered": _verifier_set,
}
