"""Job bytes by content: written once to `var/objects`. Via `book.actions`.

Limits: size per upload and bytes per account come with the call.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from django.db import transaction

from marketplace.accounts.models import Participant
from marketplace.book.models import Artifact, ArtifactOwner
from marketplace.book.queries import jobs
from marketplace.problems import Refused, TooLarge
from marketplace.times import moment
from suan.core.encoding import sha256_hex

MODULE_MAGIC = b"\0asm"


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
    _write_once(jobs.objects_dir() / path, data)
    kind = "module" if data.startswith(MODULE_MAGIC) else "data"
    with transaction.atomic():
        Participant.objects.select_for_update().get(pk=owner.pk)
        used = jobs.artifact_bytes(owner)
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
