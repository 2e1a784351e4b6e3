"""Disputes as the events tell them: claims and their bonds, receipts that were shown, and who pays when one has ended.

The rule: suan.core.settlement.disputes. A claim's own event says how its bond ended; why stands in the events before it in the
same transaction (ReceiptRevealed, DisputeEnded).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from suan.client.audit.replay.events import Event
from suan.client.audit.replay.step import Step
from suan.client.audit.state import SHOWN, DisputeView, TradeView, VerdictView
from suan.core import encoding, merkle, signing
from suan.core.contract import (
    ANY_RUN,
    PAID_KINDS,
    RECEIPT_LEAF_TYPES,
    Claim,
    DisputeEnd,
    Outcome,
    OutcomeKind,
    Record,
)
from suan.core.delivery import Receipt
from suan.core.settlement import (
    NOBODY_RULED,
    BondEnd,
    as_possible,
    bond_end,
    revealed_end,
    without_ruling,
)
from suan.core.signing import ReceiptAcknowledgement, Ruling

Json = dict[str, Any]
Ends = tuple[int, int, int]
"""An outcome: kind, runs delivered, units."""
EVENTS = frozenset({"DisputeOpened", "ReceiptRevealed", "DisputeEnded", "ClaimEnded"})


@dataclass(frozen=True)
class _Ended:
    """A dispute that this transaction ended, as it stood, and how; claims for arbiters leave it as they end."""

    dispute: DisputeView
    becomes: Ends
    reason: int
    challengers: int


class Disputes:
    """The disputes of one transaction."""

    def __init__(self, step: Step) -> None:
        self.step, self.books, self.report = step, step.books, step.report
        self._shown: set[tuple[str, int]] = set()
        self._ended: dict[str, _Ended] = {}

    def take(self, event: Event) -> None:
        """Check one of EVENTS and fold it into the books."""
        verbs = {
            "DisputeOpened": self._opened,
            "ReceiptRevealed": self._revealed,
            "DisputeEnded": self._end,
            "ClaimEnded": self._claim_ended,
        }
        verbs[event.name](event.values)

    def finish(self) -> None:
        """After the last event: every claim for arbiters ended with its dispute."""
        for trade, ended in self._ended.items():
            if ended.dispute.for_arbiters:
                self.report.differ(
                    f"trd_{trade}", "claims that ended with the dispute", "all", ended.dispute.for_arbiters
                )

    # ------------------------------------------------------------------------------------------ claims

    def _opened(self, values: Json) -> None:
        """Something is claimed about a decided trade, whose first claim takes it out of its verdict; a bond is locked."""
        subject, books = f"trd_{values['trade']}", self.books
        trade, verdict = books.trades.get(values["trade"]), books.verdicts.get(values["verdict"])
        self.step.audit.post("DisputeOpened", values)
        if trade is None or verdict is None:
            self.report.differ(subject, "dispute", "of a decided trade", values["verdict"])
            return
        key = (trade.batch, trade.record.index)
        dispute = books.disputes.get(key)
        if dispute is None or not dispute.rule_by:
            dispute = self._first(subject, trade, verdict, values)
            books.disputes[key] = dispute
        expected = {
            "bond of the dispute": (self.step.parameters.dispute_bond, values["bond"]),
            "disputed outcome": (dispute.outcome, _ends(values)),
            "index of the disputed trade": (trade.record.index, values["index"]),
            "disputed verdict": (dispute.verdict, values["verdict"]),
            "end of the time to reveal": (dispute.reveal_by, values["reveal_by"]),
            "end of the time to rule": (dispute.rule_by, values["rule_by"]),
        }
        for name, (wanted, found) in expected.items():
            self.report.expect(subject, name, wanted, found)
        self._claimed(subject, trade, dispute, values)

    def _first(self, subject: str, trade: TradeView, verdict: VerdictView, values: Json) -> DisputeView:
        index, window, until = trade.record.index, self.step.parameters.dispute_window, verdict.settle_after
        self.report.expect(subject, "dispute within the window", True, self.step.at < until)
        waits = bool(verdict.bits >> index & 1)
        self.report.expect(subject, "dispute of a trade that waits", True, waits)
        verdict.bits &= ~(1 << index)
        decided = as_possible(trade.record, Outcome(*verdict.outcomes.get(index, (0, 0, 0))))
        outcome = (int(decided.kind), decided.runs_delivered, decided.units)
        return DisputeView(
            until, until + window, until + 2 * window, outcome, values["verdict"], verdict.receipts_root
        )

    def _claimed(self, subject: str, trade: TradeView, dispute: DisputeView, values: Json) -> None:
        """Nobody made this claim before, and it came in time."""
        claim, run, at = values["claim"], values["run"], self.step.at
        if claim == Claim.NO_RECEIPT:
            record, window = trade.record, self.step.parameters.dispute_window
            runs = range(record.first_run, record.first_run + record.runs)
            paid = dispute.outcome[0] in PAID_KINDS
            fits = run in runs if paid else dispute.outcome[0] == OutcomeKind.SLASHED and run == ANY_RUN
            known = self.books.claims.get((trade.batch, record.index, run), "")
            facts = {
                "claim about a run that it can be made of": fits,
                "claim that nobody made before": not known,
                "claim in time": at < dispute.reveal_by - window,
            }
            self.books.claims[(trade.batch, record.index, run)] = values["challenger"]
            dispute.missing += 1
        else:
            others = [who for who, _ in dispute.for_arbiters]
            facts = {
                "kind of claim": claim in (Claim.FALSE_RECEIPT, Claim.WRONG_COUNT),
                "at most two claims for arbiters": len(others) < 2 and values["challenger"] not in others,
                "claim in time": at < dispute.claim_by,
            }
            dispute.for_arbiters = [*dispute.for_arbiters, (values["challenger"], claim)]
        for name, holds in facts.items():
            self.report.expect(subject, name, True, holds)

    def _claim_ended(self, values: Json) -> None:
        """The bond of a claim went where the rule says."""
        subject = f"trd_{values['trade']}"
        trade = self.books.trades.get(values["trade"])
        self.step.audit.post("ClaimEnded", values)
        if trade is None:
            self.report.differ(subject, "claim", "about a locked trade", "unknown")
            return
        by_receipt = values["claim"] == Claim.NO_RECEIPT
        challenger, end = (self._for_a_receipt if by_receipt else self._for_arbiters)(subject, trade, values)
        bond = self.step.parameters.dispute_bond
        facts = {"challenger": challenger, "bond": bond} | asdict(end)
        for name, right in facts.items():
            self.report.expect(subject, f"{name} of the claim", right, values[name])

    def _for_a_receipt(self, subject: str, trade: TradeView, values: Json) -> tuple[str, BondEnd]:
        """(challenger, how its bond ends) of a claim that asked for a receipt."""
        key = (trade.batch, trade.record.index)
        challenger = self.books.claims.get((*key, values["run"]), "")
        shown = (values["trade"], values["run"]) in self._shown
        self.books.claims[(*key, values["run"])] = SHOWN if shown else ""
        if shown:
            return challenger, revealed_end(self.step.parameters.dispute_bond, values["opponent"])
        dispute = self.books.disputes.get(key)
        over = dispute is None or not dispute.rule_by
        self.report.expect(subject, "claim freed after its dispute", True, over)
        return challenger, NOBODY_RULED

    def _for_arbiters(self, subject: str, trade: TradeView, values: Json) -> tuple[str, BondEnd]:
        """(challenger, how its bond ends) of a claim that asked for a ruling."""
        ended = self._ended.get(values["trade"])
        claim = (values["challenger"], values["claim"])
        if ended is None or claim not in ended.dispute.for_arbiters:
            self.report.differ(subject, "claim that ended", "one that was made", list(claim))
            return "", NOBODY_RULED
        self.report.expect(subject, "run of a claim for arbiters", ANY_RUN, values["run"])
        ended.dispute.for_arbiters = [one for one in ended.dispute.for_arbiters if one != claim]
        if ended.reason != DisputeEnd.RULED:
            return claim[0], NOBODY_RULED
        end = bond_end(
            trade.record,
            challenger=claim[0],
            bond=self.step.parameters.dispute_bond,
            decided=Outcome(*ended.dispute.outcome),
            becomes=Outcome(*ended.becomes),
            fee_bps=self.step.parameters.fee_bps,
            pool=self.step.parameters.pool,
            shared=ended.challengers == 2,
        )
        return claim[0], end

    # ------------------------------------------------------------------------------------------ receipts

    def _revealed(self, values: Json) -> None:
        """What was asked for was shown in time: a leaf under the verdict's root, or the exchange's word on a receipt."""
        subject, step = f"trd_{values['trade']}", self.step
        trade = self.books.trades.get(values["trade"])
        dispute = None if trade is None else self._dispute_of(trade)
        if trade is None or dispute is None:
            self.report.differ(subject, "revealed receipt", "of a disputed trade", "not disputed")
            return
        run, words = values["run"], encoding.from_hex(values["words"])
        dispute.missing -= 1
        dispute.unbilled += values["unbilled"]
        dispute.claim_by = max(dispute.claim_by, step.at + step.parameters.dispute_window // 2)
        self._shown.add((values["trade"], run))
        paid = dispute.outcome[0] in PAID_KINDS
        digest = encoding.ZERO_BYTES32
        facts: dict[str, tuple[object, object]] = {
            "receipt revealed in time": (True, step.at < dispute.reveal_by)
        }
        if words:
            struct = encoding.keccak(Receipt.type_hash() + words)
            digest = signing.typed_digest(step.audit.domain, struct)
            if not values["unbilled"]:
                known = self._by_agent(trade, digest, values["signature"])
                facts["revealed receipt signed by an agent key of the provider"] = (True, known)
            facts["trade of the revealed receipt"] = (values["trade"], encoding.to_hex(words[:32]))
            if paid:
                facts["run of the revealed receipt"] = (int.from_bytes(words[32:64], "big"), run)
        elif not values["unbilled"]:
            facts["receipt of a run that is billed"] = ("one", "none")
        facts["hash of the revealed receipt"] = (encoding.to_hex(digest), values["receipt"])
        left = trade.record.runs - dispute.outcome[1]
        facts["runs shown not to be billed"] = (True, not values["unbilled"] or dispute.unbilled <= left)
        for name, (right, found) in facts.items():
            self.report.expect(subject, name, right, found)
        if step.name == "reveal":
            self._as_sent(subject, trade.record, dispute, digest, values)

    def _as_sent(
        self, subject: str, record: Record, dispute: DisputeView, digest: bytes, values: Json
    ) -> None:
        """The call's own words: its leaf stands under the root, or the acknowledger signed."""
        shown, paid = self.step.arguments["shown"], dispute.outcome[0] in PAID_KINDS
        acknowledged = encoding.from_hex(shown["acknowledgement"])
        if acknowledged:
            said = ReceiptAcknowledgement(digest).digest(self.step.audit.domain)
            signer = ""
            with suppress(signing.BadSignature):
                signer = signing.recover(said, acknowledged)
            self.report.expect(
                subject, "acknowledger of the receipt", self.step.parameters.acknowledger, signer
            )
            return
        run = values["run"] if paid else shown["run"]
        leaf = (digest, record.trade, run, shown["verdict_of_run"], shown["units_of_run"])
        root, proof = encoding.from_hex(dispute.receipts_root), map(encoding.from_hex, shown["proof"])
        stands = merkle.verify(root, merkle.leaf_hash(RECEIPT_LEAF_TYPES, leaf), list(proof))
        self.report.expect(subject, "receipt under the verdict's root", True, stands)
        unbilled = paid and not shown["units_of_run"]
        self.report.expect(subject, "whether the run is billed", unbilled, values["unbilled"])

    def _by_agent(self, trade: TradeView, digest: bytes, signature: str) -> bool:
        signer = ""
        with suppress(signing.BadSignature):
            signer = signing.recover(digest, encoding.from_hex(signature))
        return bool(signer) and self.books.agent_at(trade.record.provider, signer, self.step.block, 1)

    # ------------------------------------------------------------------------------------------ ends

    def _end(self, values: Json) -> None:
        """By arbiters in time, refunded because a receipt is missing, or as decided since nobody ruled."""
        subject, step = f"trd_{values['trade']}", self.step
        trade = self.books.trades.get(values["trade"])
        end = _end_of(step, values["trade"])
        dispute = None if trade is None else self._dispute_of(trade)
        if trade is None or dispute is None:
            self.report.differ(subject, "end of a dispute", "of a disputed trade", "not disputed")
            return
        said = _ends(values)
        if values["reason"] == DisputeEnd.RULED:
            self._ruled(subject, trade, dispute, said)
        else:
            self._by_time(subject, dispute, values)
        if end is not None:
            self.report.expect(subject, "outcome of the dispute", said, _ends(end.values))
            step.close(trade, end.values, "rule" if values["reason"] == DisputeEnd.RULED else "timeOut")
        else:
            self.report.differ(subject, "end of the dispute", "TradeClosed", None)
        self._ended[values["trade"]] = _Ended(dispute, said, values["reason"], len(dispute.for_arbiters))
        self.books.disputes[(trade.batch, trade.record.index)] = DisputeView()

    def _ruled(self, subject: str, trade: TradeView, dispute: DisputeView, said: Ends) -> None:
        """Somebody asked for a ruling, and k of n arbiters signed it in time."""
        self.report.expect(subject, "ruling that was asked for", True, bool(dispute.for_arbiters))
        self.report.expect(subject, "ruling in time", True, self.step.at < dispute.rule_by)
        if self.step.sent("rule"):
            ruling = Ruling(encoding.from_hex(trade.batch), trade.record.trade, *said)
            self.step.quorum(subject, self.step.parameters.arbiter_set, ruling.digest(self.step.audit.domain))

    def _by_time(self, subject: str, dispute: DisputeView, values: Json) -> None:
        right = without_ruling(
            missing=dispute.missing,
            for_arbiters=bool(dispute.for_arbiters),
            claim_by=dispute.claim_by,
            reveal_by=dispute.reveal_by,
            rule_by=dispute.rule_by,
        )
        becomes = (int(OutcomeKind.REFUNDED), 0, 0) if right.falls else dispute.outcome
        reason = DisputeEnd.FELL if right.falls else DisputeEnd.STOOD
        facts = {
            "dispute timed out after its time": (True, self.step.at >= right.due),
            "outcome of a dispute that nobody ruled on": (becomes, _ends(values)),
            "reason of a dispute's end": (int(reason), values["reason"]),
        }
        for name, (wanted, found) in facts.items():
            self.report.expect(subject, name, wanted, found)

    def _dispute_of(self, trade: TradeView) -> DisputeView | None:
        dispute = self.books.disputes.get((trade.batch, trade.record.index))
        return dispute if dispute is not None and dispute.rule_by else None


def _ends(values: Json) -> Ends:
    return values["kind"], values["runs_delivered"], values["units"]


def _end_of(step: Step, trade: str) -> Event | None:
    """The event that ended this trade, taken out of those without a reason."""
    mine = [event for event in step.ends if event.values["trade"] == trade]
    step.ends = [event for event in step.ends if event.values["trade"] != trade]
    return mine[-1] if mine else None
