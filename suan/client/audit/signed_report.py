"""A report that an auditor signs: what was checked, from what, with which result, by whom. Anybody can check the signature.

What is signed is a text for personal_sign of EIP-191 (`suan.core.signing.audit_report_text`). It names the market, the block, the
number of differences and the SHA-256 of the canonical JSON of `statement`, so a wallet shows what its owner puts a name to.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suan.client.audit.report import Report
from suan.client.audit.run import Wish
from suan.client.errors import UsageError
from suan.client.keystore import LocalKey
from suan.core import encoding, signing
from suan.core.signing import audit_report_text, personal_digest

Json = dict[str, Any]
FORM = "suan audit report 1"
REPORT_BYTES_MAX = 64 * 1024 * 1024
METHODS = {
    "header": "the hash of the block's header, recomputed from its fields",
    "words_proven": "storage of the Market by eth_getProof, against the state root in that header",
    "events": "logs of Market and Registry with the calldata behind them; near the head by block hash, deeper by range",
    "fills_checked": "signatures, limits, quantities and money of both orders, from the calldata of open()",
    "trades_checked": "payment, bond, payout, fee and slash, from the formulas of suan.core.units",
    "clearings_checked": "each auction cleared again from its published order set; root, price and trades compared",
    "orders_checked": "form, hash, signature, terms and acknowledgement of published orders",
    "receipts_checked": "signature, agent key, bid, recount and verdict of receipts; their root is that on chain",
    "runs_recomputed": "jobs run again in the engine of the receipt, a second engine where they differ",
    "money_conserved": "the sum of all accounts is custody, and the contract's tokens (eth_call) are not less",
    "not_proven": "the contract's figures and the token's balance are read with eth_call; which chain this is, the node says",
}


@dataclass(frozen=True)
class Checked:
    """A signed report that was read: `signer` made its signature, over exactly this statement."""

    signer: str
    auditor: str
    statement: Json

    @property
    def genuine(self) -> bool:
        """Whether the auditor that the report names signed it."""
        return self.signer == self.auditor


def statement(report: Report, wish: Wish, *, began_at: int, ended_at: int, version: str) -> Json:
    """What an auditor signs; times in unix seconds, shares in parts per million, money in base units."""
    return {
        "form": FORM,
        "program": f"suan {version}",
        "began_at": began_at,
        "ended_at": ended_at,
        "sources": {
            "evidence": wish.evidence,
            "from_block": wish.first_block,
            "acknowledgements": len(wish.acknowledgements),
            "rerun_ppm": wish.rerun_ppm,
        },
        "methods": METHODS,
        "report": report.to_json(),
    }


def sign(document: Json, key: LocalKey) -> Json:
    """The report file of a statement."""
    digest = personal_digest(_text(document, key.address))
    return {
        "statement": document,
        "auditor": key.address,
        "signature": encoding.to_hex(key.sign_digest(digest)),
    }


def write(path: Path, document: Json) -> None:
    """Write a file whole or not at all. Raises UsageError where nothing can be written."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(json.dumps(document, indent=2, sort_keys=True).encode() + b"\n")
        temporary.replace(path)
    except OSError as error:
        raise UsageError(f"the report cannot be written to {path}: {error}") from error


def read(path: Path) -> Checked:
    """A report file and who signed it. Raises UsageError when it is no such file or its signature is none."""
    try:
        if path.stat().st_size > REPORT_BYTES_MAX:
            raise UsageError(f"{path} is larger than {REPORT_BYTES_MAX} bytes, more than any report")
        document = json.loads(path.read_bytes())
        content, auditor = document["statement"], encoding.normalise_address(document["auditor"])
        digest = personal_digest(_text(content, auditor))
        signature = encoding.from_hex(document["signature"], length=65)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f"{path} is not a signed audit report: {error!r}") from error
    try:
        signer = signing.recover(digest, signature)
    except signing.BadSignature as error:
        raise UsageError(f"the signature in {path} is none: {error}") from error
    return Checked(signer, auditor, content)


def _text(content: Json, auditor: str) -> str:
    report = content["report"]
    return audit_report_text(
        auditor=auditor,
        market=str(report["market"]),
        chain_id=int(report["chain_id"]),
        block=int(report["block"]),
        block_hash=str(report["block_hash"]),
        differences=int(report["differences_total"]),
        sha256=encoding.sha256_hex(encoding.canonical_json(content)),
    )
