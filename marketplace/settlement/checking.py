"""One trade checked step by step from the chain's log and the published evidence: what anybody could recompute.

Nothing here is read from the rooms' tables: orders, auction and settlement come from the evidence folder, locks and
closes from stored events. Each step carries the value that follows from the rules and the value that was found.
`suan audit` does the same for all trades with a node of its own; a visitor's page shows this for one.

Known limits: an auction of more than REPLAY_BYTES_MAX is not cleared again here; who might sign is taken from all keys
that a maker ever registered.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypeVar

from ledger import evidence
from ledger import queries as ledger
from ledger.explorer import AsOf, events_at
from marketplace.settlement.evidence import published_leaves
from suan.core import units
from suan.core.clearing import ClearingDocument, ProposedTrade, read_document, replay
from suan.core.contract import (
    BatchHead,
    Claim,
    Clearing,
    DisputeEnd,
    Outcome,
    OutcomeKind,
    batch_root,
    receipts_root,
    record_of,
    refund_after,
)
from suan.core.delivery import Receipt
from suan.core.encoding import from_hex, to_hex
from suan.core.evidence import ROOT_EVENTS, Check
from suan.core.ids import clr_id, ord_id, trd_id
from suan.core.problems import FieldError
from suan.core.settlement import claim_by, split, without_ruling
from suan.core.signing import BadSignature, Bid, Domain, Offer, market_domain, recover
from suan.core.units import Price, WorkUnits

REPLAY_BYTES_MAX = 2 * 2**20
RUNS_SHOWN_MAX = 64
Args = dict[str, Any]
T = TypeVar("T", Offer, Bid)


def trade_checks(trade: str, at: AsOf) -> list[Check]:
    """Every step from the signed orders to the payout of a trade (bare hash). A step that cannot be made yet says why."""
    locked = events_at(at, "TradeLocked").filter(subject=trade).order_by("-position").first()
    if locked is None:
        return [Check("locked", None, trd_id(from_hex(trade)), "no lock of this trade is on the chain")]
    known = ledger.deployment()
    steps = _Steps(market_domain(known.chain_id, known.market))
    steps.equal("locked", trd_id(from_hex(trade)), trd_id(from_hex(locked.args["trade"])))
    opening = list(events_at(at).filter(tx_hash=locked.tx_hash, block=locked.block).order_by("position"))
    auction = _clearing(
        steps, locked.args, [event.args for event in opening if event.name == "ClearingCommitted"]
    )
    batch = _batch(steps, opening)
    if auction is not None:
        offer = _order(steps, "offer", Offer, locked.args, auction.trade.offer)
        bid = _order(steps, "bid", Bid, locked.args, auction.trade.bid)
        if offer is not None and bid is not None:
            _price(steps, locked.args, offer, bid, known)
        _auction(steps, locked.args, auction)
    _closed(steps, locked.args, batch, at, known)
    return steps.made


@dataclass(frozen=True)
class _Auction:
    """The published auction that made the trade, and what the contract logged of it."""

    committed: Args
    document: ClearingDocument
    trade: ProposedTrade
    length: int


class _Steps:
    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        self.made: list[Check] = []

    def equal(self, name: str, expected: object, found: object) -> bool:
        self.made.append(Check(name, expected == found, str(expected), str(found)))
        return expected == found

    def open(self, name: str, expected: object, why: str) -> None:
        self.made.append(Check(name, None, str(expected), why))


def _clearing(steps: _Steps, args: Args, committed: list[Args]) -> _Auction | None:
    """The auction of the trade: among those of its transaction the published one from which the trade's id follows."""
    unpublished = []
    for logged in committed:
        name = clr_id(from_hex(logged["clearing_id"]))
        data = evidence.read("clearings", name)
        if data is None:
            unpublished.append(name)
            continue
        try:
            document = read_document(data)
        except FieldError as error:
            steps.equal("order set", logged["order_set_root"], f"unreadable: {error}"[:200])
            continue
        for trade in document.result.trades:
            if to_hex(document.trade_id(trade)) == args["trade"]:
                content = Clearing(
                    from_hex(logged["product"]),
                    logged["number"],
                    from_hex(logged["order_set_root"]),
                    logged["price"],
                )
                steps.equal("trade id", args["trade"], to_hex(document.trade_id(trade)))
                steps.equal("clearing id", clr_id(content.id()), name)
                steps.equal("clearing price", str(logged["price"]), str(args["price"]))
                return _Auction(logged, document, trade, len(data))
    wanted = "follows from offer, bid, first run and an auction of its transaction"
    if unpublished:
        steps.open("trade id", wanted, f"not published: {', '.join(unpublished)}")
    else:
        steps.equal("trade id", wanted, args["trade"])
    return None


def _batch(steps: _Steps, opening: list[Any]) -> str:
    """The lock batch's tree is rebuilt from all records of the transaction; returns its id as logged, "" without one."""
    heads = [event.args for event in opening if event.name == "BatchLocked"]
    if len(heads) != 1:
        steps.equal("batch root", "one BatchLocked", f"{len(heads)} in the opening transaction")
        return ""
    head = heads[0]
    records = sorted(
        (record_of(event.args) for event in opening if event.name == "TradeLocked"),
        key=lambda record: record.index,
    )
    try:
        root = to_hex(batch_root(records))
    except ValueError as error:
        root = str(error)
    steps.equal("batch root", root, head["root"])
    content = BatchHead(head["number"], from_hex(head["root"]), from_hex(head["verifier_set"]), head["count"])
    steps.equal("batch id", to_hex(content.id()), head["batch_id"])
    return str(head["batch_id"])


def _order(steps: _Steps, side: str, struct: type[T], args: Args, hash_: bytes) -> T | None:
    """The published order by its hash, who signed it, and whether it is the one that the record names."""
    name = ord_id(hash_)
    data = evidence.read("orders", name)
    if data is None:
        steps.open(f"{side} hash", name, "not published")
        return None
    try:
        document = json.loads(data)
        order = struct.from_json(document["order"])
        digest = order.digest(steps.domain)
        signer = recover(digest, from_hex(document["signature"]))
    except (FieldError, BadSignature, LookupError, TypeError, ValueError) as error:
        steps.equal(f"{side} hash", name, f"unreadable: {error}"[:200])
        return None
    steps.equal(f"{side} hash", ord_id(digest), name)
    keys = {order.maker, *(key.key for key in ledger.delegates(order.maker) if key.side == order.side)}
    steps.equal(f"{side} signature", signer if signer in keys else order.maker, signer)
    steps.equal(f"{side} maker", order.maker, args["provider" if side == "offer" else "buyer"])
    steps.equal(f"{side} nonce", order.nonce, args[f"{side}_nonce"])
    return order


def _price(steps: _Steps, args: Args, offer: Offer, bid: Bid, known: ledger.Deployment) -> None:
    price, work = Price(args["price"]), WorkUnits(args["runs"] * args["ceiling"])
    inside = offer.price <= price <= bid.price
    steps.made.append(Check("limits", inside, f"{offer.price} to {bid.price}", str(price)))
    steps.equal("payment", int(units.lock_payment(price, work)), args["payment"])
    per_unit = units.bond_price(Price(offer.price), known.bond_bps, Price(known.bond_floor_price))
    steps.equal("bond", int(units.bond(per_unit, work)), args["bond"])
    steps.equal("deliver by", min(offer.deliver_by, bid.deliver_by), args["deliver_by"])


def _auction(steps: _Steps, args: Args, auction: _Auction) -> None:
    """The published auction has the root that is on chain, and the rule gives its outcome."""
    document = auction.document
    steps.equal("order set", to_hex(document.order_set_root), auction.committed["order_set_root"])
    steps.equal("auction names it", args["runs"], auction.trade.runs)
    if auction.length > REPLAY_BYTES_MAX:
        steps.open("auction outcome", "cleared again", f"{auction.length} bytes: suan audit clears it")
        return
    expected = "the rule gives the same price and trades"
    differences = replay(document)
    steps.equal("auction outcome", expected, differences[0] if differences else expected)


def _closed(steps: _Steps, args: Args, batch: str, at: AsOf, known: ledger.Deployment) -> None:
    closed = events_at(at, "TradeClosed").filter(subject=args["trade"]).order_by("-position").first()
    if closed is None:
        steps.open("outcome", "settled, refunded or slashed", "the trade is open")
        return
    verdict, document = _decided(args, batch, at)
    if verdict is None or document is None:
        _ended_without_verdict(steps, args, closed, at, known)
        _payout(steps, args, closed.args, None, known)
        return
    said = _receipts(steps, args, verdict.args["receipts_root"], document)
    end = events_at(at, "DisputeEnded").filter(subject=args["trade"]).order_by("-position").first()
    if end is None:
        due, at_ = verdict.args["settle_after"], closed.block.timestamp
        steps.made.append(Check("dispute window", at_ >= due, f"at or after {due}", str(at_)))
    else:
        said = _dispute_ended(steps, args, end, said, at, known)
    _payout(steps, args, closed.args, said, known)


def _dispute_ended(
    steps: _Steps, args: Args, end: Any, said: Args, at: AsOf, known: ledger.Deployment
) -> Args:
    """The outcome that a disputed trade had to end with: as ruled, refunded for want of a receipt, or as decided."""
    reason = end.args["reason"]
    if reason == DisputeEnd.RULED:
        return dict(end.args)
    about = events_at(at).filter(subject=args["trade"])
    opened = list(about.filter(name="DisputeOpened").order_by("position"))
    reveal_by, rule_by = int(opened[-1].args["reveal_by"]), int(opened[-1].args["rule_by"])
    shown = [event.block.timestamp for event in about.filter(name="ReceiptRevealed")]
    falls = reason == DisputeEnd.FELL
    end_ = without_ruling(
        missing=int(falls),
        for_arbiters=any(event.args["claim"] != Claim.NO_RECEIPT for event in opened),
        claim_by=claim_by(reveal_by, revealed_at=shown, window=known.dispute_window),
        reveal_by=reveal_by,
        rule_by=rule_by,
    )
    ended = end.block.timestamp
    steps.made.append(Check("end of the dispute", ended >= end_.due, f"at or after {end_.due}", str(ended)))
    return {"kind": int(OutcomeKind.REFUNDED), "runs_delivered": 0, "units": "0"} if falls else said


def _decided(args: Args, batch: str, at: AsOf) -> tuple[Any, Args | None]:
    """The newest verdict whose published settlement names the trade, and that settlement; (None, None) without one."""
    for event in events_at(at, *ROOT_EVENTS).filter(subject=batch).order_by("-position"):
        data = evidence.read("settlements", event.args["receipts_root"])
        document: Args = json.loads(data) if data is not None else {"outcomes": []}
        if any(row["trade"] == args["trade"] for row in document["outcomes"]):
            return event, document
    return None, None


def _ended_without_verdict(
    steps: _Steps, args: Args, closed: Any, at: AsOf, known: ledger.Deployment
) -> None:
    """By time, earlier if the provider gave it up, or by signature of the buyer or of both sides."""
    if int(closed.args["kind"]) != OutcomeKind.REFUNDED:
        steps.open("receipts root", "a published settlement", "no settlement names the trade")
        return
    said = events_at(at, "TradeGivenUp").filter(subject=args["trade"]).first()
    given_up = int(said.args["refund_after"]) if said is not None else 0
    due = refund_after(args["deliver_by"], known.verification_grace, given_up)
    ended = closed.block.timestamp
    steps.made.append(Check("refund time", ended >= due, f"at or after {due}", str(ended)))


def _receipts(steps: _Steps, args: Args, root: str, document: Args) -> Args:
    """The settlement under the root: rebuilt, and each receipt of the trade with its signature."""
    steps.equal("receipts root", to_hex(receipts_root(published_leaves(root))), root)
    agents = {agent.key for agent in ledger.agents(args["provider"])}
    mine = [row for row in document["receipts"] if row["trade"] == args["trade"]]
    runs = list(range(args["first_run"], args["first_run"] + args["runs"]))
    steps.equal("runs", runs, [row["run"] for row in mine])
    for row in mine[:RUNS_SHOWN_MAX]:
        if row["receipt"] is None:
            steps.open(f"receipt of run {row['run']}", "a signed receipt", row["reason"])
            continue
        digest = Receipt.from_json(row["receipt"]).digest(steps.domain)
        try:
            signer = recover(digest, from_hex(row["signature"]))
        except (BadSignature, FieldError) as error:
            signer = str(error)[:100]
        wanted = signer if signer in agents else "an agent key of the provider"
        steps.equal(f"receipt of run {row['run']}", wanted, signer)
    return next(row for row in document["outcomes"] if row["trade"] == args["trade"])


def _payout(steps: _Steps, args: Args, end: Args, signed: Args | None, known: ledger.Deployment) -> None:
    """What the contract paid follows from the outcome and the formulas."""
    kind, work = int(end["kind"]), int(end["units"])
    if signed is not None:
        found = _outcome(kind, end["runs_delivered"], end["units"])
        steps.equal("outcome", _outcome(signed["kind"], signed["runs_delivered"], signed["units"]), found)
    payout = split(record_of(args), Outcome(kind, end["runs_delivered"], work), known.fee_bps)
    steps.equal("paid", payout.paid, end["paid"])
    steps.equal("fee", int(payout.fee), end["fee"])
    steps.equal("slashed", payout.slashed, end["slashed"])


def _outcome(kind: int, runs: int, work: object) -> str:
    return f"{OutcomeKind(kind).word}, {runs} runs, {work} work units"
