"""Receipt rows against what their agents signed, what our verifier sealed and what was published, for ledger.reconciliation.run."""

from __future__ import annotations

from collections.abc import Iterator

from ledger.reconciliation import ChainView, Finding
from marketplace.receipts.models import Receipt
from marketplace.receipts.queries import seal_of, signed_struct
from suan.core.encoding import from_hex
from suan.core.ids import rcp_id
from suan.core.problems import FieldError
from suan.core.signing import BadSignature, Domain, ReceiptAcknowledgement, market_domain, recover

TABLE = "receipts_receipt"
CHUNK_ROWS = 500


def check_receipts(view: ChainView) -> Iterator[Finding]:
    """The struct of every receipt has the digest that names it and the signature of its agent; the seal covers the rest."""
    domain = market_domain(view.deployment.chain_id, view.deployment.market)
    rows = Receipt.objects.select_related("run__trade").order_by("id")
    for receipt in rows.iterator(chunk_size=CHUNK_ROWS):
        view.checked["receipts"] = view.checked.get("receipts", 0) + 1
        name = receipt.receipt_id
        try:
            digest = signed_struct(receipt).digest(domain)
            signer = recover(digest, from_hex(receipt.signature))
        except (FieldError, BadSignature) as error:
            yield Finding(TABLE, name, "signature", receipt.signature, str(error))
            continue
        if rcp_id(digest) != receipt.receipt_id:
            yield Finding(TABLE, name, "receipt_id", receipt.receipt_id, rcp_id(digest))
        for column, expected in (
            ("agent", signer),
            ("trade", receipt.run.trade.trade_hash),
            ("run_index", str(receipt.run.index)),
            ("seal", seal_of(receipt)),
        ):
            if str(getattr(receipt, column)) != expected:
                yield Finding(TABLE, name, column, str(getattr(receipt, column)), expected)
        yield from _acknowledged(receipt, digest, domain, view.deployment.acknowledger)


def _acknowledged(receipt: Receipt, digest: bytes, domain: Domain, ours: str) -> Iterator[Finding]:
    """Our word on a receipt is of our key; receipts of before we gave it have none."""
    if not receipt.acknowledgement:
        return
    try:
        signer = recover(
            ReceiptAcknowledgement(digest).digest(domain), from_hex(receipt.acknowledgement, length=65)
        )
    except (FieldError, BadSignature) as error:
        signer = str(error)
    if signer != ours:
        yield Finding(TABLE, receipt.receipt_id, "acknowledgement", signer, ours)
