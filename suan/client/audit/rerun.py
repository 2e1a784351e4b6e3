"""Recompute a share of the jobs behind the receipts, with the verifier that the exchange itself uses."""

from __future__ import annotations

from collections.abc import Callable

from suan.client.audit.evidence import Evidence
from suan.client.audit.receipts import CheckedReceipt
from suan.client.audit.report import Report
from suan.core import identity
from suan.core.records import ReceiptVerdict
from suan.runtime.run import run_job
from suan.runtime.verify import Assignment, Finding, Judgement, Statement, recompute

SHARE_STEPS = 1_000_000
WANTED = {ReceiptVerdict.ACCEPTED: Judgement.ACCEPTED, ReceiptVerdict.REJECTED: Judgement.REJECTED}


def chosen(digest: bytes, share_ppm: int) -> bool:
    """Whether a receipt belongs to the share (parts per million) that this audit recomputes: a coin from its hash."""
    return int.from_bytes(identity.keccak(b"suan-rerun" + digest)[:8], "big") % SHARE_STEPS < share_ppm


def rerun(
    receipts: list[CheckedReceipt],
    evidence: Evidence,
    report: Report,
    share_ppm: int,
    progress: Callable[[str], None] = lambda _: None,
) -> None:
    """Recompute the chosen receipts; jobs whose bytes are not public are counted, not guessed."""
    for item in receipts:
        if not chosen(item.digest, share_ppm):
            continue
        finding = recompute_receipt(item, evidence)
        subject = identity.rcp_id(item.digest)
        if finding is None:
            report.runs_private += 1
            continue
        progress(subject)
        report.runs_recomputed += 1
        wanted = WANTED.get(item.verdict)
        if wanted is not None and finding.judgement is not wanted:
            report.differ(
                subject, "recomputation", wanted.value, f"{finding.judgement.value}: {finding.reason}"
            )


def recompute_receipt(item: CheckedReceipt, evidence: Evidence) -> Finding | None:
    """Judge one receipt by running its job again; None when code or input are not published."""
    module = _object(evidence, item.receipt.module)
    stdin = _object(evidence, item.receipt.input)
    if module is None or stdin is None:
        return None
    receipt = item.receipt
    claimed = Statement(receipt.exit_reason, identity.to_hex(receipt.output), receipt.counters, receipt.fuel)
    assignment = Assignment(
        receipt=0,
        claim="",
        claimed=claimed,
        module=module,
        stdin=stdin,
        run=receipt.run,
        seed=receipt.seed,
        ceiling_units=item.trade.record.ceiling,
        resource_class=item.symbol.split(":")[0],
        memory_bytes=item.terms.memory_bytes,
        wall_seconds=item.terms.wall_seconds,
        profile=item.terms.profile,
    )
    return recompute(assignment, run_job=run_job)


def _object(evidence: Evidence, sha256: bytes) -> bytes | None:
    name = identity.to_hex(sha256)
    data = evidence.read("objects", name)
    return data if data is not None and identity.sha256_hex(data) == name else None
