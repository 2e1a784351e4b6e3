"""Job bytes by content: written once to `var/objects`, checked as a module at most once. Via `book.actions`.

Limits: size per upload and bytes per account come with the call; a module has at most 4 MiB.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

from django.db import transaction

from marketplace.accounts.models import Participant
from marketplace.book import queries
from marketplace.book.models import Artifact, ArtifactOwner
from marketplace.problems import Refused, TooLarge
from marketplace.times import moment
from suan.core.encoding import sha256_hex
from suan.core.problems import Problem
from suan.runtime import runner_for

MODULE_MAGIC = b"\0asm"
MODULE_BYTES_MAX = 4 * 1024 * 1024
PROBLEMS_KEPT_MAX = 8


def store_artifact(
    *, owner: Participant, data: bytes, bytes_max: int, account_bytes_max: int, now: int
) -> Artifact:
    """Keep bytes under their SHA-256 and note who uploaded them. Idempotent.

    The file is durable before its row exists. Locks the participant, so that the account's limit holds under
    concurrent uploads. Raises TooLarge, Refused.
    """
    if len(data) > bytes_max:
        raise TooLarge(f"The upload has {len(data)} bytes; the limit is {bytes_max}. Send less.")
    sha256 = sha256_hex(data)
    path = f"{sha256[2:4]}/{sha256}"
    _write_once(queries.objects_dir() / path, data)
    kind = "module" if data.startswith(MODULE_MAGIC) else "data"
    with transaction.atomic():
        Participant.objects.select_for_update().get(pk=owner.pk)
        used = queries.artifact_bytes(owner)
        artifact, _ = Artifact.objects.get_or_create(
            sha256=sha256,
            defaults={"owner": owner, "size_bytes": len(data), "path": path, "created_at": moment(now)},
        )
        owned = ArtifactOwner.objects.filter(artifact=artifact, participant=owner).exists()
        if not owned and used + len(data) > account_bytes_max:
            raise Refused.one(
                "body",
                "account_full",
                f"{used} bytes are stored for you and the limit is {account_bytes_max}; these {len(data)} do not fit.",
            )
        if not owned:
            ArtifactOwner.objects.create(
                artifact=artifact, participant=owner, kind=kind, created_at=moment(now)
            )
    return artifact


def require_module(*, participant: Participant, sha256: str, resource_class: str, now: int) -> Artifact:
    """The participant's upload, if the runtime of the class accepts it as a module; the verdict is kept. Raises Refused.

    The check runs in a child process with limits of its own (suan.runtime), so call this outside a transaction.
    """
    artifact = require_upload(participant=participant, sha256=sha256, field="terms.module")
    if artifact.size_bytes > MODULE_BYTES_MAX:
        raise Refused.one(
            "terms.module",
            "module_too_large",
            f"{artifact.size_bytes} bytes; a module has at most {MODULE_BYTES_MAX}. Optimise it for size.",
        )
    if artifact.module_checked_at is None:
        code = (queries.objects_dir() / artifact.path).read_bytes()
        problems = runner_for(resource_class).check(code)
        if any(problem.code == "check_failed" for problem in problems):
            raise Refused(_at_module(problems))  # The machine was busy, perhaps: no verdict to keep.
        artifact.module_problem = json.dumps([asdict(problem) for problem in problems[:PROBLEMS_KEPT_MAX]])
        artifact.module_checked_at = moment(now)
        artifact.save(update_fields=["module_problem", "module_checked_at"])
    problems = [Problem(**entry) for entry in json.loads(artifact.module_problem or "[]")]
    if problems:
        raise Refused(_at_module(problems))
    return artifact


def require_upload(*, participant: Participant, sha256: str, field: str) -> Artifact:
    """The artifact, if this participant uploaded it. Raises Refused, the same whether others have it or nobody."""
    artifact = Artifact.objects.filter(sha256=sha256, owners__participant=participant).first()
    if artifact is None:
        raise Refused.one(
            field, "not_uploaded", f"you have not uploaded {sha256}; send its bytes to POST /artifacts first."
        )
    return artifact


def _at_module(problems: list[Problem]) -> list[Problem]:
    return [Problem("terms.module", problem.code, problem.message) for problem in problems]


def _write_once(path: Path, data: bytes) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
