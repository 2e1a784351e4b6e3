"""One transaction that ends trades: its call, its events, and what all ends share."""

from __future__ import annotations

from typing import Any

from suan.client.audit.replay.context import Context
from suan.client.audit.replay.events import Event
from suan.client.audit.state import TradeView
from suan.core import encoding, signing
from suan.core.contract import PAID_KINDS, PLACES, Outcome, Record
from suan.core.settlement import allows, split, units_given_back
from suan.core.signing import SIDE_BUY, SIDE_SELL

Json = dict[str, Any]


class Step:
    """One transaction: `ends` are the trades that it ended and whose reason has not been seen yet."""

    def __init__(self, audit: Context, block: int, tx_hash: str) -> None:
        self.audit, self.block, self.tx_hash = audit, block, tx_hash
        self.books, self.report, self.parameters = audit.books, audit.report, audit.parameters
        self.at = audit.timestamp(block)
        self.ends: list[Event] = []
        self.name, self.arguments = audit.call_of(tx_hash) or ("", {})

    def close(self, trade: TradeView, values: Json, by: str) -> None:
        """Hold one close to the rule, and move the money as the rule says."""
        record = trade.record
        subject = f"trd_{values['trade']}"
        if trade.closed is not None:
            self.report.differ(subject, "close", "once, after its lock", "closed before")
        outcome = Outcome(values["kind"], values["runs_delivered"], values["units"])
        payout = split(record, outcome, self.parameters.fee_bps)
        expected = {"paid": payout.paid, "fee": payout.fee, "slashed": payout.slashed, "index": record.index}
        for name, value in expected.items():
            self.report.expect(subject, name, value, values[name])
        self.report.expect(subject, "an outcome that the trade can have", True, allows(record, outcome))
        self.audit.post_close(record, payout)
        self._give_back(record, outcome)
        set_id = self.verifier_set(trade)
        self.books.exposure[set_id] = self.books.exposure.get(set_id, 0) - record.payment - record.bond
        trade.closed = values | {"block": self.block, "tx_hash": self.tx_hash, "by": by}
        self.books.trades_open -= 1
        if outcome.kind in PAID_KINDS:
            self.books.settled.append({"trade": values["trade"]})
        self.report.paid += payout.paid
        self.report.fees += payout.fee
        self.report.slashed += payout.slashed
        self.report.refunded += payout.to_buyer

    def _give_back(self, record: Record, outcome: Outcome) -> None:
        """What was not used returns to both orders and may trade again, unless they ended meanwhile."""
        work, runs = units_given_back(record, outcome)
        for maker, side, nonce, quantity in (
            (record.provider, SIDE_SELL, record.offer_nonce, work),
            (record.buyer, SIDE_BUY, record.bid_nonce, runs),
        ):
            self.books.place(maker, side, nonce).give(nonce // PLACES, quantity)

    def verifier_set(self, trade: TradeView) -> str:
        """Id of the set that the batch of a trade names; empty for a batch that was never announced."""
        head = self.books.batches.get(trade.batch)
        return "" if head is None else encoding.to_hex(head.verifier_set)

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
