"""Every verdict and every end of a trade: who decided, what was paid, and whether the time had come.

A TradeClosed event does not say why. The events after it in the same transaction do (BatchSettled, DisputeEnded), or the
calldata, or, for a call that came through another contract, the time. Known limit: what stands on signatures (decide, accept,
rule, giveUp) can be checked only when the call was sent straight to the Market.
"""

from __future__ import annotations

from typing import Any

from suan.client.audit.replay import disputes
from suan.client.audit.replay.context import Context
from suan.client.audit.replay.events import Event
from suan.client.audit.replay.step import Step, outcomes_of
from suan.client.audit.state import TradeView, VerdictView
from suan.core import encoding, signing
from suan.core.contract import (
    Outcome,
    OutcomeKind,
    abi,
    pack_outcomes,
    refund_after,
)
from suan.core.settlement import as_possible
from suan.core.signing import Acceptance, GivingUp, Verdict

Json = dict[str, Any]
EVENTS = frozenset({
    "BatchDecided", "BatchSettled", "TradeClosed", "TradeGivenUp", *disputes.EVENTS,
})  # fmt: skip


def check(audit: Context, block: int, tx_hash: str, events: list[Event]) -> None:
    """Check the closing events of one transaction and fold them into the books."""
    step = _Close(audit, block, tx_hash)
    disputed = disputes.Disputes(step)
    for event in events:
        values = event.values
        if event.name == "TradeClosed":
            step.ends.append(event)
        elif event.name == "BatchDecided":
            step.decided(values)
        elif event.name == "BatchSettled":
            step.settled(values)
        elif event.name == "TradeGivenUp":
            step.given_up(values)
        else:
            disputed.take(event)
    disputed.finish()
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
        """The buyer signed that it pays the whole lock, or less together with the provider or an agent of it."""
        record, said = trade.record, Outcome(values["kind"], values["runs_delivered"], values["units"])
        outcomes = outcomes_of(self.arguments)
        self.report.expect(subject, "accepted outcome", dict(outcomes).get(record.index), said)
        self.report.expect(subject, "kind of an accepted outcome", int(OutcomeKind.SETTLED), said.kind)
        digest = Acceptance(encoding.from_hex(trade.batch), pack_outcomes(outcomes)).digest(self.audit.domain)
        buyer, provider = self.arguments["buyer"], self.arguments["provider"]
        self.report.expect(subject, "accepted by the buyer", record.buyer, buyer)
        signature = encoding.from_hex(self.arguments["buyer_signature"])
        signed = self.audit.signed_by(buyer, digest, signature)
        self.report.expect(subject, f"acceptance signed by {buyer}", True, signed)
        if provider == encoding.ZERO_ADDRESS:
            whole = (record.runs, record.runs * record.ceiling)
            found = (said.runs_delivered, said.units)
            self.report.expect(subject, "work that a buyer alone accepts", whole, found)
            return
        self.report.expect(subject, "accepted by the provider", record.provider, provider)
        signed = self._signed_for(provider, digest, encoding.from_hex(self.arguments["provider_signature"]))
        self.report.expect(subject, f"acceptance signed for {provider}", True, signed)

    def _signed_for(self, provider: str, digest: bytes, signature: bytes) -> bool:
        """Whether a provider signed itself or by an agent key that was valid."""
        if self.audit.signed_by(provider, digest, signature):
            return True
        try:
            agent = signing.recover(digest, signature)
        except signing.BadSignature:
            return False
        return self.books.agent_at(provider, agent, self.block, self.at)

    def given_up(self, values: Json) -> None:
        """The provider signed, for the first time and while the trade was open; the trade waits a dispute window."""
        subject = f"trd_{values['trade']}"
        trade = self.books.trades.get(values["trade"])
        if trade is None:
            self.report.differ(subject, "giving up", "of a locked trade", "unknown")
            return
        index, batch = trade.record.index, trade.batch
        is_open = bool(self.books.open_bits.get(batch, 0) >> index & 1)
        self.report.expect(subject, "giving up of a trade that is open", True, is_open)
        known = self.books.given_up.get((batch, index))
        self.report.expect(subject, "giving up before", None, known)
        due = self.at + self.parameters.dispute_window
        self.report.expect(subject, "end of the window of a giving up", due, values["refund_after"])
        if self.sent("giveUp"):
            provider = self.arguments["provider"]
            self.report.expect(subject, "given up by the provider", trade.record.provider, provider)
            bits = sum(1 << record["index"] for record in self.arguments["records"])
            digest = GivingUp(encoding.from_hex(batch), bits).digest(self.audit.domain)
            signature = encoding.from_hex(self.arguments["signature"])
            signed = self.audit.signed_by(provider, digest, signature)
            self.report.expect(subject, f"giving up signed by {provider}", True, signed)
        self.books.given_up[(batch, index)] = values["refund_after"]

    def _refunded(self, subject: str, trade: TradeView, values: Json) -> None:
        """After the verifiers' silence, or a window after its giving up, whether or not something was delivered."""
        said = (values["kind"], values["runs_delivered"], values["units"])
        self.report.expect(
            subject, "end without verdict or signature", (int(OutcomeKind.REFUNDED), 0, 0), said
        )
        given_up = self.books.given_up.get((trade.batch, trade.record.index), 0)
        due = refund_after(trade.record.deliver_by, self.parameters.verification_grace, given_up)
        self.report.expect(subject, "refund not before refund_after", True, self.at >= due)
