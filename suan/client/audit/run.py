"""One audit from beginning to end: chain, storage, clearings, receipts, acknowledgements, re-runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suan.client.audit.memory import books_in, open_store, report_in
from suan.client.audit.progress import Progress
from suan.client.audit.published import acknowledged
from suan.client.audit.published.clearings import ClearingAudit
from suan.client.audit.published.files import check_published
from suan.client.audit.published.orders import OrderShelf
from suan.client.audit.published.receipts import ReceiptAudit
from suan.client.audit.published.rerun import Rerun
from suan.client.audit.replay.chain import ChainAudit
from suan.client.audit.replay.context import Context
from suan.client.audit.replay.parameters import read_parameters
from suan.client.audit.report import Report
from suan.client.audit.source.anchor import (
    CONFIRMATIONS,
    Anchor,
    check_header,
    choose,
    standing,
    standing_hash,
)
from suan.client.audit.source.evidence import open_evidence
from suan.client.audit.source.spans import Span, ancestors, spans
from suan.client.audit.storage.words import StorageAudit
from suan.client.errors import Unreachable, UsageError
from suan.client.rpc import Rpc
from suan.core.encoding import canonical_json, normalise_address, sha256_hex

COMMIT_SECONDS = 2.0
"""A killed run loses so much work, and the span of blocks that it was reading."""


@dataclass(frozen=True)
class Wish:
    """What is to be audited: `evidence` an address or a folder, `rerun_ppm` the share of runs to recompute in parts per
    million, `first_block` not after the deployment, `as_of` a number, a hash, final (`confirmations` deep) or latest."""

    market: str
    evidence: str
    acknowledgements: Sequence[Path] = ()
    rerun_ppm: int = 0
    first_block: int = 0
    as_of: str = "latest"
    confirmations: int = CONFIRMATIONS


class Audit:
    """One audit and what it remembers; `state` is a file from which a killed run goes on, None keeps nothing.

    Raises Unreachable when a source does not answer, Reorganised when the block was replaced meanwhile, and UsageError when there
    is no Market at that address or the state is another audit's; everything else that is wrong is a difference in the report.
    """

    def __init__(
        self,
        rpc: Rpc,
        wish: Wish,
        *,
        state: Path | None = None,
        progress: Progress | None = None,
        commit_seconds: float = COMMIT_SECONDS,
    ) -> None:
        self.rpc, self.wish, self.commit_seconds = rpc, wish, commit_seconds
        self.progress = progress or Progress()
        self.evidence = open_evidence(wish.evidence)
        self.wanted = [acknowledged.read_file(path) for path in wish.acknowledgements]
        self.market = normalise_address(wish.market)
        self.store = open_store(state)
        self._committed = time.monotonic()

    def run(self) -> Report:
        """Audit as of the block that the wish names, from where the state left off."""
        header = choose(self.rpc, self.wish.as_of, self.wish.confirmations)
        anchor = Anchor.of(header)
        try:
            self._prepare(anchor)
            self._replay(header, anchor)
            self._storage(anchor)
            self._published(anchor)
        except Unreachable:
            standing(self.rpc, anchor)  # Says so if the block was replaced, which explains the fault.
            raise
        standing(self.rpc, anchor)
        self.report.trades_open = self.books.trades_open
        self.store.commit()
        return self.report

    def close(self) -> None:
        """Let go of the state file."""
        self.store.close()

    def _prepare(self, anchor: Anchor) -> None:
        """Read the contract's figures, find where the state left off, and build what checks each part."""
        self.progress.phase(f"reading the contract as of block {anchor.number}")
        self.parameters = read_parameters(self.rpc, self.market, anchor.hash)
        self.first = self._resume(anchor)
        self.books, self.report = books_in(self.store), report_in(self.store)
        report, store, books = self.report, self.store, self.books
        report.chain_id, report.market = self.parameters.chain_id, self.parameters.market
        report.block, report.block_hash = anchor.number, anchor.hash
        report.state_root, report.block_time = "0x" + anchor.state_root.hex(), anchor.timestamp
        context = Context(self.rpc, self.parameters, books, report, anchor.hash)
        self.chain = ChainAudit(context, store.settle)
        self.shelf = OrderShelf(
            self.evidence, context.domain, books, report, store, context.accepted_by_wallet
        )
        self.again = Rerun(self.evidence, report, store, self.wish.rerun_ppm)
        self.receipts = ReceiptAudit(books, self.evidence, self.shelf, report, store, self.again.consider)

    def _resume(self, anchor: Anchor) -> int:
        """The first block to read. Goes back over blocks that were replaced, or begins again below what can be undone."""
        self._same_wish()
        newest = self.store.newest()
        if newest is None:
            return self.wish.first_block
        if newest[0] > anchor.number:
            raise UsageError(
                f"the state has read up to block {newest[0]}, which is after block {anchor.number}; "
                "choose a later block with --as-of, or another state file"
            )
        for number, known in self.store.blocks():
            if standing_hash(self.rpc, number) != known:
                continue
            if (number, known) != newest:
                if self.store.table("progress").get("evidence as of", -1) > number:
                    break  # Documents were judged by a chain that is gone.
                self.store.rollback(number)
            self.progress.note(f"going on after block {number}")
            return number + 1
        self.progress.note(f"block {newest[0]} of the state was replaced: beginning again")
        self.store.clear()
        self._same_wish()
        return self.wish.first_block

    def _same_wish(self) -> None:
        """A state belongs to one market, one source of evidence and one set of questions."""
        said = {
            "chain": str(self.parameters.chain_id),
            "market": self.market,
            "evidence": self.wish.evidence,
            "from block": str(self.wish.first_block),
            "re-run share": str(self.wish.rerun_ppm),
            "acknowledgements": sha256_hex(canonical_json(self.wanted)),
        }
        table = self.store.table("wish")
        for name, value in said.items():
            known = table.setdefault(name, value)
            if known != value:
                raise UsageError(
                    f"the state belongs to an audit with another {name} ({known}, not {value}); use another state file"
                )

    def _replay(self, header: dict[str, Any], anchor: Anchor) -> None:
        path = ancestors(self.rpc, header, self.first) if anchor.number >= self.first else []
        for newest in path or [header]:
            check_header(self.report, newest)
        total = anchor.number - self.first + 1
        self.progress.phase("replaying", "blocks", total)
        addresses = [self.parameters.market, self.parameters.registry]
        for span in spans(self.rpc, addresses, self.first, path):
            self.fold(span)
            self.between(span.last - self.first + 1)

    def fold(self, span: Span) -> None:
        """Fold one span; from its end on a killed run can go on."""
        self.store.block = span.last if span.near else None
        self.chain.fold(span)
        self.store.end_block(span.last, span.hash)

    def between(self, done: int) -> None:
        """Between two steps of a phase: say how far, and commit every so often."""
        self.store.settle()
        self.progress.at(done)
        if time.monotonic() - self._committed >= self.commit_seconds:
            self.store.commit()
            self._committed = time.monotonic()

    def storage_as_of(self, anchor: Anchor) -> StorageAudit:
        """What compares the books with the contract's storage as of a block."""
        return StorageAudit(self.rpc, self.parameters, self.books, self.report, anchor)

    def _storage(self, anchor: Anchor) -> None:
        self.report.accounts_checked = self.report.words_proven = 0
        storage = self.storage_as_of(anchor)
        self.progress.phase("proving", "words of storage", storage.words())
        storage.conserved()
        storage.everything(self.progress.at)

    def _published(self, anchor: Anchor) -> None:
        """Everything that is proved from the evidence."""
        self.store.table("progress")["evidence as of"] = anchor.number
        self.progress.phase("looking for acknowledged orders")
        watched = [order for document in self.wanted if (order := self._watch(document)) is not None]
        self.clearings = ClearingAudit(
            self.books, self.evidence, self.shelf, self.report, self.store, watched
        )
        self.progress.phase("clearing again", "auctions")
        self.clearings.check_all(self.between)
        self.progress.phase("checking receipts of", "settlements", len(self.books.seals))
        self.receipts.check_all(self.between)
        self.progress.phase("checking published files:", "files")
        check_published(self.evidence, self.shelf, self.report, self.store, self.between)
        self.progress.phase("recomputing", "runs", len(self.again.waiting))
        self.again.run(self.between)

    def _watch(self, document: dict[str, Any]) -> acknowledged.Watched | None:
        """An acknowledged order to look for; one that an earlier run looked for too is counted once."""
        counted = self.report.acknowledgements_checked
        found = acknowledged.watch(document, self.shelf, self.store)
        if not self.store.once("acknowledgements", str(document["order"])):
            self.report.acknowledgements_checked = counted
        return found


def audit(
    rpc: str | Rpc,
    market: str,
    evidence: str,
    *,
    acknowledgements: Sequence[Path] = (),
    rerun_ppm: int = 0,
    first_block: int = 0,
    as_of: str = "latest",
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """Audit the market at `market` from a chain endpoint (its address, or a reader) and published evidence, once.

    See Wish for the arguments and Audit for the errors; `say` gets lines about its progress.
    """
    wish = Wish(market, evidence, acknowledgements, rerun_ppm, first_block, as_of)
    source = Rpc(rpc) if isinstance(rpc, str) else rpc
    once = Audit(source, wish, progress=Progress(say))
    try:
        return once.run()
    finally:
        once.close()
