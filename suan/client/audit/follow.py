"""After a whole audit: each new block by itself, at once. What it changed is proven, what it refers to is checked.

Of a block that was replaced everything is undone, and said. Limits: published files that no block refers to, gaps in the numbers of
clearings and acknowledged orders are looked at by a whole audit only; when several blocks come at once, storage is compared
as of the newest of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from suan.client.audit.run import Audit
from suan.client.audit.source.anchor import Anchor, check_header, choose, standing_hash
from suan.client.audit.source.spans import Span
from suan.client.audit.storage.words import PROVEN
from suan.client.errors import Unreachable
from suan.core.contract import abi

Json = dict[str, Any]
BLOCKS_PER_STEP = 32


class Follow:
    """Goes on where an audit ended; `tell` gets one document for each block, and one for each reorganisation."""

    def __init__(self, audit: Audit, tell: Callable[[Json], None]) -> None:
        self.audit, self.tell = audit, tell
        self.store, self.rpc, self.report = audit.store, audit.rpc, audit.report
        self.addresses = [audit.parameters.market, audit.parameters.registry]
        self.store.notes_changes = True

    def step(self) -> int:
        """Look at the blocks that are new, at most BLOCKS_PER_STEP; returns how many. Raises Unreachable."""
        wish = self.audit.wish
        header = choose(self.rpc, wish.as_of, wish.confirmations)
        known = dict(self.store.blocks())
        newest = max(known)
        if int(header["number"], 16) > newest + BLOCKS_PER_STEP:
            header = self.rpc.block(newest + BLOCKS_PER_STEP)
        if Anchor.of(header).number <= newest and header["hash"].lower() == known.get(
            Anchor.of(header).number
        ):
            return 0
        path, common = self._path(header, known)
        if common is None:
            self._again(newest)
            return 0
        if common < newest:
            self.store.rollback(common)
            self.tell({"kind": "reorganised", "back_to": common, "blocks_replaced": newest - common})
        for position, each in enumerate(path):
            if not self._block(each, last=position == len(path) - 1):
                return position
        return len(path)

    def _path(self, header: Json, known: dict[int, str]) -> tuple[list[Json], int | None]:
        """Headers after the newest block that both chains have, in order, and the number of that block; None: too deep."""
        path = [header]
        floor = max(min(known), self.store.table("progress")["evidence as of"])
        while True:
            parent = int(path[-1]["number"], 16) - 1
            if known.get(parent) == path[-1]["parentHash"].lower() and parent >= floor:
                return path[::-1], parent
            if parent <= floor:
                return [], None
            path.append(self.rpc.block(str(path[-1]["parentHash"])))

    def _again(self, newest: int) -> None:
        """A reorganisation below the block that the whole audit was made of: everything is looked at again."""
        self.tell({"kind": "reorganised", "back_to": None, "blocks_replaced": None, "was_at": newest})
        self.store.clear()
        self.audit.run()
        self.report = self.audit.report
        self.store.notes_changes = True
        self.tell({"kind": "audit"} | self.report.to_json())

    def _block(self, header: Json, *, last: bool) -> bool:
        """Fold one block and tell its verdict; False when it was replaced meanwhile, which the next step sees."""
        block = Anchor.of(header)
        self.store.block = block.number
        try:
            verdict = self._checked(header, block, last=last)
        except BaseException as error:
            self.store.rollback(block.number - 1)
            if isinstance(error, Unreachable) and standing_hash(self.rpc, block.number) != block.hash:
                return False
            raise
        self.store.end_block(block.number, block.hash)
        self.store.commit()
        self.tell(verdict)
        return True

    def _checked(self, header: Json, block: Anchor, *, last: bool) -> Json:
        report = self.report
        before = {name: getattr(report, name) for name in ("differences_total", "events", "words_proven")}
        shown, seals = len(report.differences), len(self.audit.books.seals)
        check_header(report, header)
        self.audit.chain.context.as_of = block.hash
        logs = self.rpc.logs_of(self.addresses, block.hash)
        self.audit.chain.fold(Span(block.number, block.hash, logs, near=True))
        report.block, report.block_hash, report.block_time = block.number, block.hash, block.timestamp
        report.state_root = "0x" + block.state_root.hex()
        self.store.flush()
        clearings = self._evidence(seals)
        if last:
            self._storage(block)
        report.trades_open = self.audit.books.trades_open
        differences = report.differences_total - before["differences_total"]
        return {
            "kind": "block",
            "block": block.number,
            "block_hash": block.hash,
            "events": report.events - before["events"],
            "trades_locked": _count(logs, "TradeLocked"),
            "trades_closed": _count(logs, "TradeClosed"),
            "clearings": clearings,
            "settlements": len(self.audit.books.seals) - seals,
            "words_proven": report.words_proven - before["words_proven"],
            "storage_compared": last,
            "verdict": "differs" if differences else "no difference",
            "differences_total": differences,
            "differences": [found.__dict__ for found in report.differences[shown:]],
        }

    def _evidence(self, seals: int) -> int:
        """Check the documents that the block refers to; returns the number of clearings."""
        changed = self.store.table("clearings").changed
        new = sorted(clearing for clearing in changed if self.store.once("committed clearings", clearing))
        changed.clear()
        for clearing in new:
            self.audit.clearings.check_committed(clearing)
        for number in range(seals, len(self.audit.books.seals)):
            if self.store.once("seals", f"{number}"):
                self.audit.receipts.check_seal(self.audit.books.seals[number])
        self.audit.receipts.check_paid()
        self.audit.again.run()
        return len(new)

    def _storage(self, block: Anchor) -> None:
        """Compare every entry that changed since storage was last compared."""
        tables = {name: self.store.table(name).changed for name in PROVEN}
        storage = self.audit.storage_as_of(block)
        storage.conserved()
        storage.compare({name: sorted(changed) for name, changed in tables.items()})
        for changed in tables.values():
            changed.clear()


def _count(logs: list[Json], name: str) -> int:
    topic = abi.EVENT_TOPICS[name]
    return sum(bool(log["topics"]) and log["topics"][0].lower() == topic for log in logs)
