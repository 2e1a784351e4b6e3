"""Every seal on chain against its published receipts: same root, right signers, right bill, no run paid twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from suan.client.audit.evidence import Evidence, read_document
from suan.client.audit.orders import OrderShelf
from suan.client.audit.report import Report
from suan.client.audit.state import Books, TradeView
from suan.core import identity, metering, units
from suan.core.problems import FieldError
from suan.core.receipts import ExitReason, Receipt
from suan.core.records import OutcomeKind, ReceiptVerdict, receipts_root
from suan.core.signed import Bid
from suan.core.terms import BidTerms
from suan.core.units import WorkUnits

Json = dict[str, Any]
VERDICTS = {"accepted": ReceiptVerdict.ACCEPTED, "rejected": ReceiptVerdict.REJECTED, 1: ReceiptVerdict.ACCEPTED, 2: ReceiptVerdict.REJECTED}


@dataclass(frozen=True)
class CheckedReceipt:
    """A published receipt of a sealed trade, with the bid it belongs to."""

    receipt: Receipt
    digest: bytes
    verdict: ReceiptVerdict
    trade: TradeView
    bid: Bid
    terms: BidTerms
    symbol: str


class ReceiptAudit:
    """Check all seals; `checked` holds the receipts that a re-run may recompute."""

    def __init__(self, books: Books, evidence: Evidence, shelf: OrderShelf, report: Report, timestamp: Callable[[int], int]) -> None:
        self.books, self.evidence, self.shelf, self.report = books, evidence, shelf, report
        self.timestamp = timestamp
        self.checked: list[CheckedReceipt] = []
        self._paid_runs: set[tuple[str, int]] = set()

    def check_all(self) -> None:
        """Check every BatchSealed event in chain order."""
        for seal in self.books.seals:
            self._seal(seal)

    def _seal(self, seal: Json) -> None:
        root = seal["receipts_root"]
        document = read_document(self.evidence, "settlements", f"{root}.json")
        if document is None:
            self.report.differ(root, "evidence", "published receipts of this root", "missing or not JSON")
            return
        self.report.expect(root, "batch", f"bat_{seal['batch_id']}", _prefixed("bat_", document.get("batch")))
        receipts = [self._read(root, item) for item in document.get("receipts", [])]
        found = [item for item in receipts if item is not None]
        leaves = [(item[1], item[0].trade, item[0].run, int(item[2])) for item in found]
        self.report.expect(root, "root of the receipts", root, identity.to_hex(receipts_root(leaves)))
        for trade in seal["trades"]:
            mine = [item for item in found if identity.to_hex(item[0].trade) == trade]
            self._trade(f"trd_{trade}", self.books.trades[trade], mine, document)

    def _read(self, root: str, item: Json) -> tuple[Receipt, bytes, ReceiptVerdict, str, Json] | None:
        """(receipt, digest, verdict, signer, published item), or None and a difference."""
        try:
            receipt = Receipt.from_json(item["receipt"])
            digest = receipt.digest(self.shelf.domain)
            signer = identity.recover(digest, identity.from_hex(str(item["signature"])))
            verdict = VERDICTS[item["verdict"]]
        except (FieldError, KeyError, identity.BadSignature) as error:
            self.report.differ(root, "receipt", "a well-formed signed receipt", repr(error))
            return None
        self.report.receipts_checked += 1
        return receipt, digest, verdict, signer, item

    def _trade(self, subject: str, trade: TradeView, receipts: list[Any], document: Json) -> None:
        """The outcome of one trade follows from its receipts."""
        closed = trade.closed or {}
        published = self.shelf.find(identity.to_hex(trade.record.bid))
        if published is None or not isinstance(published.order, Bid) or not isinstance(published.terms, BidTerms):
            self.report.differ(subject, "bid", "published with its terms", "not readable")
            return
        resource_class = published.symbol.split(":")[0]
        billed = delivered = 0
        rejected = 0
        for receipt, digest, verdict, signer, item in receipts:
            checked = CheckedReceipt(receipt, digest, verdict, trade, published.order, published.terms, published.symbol)
            self._receipt(checked, signer, item)
            if verdict is ReceiptVerdict.REJECTED:
                rejected += 1
            elif ExitReason(receipt.exit_reason).delivers:
                counted = metering.work_units(receipt.counters, resource_class)
                billed += units.billed_units(counted, WorkUnits(trade.record.ceiling))
                delivered += 1
        kind = closed.get("kind")
        if kind == OutcomeKind.SETTLED:
            self.report.expect(subject, "runs delivered by its receipts", closed["runs_delivered"], delivered)
            self.report.expect(subject, "work units billed by its receipts", closed["units"], billed)
            for item in receipts:
                if item[2] is ReceiptVerdict.ACCEPTED and ExitReason(item[0].exit_reason).delivers:
                    self._once(trade, item[0].run)
        elif kind == OutcomeKind.SLASHED:
            self.report.expect(subject, "a rejected receipt behind the slash", True, rejected > 0)
        elif kind == OutcomeKind.REFUNDED:
            self.report.expect(subject, "deliveries of a refunded trade", 0, delivered)
        outcomes = {str(o.get("trade")): o for o in document.get("outcomes", [])}
        said = outcomes.get(subject) or outcomes.get(subject.removeprefix("trd_")) or {}
        for name in ("kind", "runs_delivered", "units"):
            self.report.expect(subject, f"published {name}", str(closed.get(name)), str(said.get(name)))

    def _once(self, trade: TradeView, run: int) -> None:
        key = (identity.to_hex(trade.record.bid), run)
        if key in self._paid_runs:
            self.report.differ(f"ord_{key[0]}", f"run {run}", "paid once", "paid again")
        self._paid_runs.add(key)

    def _receipt(self, checked: CheckedReceipt, signer: str, item: Json) -> None:
        """What a receipt says agrees with its trade and its bid, and its signer was the provider's agent."""
        receipt, trade, bid, terms = checked.receipt, checked.trade, checked.bid, checked.terms
        subject = identity.rcp_id(checked.digest)
        record = trade.record
        within = record.first_run <= receipt.run < record.first_run + record.runs
        facts = {
            "run of the trade": (True, within),
            "module": (identity.to_hex(terms.module), identity.to_hex(receipt.module)),
            "input": (identity.to_hex(terms.input), identity.to_hex(receipt.input)),
            "seed": (identity.to_hex(identity.run_seed(record.bid, receipt.run)), identity.to_hex(receipt.seed)),
            "profile": (terms.profile, receipt.profile),
            "bid of the trade": (bid.maker, record.buyer),
        }
        for name, (expected, found) in facts.items():
            self.report.expect(subject, name, expected, found)
        known = self.books.agent_at(record.provider, signer, (trade.closed or {}).get("block", trade.block), receipt.ended_at)
        self.report.expect(subject, "signed by an agent key of the provider", True, known)
        if checked.verdict is ReceiptVerdict.REJECTED and not item.get("confirmed_by"):
            self.report.differ(subject, "rejection", "confirmed by a second engine", "not confirmed")
        self.checked.append(checked)


def _prefixed(prefix: str, value: object) -> str:
    text = str(value)
    return text if text.startswith(prefix) else prefix + text
