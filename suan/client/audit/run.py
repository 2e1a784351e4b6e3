"""One audit from beginning to end: chain, storage, clearings, receipts, acknowledgements, re-runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from suan.client.audit.chain import ChainAudit, read_parameters
from suan.client.audit.clearings import check_acknowledgement, check_all
from suan.client.audit.evidence import open_evidence
from suan.client.audit.orders import OrderShelf
from suan.client.audit.receipts import ReceiptAudit
from suan.client.audit.report import Report
from suan.client.audit.rerun import rerun
from suan.client.errors import UsageError
from suan.client.rpc import Rpc
from suan.core.identity import market_domain, normalise_address

Progress = Callable[[str], None]


def audit(
    rpc_url: str,
    market: str,
    evidence: str,
    *,
    acknowledgements: Sequence[Path] = (),
    rerun_ppm: int = 0,
    first_block: int = 0,
    progress: Progress = lambda _: None,
) -> Report:
    """Audit the market at `market` from a chain endpoint and published evidence (folder or address).

    rerun_ppm: share of receipts to recompute, in parts per million. Raises Unreachable when a source does not answer and
    UsageError when there is no Market at that address; everything else that is wrong is a difference in the report.
    """
    report = Report()
    rpc = Rpc(rpc_url)
    head = rpc.block_number()
    report.block, report.block_hash = head, rpc.block(head)["hash"]
    progress(f"reading the contract as of block {head}")
    parameters = read_parameters(rpc, normalise_address(market), head)
    report.chain_id, report.market = parameters.chain_id, parameters.market
    chain = ChainAudit(rpc, parameters, report)
    books = chain.replay(first_block, head, lambda block: progress(f"replayed block {block} of {head}"))
    source = open_evidence(evidence)
    shelf = OrderShelf(source, market_domain(parameters.chain_id, parameters.market), books, report)
    progress(f"clearing {len(books.clearings)} auctions again")
    views = check_all(books, source, shelf, report)
    progress(f"checking the receipts of {len(books.seals)} settlements")
    receipts = ReceiptAudit(books, source, shelf, report)
    receipts.check_all()
    for path in acknowledgements:
        check_acknowledgement(_acknowledgement(path), views, shelf, report)
    if rerun_ppm:
        rerun(receipts.checked, source, report, rerun_ppm, lambda subject: progress(f"recomputed {subject}"))
    report.trades_open = sum(1 for trade in books.trades.values() if trade.closed is None)
    return report


def _acknowledgement(path: Path) -> dict[str, object]:
    """The acknowledgement in a file: bare, or inside the order as the exchange answered it."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is not a readable JSON file: {error}") from error
    found = document.get("acknowledgement", document) if isinstance(document, dict) else None
    if not isinstance(found, dict):
        raise UsageError(f"{path} holds no acknowledgement; save the answer of POST /bids or /offers")
    return found
