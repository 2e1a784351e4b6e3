"""The append-only folder of published evidence, `var/evidence/<kind>/<name>`.

A file is written once: temporary name in the same folder, fsync, hard link to the final name (which fails if the
name exists), fsync of the folder. The same bytes again are no news; other bytes are refused. EvidenceFile is an
index for listings; the folder is the evidence.
Documents that nobody else signed as a whole (SEALED) get a seal beside them: our acknowledgement key's signature over
their hash, so that no byte of them can be changed or denied afterwards.

Known limit: a file is at most EVIDENCE_BYTES_MAX; the folder has no quota of its own.
"""

import hashlib
import os
import re
import tempfile
from pathlib import Path

from ledger import conf, custodial
from ledger.errors import BadEvidenceName, EvidenceConflict
from ledger.models import EvidenceFile
from suan.core.encoding import canonical_json, sha256_hex, to_hex
from suan.core.signing import evidence_seal_digest

EVIDENCE_BYTES_MAX = 64 * 1024 * 1024
KINDS = {
    "orders": re.compile(r"ord_0x[0-9a-f]{64}\.json"),
    "terms": re.compile(r"0x[0-9a-f]{64}\.json"),
    "acknowledgements": re.compile(r"ord_0x[0-9a-f]{64}\.json"),
    "cancels": re.compile(r"ord_0x[0-9a-f]{64}\.json"),
    "clearings": re.compile(r"clr_0x[0-9a-f]{64}\.json"),
    "settlements": re.compile(r"0x[0-9a-f]{64}\.json"),
    "objects": re.compile(r"0x[0-9a-f]{64}"),
    "anchors": re.compile(r"0x[0-9a-f]{64}\.json"),
    "seals": re.compile(r"(clr_)?0x[0-9a-f]{64}\.json"),
}
SEALED = ("clearings", "settlements")


def publish(kind: str, name: str, payload: bytes) -> EvidenceFile:
    """Write evidence durably and index it. Idempotent.

    `kind` and `name` as in docs/protocol.md section 5; `.json` may be left out of the name. Raises BadEvidenceName,
    EvidenceConflict (other bytes are there already), ValueError (larger than EVIDENCE_BYTES_MAX).
    """
    path = locate(kind, name)
    if len(payload) > EVIDENCE_BYTES_MAX:
        raise ValueError(
            f"evidence {kind}/{name} has {len(payload)} bytes, the limit is {EVIDENCE_BYTES_MAX}"
        )
    if kind == "objects" and path.name != "0x" + hashlib.sha256(payload).hexdigest():
        raise EvidenceConflict(kind=kind, name=path.name)
    if path.exists():
        _same_or_conflict(path, payload, kind)
    else:
        _write_once(path, payload, kind)
    row, _ = EvidenceFile.objects.get_or_create(
        kind=kind, name=path.name, defaults={"size": len(payload), "sha256": sha256_hex(payload)}
    )
    if kind in SEALED:
        publish("seals", path.name, _seal(f"{kind}/{path.name}", sha256_hex(payload)))
    return row


def _seal(file: str, sha256: str) -> bytes:
    """The bytes of seals/<name>: deterministic, since signatures are (RFC 6979)."""
    signature = custodial.sign_with("acknowledger", evidence_seal_digest(file, sha256))
    return canonical_json({"file": file, "sha256": sha256, "signature": to_hex(signature)})


def locate(kind: str, name: str) -> Path:
    """The path of a piece of evidence, whether it exists or not. Raises BadEvidenceName for anything else."""
    pattern = KINDS.get(kind)
    if pattern is None:
        raise BadEvidenceName(
            f"there is no evidence of kind {kind[:40]!r}; kinds are {', '.join(sorted(KINDS))}"
        )
    name = name.lower()
    if kind != "objects" and not name.endswith(".json"):
        name += ".json"
    if not pattern.fullmatch(name):
        raise BadEvidenceName(f"{name[:100]!r} is not a name of {kind}; names look like {pattern.pattern}")
    return conf.evidence_dir() / kind / name


def read(kind: str, name: str) -> bytes | None:
    """The published bytes, or None if nothing was published under this name."""
    try:
        return locate(kind, name).read_bytes()
    except FileNotFoundError:
        return None


def _same_or_conflict(path: Path, payload: bytes, kind: str) -> None:
    if path.read_bytes() != payload:
        raise EvidenceConflict(kind=kind, name=path.name)


def _write_once(path: Path, payload: bytes, kind: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        try:
            os.link(temporary, path)
        except FileExistsError:
            _same_or_conflict(path, payload, kind)
    finally:
        os.unlink(temporary)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
