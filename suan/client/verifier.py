"""The verifier as a stranger runs it: fetch a receipt and its job from what is published, run it again, compare."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from suan.client.api import Suan
from suan.client.audit.evidence import Evidence
from suan.client.audit.orders import OrderShelf
from suan.client.audit.report import Report
from suan.client.audit.state import Books
from suan.client.errors import UsageError
from suan.core import identity
from suan.core.receipts import Receipt
from suan.core.signed import Bid
from suan.core.terms import BidTerms
from suan.runtime.run import run_job
from suan.runtime.verify import Assignment, Statement, recompute

Json = dict[str, Any]


def verify_run(market: Suan, evidence: Evidence, trade_id: str, run: int) -> Json:
    """Recompute one run of a trade. Returns {judgement, reason, recount, …}; UsageError says what is not public.

    Only the trade's ids are taken from the exchange: the bid is checked by its hash, code and input by theirs, the receipt
    by its signature.
    """
    trade = market.get(f"/trades/{trade_id}")
    detail = next((item for item in trade["runs_detail"] if item["run"] == run), None)
    if detail is None or not detail.get("receipt_id"):
        raise UsageError(f"{trade_id} has no receipt for run {run} yet")
    published = market.get(f"/receipts/{detail['receipt_id']}")
    receipt = Receipt.from_json(published["receipt"])
    identity.recover(receipt.digest(market.domain), identity.from_hex(published["signature"]))
    report = Report()
    bid_hash = identity.to_hex(identity.parse_id(trade["bid_id"], prefix="ord"))
    order = OrderShelf(evidence, market.domain, Books(), report).find(bid_hash)
    if order is None or not isinstance(order.order, Bid) or not isinstance(order.terms, BidTerms):
        raise UsageError(f"the bid {trade['bid_id']} is not published: {report.differences}")
    if receipt.seed != identity.run_seed(identity.from_hex(bid_hash), run):
        return {"judgement": "rejected", "reason": "the seed is not that of this bid and run"}
    module, stdin = (_bytes(evidence, value) for value in (order.terms.module, order.terms.input))
    assignment = Assignment(
        receipt=0,
        claim="",
        claimed=Statement(
            receipt.exit_reason, identity.to_hex(receipt.output), receipt.counters, receipt.fuel
        ),
        module=module,
        stdin=stdin,
        run=run,
        seed=receipt.seed,
        ceiling_units=order.order.ceiling,
        resource_class=order.symbol.split(":")[0],
        memory_bytes=order.terms.memory_bytes,
        wall_seconds=order.terms.wall_seconds,
        profile=order.terms.profile,
    )
    finding = recompute(assignment, run_job=run_job)
    return asdict(finding) | {"judgement": finding.judgement.value, "trade": trade_id, "run": run}


def _bytes(evidence: Evidence, sha256: bytes) -> bytes:
    name = identity.to_hex(sha256)
    data = evidence.read("objects", name)
    if data is None:
        raise UsageError(f"{name} is not public: the bid's terms keep code and input private")
    if identity.sha256_hex(data) != name:
        raise UsageError(f"the published bytes of {name} have another hash")
    return data
