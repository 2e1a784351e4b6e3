"""Receipts for auditors: those that are under a root which the contract logged, as of a block."""

from __future__ import annotations

from django.db.models import Exists, OuterRef

from ledger.explorer import PLACE, AsOf, Facts, Filter, Listing, Row, address, choice, facts, identity, word
from marketplace.receipts.models import Receipt
from suan.core.contract import ReceiptVerdict
from suan.core.encoding import from_hex
from suan.core.ids import bat_id

SETTLEMENT = "run__trade__closing__settlement"
VERDICTS = {int(verdict): verdict.name.lower() for verdict in ReceiptVerdict}
STRUCT = {
    "module": "SHA-256 of the code",
    "input": "SHA-256 of the input",
    "output": "SHA-256 of the output",
    "seed": "seed of the run",
    "fp64": "FP64 operations",
    "fp32": "FP32 operations",
    "integer": "integer operations",
    "memory_control": "memory and control operations",
    "fuel": "fuel of the engine",
    "engine": "engine of the agent",
    "profile": "profile of the run",
    "exit_reason": "why the run ended (docs/protocol.md section 3)",
}
TEXTS = ("fp64", "fp32", "integer", "memory_control", "fuel")


def receipts(
    at: AsOf, *, trade: str = "", agent: str = "", batch: str = "", root: str = "", verdict: str = ""
) -> Facts:
    """Receipts whose root is in a canonical block at or below the block; key: order of arrival."""
    logged = facts.roots_at(at).filter(
        subject=OuterRef(f"{SETTLEMENT}__lock_batch"), root=OuterRef(f"{SETTLEMENT}__receipts_root")
    )
    rows = Receipt.objects.filter(Exists(logged)).select_related(SETTLEMENT)
    rows = rows.filter(trade=trade) if trade else rows
    rows = rows.filter(agent=agent) if agent else rows
    rows = rows.filter(**{f"{SETTLEMENT}__lock_batch": batch}) if batch else rows
    rows = rows.filter(**{f"{SETTLEMENT}__receipts_root": root}) if root else rows
    if verdict:
        rows = rows.filter(verdict=next(number for number, name in VERDICTS.items() if name == verdict))
    return Facts(rows, "id", lambda found: _rows(at, found))


def _rows(at: AsOf, found: list[Receipt]) -> list[Row]:
    settled = [receipt.run.trade.closing.settlement for receipt in found]
    events = facts.roots_at(at).filter(subject__in={settlement.lock_batch for settlement in settled})
    logged = {(event.subject, event.args["receipts_root"]): event for event in events}
    rows = []
    for receipt, settlement in zip(found, settled, strict=True):
        event = logged[settlement.lock_batch, settlement.receipts_root]
        rows.append(
            {
                "receipt_id": receipt.receipt_id,
                "trade_id": f"trd_{receipt.trade}",
                "run": receipt.run_index,
                "verdict": VERDICTS[receipt.verdict],
                "units": str(receipt.units),
                "agent": receipt.agent,
                **{name: getattr(receipt, name) for name in STRUCT},
                **{name: str(getattr(receipt, name)) for name in TEXTS},
                "submitted_at": receipt.submitted_at,
                "verified_at": receipt.verified_at,
                "receipts_root": settlement.receipts_root,
                "batch_id": bat_id(from_hex(settlement.lock_batch)),
                "tx_hash": event.tx_hash,
                **facts.place(at, event.block),
            }
        )
    return rows


RECEIPTS = Listing(
    "receipts",
    "Receipts under a root that the contract logged",
    {
        "receipt_id": "rcp_…",
        "trade_id": "trade of the run",
        "run": "index of the run",
        "verdict": "accepted, rejected or undecided",
        "units": "work units billed (accepted) or recomputed (rejected)",
        "agent": "key that signed it",
        **STRUCT,
        "submitted_at": "unix seconds at which it came",
        "verified_at": "unix seconds of the verdict",
        "receipts_root": "root it is under",
        "batch_id": "lock batch of its trade",
        "tx_hash": "transaction that logged the root",
        **PLACE,
    },
    receipts,
    {
        "trade": Filter(identity("trd"), "of this trade"),
        "agent": Filter(address, "signed by this key"),
        "batch": Filter(identity("bat"), "of trades of this lock batch"),
        "root": Filter(word, "under this root"),
        "verdict": choice(*list(VERDICTS.values())[1:]),
    },
)
