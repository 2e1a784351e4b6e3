"""Replay of the Market from its logs and calldata: who owns what, and whether every step kept the rules.

Nothing here asks the exchange. Each opening is checked from the calldata that carried it (openings.py), each close likewise
(closings.py); this module folds the chain's events in order. storage.py compares the fold with the contract's storage.
Growth: linear in the number of events; memory is one span of blocks, and what the books keep in memory (memory.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from eth_abi.abi import encode

from suan.client.audit import closings, openings, sessions
from suan.client.audit.anchor import Anchor, check_header
from suan.client.audit.report import Report
from suan.client.audit.spans import Span
from suan.client.audit.state import Books, Parameters, generation_key
from suan.client.audit.storage import code_hash
from suan.client.errors import Unreachable, UsageError
from suan.client.rpc import BlockRef, Rpc, RpcError
from suan.core import abi
from suan.core.identity import BadSignature, Domain, keccak, market_domain, recover, to_hex
from suan.core.market_state import PLACES
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
    "dispute_window": "disputeWindow",
    "dispute_bond": "disputeBond",
    "arbiter_set": "arbiterSet",
}
REGISTRY_EVENTS = frozenset(
    {
        "AgentSet", "DelegateSet", "VerifierSetRegistered", "DIDOwnerChanged", "DIDDelegateChanged",
        "DIDAttributeChanged",
    }
)  # fmt: skip
IS_VALID_SIGNATURE = bytes.fromhex("1626ba7e")
"""isValidSignature(bytes32,bytes) (ERC-1271); also its answer."""
UNKNOWN = "unknown"
ADDRESS_FIELDS = frozenset({"registry", "token", "treasury", "pool", "rerun_account"})


@dataclass(frozen=True)
class Event:
    """A decoded log: `emitter` is the contract, `values` its arguments."""

    name: str
    emitter: str
    values: Json
    block: int
    block_hash: str
    log_index: int
    tx_hash: str


def read_parameters(rpc: Rpc, market: str, block: BlockRef) -> Parameters:
    """Read the immutable figures of the contract at `market`; UsageError when there is none."""
    code = rpc.code(market, block)
    if not code:
        raise UsageError(
            f"there is no contract at {market} as of this block; check --market, --rpc and --as-of"
        )
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
        if name == "arbiter_set":
            found[name] = to_hex(word)
        else:
            found[name] = "0x" + word[12:].hex() if name in ADDRESS_FIELDS else int.from_bytes(word, "big")
    return Parameters(chain_id=rpc.chain_id(), market=market, code_hash=code_hash(code), **found)


def decoded(logs: list[Json], parameters: Parameters) -> Iterator[Event]:
    """Events of Market and Registry; `unknown` for a log that its emitter cannot have written."""
    for log in logs:
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
            block_hash=log["blockHash"].lower(),
            log_index=int(log["logIndex"], 16),
            tx_hash=log["transactionHash"],
        )


class ChainAudit:
    """Folds spans of the history into `books`, writing every breach of a rule into `report`.

    `between` is called between two transactions, when nobody holds a part of the books; `as_of` is the hash of the block
    at which wallets are asked about their signatures.
    """

    def __init__(
        self,
        rpc: Rpc,
        parameters: Parameters,
        books: Books,
        report: Report,
        between: Callable[[], None] = lambda: None,
        as_of: str = "",
    ) -> None:
        self.rpc, self.parameters, self.books, self.report = rpc, parameters, books, report
        self.between, self.as_of = between, as_of
        self._block = (-1, "")
        self._time: int | None = None

    def fold(self, span: Span) -> None:
        """Fold the logs of a span. Raises Unreachable when a log is of another block than the one that was asked for."""
        events = decoded(span.logs, self.parameters)
        for (block, block_hash, tx_hash), group in groupby(
            events, key=lambda event: (event.block, event.block_hash, event.tx_hash)
        ):
            if span.near and block_hash != span.hash:
                raise Unreachable(f"the node answers for block {span.hash} with a log of block {block_hash}")
            if (block, block_hash) != self._block:
                self._block, self._time = (block, block_hash), None
            self._transaction(block, tx_hash, list(group))
            self.between()

    def timestamp(self, block: int) -> int:
        """Unix time of the block that is being folded, from a header that is the one with its hash."""
        number, block_hash = self._block
        if block != number:
            raise LookupError(f"block {block} is not the one in hand, {number}")
        if self._time is None:
            header = self.rpc.block(block_hash)
            check_header(self.report, header)
            found = Anchor.of(header)
            self.report.expect(
                f"block {number}", "number and hash in its header", self._block, (found.number, found.hash)
            )
            self._time = found.timestamp
        return self._time

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
            if names & closings.EVENTS:
                closings.check(self, block, tx_hash, events)
            if names & sessions.EVENTS:
                sessions.check(self, block, tx_hash, events)
        except (LookupError, TypeError, ValueError) as error:  # Calldata that does not fit its own events.
            self.report.differ(tx_hash, "calldata", "one that explains its events", repr(error))
        for event in events:
            if event.name == "TradeLocked" and (trade := self.books.trades.get(event.values["trade"])):
                self.books.runs_by_clearing[f"{trade.clearing} {event.values['trade']}"] = trade.record.runs
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

    @property
    def domain(self) -> Domain:
        """The domain of everything that is signed for this market."""
        return market_domain(self.parameters.chain_id, self.parameters.market)

    def signed_by(self, account: str, digest: bytes, signature: bytes) -> bool:
        """Whether `account` signed with its key, or its code accepts the signature (ERC-1271)."""
        try:
            if recover(digest, signature) == account:
                return True
        except BadSignature:
            pass
        return self.accepted_by_wallet(account, digest, signature)

    def accepted_by_wallet(self, account: str, digest: bytes, signature: bytes) -> bool:
        """Whether the code of `account` accepts the signature as of the block of this audit; False without code."""
        if not self.rpc.code(account, self.as_of):
            return False
        data = IS_VALID_SIGNATURE + encode(["bytes32", "bytes"], [digest, signature])
        try:
            answer = self.rpc.read(account, data, self.as_of)
        except RpcError:
            return False
        return answer[:32] == IS_VALID_SIGNATURE.ljust(32, b"\0")

    def move(self, address: str, *, available: int = 0, locked: int = 0, exiting: int = 0) -> None:
        """Apply one change to an account; no half of it may ever be negative."""
        account = self.books.accounts[address]
        account.available += available
        account.locked += locked
        account.exiting += exiting
        if min(account.available, account.locked, account.exiting) < 0:
            self.report.differ(address, "balance", "never negative", account)


def _deposited(audit: ChainAudit, event: Event) -> None:
    audit.books.deposits += event.values["amount"]
    audit.move(event.values["account"], available=event.values["amount"])


def _withdrawal_requested(audit: ChainAudit, event: Event) -> None:
    amount = event.values["amount"]
    audit.move(event.values["account"], available=-amount, exiting=amount)
    audit.books.accounts[event.values["account"]].ready_at = event.values["ready_at"]
    earliest = audit.timestamp(event.block) + audit.parameters.withdrawal_delay
    if event.values["ready_at"] < earliest:
        audit.report.differ(
            event.values["account"], "exit delay", f"ready at {earliest}", event.values["ready_at"]
        )


def _withdrawn(audit: ChainAudit, event: Event) -> None:
    """Withdrawn to the owner, or migrated into another market: either way it leaves this one."""
    account, amount = event.values["account"], event.values["amount"]
    owner = audit.books.accounts[account]
    audit.report.expect(account, "withdrawal of all that was exiting", owner.exiting, amount)
    if audit.timestamp(event.block) < owner.ready_at:
        audit.report.differ(
            account, "withdrawal", f"not before {owner.ready_at}", audit.timestamp(event.block)
        )
    audit.books.withdrawals += amount
    audit.move(account, exiting=-amount)
    owner.ready_at = 0


def _cancelled(audit: ChainAudit, event: Event) -> None:
    """The order ends, and whatever older one stands in its place."""
    maker, side, nonce = (event.values[name] for name in ("maker", "side", "nonce"))
    at, books = audit.timestamp(event.block), audit.books
    state = books.begin(maker, side, nonce, at)
    if state.generation != nonce // PLACES or state.ended:
        audit.report.differ(maker, f"cancellation of order {nonce}", "of one that can trade", "it had ended")
        return
    state.consumed, state.peak, state.ended = 0, 0, True
    key = generation_key(maker, side, nonce)
    books.generations[key] = (books.generations[key][0], at)


def _operator(audit: ChainAudit, event: Event) -> None:
    audit.books.operator = event.values["operator"]


def _agent(audit: ChainAudit, event: Event) -> None:
    key = (event.values["owner"], event.values["key"])
    audit.books.agents[key].append((event.block, event.values["valid_until"]))


def _delegate(audit: ChainAudit, event: Event) -> None:
    values = event.values
    key = (values["owner"], values["key"], values["side"])
    before = audit.books.delegates.get(key, {}).get("version", 0)
    audit.books.delegates[key] = values | {"version": before + 1}  # a new setting starts a new cap


def _verifier_set(audit: ChainAudit, event: Event) -> None:
    values = event.values
    found = (values["members"], values["threshold"], values["payout_cap"])
    try:
        audit.report.expect(values["id"], "id of its members", values["id"], to_hex(verifier_set_id(*found)))
    except ValueError as error:
        audit.report.differ(values["id"], "verifier set", "one that may be", error)
    audit.books.verifier_sets[values["id"]] = found


_HANDLERS: dict[str, Callable[[ChainAudit, Event], None]] = {
    "Deposited": _deposited,
    "WithdrawalRequested": _withdrawal_requested,
    "Withdrawn": _withdrawn,
    "Migrated": _withdrawn,
    "OrderCancelled": _cancelled,
    "OperatorChanged": _operator,
    "AgentSet": _agent,
    "DelegateSet": _delegate,
    "VerifierSetRegistered": _verifier_set,
}
