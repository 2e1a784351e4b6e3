"""Every close, refund and attestation: who decided, what was paid, and whether the time had come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from suan.client.audit.state import TradeView
from suan.core import identity, units
from suan.core.records import BatchHead, Outcome, OutcomeKind, outcomes_hash
from suan.core.signed import DeliveryAttestation, Verdict
from suan.core.units import BaseUnits, Price, WorkUnits

if TYPE_CHECKING:
    from suan.client.audit.chain import ChainAudit, Event

Json = dict[str, Any]


def check(audit: ChainAudit, block: int, tx_hash: str, events: list[Event]) -> None:
    """Check one closing transaction and fold it into the books."""
    call = audit.call_of(tx_hash)
    name, arguments = call if call is not None else ("", {})
    if name not in ("close", "refund", "attestDelivery", "payAttested"):
        audit.report.differ(tx_hash, "calldata", "a closing call sent to the Market", name)
        return
    closed = {e.values["trade"]: e.values for e in events if e.name == "TradeClosed"}
    if name == "close":
        _verdict(audit, tx_hash, arguments, closed)
    for values in closed.values():
        trade = audit.books.trades.get(values["trade"])
        if trade is None or trade.closed is not None:
            audit.report.differ(f"trd_{values['trade']}", "close", "once, after its lock", "no open lock")
            continue
        _timely(audit, block, name, trade, values)
        _apply(audit, trade, values | {"block": block, "tx_hash": tx_hash, "by": name})
    for event in events:
        if event.name == "DeliveryAttested":
            _attested(audit, tx_hash, arguments, event.values)
        elif event.name == "BatchSealed":
            trades = [
                trade for trade, values in closed.items() if values["batch_id"] == event.values["batch_id"]
            ]
            audit.books.seals.append(event.values | {"trades": trades, "tx_hash": tx_hash, "block": block})


def _verdict(audit: ChainAudit, tx_hash: str, arguments: Json, closed: dict[str, Json]) -> None:
    """The outcomes of a close are those that k of n verifiers of the named set signed."""
    outcomes = [Outcome(**value) for value in arguments["outcomes"]]
    trades = [record["trade"] for record in arguments["records"]]
    for trade, outcome in zip(trades, outcomes, strict=True):
        if trade not in closed:
            continue  # closed before: the contract passes over it
        found = closed[trade]
        for name in ("kind", "runs_delivered", "units"):
            audit.report.expect(f"trd_{trade}", f"outcome {name}", getattr(outcome, name), found.get(name))
    head = arguments["head"]
    batch = identity.to_hex(
        BatchHead(
            head["number"],
            identity.from_hex(head["root"]),
            identity.from_hex(head["verifier_set"]),
            head["count"],
        ).id()
    )
    if batch not in audit.books.batches:
        audit.report.differ(tx_hash, "lock batch", "one that was opened", head["root"])
        return
    digest = Verdict(
        identity.from_hex(batch),
        outcomes_hash([identity.from_hex(trade) for trade in trades], outcomes),
        identity.from_hex(arguments["receipts_root"]),
    ).digest(_domain(audit))
    _quorum(audit, tx_hash, head["verifier_set"], digest, arguments["signatures"])


def _quorum(audit: ChainAudit, subject: str, set_id: str, digest: bytes, signatures: list[str]) -> None:
    members, threshold = audit.books.verifier_sets.get(set_id, ([], 1))
    signers = set()
    for signature in signatures:
        try:
            signers.add(identity.recover(digest, identity.from_hex(signature)))
        except identity.BadSignature:
            continue
    accepted = len(signers & set(members))
    if accepted < threshold:
        audit.report.differ(subject, "verifier signatures", f"at least {threshold} of the set", accepted)


def _timely(audit: ChainAudit, block: int, name: str, trade: TradeView, values: Json) -> None:
    at, due = audit.timestamp(block), trade.record.deliver_by + audit.parameters.verification_grace
    subject = f"trd_{values['trade']}"
    if name == "refund":
        audit.report.expect(
            subject,
            "refund not before refund_after, not when attested",
            True,
            at >= due and not trade.attested,
        )
        audit.report.expect(subject, "kind of a refund", int(OutcomeKind.REFUNDED), values["kind"])
    elif name == "payAttested":
        late = at >= due + audit.parameters.verification_grace
        audit.report.expect(
            subject, "attested payment after its window", True, late and trade.attested is not None
        )
        found = (values["runs_delivered"], values["units"])
        audit.report.expect(subject, "attested work", trade.attested, found)


def _attested(audit: ChainAudit, tx_hash: str, arguments: Json, values: Json) -> None:
    trade = audit.books.trades.get(values["trade"])
    if trade is None:
        audit.report.differ(f"trd_{values['trade']}", "attestation", "of a locked trade", "unknown")
        return
    digest = DeliveryAttestation(
        identity.from_hex(values["batch_id"]),
        identity.from_hex(values["trade"]),
        values["runs_delivered"],
        values["units"],
    ).digest(_domain(audit))
    _quorum(audit, tx_hash, arguments["head"]["verifier_set"], digest, arguments["signatures"])
    trade.attested = (values["runs_delivered"], values["units"])


def _apply(audit: ChainAudit, trade: TradeView, values: Json) -> None:
    """Recompute the payout of one close from the formulas and move the money."""
    record, parameters = trade.record, audit.parameters
    subject = f"trd_{values['trade']}"
    kind, work = values["kind"], WorkUnits(values["units"])
    amount = units.payment(Price(record.price), work)
    paid = amount if kind == OutcomeKind.SETTLED else BaseUnits(0)
    fee = units.fee(paid, parameters.fee_bps)
    slashed = record.bond if kind == OutcomeKind.SLASHED else 0
    for name, expected in (("paid", paid), ("fee", fee), ("slashed", slashed), ("batch_id", trade.batch)):
        audit.report.expect(subject, name, expected, values[name])
    if kind == OutcomeKind.SETTLED:
        runs, least = values["runs_delivered"], units.minimum_units(WorkUnits(record.ceiling))
        fits = 1 <= runs <= record.runs and runs * least <= work <= runs * record.ceiling
        audit.report.expect(subject, "units between a tenth of the ceiling and the ceiling", True, fits)
    rerun = min(slashed, amount)
    audit.move(record.buyer, locked=-record.payment, available=record.payment - paid)
    audit.move(record.provider, locked=-record.bond, available=record.bond - slashed + paid - fee)
    audit.move(parameters.treasury, available=fee)
    audit.move(parameters.rerun_account, available=rerun)
    audit.move(parameters.pool, available=slashed - rerun)
    _give_back(audit, trade, kind, values)
    audit.books.open_bits[trade.batch] &= ~(1 << record.index)
    trade.closed = values
    audit.report.paid += paid
    audit.report.fees += fee
    audit.report.slashed += slashed
    audit.report.refunded += record.payment - paid


def _give_back(audit: ChainAudit, trade: TradeView, kind: int, values: Json) -> None:
    """What was not used returns to both orders and may trade again."""
    record = trade.record
    used = values["units"] if kind == OutcomeKind.SETTLED else 0
    delivered = values["runs_delivered"] if kind == OutcomeKind.SETTLED else 0
    offer = audit.books.uses[(record.provider, identity.to_hex(record.offer))]
    bid = audit.books.uses[(record.buyer, identity.to_hex(record.bid))]
    offer.consumed -= record.runs * record.ceiling - used
    bid.consumed -= record.runs - delivered


def _domain(audit: ChainAudit) -> identity.Domain:
    return identity.market_domain(audit.parameters.chain_id, audit.parameters.market)
