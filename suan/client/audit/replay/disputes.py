"""Disputes as the events tell them: the bond of the challenger, the revealed receipt, and who pays when one has ended.

Source of the rules: contracts/src/libraries/Disputes.sol.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from suan.client.audit.replay.events import Event
from suan.client.audit.replay.step import Step
from suan.client.audit.state import DisputeView, Parameters, TradeView
from suan.core import encoding, merkle, signing, units
from suan.core.contract import RECEIPT_LEAF_TYPES, OutcomeKind, Record
from suan.core.delivery import Receipt
from suan.core.encoding import ZERO_ADDRESS
from suan.core.signing import Ruling
from suan.core.units import BaseUnits, Price, WorkUnits

Json = dict[str, Any]
Ends = tuple[int, int, int]
"""An outcome: kind, runs delivered, units."""


def opened(step: Step, values: Json) -> None:
    """A decided trade, within the window, leaves its verdict and waits for a ruling; the challenger's bond is locked."""
    subject, books, parameters = f"trd_{values['trade']}", step.books, step.parameters
    trade, verdict = books.trades.get(values["trade"]), books.verdicts.get(values["verdict"])
    step.audit.move(values["challenger"], available=-values["bond"], locked=values["bond"])
    if trade is None or verdict is None:
        step.report.differ(subject, "dispute", "of a decided trade", values["verdict"])
        return
    index = trade.record.index
    window = parameters.dispute_window
    said = (values["kind"], values["runs_delivered"], values["units"])
    expected = {
        "bond of the dispute": (parameters.dispute_bond, values["bond"]),
        "disputed outcome": (verdict.outcomes.get(index), said),
        "index of the disputed trade": (index, values["index"]),
        "end of the time to reveal": (step.at + window, values["reveal_by"]),
        "end of the time to rule": (step.at + 2 * window, values["rule_by"]),
        "dispute within the window": (True, step.at < verdict.settle_after),
        "dispute of a trade that waits": (True, bool(verdict.bits >> index & 1)),
    }
    for name, (right, found) in expected.items():
        step.report.expect(subject, name, right, found)
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
    if step.name == "rule":
        expected = _by_arbiters(step, subject, trade, dispute, said)
    else:
        expected = _by_time(step, subject, trade, dispute, said)
    facts: Json = {"challenger": dispute.challenger, "bond": dispute.bond} | dict(
        zip(("opponent", "forfeited", "reward"), expected, strict=True)
    )
    for name, right in facts.items():
        step.report.expect(subject, f"{name} of the dispute", right, values[name])
    if end is not None and end.name == "TradeClosed":
        found = tuple(end.values[name] for name in ("kind", "runs_delivered", "units"))
        step.report.expect(subject, "outcome of the dispute", said, found)
        step.close(trade, end.values, step.name)
    elif _stands_above_cap(step, trade, dispute, said):
        step.report.expect(subject, "end of the dispute", "OutcomeRefused", end and end.name)
        bits = step.books.open_bits.get(trade.batch, 0)
        step.books.open_bits[trade.batch] = bits | 1 << trade.record.index
    else:
        step.report.differ(subject, "end of the dispute", "TradeClosed", end and end.name)
    bond, forfeited, reward = values["bond"], values["forfeited"], values["reward"]
    step.audit.move(values["challenger"], locked=-bond, available=bond - forfeited + reward)
    if forfeited or reward:
        step.audit.move(values["opponent"], available=forfeited - reward)
    dispute.challenger = ""


def _by_arbiters(
    step: Step, subject: str, trade: TradeView, dispute: DisputeView, said: Ends
) -> tuple[str, int, int]:
    """(opponent, forfeited, reward) of a ruling; k of n arbiters signed it in time."""
    step.report.expect(subject, "ruling in time", True, step.at < dispute.rule_by)
    batch, record = encoding.from_hex(trade.batch), trade.record
    ruling = Ruling(batch, record.trade, *said)
    step.quorum(subject, step.parameters.arbiter_set, ruling.digest(step.audit.domain))
    if said == dispute.outcome:
        return _upheld(record, dispute)
    return _overturned(step, record, dispute, said)


def _by_time(
    step: Step, subject: str, trade: TradeView, dispute: DisputeView, said: Ends
) -> tuple[str, int, int]:
    """(opponent, forfeited, reward) when nobody ruled: a settled outcome that nobody backed with a receipt falls."""
    record = trade.record
    unbacked = dispute.outcome[0] == OutcomeKind.SETTLED and not dispute.revealed
    falls = unbacked and dispute.challenger != record.provider
    due = dispute.reveal_by if falls else dispute.rule_by
    step.report.expect(subject, "dispute timed out after its time", True, step.at >= due)
    right = (int(OutcomeKind.REFUNDED), 0, 0) if falls else dispute.outcome
    step.report.expect(subject, "outcome of a dispute that nobody ruled on", right, said)
    if falls:
        return _overturned(step, record, dispute, right)
    pays = _pays(record, dispute.outcome)
    set_id = _verifier_set(step, trade)
    if pays and pays <= step.payout_cap(set_id):
        window, before = step.paid_out(set_id)
        step.books.paid_out[set_id] = (window, before + pays)
        if before + pays > step.payout_cap(set_id):
            most = f"at most {step.payout_cap(set_id)}"
            step.report.differ(subject, "paid out in this window", most, before + pays)
    return ZERO_ADDRESS, 0, 0


def _stands_above_cap(step: Step, trade: TradeView, dispute: DisputeView, said: Ends) -> bool:
    """Whether nobody ruled and the decided payment alone is above the payout cap: then the trade is open again."""
    stood = step.name != "rule" and said == dispute.outcome
    return stood and _pays(trade.record, said) > step.payout_cap(_verifier_set(step, trade))


def _overturned(step: Step, record: Record, dispute: DisputeView, becomes: Ends) -> tuple[str, int, int]:
    """The loser is the side to which the outcome leaves less than the decision did; it pays out of what it just got."""
    parameters = step.parameters
    was, now = _shares(record, dispute.outcome, parameters), _shares(record, becomes, parameters)
    payer, there = ZERO_ADDRESS, 0
    if now[0] < was[0]:
        payer, there = record.provider, now[0]
    elif now[1] < was[1]:
        payer, there = record.buyer, now[1]
    if payer == dispute.challenger:
        return _upheld(record, dispute)
    if payer == record.provider and becomes[0] == OutcomeKind.SLASHED:
        rerun = units.payment(Price(record.price), WorkUnits(becomes[2]))
        payer, there = parameters.pool, record.bond - min(record.bond, rerun)
    return payer, 0, min(there, dispute.bond)


def _upheld(record: Record, dispute: DisputeView) -> tuple[str, int, int]:
    """The challenger was wrong: its bond goes to the side that it attacked."""
    attacked = record.buyer if dispute.challenger == record.provider else record.provider
    return attacked, dispute.bond, 0


def _shares(record: Record, outcome: Ends, parameters: Parameters) -> tuple[int, int]:
    """What an outcome leaves to provider and buyer."""
    paid = _pays(record, outcome)
    bond = 0 if outcome[0] == OutcomeKind.SLASHED else record.bond
    return bond + paid - units.fee(BaseUnits(paid), parameters.fee_bps), record.payment - paid


def _pays(record: Record, outcome: Ends) -> int:
    if outcome[0] != OutcomeKind.SETTLED:
        return 0
    return int(units.payment(Price(record.price), WorkUnits(outcome[2])))


def _verifier_set(step: Step, trade: TradeView) -> str:
    head = step.books.batches.get(trade.batch)
    return "" if head is None else encoding.to_hex(head.verifier_set)


def _dispute_of(step: Step, trade: TradeView) -> DisputeView | None:
    dispute = step.books.disputes.get((trade.batch, trade.record.index))
    return dispute if dispute is not None and dispute.challenger else None


def _end_of(step: Step, trade: str) -> Event | None:
    """The event that ended this trade or opened it again, taken out of those without a reason."""
    mine = [event for event in step.ends if event.values["trade"] == trade]
    step.ends = [event for event in step.ends if event.values["trade"] != trade]
    return mine[-1] if mine else None
