"""Replay of the Market from its logs and calldata: who owns what, and whether every step kept the rules.

Nothing here asks the exchange. Each opening is checked from the calldata that carried it (openings.py), each close likewise
(closings.py); this module folds the chain's events in order. `storage` compares the fold with the contract's storage.
Growth: linear in the number of events; memory is one span of blocks, and what the books keep in memory (memory.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import groupby

from suan.client.audit.replay import closings, openings, sessions
from suan.client.audit.replay.context import Context
from suan.client.audit.replay.events import UNKNOWN, Event, decoded
from suan.client.audit.source.spans import Span
from suan.client.audit.state import generation_key
from suan.client.errors import Unreachable
from suan.core.contract import NONCE_AHEAD_MAX, PLACES, verifier_set_id
from suan.core.encoding import to_hex


class ChainAudit:
    """Folds spans of the history into the books of its context, writing every breach of a rule into its report.

    `between` is called between two transactions, when nobody holds a part of the books.
    """

    def __init__(self, context: Context, between: Callable[[], None] = lambda: None) -> None:
        self.context, self.between = context, between

    def fold(self, span: Span) -> None:
        """Fold the logs of a span. Raises Unreachable when a log is of another block than the one that was asked for."""
        events = decoded(span.logs, self.context.parameters)
        for (block, block_hash, tx_hash), group in groupby(
            events, key=lambda event: (event.block, event.block_hash, event.tx_hash)
        ):
            if span.near and block_hash != span.hash:
                raise Unreachable(f"the node answers for block {span.hash} with a log of block {block_hash}")
            self.context.enter(block, block_hash)
            self._transaction(block, tx_hash, list(group))
            self.between()

    def _transaction(self, block: int, tx_hash: str, events: list[Event]) -> None:
        context = self.context
        context.report.events += len(events)
        names = {event.name for event in events}
        for event in events:
            if event.name == UNKNOWN:
                context.report.differ(
                    tx_hash, f"log {event.log_index}", "an event of the contracts", event.values["reason"]
                )
        try:
            if names & {"TradeLocked", "FillRejected", "ClearingCommitted", "BatchLocked"}:
                openings.check(context, block, tx_hash, events)
            if names & closings.EVENTS:
                closings.check(context, block, tx_hash, events)
            if names & sessions.EVENTS:
                sessions.check(context, block, tx_hash, events)
        except (LookupError, TypeError, ValueError) as error:  # Calldata that does not fit its own events.
            context.report.differ(tx_hash, "calldata", "one that explains its events", repr(error))
        for event in events:
            if event.name == "TradeLocked" and (trade := context.books.trades.get(event.values["trade"])):
                context.books.runs_by_clearing[f"{trade.clearing} {event.values['trade']}"] = (
                    trade.record.runs
                )
            handler = _HANDLERS.get(event.name)
            if handler is not None:
                handler(context, event)


def _deposited(audit: Context, event: Event) -> None:
    audit.books.deposits += event.values["amount"]
    audit.post(event.name, event.values)


def _withdrawal_requested(audit: Context, event: Event) -> None:
    audit.post(event.name, event.values)
    at, owner = audit.timestamp(event.block), audit.books.accounts[event.values["account"]]
    owner.fresh = owner.fresh_at(at) + event.values["amount"]
    owner.ready_at, owner.fresh_until = event.values["ready_at"], at + audit.parameters.match_window
    earliest = at + audit.parameters.withdrawal_delay
    if event.values["ready_at"] < earliest:
        audit.report.differ(
            event.values["account"], "exit delay", f"ready at {earliest}", event.values["ready_at"]
        )


def _withdrawn(audit: Context, event: Event) -> None:
    """Withdrawn to the owner, or migrated into another market: either way it leaves this one."""
    account, amount = event.values["account"], event.values["amount"]
    owner = audit.books.accounts[account]
    audit.report.expect(account, "withdrawal of all that was exiting", owner.exiting, amount)
    if audit.timestamp(event.block) < owner.ready_at:
        audit.report.differ(
            account, "withdrawal", f"not before {owner.ready_at}", audit.timestamp(event.block)
        )
    audit.books.withdrawals += amount
    audit.post(event.name, event.values)
    owner.forget_empty_exit()


def _cancelled(audit: Context, event: Event) -> None:
    """The order ends, and whatever older one stands in its place."""
    maker, side, nonce = (event.values[name] for name in ("maker", "side", "nonce"))
    at, books = audit.timestamp(event.block), audit.books
    before = replace(books.place(maker, side, nonce))
    state = books.begin(maker, side, nonce, at)
    if state.generation != nonce // PLACES or state.ended:
        audit.report.differ(maker, f"cancellation of order {nonce}", "of one that can trade", "it had ended")
        return
    account = books.accounts[maker]
    reach = account.newest(side) + NONCE_AHEAD_MAX
    if nonce > reach:
        audit.report.differ(maker, f"cancellation of order {nonce}", f"at most {reach}", nonce)
    account.raise_newest(side, nonce)
    shadow = books.shadows[maker, side, nonce % PLACES]
    shadow.cancel(before, nonce // PLACES, now=at, window=audit.parameters.match_window)
    state.end()
    key = generation_key(maker, side, nonce)
    books.generations[key] = (books.generations[key][0], at)


def _operator(audit: Context, event: Event) -> None:
    audit.books.operator = event.values["operator"]


def _agent(audit: Context, event: Event) -> None:
    key = (event.values["owner"], event.values["key"])
    audit.books.agents[key].append((event.block, event.values["valid_until"]))


def _delegate(audit: Context, event: Event) -> None:
    values = event.values
    key = (values["owner"], values["key"], values["side"])
    before = audit.books.delegates.get(key, {}).get("version", 0)
    audit.books.delegates[key] = values | {"version": before + 1}  # a new setting starts a new cap


def _verifier_set(audit: Context, event: Event) -> None:
    values = event.values
    found = (values["members"], values["threshold"], values["payout_cap"])
    try:
        audit.report.expect(values["id"], "id of its members", values["id"], to_hex(verifier_set_id(*found)))
    except ValueError as error:
        audit.report.differ(values["id"], "verifier set", "one that may be", error)
    audit.books.verifier_sets[values["id"]] = found


_HANDLERS: dict[str, Callable[[Context, Event], None]] = {
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
