"""Published evidence as an auditor reads it: a folder or an HTTP address, and nothing is believed before it is checked.

Limits: a file of at most FILE_BYTES_MAX, a listing of at most NAMES_MAX names; both are said, never passed over.
"""

from __future__ import annotations

import json
import os
import re
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import httpx

from suan.client.errors import Unreachable
from suan.core import encoding
from suan.core.encoding import canonical_json

FILE_BYTES_MAX = 64 * 1024 * 1024
NAMES_MAX = 10_000_000
TIMEOUT_SECONDS = 20.0
ATTEMPTS_MAX = 4
READ_BYTES = 64 * 1024
KINDS = (
    "orders",
    "terms",
    "acknowledgements",
    "cancels",
    "clearings",
    "settlements",
    "anchors",
    "seals",
    "objects",
)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,159}")


class BadDocument(ValueError):
    """A published file that is not what its name and kind promise; the text is for the report."""


class Evidence(Protocol):
    """Where published files are read from."""

    def read(self, kind: str, name: str) -> bytes | None:
        """Bytes of `kind/name`, or None where nothing was published under that name."""

    def names(self, kind: str) -> Iterator[str]:
        """Names of all files of a kind."""


class FolderEvidence:
    """Evidence in a local folder, for example a mirror."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise Unreachable(f"{folder} is not a folder; give a mirror of the evidence or its address")
        self.folder = folder

    def read(self, kind: str, name: str) -> bytes | None:
        _check(kind, name)
        path = self.folder / kind / name
        try:
            if path.stat().st_size > FILE_BYTES_MAX:
                raise Unreachable(f"{path} is larger than {FILE_BYTES_MAX} bytes, more than any evidence")
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unreachable(f"{path} cannot be read: {error}") from error

    def names(self, kind: str) -> Iterator[str]:
        try:
            with os.scandir(self.folder / kind) as entries:
                for entry in entries:
                    if not entry.name.startswith("."):  # The exchange's unfinished files are no evidence yet.
                        yield entry.name
        except FileNotFoundError:
            return


class HttpEvidence:
    """Evidence at an HTTP address such as https://exchange/evidence."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._client = httpx.Client(timeout=TIMEOUT_SECONDS)
        weakref.finalize(self, self._client.close)

    def read(self, kind: str, name: str) -> bytes | None:
        _check(kind, name)
        return self._get(f"{kind}/{name}")

    def names(self, kind: str) -> Iterator[str]:
        cursor, seen = "0", 0
        while True:
            page = self._get(f"{kind}/?cursor={cursor}")
            try:
                document = json.loads(page or b'{"results":[],"next":null}')
                found = [str(row["name"]) for row in document["results"]]
                following = document["next"]
            except (ValueError, KeyError, TypeError) as error:
                raise Unreachable(
                    f"the listing of {kind} at {self.url} is not readable: {error!r}"
                ) from error
            yield from found
            seen += len(found)
            if following is None:
                return
            if seen > NAMES_MAX or not found or str(following) == cursor:
                raise Unreachable(f"the listing of {kind} at {self.url} does not end")
            cursor = str(following)

    def _get(self, path: str) -> bytes | None:
        fault = ""
        for attempt in range(ATTEMPTS_MAX):
            if attempt:
                time.sleep(0.2 * 2**attempt)
            try:
                with self._client.stream("GET", f"{self.url}/{path}") as answer:
                    if answer.status_code == 404:
                        return None
                    if answer.status_code == 200:
                        return self._body(answer, path)
                    fault = f"HTTP {answer.status_code}"
                    if answer.status_code < 500 and answer.status_code != 429:
                        break
            except httpx.HTTPError as error:
                fault = f"{type(error).__name__}: {error}"
        raise Unreachable(f"the evidence at {self.url} does not answer for {path}: {fault}")

    def _body(self, answer: httpx.Response, path: str) -> bytes:
        data = bytearray()
        for chunk in answer.iter_bytes(READ_BYTES):
            data += chunk
            if len(data) > FILE_BYTES_MAX:
                raise Unreachable(f"{self.url}/{path} is larger than {FILE_BYTES_MAX} bytes")
        return bytes(data)


def open_evidence(where: str) -> Evidence:
    """A folder or an http(s) address. Raises Unreachable for a folder that does not exist."""
    return HttpEvidence(where) if where.startswith(("http://", "https://")) else FolderEvidence(Path(where))


def parse(data: bytes, label: str) -> dict[str, Any]:
    """The JSON object in published bytes. Raises BadDocument unless they are its canonical form.

    One content has one form of bytes, so a changed byte changes the content or is caught here.
    """
    try:
        document = json.loads(data)
        canonical = canonical_json(document) == data
    except (ValueError, RecursionError) as error:
        raise BadDocument(f"{label} is not JSON: {error}") from error
    if not isinstance(document, dict) or not canonical:
        raise BadDocument(f"{label} is not an object in canonical JSON")
    return document


def hash_in(name: str, prefix: str = "") -> bytes | None:
    """The 32 bytes in a file name such as `clr_0x….json` or `0x…`; None when it is no such name."""
    stem = name.removesuffix(".json")
    if not re.fullmatch(prefix + r"0x[0-9a-f]{64}", stem):
        return None
    return encoding.from_hex(stem.removeprefix(prefix))


def _check(kind: str, name: str) -> None:
    if kind not in KINDS or not _NAME.fullmatch(name) or ".." in name:
        raise ValueError(f"not the name of an evidence file: {kind}/{name}")
