"""What happened on the chain, in plain sentences. One table of events, one of transactions; a new event needs one line.

Placeholders are names of the event's arguments (`frontend.explorer.names` says what each of them is). An event without a
line is shown by its name and arguments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from frontend.explorer import names
from suan.core.contract import ANY_RUN, Claim, DisputeEnd, OutcomeKind, reject_words

Event = dict[str, Any]

EVENTS = {
    "Deposited": gettext_lazy("{from} paid {amount} into the account of {account}."),
    "WithdrawalRequested": gettext_lazy(
        "{account} asked to withdraw {amount}; it may leave from {ready_at}."
    ),
    "WithdrawalReduced": gettext_lazy(
        "{amount} of what {account} had just asked to withdraw came back, for a trade that was matched before."
    ),
    "Withdrawn": gettext_lazy("{amount} left the market to {account}."),
    "OrderCancelled": gettext_lazy("{maker} cancelled {side} order {nonce} for ever."),
    "OperatorChanged": gettext_lazy("The key that opens batches is now {operator}."),
    "Paused": gettext_lazy("Deposits and openings are paused: {paused}."),
    "ClearingCommitted": gettext_lazy(
        "Auction {clearing_id} of {product} (number {number}) was committed at {price} per GFLOPS·h."
    ),
    "TradeLocked": gettext_lazy(
        "Trade {trade}: {buyer} locked {payment} and {provider} a bond of {bond} for {runs} run(s), due by {deliver_by}."
    ),
    "FillRejected": gettext_lazy("Fill {position} of {bid} at {offer} was refused: {code}."),
    "BatchLocked": gettext_lazy(
        "Lock batch {batch_id} (number {number}) holds {count} trade(s) under one root."
    ),
    "TradeClosed": gettext_lazy(
        "Trade {trade} was {kind}: {paid} paid, of it {fee} fee; {slashed} of the bond lost."
    ),
    "BatchDecided": gettext_lazy(
        "The verifiers decided trades of {batch_id}, with the receipts root {receipts_root}; it settles from {settle_after}."
    ),
    "BatchSettled": gettext_lazy("What was decided about trades of {batch_id} was settled."),
    "TradeGivenUp": gettext_lazy(
        "The provider gave up {trade}: anybody may refund it from {refund_after}, if no verdict comes before."
    ),
    "DisputeOpened": gettext_lazy(
        "{challenger} put a bond of {bond} against the outcome of {trade} ({kind}), claiming {claim} ({run}): "
        "receipts by {reveal_by}, a ruling by {rule_by}."
    ),
    "ReceiptRevealed": gettext_lazy(
        "What the outcome of the disputed trade {trade} rests on was shown ({run}): receipt {receipt}."
    ),
    "DisputeEnded": gettext_lazy("The dispute about {trade} ended as {kind}: {reason}."),
    "ClaimEnded": gettext_lazy(
        "The claim of {challenger} about {trade}, {claim} ({run}), ended: {forfeited} of its bond of {bond} went to {opponent}, "
        "which paid it {reward}."
    ),
    "SessionOpened": gettext_lazy("Session {session} was opened: {terms}."),
    "VoucherRedeemed": gettext_lazy("A voucher of session {session} paid {paid}, of it {fee} fee."),
    "VoucherRejected": gettext_lazy("Voucher {position} of session {session} was refused: {code}."),
    "SessionClosed": gettext_lazy("Session {session} was closed; {released} went back to its buyer."),
    "Migrated": gettext_lazy("{account} moved {amount} to the market {market}."),
    "DIDOwnerChanged": gettext_lazy("{owner} controls the identity {identity} from now on."),
    "DIDDelegateChanged": gettext_lazy(
        "{delegate} is a key of {identity} in the scope {delegate_type} until {valid_to}."
    ),
    "DIDAttributeChanged": gettext_lazy("{identity} says {name}: {value}, until {valid_to}."),
    "EvidenceAnchored": gettext_lazy(
        "{publisher} appends root {root} over {count} files of the kind {kind} to its log."
    ),
    "AgentSet": gettext_lazy("{owner} lets the agent key {key} sign receipts until {valid_until}."),
    "DelegateSet": gettext_lazy(
        "{owner} lets {key} trade on the {side} side until {valid_until}, up to {spend_cap}, worst price {worst_price}."
    ),
    "VerifierSetRegistered": gettext_lazy(
        "A verifier set of {threshold} of {members} was registered; at most {payout_cap} is locked in its trades."
    ),
}

CLAIMS: dict[int, Any] = {
    Claim.NO_RECEIPT: gettext_lazy("that there is no receipt"),
    Claim.FALSE_RECEIPT: gettext_lazy("that a receipt is false"),
    Claim.WRONG_COUNT: gettext_lazy("that the outcome is not what the receipts give"),
}
DISPUTE_ENDS: dict[int, Any] = {
    DisputeEnd.RULED: gettext_lazy("arbiters ruled"),
    DisputeEnd.FELL: gettext_lazy("a receipt that was asked for was not shown"),
    DisputeEnd.STOOD: gettext_lazy("nobody ruled, so it stands as decided"),
}
DISPUTED = ("DisputeOpened", "ReceiptRevealed", "ClaimEnded")

FINALITY = {
    "pending": gettext_lazy("Not in a block yet; it is sent again until it is."),
    "included": gettext_lazy("In the newest block; one more block makes it safe."),
    "safe": gettext_lazy("One block is on top; it becomes final after {confirmations} confirmations."),
    "final": gettext_lazy("Final: the books have posted what it moved, and nothing changes it any more."),
    "orphaned": gettext_lazy(
        "Its block left the chain. Our own transactions are sent again with the same bytes."
    ),
}


def event_sentence(name: str, args: dict[str, Any]) -> SafeString:
    """One event in words, with links."""
    template = EVENTS.get(name)
    values = {key: _value(name, key, value) for key, value in args.items()}
    if template is not None:
        try:
            return format_html(str(template), **values)
        except LookupError:
            pass  # The event has other arguments than its sentence: the names say at least what there is.
    pairs = format_html_join(", ", "{} {}", values.items())
    return format_html("{}: {}", name, pairs) if values else format_html("{}", name)


def transaction_sentence(sender: Any, events: Sequence[Event], function: str | None = None) -> SafeString:
    """A whole transaction in one sentence: who did what, how often, and what was refused. sender: address, role or None."""
    who = names.link("party", sender) if str(sender).startswith("0x") else (sender or _("Somebody"))
    found = {event["name"] for event in events}
    for marks, tell in TRANSACTIONS:
        if marks & found:
            return tell(_capital(who), events)
    if events:
        told = [event_sentence(event["name"], event["args"]) for event in events[:3]]
        return format_html_join(" ", "{}", ((sentence,) for sentence in told))
    if function:
        return format_html(_("{} called {}; it left no event."), _capital(who), function)
    return format_html(_("{} sent a transaction that left no event."), _capital(who))


def _opened(who: Any, events: Sequence[Event]) -> SafeString:
    locked = [event["args"] for event in events if event["name"] == "TradeLocked"]
    refused = [event["args"] for event in events if event["name"] == "FillRejected"]
    offers = {(args["provider"], args["offer_nonce"]) for args in locked}
    bids = {(args["buyer"], args["bid_nonce"]) for args in locked}
    text = _("{who} locked {trades} of {offers} and {bids}") if locked else _("{who} locked nothing")
    said = format_html(
        text,
        who=who,
        trades=_count(len(locked), ngettext("%(n)s trade", "%(n)s trades", len(locked))),
        offers=_count(len(offers), ngettext("%(n)s offer", "%(n)s offers", len(offers))),
        bids=_count(len(bids), ngettext("%(n)s bid", "%(n)s bids", len(bids))),
    )
    if not refused:
        return format_html("{}.", said)
    why = ", ".join(sorted({reason(args["code"]) for args in refused}))
    text = ngettext("%(n)s fill was refused", "%(n)s fills were refused", len(refused))
    return format_html("{}; {}: {}.", said, _count(len(refused), text), why)


def _closed(who: Any, events: Sequence[Event]) -> SafeString:
    closes = [event["args"] for event in events if event["name"] == "TradeClosed"]
    kinds = Counter(int(args["kind"]) for args in closes)
    parts = ", ".join(f"{count} {_(OutcomeKind(kind).word)}" for kind, count in sorted(kinds.items()))
    count = _count(len(closes), ngettext("%(n)s trade", "%(n)s trades", len(closes)))
    paid = names.money(sum(int(args["paid"]) for args in closes))
    return format_html(
        _("{who} closed {count} ({parts}) and paid {paid}."), who=who, count=count, parts=parts, paid=paid
    )


TRANSACTIONS: tuple[tuple[frozenset[str], Callable[[Any, Sequence[Event]], SafeString]], ...] = (
    (frozenset({"TradeLocked", "FillRejected"}), _opened),
    (frozenset({"TradeClosed"}), _closed),
)


def reason(code: int) -> str:
    """Why the contract refused a fill or a voucher, in words."""
    return _(reject_words(code))


def _value(event: str, name: str, value: Any) -> Any:
    if name == "kind" and not isinstance(value, str):
        return _(OutcomeKind(int(value)).word)
    if name == "code":
        return reason(int(value))
    if name == "side":
        return {1: _("buy"), 2: _("sell")}.get(int(value), value)
    if name == "claim" and event in DISPUTED:
        return CLAIMS.get(int(value), value)
    if name == "run" and event in DISPUTED:
        return _("no run named") if int(value) == ANY_RUN else _("run %(n)s") % {"n": value}
    if name == "reason" and event == "DisputeEnded":
        return DISPUTE_ENDS.get(int(value), value)
    if isinstance(value, list):
        return format_html_join(", ", "{}", ((names.shown(name, item),) for item in value))
    return names.shown(name, value)


def _count(n: int, text: str) -> str:
    return text % {"n": n}


def _capital(who: Any) -> Any:
    return who if isinstance(who, SafeString) else str(who)[:1].upper() + str(who)[1:]
