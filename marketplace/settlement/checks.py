"""Closes against the chain and the published documents, and the verdicts on receipts against both, for reconciliation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ledger import evidence
from ledger.reconciliation import ChainView, Finding
from marketplace.clearing.models import ENDED_STATUSES, REJECTED, Trade
from marketplace.receipts.models import Receipt
from marketplace.settlement.models import Closing, SettlementBatch
from suan.core.contract import OutcomeKind
from suan.core.encoding import from_hex
from suan.core.problems import FieldError
from suan.core.settlement import END_STATES
from suan.core.signing import BadSignature, recover, snake_case

CHUNK_ROWS = 500
CLOSED_COLUMNS = ("kind", "runs_delivered", "units")


def check_closes(view: ChainView) -> Iterator[Finding]:
    """Every ended trade has its TradeClosed event of that kind, with the numbers that our row repeats."""
    closed = {event.subject: event for event in view.named("TradeClosed")}
    ended = Trade.objects.filter(status__in=ENDED_STATUSES).exclude(status=REJECTED).select_related("closing")
    for trade in ended.order_by("id").iterator(chunk_size=CHUNK_ROWS):
        view.checked["closes"] = view.checked.get("closes", 0) + 1
        event = closed.get(trade.trade_hash)
        if event is None:
            yield Finding("clearing_trade", trade.trade_id, "status", trade.status, "no TradeClosed event")
            continue
        status = END_STATES[OutcomeKind(int(str(event.args["kind"])))]
        if trade.status != status:
            yield Finding("clearing_trade", trade.trade_id, "status", trade.status, status)
        closing: Closing | None = getattr(trade, "closing", None)
        if closing is None:
            yield Finding(
                "settlement_closing", trade.trade_id, "*", "no row", f"TradeClosed in {event.tx_hash}"
            )
            continue
        expected = {column: str(event.args[column]) for column in CLOSED_COLUMNS} | {
            "transaction": event.tx_hash
        }
        for column, value in expected.items():
            if str(getattr(closing, column)) != value:
                yield Finding(
                    "settlement_closing", trade.trade_id, column, str(getattr(closing, column)), value
                )


def check_settlements(view: ChainView) -> Iterator[Finding]:
    """Every settlement row and every receipt that it decided against the document that was published for it."""
    members = set(view.deployment.verifier_set.members)
    for settlement in SettlementBatch.objects.order_by("id").iterator(chunk_size=CHUNK_ROWS):
        view.checked["settlements"] = view.checked.get("settlements", 0) + 1
        name = f"{settlement.receipts_root}:{settlement.attempt}"
        yield from _signed(settlement, name, members)
        payload = evidence.read("settlements", f"{settlement.receipts_root}.json")
        try:
            document = json.loads(payload or b"")
        except ValueError:
            yield Finding(
                "evidence", f"settlements/{settlement.receipts_root}.json", "*", "missing or not JSON", name
            )
            continue
        for column, value in (("lock_batch", document.get("batch")), ("outcomes", document.get("outcomes"))):
            if getattr(settlement, column) != value:
                yield Finding(
                    "settlement_settlementbatch", name, column, str(getattr(settlement, column)), str(value)
                )
        yield from _receipts(document.get("receipts", []))


def _signed(settlement: SettlementBatch, name: str, members: set[str]) -> Iterator[Finding]:
    for signature in settlement.signatures:
        try:
            signer = recover(from_hex(settlement.verdict_digest), from_hex(signature))
        except (BadSignature, FieldError) as error:
            signer = str(error)
        if signer not in members:
            yield Finding(
                "settlement_settlementbatch", name, "signatures", signature, f"of a verifier, not {signer}"
            )


def _receipts(published: list[dict[str, Any]]) -> Iterator[Finding]:
    rows = {(row["trade"], row["run"]): row for row in published}
    for receipt in Receipt.objects.filter(trade__in={trade for trade, _ in rows}):
        row = rows.get((receipt.trade, receipt.run_index))
        if row is None:
            continue
        yield from _signed_fields(receipt, row)
        for column in ("signature", "verdict", "reason", "confirmed_by", "recount"):
            if getattr(receipt, column) != row[column]:
                yield Finding(
                    "receipts_receipt",
                    receipt.receipt_id,
                    column,
                    str(getattr(receipt, column)),
                    str(row[column]),
                )


def _signed_fields(receipt: Receipt, row: dict[str, Any]) -> Iterator[Finding]:
    """The columns of the signed struct against the struct as published; the digest alone cannot tell which one changed."""
    for label, value in (row["receipt"] or {}).items():
        column = "run_index" if label == "run" else snake_case(label)
        stored = getattr(receipt, column)
        if str(stored) != str(value):
            yield Finding("receipts_receipt", receipt.receipt_id, column, str(stored), str(value))
