"""The way of one trade from order to payout, as steps with times, finality, and what comes next. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ledger import queries as ledger
from suan.core.contract import DisputeEnd
from suan.core.settlement import open_claims, receipts_asked

BEFORE_DELIVERY = ("matched", "locking", "locked", "rejected")
BEFORE_VERDICT = (*BEFORE_DELIVERY, "delivered")


@dataclass(frozen=True)
class Step:
    """state: done, now, todo or failed. at: unix seconds when known; until: when its window ends.

    finality: of its transaction, if it has one.
    """

    name: str
    state: str
    text: str
    at: int | None = None
    finality: str = ""
    tx_hash: str | None = None
    block_number: int | None = None
    until: int | None = None


def steps(
    trade: dict[str, Any], trade_hash: str, receipts: list[Any], verdict: dict[str, Any] | None
) -> list[Step]:
    """matched, locked, delivered, verified, decided, closed, final.

    receipts: those of its runs, for the times. verdict: the settlement that names the trade, as the API shows it, or None.
    """
    delivered_at = max((receipt.submitted_at for receipt in receipts), default=None)
    verified_at = max((receipt.verified_at for receipt in receipts if receipt.verified_at), default=None)
    locked = _event("TradeLocked", trade_hash)
    closed = _event("TradeClosed", trade_hash)
    return [
        Step(_("Matched"), "done", _("One auction, one price for everybody in it."), at=trade["matched_at"]),
        _lock_step(trade, locked),
        _delivery_step(trade, delivered_at),
        _verdict_step(trade, verified_at),
        _decided_step(trade, trade_hash, verdict, closed),
        _close_step(trade, closed),
        _final_step(trade, closed),
    ]


def next_step(trade: dict[str, Any]) -> str:
    """What happens next and who must act, in one sentence."""
    sentences = {
        "matched": _("Next: the exchange gathers it with other trades and locks the money on chain."),
        "locking": _("Next: the opening transaction must be in a block with one block on top; then runs may start."),
        "locked": _("Next: the provider's agent runs the job and delivers before deliver by. "
                    "What is not delivered is refunded."),
        "delivered": _("Next: the verifier runs the job again and compares output, counters and fuel."),
        "verified": _("Next: the exchange sends the outcome to the contract, together with others."),
        "closing": _("Next: the verdict waits on chain until its dispute window is over; then it is settled. "
                     "If no verdict gets there, anybody may refund from refund after."),
        "rejected": _("The contract refused to lock it; the quantity went back to both orders."),
    }  # fmt: skip
    if trade["status"] in sentences:
        return sentences[trade["status"]]
    if trade["finality"] == "final":
        return _("Nothing is left to do: the outcome is final, and the balances show it.")
    return _("Next: the closing block needs more confirmations; then the journal posts the money.")


def _lock_step(trade: dict[str, Any], event: Any) -> Step:
    if trade["status"] == "rejected":
        return Step(_("Locked"), "failed", trade["reason"] or _("The contract refused this fill."))
    lock = trade["lock"]
    text = _("Payment %(payment)s and bond %(bond)s are in the contract.")
    text = text % {"payment": lock["payment"], "bond": lock["bond"]}
    if event is None:
        waiting = _("The opening transaction is on its way to the chain.")
        return Step(_("Locked"), "now", waiting, finality="pending", tx_hash=lock["tx_hash"])
    return Step(
        _("Locked"),
        "done" if trade["status"] not in ("matched", "locking") else "now",
        text,
        at=event.block.timestamp,
        finality=lock["finality"],
        tx_hash=event.tx_hash,
        block_number=event.block.number,
    )


def _delivery_step(trade: dict[str, Any], at: int | None) -> Step:
    runs = trade["runs_detail"]
    delivered = sum(run["receipt_id"] is not None for run in runs)
    text = _("%(done)s of %(all)s runs have a receipt.") % {"done": delivered, "all": trade["runs"]}
    if trade["status"] not in BEFORE_DELIVERY:
        return Step(_("Delivered"), "done" if delivered else "failed", text, at=at)
    return Step(
        _("Delivered"), _state(trade, "locked"), text if runs else _("Runs start when the lock is safe.")
    )


def _verdict_step(trade: dict[str, Any], at: int | None) -> Step:
    runs = trade["runs_detail"]
    accepted = sum(run["verdict"] == "accepted" for run in runs)
    rejected = sum(run["verdict"] == "rejected" for run in runs)
    text = _("%(good)s accepted, %(bad)s rejected of %(all)s runs, each recomputed.")
    text = text % {"good": accepted, "bad": rejected, "all": trade["runs"]}
    if trade["status"] == "refunded":
        return Step(_("Verified"), "done" if accepted else "failed", text, at=at)
    if trade["status"] not in BEFORE_VERDICT:
        return Step(_("Verified"), "failed" if rejected else "done", text, at=at)
    return Step(
        _("Verified"), _state(trade, "delivered"), text if runs else _("Every run is computed a second time.")
    )


def _decided_step(
    trade: dict[str, Any], trade_hash: str, verdict: dict[str, Any] | None, closed: Any
) -> Step:
    """The verdict on chain, and until when anybody may dispute it."""
    name = _("Decided")
    if _event("DisputeOpened", trade_hash) is not None:
        return _disputed_step(trade_hash)
    if verdict is None:
        text = _("Verifiers sign the outcome; no money moves before the dispute window is over.")
        if closed is not None:
            text = _("Ended without a verdict: paid by signature, given up, or by time.")
        return Step(name, "todo" if closed is None else "done", text)
    text = _("The verifiers have signed the outcome; anybody may dispute it inside the window.")
    return Step(
        name,
        "done" if closed is not None else _state(trade, "closing"),
        text,
        until=verdict["settle_at"],
        finality=verdict["finality"],
        tx_hash=verdict["tx_hash"],
    )


def _disputed_step(trade_hash: str) -> Step:
    """What is claimed about the verdict, and how that ends."""
    end = _event("DisputeEnded", trade_hash)
    if end is not None:
        texts = {
            DisputeEnd.RULED: _("Disputed, and ruled by arbiters."),
            DisputeEnd.FELL: _("Disputed: a receipt that was asked for was not shown, so it was refunded."),
            DisputeEnd.STOOD: _("Disputed; nobody ruled, so it ended as decided."),
        }
        return Step(_("Decided"), "done", texts[DisputeEnd(end.args["reason"])], at=end.block.timestamp)
    opened, ended = (
        [event.args for event in ledger.events_of(name=name, subject=trade_hash)]
        for name in ("DisputeOpened", "ClaimEnded")
    )
    claims = open_claims(opened, ended)
    asked = len(receipts_asked(claims))
    if asked:
        text = ngettext(
            "Disputed: a receipt is asked for. If it is not shown in time, the trade is refunded.",
            "Disputed: %(n)s receipts are asked for. If one is not shown in time, the trade is refunded.",
            asked,
        )
        return Step(_("Decided"), "now", text % {"n": asked}, until=opened[-1]["reveal_by"])
    if claims:
        text = _("Disputed: arbiters rule; if they are silent, it ends as decided.")
        return Step(_("Decided"), "now", text, until=opened[-1]["rule_by"])
    return Step(_("Decided"), "now", _("Disputed: what was asked for was shown; it ends as decided."))


def _close_step(trade: dict[str, Any], event: Any) -> Step:
    if event is None:
        text = _("The contract pays what was counted and returns the rest.")
        return Step(_("Closed"), "todo", text)
    close = trade["close"]
    other = _("Paid %(paid)s, of it fee %(fee)s; %(slashed)s of the bond is lost; the rest went back.")
    texts = {
        "settled": _("Paid %(paid)s, of it fee %(fee)s; the rest of the lock went back, the bond too."),
        "refunded": _("Nothing was billed: the whole lock and the bond went back."),
        "slashed": _(
            "A false receipt: the whole lock went back to the buyer, %(slashed)s of the bond is lost."
        ),
    }
    return Step(
        _("Closed"),
        "failed" if close["kind"] == "slashed" else "done",
        texts.get(close["kind"], other) % close,
        at=event.block.timestamp,
        finality=close["finality"],
        tx_hash=event.tx_hash,
        block_number=event.block.number,
    )


def _final_step(trade: dict[str, Any], event: Any) -> Step:
    needed = ledger.deployment().confirmations
    if event is None:
        return Step(_("Final"), "todo", _("%(n)s confirmations after the close.") % {"n": needed})
    if trade["close"]["finality"] == "final":
        return Step(
            _("Final"), "done", _("%(n)s confirmations: the books have posted the money.") % {"n": needed}
        )
    head = ledger.head()
    have = max(head.number - event.block.number, 0) if head else 0
    text = _("%(have)s of %(needed)s confirmations.") % {"have": have, "needed": needed}
    return Step(_("Final"), "now", text)


def _state(trade: dict[str, Any], *current: str) -> str:
    if trade["status"] == "rejected":
        return "todo"
    return "now" if trade["status"] in current else "todo"


def _event(name: str, trade_hash: str) -> Any:
    found = ledger.events_of(name=name, subject=trade_hash)
    return found[-1] if found else None
