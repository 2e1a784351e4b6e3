"""Every verdict and every end of a trade: who decided, what was paid, and whether the time had come.

A TradeClosed event does not say why. The events after it in the same transaction do (BatchSettled, DisputeRuled), or the
calldata, or, for a call that came through another contract, the time. Known limit: what stands on signatures (decide, accept,
attestDelivery, rule) can be checked only when the call was sent straight to the Market.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from suan.client.audit import disputes
from suan.client.audit.state import TradeView, VerdictView
from suan.core import abi, identity, units
from suan.core.market_state import PLACES
from suan.core.records import Outcome, OutcomeKind, Record, pack_outcomes
from suan.core.settlement import allows, pay_attested_after, refund_after, units_given_back
from suan.core.signed import SIDE_BUY, SIDE_SELL, Acceptance, DeliveryAttestation, Verdict
from suan.core.units import BaseUnits, Price, WorkUnits

if TYPE_CHECKING:
    from suan.client.audit.chain import ChainAudit, Event

Json = dict[str, Any]
EVENTS = frozenset({
    "BatchDecided", "BatchSettled", "OutcomeRefused", "TradeClosed", "DeliveryAttested", "DisputeOpened", "ReceiptRevealed",
    "DisputeRuled",
})  # fmt: skip


def check(audit: ChainAudit, block: int, tx_hash: str, events: list[Event]) -> None:
    """Check the closing events of one transaction and fold them into the books."""
    step = Step(audit, block, tx_hash)
    for event in events:
        values = event.values
        if event.name in ("TradeClosed", "OutcomeRefused"):
            step.ends.append(event)
        elif event.name == "BatchDecided":
            step.decided(values)
        elif event.name == "BatchSettled":
            step.settled(values)
        elif event.name == "DeliveryAttested":
            step.attested(values)
        elif event.name == "DisputeOpened":
            disputes.opened(step, values)
        elif event.name == "ReceiptRevealed":
            disputes.revealed(step, values)
        elif event.name == "DisputeRuled":
            disputes.ruled(step, values)
    for event in step.ends:
        step.ended(event)


class Step:
    """One transaction: `ends` are the trades that it ended (or opened again) and whose reason has not been seen yet."""

    def __init__(self, audit: ChainAudit, block: int, tx_hash: str) -> None:
        self.audit, self.block, self.tx_hash = audit, block, tx_hash
        self.books, self.report, self.parameters = audit.books, audit.report, audit.parameters
        self.at = audit.timestamp(block)
        self.ends: list[Event] = []
        self.name, self.arguments = audit.call_of(tx_hash) or ("", {})

    # ------------------------------------------------------------------------------------------ by verdict

    def decided(self, values: Json) -> None:
        """k of n verifiers of the set signed the outcomes; the trades that were open wait for the dispute window."""
        books, batch, bits = self.books, values["batch_id"], values["bits"]
        outcomes = self._signed_outcomes(values)
        before = books.verdicts.get(values["verdict"])
        if before is not None and (before.refused or before.bits):
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
        verdict = Verdict(head.id(), pack_outcomes(outcomes), identity.from_hex(root))
        self.report.expect(self.tx_hash, "lock batch", identity.to_hex(head.id()), values["batch_id"])
        self.report.expect(self.tx_hash, "receipts root", root, values["receipts_root"])
        self.report.expect(self.tx_hash, "verdict", identity.to_hex(verdict.struct_hash()), values["verdict"])
        set_id = self.arguments["head"]["verifier_set"]
        self.quorum(self.tx_hash, set_id, verdict.digest(self.audit.domain))
        return {index: (one.kind, one.runs_delivered, one.units) for index, one in outcomes}

    def settled(self, values: Json) -> None:
        """Not before its time: all that waited was paid, opened again as impossible, or left for the next payout window."""
        batch, subject = values["batch_id"], f"verdict {values['verdict']}"
        ends = self._ends_of(batch)
        verdict = self.books.verdicts.get(values["verdict"])
        if verdict is None or verdict.batch != batch:
            self.report.differ(self.tx_hash, "settlement", "of a verdict that was decided", values["verdict"])
            verdict = VerdictView(batch, "", 0, 0, {})
        if self.at < verdict.settle_after:
            self.report.differ(subject, "settlement", f"not before {verdict.settle_after}", self.at)
        closed, refused = self._due(verdict)
        self.report.expect(subject, "trades settled", closed, values["bits"])
        found = {"TradeClosed": 0, "OutcomeRefused": 0}
        for event, trade in ends:
            index = trade.record.index
            found[event.name] |= 1 << index
            said = tuple(event.values[name] for name in ("kind", "runs_delivered", "units"))
            name = f"trd_{event.values['trade']}"
            self.report.expect(name, "outcome", verdict.outcomes.get(index), said)
            if event.name == "TradeClosed":
                self.close(trade, event.values, "settle")
        self.report.expect(subject, "trades closed", closed, found["TradeClosed"])
        self.report.expect(subject, "outcomes refused", refused, found["OutcomeRefused"])
        self.books.open_bits[batch] = self.books.open_bits.get(batch, 0) | refused
        verdict.bits &= ~(closed | refused)
        verdict.refused = verdict.refused or bool(refused)
        self.books.verdicts[values["verdict"]] = verdict

    def _due(self, verdict: VerdictView) -> tuple[int, int]:
        """Bits of the trades that a settlement pays now and of those whose outcome is impossible; counts what is paid out."""
        head = self.books.batches.get(verdict.batch)
        set_id = "" if head is None else identity.to_hex(head.verifier_set)
        cap, (window, before) = self.payout_cap(set_id), self.paid_out(set_id)
        closed = refused = paid = 0
        for index, values in verdict.outcomes.items():
            trade = self.books.trade_at.get((verdict.batch, index))
            if not verdict.bits >> index & 1 or trade is None:
                continue
            record, outcome = self.books.trades[trade].record, Outcome(*values)
            pays = paid_for(record, outcome)
            if pays > cap or not allows(record, outcome):
                refused |= 1 << index
            elif before + paid + pays <= cap:
                closed, paid = closed | 1 << index, paid + pays
        if paid:
            self.books.paid_out[set_id] = (window, before + paid)
        return closed, refused

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
        if event.name != "TradeClosed" or trade is None:
            self.report.differ(subject, "close", "once, after its lock, with a reason", event.name)
            return
        bit = 1 << trade.record.index
        if not self.books.open_bits.get(trade.batch, 0) & bit:
            self.report.differ(subject, "close", "of a trade that is open and not decided", "not open")
        if self.name == "accept":
            self._accepted(subject, trade, values)
        elif values["kind"] == OutcomeKind.REFUNDED:
            self._refunded(subject, trade)
        else:
            self._paid_as_attested(subject, trade, values)
        self.books.open_bits[trade.batch] = self.books.open_bits.get(trade.batch, 0) & ~bit
        self.close(trade, values, self.name)

    def _accepted(self, subject: str, trade: TradeView, values: Json) -> None:
        """The side that the outcome costs money signed it."""
        account, record = self.arguments["account"], trade.record
        outcomes = outcomes_of(self.arguments)
        said = Outcome(values["kind"], values["runs_delivered"], values["units"])
        self.report.expect(subject, "accepted outcome", dict(outcomes).get(record.index), said)
        loser = record.buyer if said.kind == OutcomeKind.SETTLED else record.provider
        self.report.expect(subject, "accepted by the side that it costs money", loser, account)
        self.report.expect(subject, "kind of an accepted outcome", True, said.kind != OutcomeKind.SLASHED)
        digest = Acceptance(identity.from_hex(trade.batch), pack_outcomes(outcomes)).digest(self.audit.domain)
        signed = self.audit.signed_by(account, digest, identity.from_hex(self.arguments["signature"]))
        self.report.expect(subject, f"acceptance signed by {account}", True, signed)

    def _refunded(self, subject: str, trade: TradeView) -> None:
        due = refund_after(trade.record.deliver_by, self.parameters.verification_grace)
        attested = self.attestation(trade)
        self.report.expect(
            subject,
            "refund not before refund_after, not when attested",
            True,
            self.at >= due and attested is None,
        )

    def _paid_as_attested(self, subject: str, trade: TradeView, values: Json) -> None:
        """After the verifiers' silence; a payment above the whole payout cap goes alone."""
        attested = self.attestation(trade)
        due = pay_attested_after(trade.record.deliver_by, self.parameters.verification_grace)
        found = (values["kind"], values["runs_delivered"], values["units"])
        expected = None if attested is None else (int(OutcomeKind.SETTLED), *attested)
        self.report.expect(subject, "attested work", expected, found)
        self.report.expect(subject, "attested payment after its window", True, self.at >= due)
        head = self.books.batches.get(trade.batch)
        set_id = "" if head is None else identity.to_hex(head.verifier_set)
        window, before = self.paid_out(set_id)
        paid = before + paid_for(trade.record, Outcome(*found))
        if before and paid > self.payout_cap(set_id):
            self.report.differ(subject, "paid out in this window", f"at most {self.payout_cap(set_id)}", paid)
        self.books.paid_out[set_id] = (window, paid)

    def attested(self, values: Json) -> None:
        """k of n verifiers saw a delivery in time: more runs than before, of a trade that is open."""
        subject, key = f"trd_{values['trade']}", values["trade"]
        trade = self.books.trades.get(key)
        if trade is None:
            self.report.differ(subject, "attestation", "of a locked trade", "unknown")
            return
        record, said = trade.record, (values["runs_delivered"], values["units"])
        before = self.attestation(trade) or (0, 0)
        due = refund_after(record.deliver_by, self.parameters.verification_grace)
        facts = {
            "attestation in time": self.at < due,
            "attestation of more runs than before": said[0] > before[0],
            "attestation of a trade that is open": bool(
                self.books.open_bits.get(trade.batch, 0) >> record.index & 1
            ),
            "attestation of work that the trade can have": allows(
                record, Outcome(OutcomeKind.SETTLED, *said)
            ),
            "attestation in its lock batch": values["batch_id"] == trade.batch,
        }
        for name, holds in facts.items():
            self.report.expect(subject, name, True, holds)
        if self.sent("attestDelivery"):
            batch, digest_of = identity.from_hex(values["batch_id"]), self.audit.domain
            attestation = DeliveryAttestation(batch, identity.from_hex(key), *said)
            self.quorum(self.tx_hash, self.arguments["head"]["verifier_set"], attestation.digest(digest_of))
        self.books.attestations[(trade.batch, record.index)] = said

    # ------------------------------------------------------------------------------------------ what all ends share

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
                signers.add(identity.recover(digest, identity.from_hex(signature)))
            except identity.BadSignature:
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
