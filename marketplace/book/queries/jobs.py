"""Job bytes by content: where they lie, whose they are, and what the runtime says of a module."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.db.models import Sum

from marketplace.accounts.models import Participant
from marketplace.book.models import Artifact, ArtifactOwner
from marketplace.problems import Refused
from suan.core.encoding import to_hex
from suan.core.orders import BidTerms
from suan.core.problems import Problem
from suan.runtime import runner_for

MODULE_BYTES_MAX = 4 * 1024 * 1024
PROBLEMS_MAX = 8
VERDICTS_MAX = 256


def objects_dir() -> Path:
    """The folder of job bytes."""
    return Path(settings.SUAN_VAR) / "objects"


def artifact(sha256: str) -> Artifact | None:
    """The artifact of a content address, or None."""
    return Artifact.objects.filter(sha256=sha256.lower()).first()


def read_artifact(sha256: str) -> bytes | None:
    """The bytes of a content address, or None. Who may read them is for the caller to decide."""
    found = artifact(sha256)
    return None if found is None else (objects_dir() / found.path).read_bytes()


def owns_artifact(participant: Participant, sha256: str) -> bool:
    """Did this participant upload these bytes?"""
    return ArtifactOwner.objects.filter(artifact__sha256=sha256.lower(), participant=participant).exists()


def artifact_bytes(participant: Participant) -> int:
    """Bytes that count against an account's limit."""
    rows = ArtifactOwner.objects.filter(participant=participant)
    return int(rows.aggregate(total=Sum("artifact__size_bytes"))["total"] or 0)


def judged_module(
    participant: Participant, terms: BidTerms, resource_class: str
) -> tuple[Artifact, list[Problem]]:
    """The module of a bid's terms, and why the runtime of the class does not accept it: the verdict that was kept, or one made now.

    Raises Refused when this participant uploaded not both module and input (the same whether others did or nobody), and
    when the check itself failed, the machine being busy perhaps: that is no verdict. The check runs in a child process
    with limits of its own (suan.runtime), so call this outside a transaction.
    """
    _uploaded(participant, to_hex(terms.input), "terms.input")
    module = _uploaded(participant, to_hex(terms.module), "terms.module")
    if module.size_bytes > MODULE_BYTES_MAX:
        raise Refused.one(
            "terms.module",
            "module_too_large",
            f"{module.size_bytes} bytes; a module has at most {MODULE_BYTES_MAX}. Optimise it for size.",
        )
    if module.module_checked_at is not None:
        return module, [Problem(**entry) for entry in json.loads(module.module_problem or "[]")]
    return module, list(_verdict(module.sha256, str(objects_dir() / module.path), resource_class))


@lru_cache(maxsize=VERDICTS_MAX)
def _verdict(sha256: str, path: str, resource_class: str) -> tuple[Problem, ...]:
    """What is wrong with the module of that content. Remembered by this process, for reviews, which keep no row."""
    found = runner_for(resource_class).check(Path(path).read_bytes())
    problems = tuple(
        Problem("terms.module", problem.code, problem.message) for problem in found[:PROBLEMS_MAX]
    )
    if any(problem.code == "check_failed" for problem in problems):
        raise Refused(problems)
    return problems


def _uploaded(participant: Participant, sha256: str, field: str) -> Artifact:
    artifact = Artifact.objects.filter(sha256=sha256, owners__participant=participant).first()
    if artifact is None:
        raise Refused.one(
            field, "not_uploaded", f"you have not uploaded {sha256}; send its bytes to POST /artifacts first."
        )
    return artifact
