"""One audit from beginning to end: chain, storage, clearings, receipts, acknowledgements, re-runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from suan.client.audit import acknowledged
from suan.client.audit.chain import ChainAudit, read_parameters
from suan.client.audit.clearings import ClearingAudit
from suan.client.audit.evidence import open_evidence
from suan.client.audit.orders import OrderShelf
from suan.client.audit.published import check_published
from suan.client.audit.receipts import ReceiptAudit
from suan.client.audit.report import Report
from suan.client.audit.rerun import Rerun
from suan.client.rpc import Rpc
from suan.core.identity import market_domain, normalise_address

Progress = Callable[[str], None]


def audit(
    rpc: str | Rpc,
    market: str,
    evidence: str,
    *,
    acknowledgements: Sequence[Path] = (),
    rerun_ppm: int = 0,
    first_block: int = 0,
    progress: Progress = lambda _: None,
) -> Report:
    """Audit the market at `market` from a chain endpoint (its address, or a reader) and published evidence.

    rerun_ppm: share of receipts to recompute, in parts per million. Raises Unreachable when a source does not answer and
    UsageError when there is no Market at that address; everything else that is wrong is a difference in the report.
    """
    report = Report()
    source = open_evidence(evidence)
    wanted = [acknowledged.read_file(path) for path in acknowledgements]
    rpc = Rpc(rpc) if isinstance(rpc, str) else rpc
    head = rpc.block_number()
    report.block, report.block_hash = head, rpc.block(head)["hash"]
    progress(f"reading the contract as of block {head}")
    parameters = read_parameters(rpc, normalise_address(market), head)
    report.chain_id, report.market = parameters.chain_id, parameters.market
    chain = ChainAudit(rpc, parameters, report)
    books = chain.replay(first_block, head, lambda block: progress(f"replayed block {block} of {head}"))
    shelf = OrderShelf(source, market_domain(parameters.chain_id, parameters.market), books, report)
    progress("looking for acknowledged orders")
    watched = [found for document in wanted if (found := acknowledged.watch(document, shelf)) is not None]
    clearings = ClearingAudit(books, source, shelf, report, watched)
    clearings.check_all(lambda number: progress(f"cleared {number} auctions again"))
    progress(f"checking the receipts of {len(books.seals)} settlements")
    again = Rerun(source, report, rerun_ppm, lambda subject: progress(f"recomputed {subject}"))
    ReceiptAudit(books, source, shelf, report, again.consider).check_all()
    check_published(source, shelf, report, progress)
    again.run()
    report.trades_open = sum(1 for trade in books.trades.values() if trade.closed is None)
    return report
