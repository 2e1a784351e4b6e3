"""`make slither`: what a static analyser says about the contracts, each finding answered in contracts/slither.json.

Slither lives in an environment of its own, since its web3 is older than ours. A finding without an answer fails, and so
does an answer without a finding: what was mended, or renamed, is not answered any longer. Findings in libraries of
others are theirs.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from operations.run import layout
from operations.run.services import foundry_binary

ANSWERS = layout.PROJECT / "contracts" / "slither.json"
PROGRAM = layout.PROJECT / ".venv-slither" / "bin" / "slither"
SECONDS_MAX = 600

Json = dict[str, Any]


@dataclass(frozen=True, order=True)
class Finding:
    """A detector of Slither and the contract or function in which it sees something."""

    detector: str
    place: str

    def __str__(self) -> str:
        return f"{self.detector} in {self.place}"


def main(arguments: Sequence[str]) -> int:
    """0 when every finding has its answer and every answer its finding."""
    if arguments:
        raise layout.Refused("slither takes no arguments: make slither")
    found, answers = findings(analysed()), answered(json.loads(ANSWERS.read_text()))
    missing, stale = sorted(found - set(answers)), sorted(set(answers) - found)
    for finding in missing:
        print(f"not answered: {finding}")
    for finding in stale:
        print(f"answered, and not found any more: {finding}")
    print(
        f"{len(found)} findings, {len(missing)} without an answer, {len(stale)} answers too many; {ANSWERS}"
    )
    return 1 if missing or stale else 0


def analysed() -> list[Json]:
    """Slither's findings about all sources and the interfaces that they use. Raises Refused when it does not run."""
    folder = layout.default_var() / "slither"
    folder.mkdir(parents=True, exist_ok=True)
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    environment = os.environ | {
        "PATH": f"{foundry_binary('forge').parent}:{os.environ['PATH']}",
        "FOUNDRY_OUT": str(folder / "out"),
        "FOUNDRY_CACHE_PATH": str(folder / "cache"),
    }
    print("compiling and reading the contracts (about a minute)", flush=True)
    done = subprocess.run(  # noqa: S603 - a program of this project's environment
        (str(PROGRAM), ".", "--json", str(report)),
        cwd=ANSWERS.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
    )
    document: Json = json.loads(report.read_text()) if report.exists() else {"success": False}
    if not document["success"]:
        raise layout.Refused(f"slither did not finish: {document.get('error') or done.stderr[-2000:]}")
    found: list[Json] = document["results"].get("detectors", [])
    return found


def findings(detected: Iterable[Json]) -> set[Finding]:
    """Pure. Findings whose first element is a source of ours, by detector and Contract.function."""
    return {
        Finding(one["check"], _place(one["elements"][0]))
        for one in detected
        if one["elements"] and _file(one["elements"][0]).parts[0] == "src"
    }


def answered(answers: Json) -> dict[Finding, str]:
    """Pure. {detector: [{"in": [place, …], "answer": text}, …]} as one answer for each finding. ValueError for an empty one."""
    found: dict[Finding, str] = {}
    for detector, groups in answers.items():
        for group in groups:
            if not group["answer"].strip():
                raise ValueError(f"an answer about {detector} is empty")
            found |= dict.fromkeys((Finding(detector, place) for place in group["in"]), group["answer"])
    return found


def _file(element: Json) -> Path:
    return Path(element["source_mapping"]["filename_relative"])


def _place(element: Json) -> str:
    """Contract.function of an element; Contract of one that is in no function, the file of a pragma."""
    names = []
    while element:
        if element["type"] in ("contract", "function", "struct", "event"):
            names.append(str(element["name"]))
        if element["type"] == "pragma":
            return str(_file(element))
        element = element.get("type_specific_fields", {}).get("parent") or {}
    return ".".join(reversed(names))
