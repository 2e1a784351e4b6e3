"""One transaction that ends trades: its call, its events, and what all ends share."""

from __future__ import annotations

from typing import Any

from suan.client.audit.replay.context import Context
from suan.client.audit.replay.events import Event
from suan.client.audit.state import TradeView
from suan.core import encoding, signing, units
from suan.core.contract import (
    PLACES,
    Outcome,
    OutcomeKind,
    Record,
)
from suan.core.settlement import allows, units_given_back
from suan.core.signing import SIDE_BUY, SIDE_SELL
from suan.core.units import BaseUnits, Price, WorkUnits

Json = dict[str, Any]


class Step:
    """One transaction: `ends` are the trades that it ended (or opened again) and whose reason has not been seen yet."""

    def __init__(self, audit: Context, block: int, tx_hash: str) -> None:
        self.audit, self.block, self.tx_hash = audit, block, tx_hash
        self.books, self.report, self.parameters = audit.books, audit.report, audit.parameters
        self.at = audit.timestamp(block)
        self.ends: list[Event] = []
        self.name, self.arguments = audit.call_of(tx_hash) or ("", {})

    def close(self, trade: TradeView, values: Json, by: str) -> None:
        """Recompute the payout of one close from the formulas and move the money."""
        record, parameters, audit = trade.record, self.parameters, self.audit
        subject = f"trd_{values['trade']}"
        if trade.closed is not None:
            self.report.differ(subject, "close", "once, after its lock", "closed before")
        outcome = Outcome(values["kind"], values["runs_delivered"], values["units"])
        amount = units.payment(Price(record.price), WorkUnits(outcome.units))
        paid = amount if outcome.kind == OutcomeKind.SETTLED else BaseUnits(0)
        fee = units.fee(paid, parameters.fee_bps)
        slashed = record.bond if outcome.kind == OutcomeKind.SLASHED else 0
        for name, expected in (("paid", paid), ("fee", fee), ("slashed", slashed), ("index", record.index)):
            self.report.expect(subject, name, expected, values[name])
        self.report.expect(subject, "an outcome that the trade can have", True, allows(record, outcome))
        rerun = min(slashed, amount)
        audit.move(record.buyer, locked=-record.payment, available=record.payment - paid)
        audit.move(record.provider, locked=-record.bond, available=record.bond - slashed + paid - fee)
        for account, earned in (
            (parameters.treasury, fee),
            (parameters.rerun_account, rerun),
            (parameters.pool, slashed - rerun),
        ):
            if earned:
                audit.move(account, available=earned)
        self._give_back(record, outcome)
        trade.closed = values | {"block": self.block, "tx_hash": self.tx_hash, "by": by}
        self.books.trades_open -= 1
        if outcome.kind == OutcomeKind.SETTLED:
            self.books.settled.append({"trade": values["trade"]})
        self.report.paid += paid
        self.report.fees += fee
        self.report.slashed += slashed
        self.report.refunded += record.payment - paid

    def _give_back(self, record: Record, outcome: Outcome) -> None:
        """What was not used returns to both orders and may trade again, unless they ended meanwhile."""
        work, runs = units_given_back(record, outcome)
        for maker, side, nonce, quantity in (
            (record.provider, SIDE_SELL, record.offer_nonce, work),
            (record.buyer, SIDE_BUY, record.bid_nonce, runs),
        ):
            self.books.place(maker, side, nonce).give(nonce // PLACES, quantity)

    def attestation(self, trade: TradeView) -> tuple[int, int] | None:
        """(runs, units) that were attested last."""
        return self.books.attestations.get((trade.batch, trade.record.index))

    def payout_cap(self, set_id: str) -> int:
        """What verdicts of a set may pay out in one window, in base units."""
        known = self.books.verifier_sets.get(set_id)
        return 0 if known is None else known[2]

    def paid_out(self, set_id: str) -> tuple[int, int]:
        """(present window, base units that verdicts of the set paid out in it)."""
        now = self.at // self.parameters.dispute_window
        window, paid = self.books.paid_out.get(set_id, (now, 0))
        return now, paid if window == now else 0

    def sent(self, name: str) -> bool:
        """Whether this transaction is that call to the Market; a difference if not."""
        return self.report.expect(self.tx_hash, "call sent to the Market", name, self.name)

    def quorum(self, subject: str, set_id: str, digest: bytes) -> None:
        """k of n keys of a set signed."""
        members, threshold, _ = self.books.verifier_sets.get(set_id, ([], 1, 0))
        signers = set()
        for signature in self.arguments["signatures"]:
            try:
                signers.add(signing.recover(digest, encoding.from_hex(signature)))
            except signing.BadSignature:
                continue
        accepted = len(signers & set(members))
        if accepted < threshold:
            self.report.differ(subject, "verifier signatures", f"at least {threshold} of the set", accepted)


def outcomes_of(arguments: Json) -> list[tuple[int, Outcome]]:
    """(index, outcome) of a decoded call."""
    return [
        (value["index"], Outcome(value["kind"], value["runs_delivered"], value["units"]))
        for value in arguments["outcomes"]
    ]


def paid_for(record: Record, outcome: Outcome) -> int:
    """What an outcome pays for work, in base units before the fee."""
    if outcome.kind != OutcomeKind.SETTLED:
        return 0
    return int(units.payment(Price(record.price), WorkUnits(outcome.units)))
