"""What this machine promised, did and delivered: an append-only record on the seller's own disk.

One JSON line per step, flushed and fsynced before the step it announces is relied on. After a crash the diary is read from the
top: a run whose result is recorded is delivered again from disk, never executed a second time.

Invariant: the output of a run is on disk before the line that says so.
Known limits: a torn last line (power loss in mid-write) is cut off, which at worst repeats one run. The file grows by one
or two kilobytes a run and is never shortened; move it away while the agent is stopped and nothing is undelivered.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAME = "diary.jsonl"
Json = dict[str, Any]


def acknowledged(folder: Path, trade: str, run: int) -> Json | None:
    """{receipt, signature, acknowledgement} of a run whose receipt the exchange took, from the diary in `folder`: its provider's
    proof. Only reads, so it may be asked while the agent runs.

    None for a run that was not delivered from here, or to an exchange that gave no acknowledgement.
    """
    document: Json = {}
    for line in _lines(folder / NAME):
        if (line.get("trade"), line.get("run")) != (trade, run):
            continue
        if line["step"] == "ran":
            document = line.get("document") or {}
        elif line["step"] == "delivered" and line.get("acknowledgement") and document:
            return document | {"acknowledgement": line["acknowledgement"]}
    return None


def _lines(path: Path) -> Iterator[Json]:
    """What was written, in its order. Other lines are passed over: at worst a step that one announced is repeated."""
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for raw in file:
            try:
                line = json.loads(raw)
            except ValueError:
                continue
            if isinstance(line, dict) and "step" in line:
                yield line


@dataclass
class Diary:
    """Record of one agent in `folder`; several threads may write.

    results: (trade, run) to the finished, signed receipt document, which is emptied once the run is closed.
    """

    folder: Path
    results: dict[tuple[str, int], Json] = field(default_factory=dict)
    delivered: set[tuple[str, int]] = field(default_factory=set)
    rates: dict[str, Json] = field(default_factory=dict)
    _writing: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        (self.folder / "outputs").mkdir(parents=True, exist_ok=True, mode=0o700)
        self._cut_torn_line()
        for line in _lines(self._path):
            self._read(line)

    def _cut_torn_line(self) -> None:
        """Cut off what a power loss left of a last line: the next line must not be written onto it."""
        if not self._path.exists():
            return
        with self._path.open("r+b") as file:
            data = file.read()
            whole = data.rfind(b"\n") + 1
            if whole != len(data):
                file.truncate(whole)

    def _read(self, line: Json) -> None:
        try:
            self._apply(line)
        except (KeyError, TypeError):
            return  # not a line of ours either

    @property
    def _path(self) -> Path:
        return self.folder / NAME

    def _apply(self, line: Json) -> None:
        key = (line.get("trade", ""), line.get("run", -1))
        if line["step"] == "ran":
            self.results[key] = line["document"]
        elif line["step"] in ("delivered", "refused"):
            self.delivered.add(key)
            self.results[key] = {}
        elif line["step"] == "lost":
            self.results.pop(key, None)
        elif line["step"] == "measured":
            self.rates[line["class"]] = line

    def _write(self, line: Json) -> None:
        with self._writing:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, sort_keys=True) + "\n")
                file.flush()
                os.fsync(file.fileno())
            self._apply(line)

    def measured(self, resource_class: str, rate_mflops: int, at: int) -> None:
        """Remember a benchmark so that a restart does not repeat it."""
        self._write({"step": "measured", "class": resource_class, "rate_mflops": rate_mflops, "at": at})

    def promised(self, trade: str, run: int, lease_id: str, at: int) -> None:
        """A lease was taken."""
        self._write({"step": "promised", "trade": trade, "run": run, "lease_id": lease_id, "at": at})

    def ran(self, trade: str, run: int, document: Json, output: bytes) -> None:
        """A run ended: keep its output and its signed receipt until they are delivered."""
        path = self.output_path(trade, run)
        temporary = path.with_name(path.name + ".part")
        with temporary.open("wb") as file:
            file.write(output)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        self._write({"step": "ran", "trade": trade, "run": run, "document": document})

    def undelivered(self) -> list[tuple[str, int]]:
        """Runs that ended and that the exchange has neither taken nor refused for good."""
        return [key for key in list(self.results) if key not in self.delivered]

    def forget(self, trade: str, run: int) -> None:
        """The result of a run is lost from the disk: it has to be run again."""
        self._write({"step": "lost", "trade": trade, "run": run})

    def output_path(self, trade: str, run: int) -> Path:
        """Where the output of a run lies until it is delivered."""
        return self.folder / "outputs" / f"{trade}-{run}"

    def closed(self, trade: str, run: int, *, acknowledgement: str = "", refused: str = "") -> None:
        """The exchange took the receipt and signed that it has it, or refused it for good with a reason."""
        taken = {"step": "delivered", "acknowledgement": acknowledgement}
        step = {"step": "refused", "reason": refused} if refused else taken
        self._write(step | {"trade": trade, "run": run})
        self.output_path(trade, run).unlink(missing_ok=True)
