"""The published document behind one close: every run of every trade it names, with receipt, verdict and recount.

Anybody rebuilds from it the root that the contract logged (docs/protocol.md, sections 4 and 5). The document is
canonical JSON, so the same facts give the same bytes, and publishing it again is no news.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger import evidence
from ledger import queries as ledger
from marketplace.problems import NotReady
from marketplace.receipts.models import Receipt
from marketplace.receipts.queries import signed_struct, verified_run
from suan.core.contract import Outcome, ReceiptLeaf, ReceiptVerdict, Record, receipts_root
from suan.core.encoding import ZERO_BYTES32, canonical_json, to_hex
from suan.core.evidence import Answers, leaf_of
from suan.core.ids import parse_id
from suan.core.signing import Domain, market_domain
from suan.core.units import WorkUnits


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """One run of a closing trade; `receipt` is None when none came."""

    trade: bytes
    run: int
    receipt: Receipt | None
    ceiling: WorkUnits

    @property
    def units(self) -> WorkUnits:
        """What a paid trade bills for this run."""
        return verified_run(self.receipt, self.run).billed(self.ceiling)

    @property
    def leaf(self) -> ReceiptLeaf:
        if self.receipt is None:
            return (ZERO_BYTES32, self.trade, self.run, int(ReceiptVerdict.MISSING), 0)
        return (parse_id(self.receipt.receipt_id), self.trade, self.run, self.receipt.verdict, self.units)

    def to_json(self) -> dict[str, Any]:
        receipt = self.receipt
        return {
            "trade": to_hex(self.trade),
            "run": self.run,
            "receipt": None if receipt is None else signed_struct(receipt).to_json(),
            "signature": "" if receipt is None else receipt.signature,
            "verdict": int(ReceiptVerdict.MISSING) if receipt is None else receipt.verdict,
            "units": str(self.units),
            "reason": "no receipt came" if receipt is None else receipt.reason,
            "confirmed_by": "" if receipt is None else receipt.confirmed_by,
            "recount": None if receipt is None else receipt.recount,
        }


def root_of(runs: Sequence[RunOutcome]) -> bytes:
    """The receiptsRoot that close() carries."""
    return receipts_root([run.leaf for run in runs])


def outcome_rows(records: Sequence[Record], outcomes: Mapping[bytes, Outcome]) -> list[dict[str, Any]]:
    """Outcomes in the order of the records of the call."""
    return [
        {
            "trade": to_hex(record.trade),
            "kind": int(outcomes[record.trade].kind),
            "runs_delivered": outcomes[record.trade].runs_delivered,
            "units": str(outcomes[record.trade].units),
        }
        for record in records
    ]


def document(*, batch: bytes, outcomes: list[dict[str, Any]], runs: Sequence[RunOutcome]) -> bytes:
    """The bytes that are published as settlements/0x<receiptsRoot>.json."""
    ordered = sorted(runs, key=lambda run: (run.trade, run.run))
    return canonical_json(
        {"batch": to_hex(batch), "outcomes": outcomes, "receipts": [run.to_json() for run in ordered]}
    )


def published_leaves(root: str) -> list[ReceiptLeaf]:
    """The leaves of a published settlement, in its order. Raises NotReady when it is not published."""
    domain = _domain()
    return [leaf_of(row, domain) for row in _published_rows(root)]


def published_answers(root: str) -> Answers:
    """What a published settlement can show to whoever asks for its receipts. Raises NotReady when it is not published."""
    return Answers(_published_rows(root), _domain())


def _published_rows(root: str) -> list[dict[str, Any]]:
    data = evidence.read("settlements", root)
    if data is None:
        raise NotReady(f"The settlement {root} is not published yet; ask again in a moment.")
    rows: list[dict[str, Any]] = json.loads(data)["receipts"]
    return rows


def _domain() -> Domain:
    known = ledger.deployment()
    return market_domain(known.chain_id, known.market)
