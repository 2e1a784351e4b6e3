"""What a check is given and what it finds: the chain's log as of a height, and one cell that is not what it must be."""

from dataclasses import dataclass, field

from ledger import queries
from ledger.chain import Gateway


@dataclass(frozen=True)
class Finding:
    """One cell that is not what it must be. `row` is the natural key that a person can look for."""

    table: str
    row: str
    column: str
    stored: str
    expected: str


@dataclass(frozen=True)
class SeenEvent:
    """An event as the node tells it now. `args` as in ChainEvent."""

    name: str
    args: dict[str, object]
    subject: str
    address: str
    block_hash: str
    block_number: int
    tx_hash: str
    log_index: int


@dataclass
class ChainView:
    """What checks compare with. `events` in chain order up to `number`, which the index has reached too.

    `final_number` and `posted_number` are the index's own heights, at most `number`. Checks add to `checked`.
    """

    gateway: Gateway
    deployment: queries.Deployment
    number: int
    final_number: int
    posted_number: int
    events: list[SeenEvent]
    deep: bool
    checked: dict[str, int] = field(default_factory=dict)

    def named(self, name: str, *, upto: int | None = None) -> list[SeenEvent]:
        """Events called `name` at or below block `upto` (default: all)."""
        limit = self.number if upto is None else upto
        return [event for event in self.events if event.name == name and event.block_number <= limit]
