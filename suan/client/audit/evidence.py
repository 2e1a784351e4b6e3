"""Published evidence as an auditor reads it: a folder or an HTTP address, and nothing is believed before its hash is checked."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Protocol

import httpx

from suan.client.errors import Unreachable

FILE_BYTES_MAX = 64 * 1024 * 1024
TIMEOUT_SECONDS = 20.0
_NAME = re.compile(r"^[A-Za-z0-9_.\-]{1,160}$")


class Evidence(Protocol):
    """Where published files are read from."""

    def read(self, kind: str, name: str) -> bytes | None:
        """Bytes of `kind/name`, or None where nothing was published under that name."""


class FolderEvidence:
    """Evidence in a local folder, for example a mirror."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, kind: str, name: str) -> bytes | None:
        _check(kind, name)
        path = self.folder / kind / name
        if not path.is_file() or path.stat().st_size > FILE_BYTES_MAX:
            return None
        return path.read_bytes()


class HttpEvidence:
    """Evidence at an HTTP address such as https://exchange/evidence."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._client = httpx.Client(timeout=TIMEOUT_SECONDS)

    def read(self, kind: str, name: str) -> bytes | None:
        _check(kind, name)
        try:
            answer = self._client.get(f"{self.url}/{kind}/{name}")
        except httpx.HTTPError as error:
            raise Unreachable(f"the evidence at {self.url} does not answer: {error}") from error
        if answer.status_code == 404:
            return None
        if answer.status_code != 200 or len(answer.content) > FILE_BYTES_MAX:
            raise Unreachable(f"the evidence at {self.url} answers {answer.status_code} for {kind}/{name}")
        return answer.content


def open_evidence(where: str) -> Evidence:
    """A folder or an http(s) address."""
    return HttpEvidence(where) if where.startswith(("http://", "https://")) else FolderEvidence(Path(where))


def read_document(evidence: Evidence, kind: str, name: str) -> dict[str, Any] | None:
    """A JSON object from the evidence; None when missing or not a JSON object."""
    data = evidence.read(kind, name)
    if data is None:
        return None
    try:
        document = json.loads(data)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _check(kind: str, name: str) -> None:
    if not _NAME.match(kind) or not _NAME.match(name) or ".." in name:
        raise ValueError(f"not the name of an evidence file: {kind}/{name}")
