"""Recompute a share of the jobs behind the receipts, with the verifier that the exchange itself uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from suan.client.audit.published.receipts import CheckedReceipt
from suan.client.audit.report import Report
from suan.client.audit.source.evidence import Evidence, hash_in
from suan.client.audit.store.tables import Rows, Store
from suan.core import encoding, ids
from suan.core.contract import ReceiptVerdict
from suan.core.delivery import ExitReason
from suan.core.settlement import level_of
from suan.runtime import RunLimits, RunRequest, runner_for
from suan.runtime.verify import Finding, Statement, recompute

SHARE_STEPS = 1_000_000
DECIDED = (ReceiptVerdict.ACCEPTED, ReceiptVerdict.REJECTED)
"""Verdicts on which every machine must agree; that an engine was undecided need not happen again."""


def chosen(digest: bytes, share_ppm: int) -> bool:
    """Whether a receipt or object belongs to the share (parts per million) that is recomputed: a coin from its hash."""
    return int.from_bytes(encoding.keccak(b"suan-rerun" + digest)[:8], "big") % SHARE_STEPS < share_ppm


@dataclass
class Rerun:
    """Collects the chosen receipts while they are checked, then runs their jobs again."""

    evidence: Evidence
    report: Report
    store: Store
    share_ppm: int
    waiting: Rows[CheckedReceipt] = field(init=False)

    def __post_init__(self) -> None:
        self.waiting = Rows(self.store, "chosen receipts")

    def consider(self, item: CheckedReceipt) -> None:
        """Keep a receipt in the store if it belongs to the share."""
        if chosen(item.digest, self.share_ppm):
            self.waiting.append(item)

    def run(self, between: Callable[[int], None] = lambda _: None) -> None:
        """Recompute what was kept, and compare the hashes of the same share of all published objects.

        `between` two of them gets the number of jobs so far.
        """
        for number, item in enumerate(self.waiting):
            if self.store.once("recomputed", f"{number}"):
                self._one(item)
                between(number + 1)
        if self.share_ppm:
            self._objects()

    def _one(self, item: CheckedReceipt) -> None:
        subject = ids.rcp_id(item.digest)
        if item.terms.disclosure != "public":
            self.report.runs_private += 1
            return
        module = self._object(subject, "code", item.terms.module)
        stdin = self._object(subject, "input", item.terms.input)
        if item.verdict is ReceiptVerdict.ACCEPTED and ExitReason(item.receipt.exit_reason).delivers:
            self._object(subject, "output", item.receipt.output)
        if module is None or stdin is None:
            return
        level, receipt = level_of(item.symbol), item.receipt
        if not level.recomputes(receipt.trade, receipt.run, ExitReason(receipt.exit_reason)):
            return
        finding = recompute_receipt(item, module, stdin)
        self.report.runs_recomputed += 1
        if item.verdict in DECIDED and level.verdict(finding.judgement) is not item.verdict:
            found = f"{finding.judgement.value}: {finding.reason}"
            self.report.differ(subject, "recomputation", item.verdict.name.lower(), found)

    def _object(self, subject: str, what: str, sha256: bytes) -> bytes | None:
        """Published bytes by their hash; None and a difference when they are missing or others."""
        name = encoding.to_hex(sha256)
        data = self.evidence.read("objects", name)
        if data is None:
            self.report.differ(subject, what, f"published as objects/{name}", "missing")
            return None
        if not self.report.expect(f"objects/{name}", f"hash ({what})", name, encoding.sha256_hex(data)):
            return None
        return data

    def _objects(self) -> None:
        for name in self.evidence.names("objects"):
            digest = hash_in(name)
            if digest is None:
                self.report.differ(f"objects/{name}", "name", "0x… and the 64 digits of a hash", name)
            elif chosen(digest, self.share_ppm) and self.store.once("objects", name):
                data = self.evidence.read("objects", name)
                found = "missing" if data is None else encoding.sha256_hex(data)
                self.report.expect(f"objects/{name}", "hash", name, found)
                self.report.objects_checked += 1


def recompute_receipt(item: CheckedReceipt, module: bytes, stdin: bytes) -> Finding:
    """Judge one receipt by running its job again."""
    receipt = item.receipt
    request = RunRequest(
        module=module,
        stdin=stdin,
        run=receipt.run,
        seed=receipt.seed,
        resource_class=item.symbol.split(":")[0],
        limits=RunLimits(item.trade.record.ceiling, item.terms.memory_bytes, item.terms.wall_seconds),
        profile=item.terms.profile,
    )
    return recompute(request, Statement.claimed(receipt), runner_for(request.resource_class))
