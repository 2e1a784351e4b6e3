"""Reading one published document into the report: missing, garbled, written in another form, or not as it was sealed."""

from __future__ import annotations

from typing import Any

from suan.client.audit.report import Report
from suan.client.audit.source.evidence import BadDocument, Evidence, parse
from suan.client.audit.state import Books
from suan.core import encoding, signing
from suan.core.signing import evidence_seal_digest

Json = dict[str, Any]


def find(evidence: Evidence, report: Report, kind: str, name: str, subject: str) -> Json | None:
    """The document `kind/name`; None and a difference about `subject` when it is missing or no canonical JSON."""
    data = evidence.read(kind, name)
    if data is None:
        report.differ(subject, "evidence", f"published as {kind}/{name}", "missing")
        return None
    report.files_checked += 1
    return _parsed(data, report, f"{kind}/{name}", subject)


def read_sealed(
    evidence: Evidence, books: Books, report: Report, kind: str, name: str, subject: str
) -> bytes | None:
    """The bytes of `kind/name`, compared with the exchange's seal; None and a difference when they are missing."""
    data = evidence.read(kind, name)
    if data is None:
        report.differ(subject, "evidence", f"published as {kind}/{name}", "missing")
        return None
    report.files_checked += 1
    _seal(evidence, books, report, f"{kind}/{name}", subject, encoding.sha256_hex(data))
    return data


def find_sealed(
    evidence: Evidence, books: Books, report: Report, kind: str, name: str, subject: str
) -> Json | None:
    """The document `kind/name`, compared with the exchange's seal; None and a difference when there is none."""
    data = read_sealed(evidence, books, report, kind, name, subject)
    return None if data is None else _parsed(data, report, f"{kind}/{name}", subject)


def _parsed(data: bytes, report: Report, label: str, subject: str) -> Json | None:
    try:
        return parse(data, label)
    except BadDocument as error:
        report.differ(subject, "evidence", "canonical JSON", error)
        return None


def _seal(evidence: Evidence, books: Books, report: Report, file: str, subject: str, sha256: str) -> None:
    seal = find(evidence, report, "seals", file.partition("/")[2], subject)
    if seal is None:
        return
    try:
        signature = encoding.from_hex(str(seal.get("signature")))
        signer = signing.recover(evidence_seal_digest(file, str(seal.get("sha256"))), signature)
    except ValueError as error:
        report.differ(subject, f"seal of {file}", "a signature", error)
        return
    written = {"file": file, "sha256": seal.get("sha256"), "signature": encoding.to_hex(signature)}
    report.expect(subject, f"seal of {file}", written, seal)
    if (books.operator, signer) not in books.agents:
        report.differ(subject, f"seal of {file}", "signed by the exchange's key", signer)
        return
    report.expect(subject, f"bytes of {file}, by their seal", seal.get("sha256"), sha256)
