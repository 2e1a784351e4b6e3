"""The verifier as a stranger runs it: fetch a receipt and its job from what is published, run it again, compare."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from suan.client.api import Suan
from suan.client.audit.source.evidence import BadDocument, Evidence, parse
from suan.client.errors import UsageError
from suan.core import encoding, ids, signing
from suan.core.delivery import Receipt
from suan.core.orders import BidTerms
from suan.core.signing import Bid
from suan.runtime import RunLimits, RunRequest, runner_for
from suan.runtime.verify import Statement, recompute

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
    try:
        signing.recover(receipt.digest(market.domain), encoding.from_hex(published["signature"]))
    except ValueError as error:
        return _false(f"the receipt's signature: {error}")
    bid_hash = ids.parse_id(trade["bid_id"], prefix="ord")
    bid, terms, symbol = _bid(market, evidence, bid_hash)
    if (receipt.trade, receipt.run) != (ids.parse_id(trade_id, prefix="trd"), run):
        return _false("the receipt is for another run")
    if receipt.seed != ids.run_seed(bid_hash, run):
        return _false("the seed is not that of this bid and run")
    if (receipt.module, receipt.input) != (terms.module, terms.input):
        return _false("code or input are not those of the bid")
    module, stdin = (_bytes(evidence, value) for value in (terms.module, terms.input))
    request = RunRequest(
        module=module,
        stdin=stdin,
        run=run,
        seed=receipt.seed,
        resource_class=symbol.split(":")[0],
        limits=RunLimits(bid.ceiling, terms.memory_bytes, terms.wall_seconds),
        profile=terms.profile,
    )
    finding = recompute(request, Statement.claimed(receipt), runner_for(request.resource_class))
    return asdict(finding) | {"judgement": finding.judgement.value, "trade": trade_id, "run": run}


def _false(reason: str) -> Json:
    return {"judgement": "rejected", "reason": reason}


def _bid(market: Suan, evidence: Evidence, bid_hash: bytes) -> tuple[Bid, BidTerms, str]:
    """The published bid behind a hash, its terms and product symbol, checked by their hashes alone."""
    name = ids.ord_id(bid_hash)
    document = _document(evidence, "orders", name)
    bid, symbol = Bid.from_json(document.get("order")), str(document.get("symbol"))
    if bid.digest(market.domain) != bid_hash or bid.product != ids.product_id(symbol):
        raise UsageError(f"the published {name} has another hash or product")
    terms = BidTerms.from_json(_document(evidence, "terms", encoding.to_hex(bid.terms)))
    if terms.hash() != bid.terms:
        raise UsageError(f"the published terms of {name} have another hash")
    return bid, terms, symbol


def _document(evidence: Evidence, kind: str, name: str) -> Json:
    data = evidence.read(kind, f"{name}.json")
    if data is None:
        raise UsageError(f"{kind}/{name}.json is not published")
    try:
        return parse(data, f"{kind}/{name}.json")
    except BadDocument as error:
        raise UsageError(str(error)) from error


def _bytes(evidence: Evidence, sha256: bytes) -> bytes:
    name = encoding.to_hex(sha256)
    data = evidence.read("objects", name)
    if data is None:
        raise UsageError(f"{name} is not public: the bid's terms keep code and input private")
    if encoding.sha256_hex(data) != name:
        raise UsageError(f"the published bytes of {name} have another hash")
    return data
