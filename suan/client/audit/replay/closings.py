"""Every verdict and every end of a trade: who decided, what was paid, and whether the time had come.

A TradeClosed event does not say why. The events after it in the same transaction do (BatchSettled, DisputeRuled), or the
calldata, or, for a call that came through another contract, the time. Known limit: what stands on signatures (decide, accept,
rule) can be checked only when the call was sent straight to the Market.
"""

from __future__ import annotations

from typing import Any

from suan.client.audit.replay import disputes
from suan.client.audit.replay.context import Context
from suan.client.audit.replay.events import Event
from suan.client.audit.replay.step import Step, outcomes_of
from suan.client.audit.state import TradeView, VerdictView
from suan.core import encoding
from suan.core.contract import (
    PAID_KINDS,
    Outcome,
    OutcomeKind,
    abi,
    pack_outcomes,
    refund_after,
)
from suan.core.settlement import allows, as_possible
from suan.core.signing import Acceptance, Verdict

Json = dict[str, Any]
EVENTS = frozenset({
    "BatchDecided", "BatchSettled", "TradeClosed", "DisputeOpened", "ReceiptRevealed",
    "DisputeRuled",
})  # fmt: skip


def check(audit: Context, block: int, tx_hash: str, events: list[Event]) -> None:
    """Check the closing events of one transaction and fold them into the books."""
    step = _Close(audit, block, tx_hash)
    for event in events:
        values = event.values
        if event.name == "TradeClosed":
            step.ends.append(event)
        elif event.name == "BatchDecided":
            step.decided(values)
        elif event.name == "BatchSettled":
            step.settled(values)
        elif event.name == "DisputeOpened":
            disputes.opened(step, values)
        elif event.name == "ReceiptRevealed":
            disputes.revealed(step, values)
        elif event.name == "DisputeRuled":
            disputes.ruled(step, values)
    for event in step.ends:
        step.ended(event)


class _Close(Step):
    """Verdicts, their settlement, and ends by signature or time."""

    # ------------------------------------------------------------------------------------------ by verdict

    def decided(self, values: Json) -> None:
        """k of n verifiers of the set signed the outcomes; the trades that were open wait for the dispute window."""
        books, batch, bits = self.books, values["batch_id"], values["bits"]
        outcomes = self._signed_outcomes(values)
        before = books.verdicts.get(values["verdict"])
        if before is not None and before.bits:
            self.report.differ(self.tx_hash, "verdict", "one that was not decided before", values["verdict"])
        if batch not in books.batches:
            self.report.differ(self.tx_hash, "lock batch", "one that was opened", batch)
        named = sum(1 << index for index in outcomes)
        self.report.expect(self.tx_hash, "trades decided", named & books.open_bits.get(batch, 0), bits)
        due = self.at + self.parameters.dispute_window
        self.report.expect(self.tx_hash, "end of the dispute window", due, values["settle_after"])
        books.open_bits[batch] = books.open_bits.get(batch, 0) & ~bits
        root = values["receipts_root"]
        books.verdicts[values["verdict"]] = VerdictView(batch, root, bits, values["settle_after"], outcomes)
        trades = {
            trade: outcome
            for index, outcome in outcomes.items()
            if bits >> index & 1 and (trade := books.trade_at.get((batch, index)))
        }
        seal = {"batch_id": batch, "receipts_root": root, "trades": trades}
        books.seals.append(seal | {"tx_hash": self.tx_hash, "block": self.block})

    def _signed_outcomes(self, values: Json) -> dict[int, tuple[int, int, int]]:
        """What the calldata decides, by index; empty (and a difference) if there is no such call."""
        if not self.sent("decide"):
            return {}
        head = abi.struct_of("BatchHead", self.arguments["head"])
        outcomes = outcomes_of(self.arguments)
        root = self.arguments["receipts_root"]
        verdict = Verdict(head.id(), pack_outcomes(outcomes), encoding.from_hex(root))
        self.report.expect(self.tx_hash, "lock batch", encoding.to_hex(head.id()), values["batch_id"])
        self.report.expect(self.tx_hash, "receipts root", root, values["receipts_root"])
        self.report.expect(self.tx_hash, "verdict", encoding.to_hex(verdict.struct_hash()), values["verdict"])
        set_id = self.arguments["head"]["verifier_set"]
        self.quorum(self.tx_hash, set_id, verdict.digest(self.audit.domain))
        return {index: (one.kind, one.runs_delivered, one.units) for index, one in outcomes}

    def settled(self, values: Json) -> None:
        """Not before its time: all that waited ended, as decided, or refunded where the trade cannot have that outcome."""
        batch, subject = values["batch_id"], f"verdict {values['verdict']}"
        ends = self._ends_of(batch)
        verdict = self.books.verdicts.get(values["verdict"])
        if verdict is None or verdict.batch != batch:
            self.report.differ(self.tx_hash, "settlement", "of a verdict that was decided", values["verdict"])
            verdict = VerdictView(batch, "", 0, 0, {})
        if self.at < verdict.settle_after:
            self.report.differ(subject, "settlement", f"not before {verdict.settle_after}", self.at)
        self.report.expect(subject, "trades settled", verdict.bits, values["bits"])
        found = 0
        for event, trade in ends:
            index = trade.record.index
            found |= 1 << index
            said = Outcome(*(event.values[name] for name in ("kind", "runs_delivered", "units")))
            decided = verdict.outcomes.get(index)
            right = None if decided is None else as_possible(trade.record, Outcome(*decided))
            self.report.expect(f"trd_{event.values['trade']}", "outcome", right, said)
            self.close(trade, event.values, "settle")
        self.report.expect(subject, "trades closed", verdict.bits, found)
        verdict.bits = 0
        self.books.verdicts[values["verdict"]] = verdict

    def _ends_of(self, batch: str) -> list[tuple[Event, TradeView]]:
        """The trades of this batch that ended so far in this transaction, taken out of `ends`."""
        mine, others = [], []
        for event in self.ends:
            trade = self.books.trades.get(event.values["trade"])
            if trade is not None and trade.batch == batch:
                mine.append((event, trade))
            else:
                others.append(event)
        self.ends = others
        return mine

    # ------------------------------------------------------------------------------------------ by signature or time

    def ended(self, event: Event) -> None:
        """A trade that ended for none of the reasons that have an event of their own."""
        values = event.values
        subject = f"trd_{values['trade']}"
        trade = self.books.trades.get(values["trade"])
        if trade is None:
            self.report.differ(subject, "close", "once, after its lock", event.name)
            return
        bit = 1 << trade.record.index
        if not self.books.open_bits.get(trade.batch, 0) & bit:
            self.report.differ(subject, "close", "of a trade that is open and not decided", "not open")
        if self.name == "accept":
            self._accepted(subject, trade, values)
        else:
            self._refunded(subject, trade, values)
        self.books.open_bits[trade.batch] = self.books.open_bits.get(trade.batch, 0) & ~bit
        self.close(trade, values, self.name)

    def _accepted(self, subject: str, trade: TradeView, values: Json) -> None:
        """The side that the outcome costs money signed it."""
        account, record = self.arguments["account"], trade.record
        outcomes = outcomes_of(self.arguments)
        said = Outcome(values["kind"], values["runs_delivered"], values["units"])
        self.report.expect(subject, "accepted outcome", dict(outcomes).get(record.index), said)
        loser = record.buyer if said.kind in PAID_KINDS else record.provider
        self.report.expect(subject, "accepted by the side that it costs money", loser, account)
        self.report.expect(subject, "kind of an accepted outcome", True, said.kind != OutcomeKind.SLASHED)
        digest = Acceptance(encoding.from_hex(trade.batch), pack_outcomes(outcomes)).digest(self.audit.domain)
        signed = self.audit.signed_by(account, digest, encoding.from_hex(self.arguments["signature"]))
        self.report.expect(subject, f"acceptance signed by {account}", True, signed)

    def _refunded(self, subject: str, trade: TradeView, values: Json) -> None:
        """After the verifiers' silence nothing else can happen, whether or not something was delivered."""
        said = (values["kind"], values["runs_delivered"], values["units"])
        self.report.expect(
            subject, "end without verdict or signature", (int(OutcomeKind.REFUNDED), 0, 0), said
        )
        due = refund_after(trade.record.deliver_by, self.parameters.verification_grace)
        self.report.expect(subject, "refund not before refund_after", True, self.at >= due)
