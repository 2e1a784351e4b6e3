"""What this machine promised, did and delivered: an append-only record on the seller's own disk.

One JSON line per step, flushed and fsynced before the step it announces is relied on. After a crash the diary is read from the
top: a run whose result is recorded is delivered again from disk, never executed a second time.
Known limit: a torn last line (power loss in mid-write) is dropped, which at worst repeats one run.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]


@dataclass
class Diary:
    """Record of one agent in `folder`; `results` maps (trade, run) to the finished, signed receipt document."""

    folder: Path
    results: dict[tuple[str, int], Json] = field(default_factory=dict)
    delivered: set[tuple[str, int]] = field(default_factory=set)
    rates: dict[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.folder / "outputs").mkdir(parents=True, exist_ok=True, mode=0o700)
        for line in self._lines():
            self._apply(line)

    def _lines(self) -> list[Json]:
        if not self._path.exists():
            return []
        lines = []
        for raw in self._path.read_text(encoding="utf-8").splitlines():
            try:
                lines.append(json.loads(raw))
            except ValueError:
                continue  # a torn line: the step it announced is simply repeated
        return lines

    @property
    def _path(self) -> Path:
        return self.folder / "diary.jsonl"

    def _apply(self, line: Json) -> None:
        key = (line.get("trade", ""), line.get("run", -1))
        if line["step"] == "ran":
            self.results[key] = line["document"]
        elif line["step"] in ("delivered", "refused"):
            self.delivered.add(key)
        elif line["step"] == "measured":
            self.rates[line["class"]] = line

    def _write(self, line: Json) -> None:
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
        temporary = path.with_suffix(".part")
        temporary.write_bytes(output)
        temporary.replace(path)
        self._write({"step": "ran", "trade": trade, "run": run, "document": document})

    def output_path(self, trade: str, run: int) -> Path:
        """Where the output of a run lies until it is delivered."""
        return self.folder / "outputs" / f"{trade}-{run}"

    def closed(self, trade: str, run: int, *, refused: str = "") -> None:
        """The exchange took the receipt, or refused it for good with a reason."""
        step = {"step": "refused", "reason": refused} if refused else {"step": "delivered"}
        self._write(step | {"trade": trade, "run": run})
        self.output_path(trade, run).unlink(missing_ok=True)
