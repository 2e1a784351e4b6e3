"""Disputes as the events tell them: the bond of the challenger, the revealed receipt, and who pays when one has ended.

The rule: suan.core.settlement.disputes.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from typing import Any

from suan.client.audit.replay.events import Event
from suan.client.audit.replay.step import Step
from suan.client.audit.state import DisputeView, TradeView
from suan.core import encoding, merkle, signing
from suan.core.contract import RECEIPT_LEAF_TYPES, Outcome, OutcomeKind, Record
from suan.core.delivery import Receipt
from suan.core.settlement import NOBODY_RULED, BondEnd, as_possible, bond_end, falls_unbacked
from suan.core.signing import Ruling

Json = dict[str, Any]
Ends = tuple[int, int, int]
"""An outcome: kind, runs delivered, units."""


def opened(step: Step, values: Json) -> None:
    """A decided trade, within the window, leaves its verdict and waits for a ruling; the challenger's bond is locked."""
    subject, books, parameters = f"trd_{values['trade']}", step.books, step.parameters
    trade, verdict = books.trades.get(values["trade"]), books.verdicts.get(values["verdict"])
    step.audit.post("DisputeOpened", values)
    if trade is None or verdict is None:
        step.report.differ(subject, "dispute", "of a decided trade", values["verdict"])
        return
    index = trade.record.index
    window = parameters.dispute_window
    said = (values["kind"], values["runs_delivered"], values["units"])
    decided = verdict.outcomes.get(index)
    right = None if decided is None else _ends(as_possible(trade.record, Outcome(*decided)))
    expected = {
        "bond of the dispute": (parameters.dispute_bond, values["bond"]),
        "disputed outcome": (right, said),
        "index of the disputed trade": (index, values["index"]),
        "end of the time to reveal": (step.at + window, values["reveal_by"]),
        "end of the time to rule": (step.at + 2 * window, values["rule_by"]),
        "dispute within the window": (True, step.at < verdict.settle_after),
        "dispute of a trade that waits": (True, bool(verdict.bits >> index & 1)),
    }
    for name, (wanted, found) in expected.items():
        step.report.expect(subject, name, wanted, found)
    verdict.bits &= ~(1 << index)
    books.disputes[(trade.batch, index)] = DisputeView(
        values["challenger"],
        values["bond"],
        values["reveal_by"],
        values["rule_by"],
        said,
        verdict.receipts_root,
    )


def revealed(step: Step, values: Json) -> None:
    """A receipt that an agent of the provider signed and that stands under the verdict's root was shown in time."""
    subject = f"trd_{values['trade']}"
    trade = step.books.trades.get(values["trade"])
    dispute = None if trade is None else _dispute_of(step, trade)
    if trade is None or dispute is None:
        step.report.differ(subject, "revealed receipt", "of a disputed trade", "not disputed")
        return
    dispute.revealed = True
    words = encoding.from_hex(values["words"])
    struct = encoding.keccak(Receipt.type_hash() + words)
    digest = signing.typed_digest(step.audit.domain, struct)
    signer = ""
    with suppress(signing.BadSignature):
        signer = signing.recover(digest, encoding.from_hex(values["signature"]))
    known = bool(signer) and step.books.agent_at(trade.record.provider, signer, step.block, 1)
    facts = {
        "revealed receipt signed by an agent key of the provider": (True, known),
        "receipt revealed in time": (True, step.at < dispute.reveal_by),
        "hash of the revealed receipt": (encoding.to_hex(digest), values["receipt"]),
        "trade of the revealed receipt": (values["trade"], encoding.to_hex(words[:32])),
        "run of the revealed receipt": (int.from_bytes(words[32:64], "big"), values["run"]),
    }
    for name, (right, found) in facts.items():
        step.report.expect(subject, name, right, found)
    if step.name == "reveal":
        leaf = (digest, trade.record.trade, values["run"], step.arguments["verdict_of_run"])
        proof = [encoding.from_hex(node) for node in step.arguments["proof"]]
        root = encoding.from_hex(dispute.receipts_root)
        stands = merkle.verify(root, merkle.leaf_hash(RECEIPT_LEAF_TYPES, leaf), proof)
        step.report.expect(subject, "receipt under the verdict's root", True, stands)


def ruled(step: Step, values: Json) -> None:
    """The dispute ended: by arbiters in time, or because nobody revealed or ruled. Then the trade, and then the bond."""
    subject = f"trd_{values['trade']}"
    trade = step.books.trades.get(values["trade"])
    end = _end_of(step, values["trade"])
    dispute = None if trade is None else _dispute_of(step, trade)
    if trade is None or dispute is None:
        step.report.differ(subject, "ruling", "of a disputed trade", "not disputed")
        return
    said = (values["kind"], values["runs_delivered"], values["units"])
    ends = (_by_arbiters if step.name == "rule" else _by_time)(step, subject, trade, dispute, said)
    facts: Json = {"challenger": dispute.challenger, "bond": dispute.bond} | asdict(ends)
    for name, right in facts.items():
        step.report.expect(subject, f"{name} of the dispute", right, values[name])
    if end is not None:
        found = tuple(end.values[name] for name in ("kind", "runs_delivered", "units"))
        step.report.expect(subject, "outcome of the dispute", said, found)
        step.close(trade, end.values, step.name)
    else:
        step.report.differ(subject, "end of the dispute", "TradeClosed", None)
    step.audit.post("DisputeRuled", values)
    dispute.challenger = ""


def _by_arbiters(step: Step, subject: str, trade: TradeView, dispute: DisputeView, said: Ends) -> BondEnd:
    """How the bond ends after a ruling; k of n arbiters signed it in time."""
    step.report.expect(subject, "ruling in time", True, step.at < dispute.rule_by)
    batch, record = encoding.from_hex(trade.batch), trade.record
    ruling = Ruling(batch, record.trade, *said)
    step.quorum(subject, step.parameters.arbiter_set, ruling.digest(step.audit.domain))
    return _bond_end(step, record, dispute, said)


def _by_time(step: Step, subject: str, trade: TradeView, dispute: DisputeView, said: Ends) -> BondEnd:
    """How the bond ends when nobody ruled: a paid outcome that nobody backed with a receipt falls."""
    record = trade.record
    falls = falls_unbacked(
        dispute.outcome[0],
        revealed=dispute.revealed,
        challenger=dispute.challenger,
        provider=record.provider,
    )
    due = dispute.reveal_by if falls else dispute.rule_by
    step.report.expect(subject, "dispute timed out after its time", True, step.at >= due)
    right = (int(OutcomeKind.REFUNDED), 0, 0) if falls else dispute.outcome
    step.report.expect(subject, "outcome of a dispute that nobody ruled on", right, said)
    if falls:
        return _bond_end(step, record, dispute, right)
    return NOBODY_RULED


def _bond_end(step: Step, record: Record, dispute: DisputeView, becomes: Ends) -> BondEnd:
    return bond_end(
        record,
        challenger=dispute.challenger,
        bond=dispute.bond,
        decided=Outcome(*dispute.outcome),
        becomes=Outcome(*becomes),
        fee_bps=step.parameters.fee_bps,
        pool=step.parameters.pool,
    )


def _ends(outcome: Outcome) -> Ends:
    return int(outcome.kind), outcome.runs_delivered, outcome.units


def _dispute_of(step: Step, trade: TradeView) -> DisputeView | None:
    dispute = step.books.disputes.get((trade.batch, trade.record.index))
    return dispute if dispute is not None and dispute.challenger else None


def _end_of(step: Step, trade: str) -> Event | None:
    """The event that ended this trade, taken out of those without a reason."""
    mine = [event for event in step.ends if event.values["trade"] == trade]
    step.ends = [event for event in step.ends if event.values["trade"] != trade]
    return mine[-1] if mine else None
