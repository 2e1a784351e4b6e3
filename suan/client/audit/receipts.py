"""Every seal on chain against its published receipts: same root, right signers, right bill, no run paid twice."""

from __future__ import annotations

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


@dataclass(frozen=True)
class PublishedRun:
    """One run of a closed trade as published; without a receipt, digest is zero and signer empty."""

    trade: bytes
    run: int
    verdict: ReceiptVerdict
    receipt: Receipt | None
    digest: bytes
    signer: str
    confirmed_by: str

    @property
    def leaf(self) -> tuple[bytes, bytes, int, int]:
        """(receipt digest, trade, run, verdict), as the root on chain commits to it."""
        return self.digest, self.trade, self.run, int(self.verdict)

    @property
    def delivered(self) -> bool:
        """Whether this run counts as delivered and is billed."""
        accepted = self.receipt is not None and self.verdict is ReceiptVerdict.ACCEPTED
        return accepted and self.receipt is not None and ExitReason(self.receipt.exit_reason).delivers


@dataclass(frozen=True)
class CheckedReceipt:
    """A published receipt of a closed trade with the bid it belongs to: all that a re-run needs."""

    receipt: Receipt
    digest: bytes
    verdict: ReceiptVerdict
    trade: TradeView
    bid: Bid
    terms: BidTerms
    symbol: str


class ReceiptAudit:
    """Check all seals; `checked` holds the receipts that a re-run may recompute."""

    def __init__(self, books: Books, evidence: Evidence, shelf: OrderShelf, report: Report) -> None:
        self.books, self.evidence, self.shelf, self.report = books, evidence, shelf, report
        self.checked: list[CheckedReceipt] = []
        self._paid_runs: set[tuple[bytes, int]] = set()

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
        self.report.expect(root, "batch", seal["batch_id"], document.get("batch"))
        runs = [
            found for item in document.get("receipts", []) if (found := self._read(root, item)) is not None
        ]
        try:
            computed = identity.to_hex(receipts_root([run.leaf for run in runs]))
        except ValueError as error:
            computed = str(error)
        self.report.expect(root, "root of the receipts", root, computed)
        said = {str(outcome.get("trade")): outcome for outcome in document.get("outcomes", [])}
        for trade in seal["trades"]:
            mine = [run for run in runs if identity.to_hex(run.trade) == trade]
            self._trade(self.books.trades[trade], mine, said.get(trade, {}))

    def _read(self, root: str, item: Json) -> PublishedRun | None:
        """One published run, or None and a difference."""
        try:
            trade, run = identity.from_hex(item["trade"], length=32), int(item["run"])
            verdict = ReceiptVerdict(item["verdict"])
            if item["receipt"] is None:
                return PublishedRun(trade, run, verdict, None, identity.ZERO_BYTES32, "", "")
            receipt = Receipt.from_json(item["receipt"])
            digest = receipt.digest(self.shelf.domain)
            signer = identity.recover(digest, identity.from_hex(str(item["signature"])))
        except (KeyError, TypeError, ValueError) as error:
            self.report.differ(root, "receipt", "a well-formed signed receipt", repr(error))
            return None
        self.report.receipts_checked += 1
        return PublishedRun(trade, run, verdict, receipt, digest, signer, str(item.get("confirmed_by", "")))

    def _trade(self, trade: TradeView, runs: list[PublishedRun], said: Json) -> None:
        """The outcome of one trade follows from its runs, and the runs from their receipts."""
        record, closed = trade.record, trade.closed or {}
        subject = identity.trd_id(record.trade)
        expected = list(range(record.first_run, record.first_run + record.runs))
        self.report.expect(subject, "published runs", expected, sorted(run.run for run in runs))
        for name in ("kind", "runs_delivered", "units"):
            self.report.expect(subject, f"published {name}", str(closed.get(name)), str(said.get(name)))
        published = self.shelf.find(identity.to_hex(record.bid))
        if (
            published is None
            or not isinstance(published.order, Bid)
            or not isinstance(published.terms, BidTerms)
        ):
            self.report.differ(subject, "bid", "published with its terms", "not readable")
            return
        for run in runs:
            if run.receipt is not None:
                checked = CheckedReceipt(
                    run.receipt,
                    run.digest,
                    run.verdict,
                    trade,
                    published.order,
                    published.terms,
                    published.symbol,
                )
                self._receipt(checked, run)
        self._outcome(subject, trade, runs, published.symbol.split(":")[0])

    def _outcome(self, subject: str, trade: TradeView, runs: list[PublishedRun], resource_class: str) -> None:
        closed = trade.closed or {}
        delivered = [run for run in runs if run.delivered]
        rejected = any(run.verdict is ReceiptVerdict.REJECTED for run in runs)
        kind = OutcomeKind(closed["kind"])
        right = (
            OutcomeKind.SLASHED if rejected else OutcomeKind.SETTLED if delivered else OutcomeKind.REFUNDED
        )
        self.report.expect(subject, "outcome that follows from its receipts", right.name, kind.name)
        if kind is not OutcomeKind.SETTLED:
            return
        billed = sum(
            units.billed_units(
                metering.work_units(run.receipt.counters, resource_class), WorkUnits(trade.record.ceiling)
            )
            for run in delivered
            if run.receipt is not None
        )
        self.report.expect(
            subject, "runs delivered by its receipts", len(delivered), closed["runs_delivered"]
        )
        self.report.expect(subject, "work units billed by its receipts", billed, closed["units"])
        for run in delivered:
            key = (trade.record.bid, run.run)
            if key in self._paid_runs:
                self.report.differ(
                    identity.ord_id(trade.record.bid), f"run {run.run}", "paid once", "paid again"
                )
            self._paid_runs.add(key)

    def _receipt(self, checked: CheckedReceipt, run: PublishedRun) -> None:
        """What a receipt says agrees with its trade and its bid, and its signer was the provider's agent."""
        receipt, terms, record = checked.receipt, checked.terms, checked.trade.record
        subject = identity.rcp_id(checked.digest)
        facts: dict[str, tuple[object, object]] = {
            "trade": (identity.to_hex(record.trade), identity.to_hex(receipt.trade)),
            "run": (run.run, receipt.run),
            "module": (identity.to_hex(terms.module), identity.to_hex(receipt.module)),
            "input": (identity.to_hex(terms.input), identity.to_hex(receipt.input)),
            "seed": (
                identity.to_hex(identity.run_seed(record.bid, receipt.run)),
                identity.to_hex(receipt.seed),
            ),
            "profile": (terms.profile, receipt.profile),
        }
        for name, (expected, found) in facts.items():
            self.report.expect(subject, name, expected, found)
        block = (checked.trade.closed or {}).get("block", checked.trade.block)
        known = self.books.agent_at(record.provider, run.signer, block, receipt.ended_at)
        self.report.expect(subject, "signed by an agent key of the provider", True, known)
        if run.verdict is ReceiptVerdict.REJECTED and not run.confirmed_by:
            self.report.differ(subject, "rejection", "confirmed by a second engine", "not confirmed")
        self.checked.append(checked)
