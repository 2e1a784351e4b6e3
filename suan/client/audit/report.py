"""What an audit found: counts of what was checked, and every difference by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

DIFFERENCES_SHOWN_MAX = 1_000


@dataclass(frozen=True)
class Difference:
    """Two books disagree: `subject` (an id), `field` of it, what should stand there and what does."""

    subject: str
    field: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.field} should be {self.expected}, is {self.found}"


@dataclass
class Report:
    """Result of one audit as of block `block`; `differences` empty means that everything checked agrees."""

    chain_id: int = 0
    market: str = ""
    block: int = 0
    block_hash: str = ""
    block_time: int = 0
    events: int = 0
    state_root: str = ""
    accounts_checked: int = 0
    words_proven: int = 0
    files_checked: int = 0
    objects_checked: int = 0
    orders_checked: int = 0
    fills_checked: int = 0
    trades_checked: int = 0
    trades_open: int = 0
    clearings_checked: int = 0
    receipts_checked: int = 0
    acknowledgements_checked: int = 0
    runs_recomputed: int = 0
    runs_private: int = 0
    money_conserved: bool = False
    custody: int = 0
    paid: int = 0
    refunded: int = 0
    slashed: int = 0
    fees: int = 0
    differences: list[Difference] = field(default_factory=list)
    differences_total: int = 0

    def differ(self, subject: str, name: str, expected: object, found: object) -> None:
        """Record a difference; beyond DIFFERENCES_SHOWN_MAX they are counted, not kept."""
        difference = Difference(subject, name, str(expected), str(found))
        if difference in self.differences:
            return  # Named by an earlier look at the same thing.
        self.differences_total += 1
        if len(self.differences) < DIFFERENCES_SHOWN_MAX:
            self.differences.append(difference)

    def expect(self, subject: str, name: str, expected: object, found: object) -> bool:
        """Compare two values and record a difference if they are not equal."""
        if expected == found:
            return True
        self.differ(subject, name, expected, found)
        return False

    def to_json(self) -> dict[str, Any]:
        """Document for programs: amounts as decimal strings of base units."""
        document = dict(self.__dict__)
        for amount in ("custody", "paid", "refunded", "slashed", "fees"):
            document[amount] = str(document[amount])
        document["differences"] = [difference.__dict__ for difference in self.differences]
        return document
