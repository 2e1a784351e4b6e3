"""Every verdict on chain against its published receipts: same root, right signers, right bill, no run paid twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from suan.client.audit.published import documents
from suan.client.audit.published.orders import OrderShelf
from suan.client.audit.report import Report
from suan.client.audit.source.evidence import Evidence, hash_in
from suan.client.audit.state import Books, TradeView
from suan.client.audit.store.tables import Store, Table
from suan.core import encoding, ids, signing
from suan.core.contract import Outcome, OutcomeKind, ReceiptLeaf, ReceiptVerdict, receipts_root
from suan.core.delivery import Counters, ExitReason, Receipt, metering
from suan.core.orders import BidTerms
from suan.core.settlement import VerifiedRun, level_of, outcome_of
from suan.core.units import WorkUnits

Json = dict[str, Any]
STATEMENT_FIELDS = ("exit_reason", "output", "fp64", "fp32", "integer", "memory_control", "fuel")


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
    recount: Json | None
    units: int

    @property
    def leaf(self) -> ReceiptLeaf:
        """As the root on chain commits to it."""
        return self.digest, self.trade, self.run, int(self.verdict), self.units

    def verified(self, resource_class: str) -> VerifiedRun:
        """What settlement may count of it: the exchange's own recount, which for an accepted run is the receipt's."""
        if self.receipt is None:
            return VerifiedRun.missing(self.run)
        counted = WorkUnits(0)
        if self.recount is not None and self.verdict in (ReceiptVerdict.ACCEPTED, ReceiptVerdict.REJECTED):
            counters = Counters(**{name: int(self.recount[name]) for name in Counters.__dataclass_fields__})
            counted = metering.work_units(counters, resource_class)
        return VerifiedRun(self.run, self.verdict, ExitReason(self.receipt.exit_reason), counted)


@dataclass(frozen=True)
class CheckedReceipt:
    """A published receipt of a closed trade with the bid it belongs to: all that a re-run needs."""

    receipt: Receipt
    digest: bytes
    verdict: ReceiptVerdict
    trade: TradeView
    decided_in: int
    terms: BidTerms
    symbol: str


class ReceiptAudit:
    """Check all seals, one document in memory at a time; each checked receipt is handed to `visit`, for a re-run."""

    def __init__(
        self,
        books: Books,
        evidence: Evidence,
        shelf: OrderShelf,
        report: Report,
        store: Store,
        visit: Callable[[CheckedReceipt], None] = lambda _: None,
    ) -> None:
        self.books, self.evidence, self.shelf, self.report = books, evidence, shelf, report
        self.store, self.visit = store, visit
        self._closed: Table[str, int] = store.table("closed roots")
        self._delivered: Table[str, list[int]] = store.table("delivered runs")

    def check_all(self, between: Callable[[int], None] = lambda _: None) -> None:
        """Check every verdict in chain order, then settlements that were published and not (yet) decided."""
        for number, seal in enumerate(self.books.seals):
            if self.store.once("seals", f"{number}"):
                self.check_seal(seal)
                between(number + 1)
        for name in self.evidence.names("settlements"):
            digest = hash_in(name)
            if not self.store.once("published settlements", name):
                continue
            if digest is None:
                self.report.differ(f"settlements/{name}", "name", "0x… and the 64 digits of a root", name)
            elif (root := encoding.to_hex(digest)) not in self._closed:
                self._document(root)
                between(len(self.books.seals))
        self.check_paid()

    def _document(self, root: str) -> tuple[Json, list[PublishedRun]] | None:
        """The published document of a root with its runs; None (and a difference) when there is none."""
        document = documents.find_sealed(
            self.evidence, self.books, self.report, "settlements", f"{root}.json", root
        )
        if document is None:
            return None
        items = document.get("receipts")
        if set(document) != {"batch", "outcomes", "receipts"} or not isinstance(items, list):
            self.report.differ(root, "evidence", "batch, outcomes and receipts", sorted(document))
            return None
        runs = [found for item in items if (found := self._read(root, item)) is not None]
        try:
            computed = encoding.to_hex(receipts_root([run.leaf for run in runs]))
        except ValueError as error:
            computed = str(error)
        self.report.expect(root, "root of the receipts", root, computed)
        return document, runs

    def check_seal(self, seal: Json) -> None:
        """Check what was published of one verdict."""
        root = seal["receipts_root"]
        self._closed[root] = 1
        found = self._document(root)
        if found is None:
            return
        document, runs = found
        self.report.expect(root, "batch", seal["batch_id"], document["batch"])
        outcomes = document["outcomes"] if isinstance(document["outcomes"], list) else []
        said = {str(value.get("trade")): value for value in outcomes if isinstance(value, dict)}
        for trade, outcome in seal["trades"].items():
            mine = [run for run in runs if encoding.to_hex(run.trade) == trade]
            self._trade(seal["block"], self.books.trades[trade], Outcome(*outcome), mine, said.get(trade, {}))

    def _read(self, root: str, item: Json) -> PublishedRun | None:
        """One published run, or None and a difference."""
        try:
            trade, run = encoding.from_hex(item["trade"], length=32), int(item["run"])
            verdict, units = ReceiptVerdict(item["verdict"]), int(item["units"])
            if item["receipt"] is None:
                return PublishedRun(trade, run, verdict, None, encoding.ZERO_BYTES32, "", "", None, units)
            receipt = Receipt.from_json(item["receipt"])
            ExitReason(receipt.exit_reason)
            digest = receipt.digest(self.shelf.domain)
            signer = signing.recover(digest, encoding.from_hex(str(item["signature"])))
            recount = None if item["recount"] is None else dict(item["recount"])
            confirmed_by = str(item["confirmed_by"])
        except (KeyError, TypeError, ValueError) as error:
            self.report.differ(root, "receipt", "a well-formed signed receipt", repr(error))
            return None
        self.report.receipts_checked += 1
        return PublishedRun(trade, run, verdict, receipt, digest, signer, confirmed_by, recount, units)

    def _trade(
        self, block: int, trade: TradeView, decided: Outcome, runs: list[PublishedRun], said: Json
    ) -> None:
        """The outcome of one trade that was decided in `block` follows from its runs, and the runs from their receipts."""
        record = trade.record
        subject = ids.trd_id(record.trade)
        expected = list(range(record.first_run, record.first_run + record.runs))
        self.report.expect(subject, "published runs", expected, sorted(run.run for run in runs))
        for name in ("kind", "runs_delivered", "units"):
            self.report.expect(subject, f"published {name}", str(getattr(decided, name)), str(said.get(name)))
        published = self.shelf.find(encoding.to_hex(trade.bid))
        if published is None or not isinstance(published.terms, BidTerms):
            self.report.differ(subject, "bid", "published with its terms", "not readable")
            return
        for run in runs:
            if run.receipt is not None:
                self._receipt(
                    CheckedReceipt(
                        run.receipt, run.digest, run.verdict, trade, block, published.terms, published.symbol
                    ),
                    run,
                )
        self._outcome(subject, trade, decided, runs, published.symbol.split(":")[0])

    def _outcome(
        self,
        subject: str,
        trade: TradeView,
        decided: Outcome,
        runs: list[PublishedRun],
        resource_class: str,
    ) -> None:
        try:
            verified = [run.verified(resource_class) for run in runs]
            right = outcome_of(trade.record, verified)
        except (KeyError, TypeError, ValueError) as error:
            self.report.differ(subject, "outcome", "one that follows from its receipts", error)
            return
        ceiling = WorkUnits(trade.record.ceiling)
        billed = [int(run.billed(ceiling)) for run in verified]
        self.report.expect(
            subject, "units that the leaves of its runs bill", billed, [run.units for run in runs]
        )
        kinds = [_kind(outcome.kind) for outcome in (right, decided)]
        self.report.expect(subject, "outcome that follows from its receipts", *kinds)
        self.report.expect(
            subject, "runs delivered by its receipts", right.runs_delivered, decided.runs_delivered
        )
        self.report.expect(subject, "work units counted by its receipts", right.units, decided.units)
        delivered = [
            run.run
            for run in runs
            if run.verdict is ReceiptVerdict.ACCEPTED
            and run.receipt is not None
            and ExitReason(run.receipt.exit_reason).delivers
        ]
        self._delivered[encoding.to_hex(trade.record.trade)] = delivered

    def check_paid(self) -> None:
        """No run of a bid was paid in two trades. Which runs were paid is known where a verdict's receipts say so."""
        progress: Table[str, int] = self.store.table("progress")
        paid: Table[str, str] = self.store.table("paid runs")
        for number in range(progress.get("paid trades", 0), len(self.books.settled)):
            self.store.settle()
            trade = self.books.settled[number]["trade"]
            view, runs = self.books.trades[trade], self._delivered.get(trade, [])
            if view.closed is None or len(runs) != view.closed["runs_delivered"]:
                continue
            bid = ids.ord_id(view.bid)
            for run in runs:
                if paid.setdefault(f"{bid} {run}", trade) != trade:
                    self.report.differ(bid, f"run {run}", "paid once", "paid again")
        progress["paid trades"] = len(self.books.settled)

    def _receipt(self, checked: CheckedReceipt, run: PublishedRun) -> None:
        """What a receipt says agrees with its trade and its bid, and its signer was the provider's agent."""
        receipt, terms, record = checked.receipt, checked.terms, checked.trade.record
        subject = ids.rcp_id(checked.digest)
        facts: dict[str, tuple[object, object]] = {
            "trade": (encoding.to_hex(record.trade), encoding.to_hex(receipt.trade)),
            "run": (run.run, receipt.run),
            "module": (encoding.to_hex(terms.module), encoding.to_hex(receipt.module)),
            "input": (encoding.to_hex(terms.input), encoding.to_hex(receipt.input)),
            "seed": (
                encoding.to_hex(ids.run_seed(checked.trade.bid, receipt.run)),
                encoding.to_hex(receipt.seed),
            ),
            "profile": (terms.profile, receipt.profile),
        }
        for name, (expected, found) in facts.items():
            self.report.expect(subject, name, expected, found)
        known = self.books.agent_at(record.provider, run.signer, checked.decided_in, receipt.ended_at)
        self.report.expect(subject, "signed by an agent key of the provider", True, known)
        self._recount(subject, receipt, run)
        self.report.expect(subject, "rejection without a recount", False, rejected_at_its_word(checked))
        self.visit(checked)

    def _recount(self, subject: str, receipt: Receipt, run: PublishedRun) -> None:
        """An accepted receipt is what the exchange counted itself; a rejected one differs, and a second engine agreed."""
        stated = {
            "exit_reason": receipt.exit_reason,
            "output": encoding.to_hex(receipt.output),
            **{
                name: str(getattr(receipt, name))
                for name in ("fp64", "fp32", "integer", "memory_control", "fuel")
            },
        }
        counted = {name: (run.recount or {}).get(name) for name in STATEMENT_FIELDS}
        if run.verdict is ReceiptVerdict.ACCEPTED and run.recount is not None:
            self.report.expect(subject, "recount of an accepted receipt", stated, counted)
        elif run.verdict is ReceiptVerdict.REJECTED:
            self.report.expect(
                subject, "a recount that differs from a rejected receipt", True, counted != stated
            )
            self.report.expect(
                subject, "rejection confirmed by a second engine", True, bool(run.confirmed_by)
            )


def rejected_at_its_word(checked: CheckedReceipt) -> bool:
    """Whether a receipt was rejected that its level takes at its word: nobody ran it again, so nobody can have found it false."""
    receipt = checked.receipt
    if checked.verdict is not ReceiptVerdict.REJECTED or receipt.exit_reason not in set(ExitReason):
        return False
    level = level_of(checked.symbol)
    return not level.recomputes(receipt.trade, receipt.run, ExitReason(receipt.exit_reason))


def _kind(number: int) -> str:
    return OutcomeKind(number).name.lower() if number in set(OutcomeKind) else str(number)
