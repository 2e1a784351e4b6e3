"""What may be asked of receipts; reads only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from marketplace.problems import NotFound
from marketplace.receipts.models import Receipt
from marketplace.signed import restored
from suan.core.contract import ReceiptVerdict
from suan.core.delivery import Counters, ExitReason
from suan.core.delivery import Receipt as SignedReceipt
from suan.core.encoding import canonical_json, keccak, to_hex
from suan.core.ids import parse_id, rcp_id
from suan.core.problems import FieldError
from suan.core.settlement import VerifiedRun
from suan.core.units import WorkUnits

RENAMED = {"run": "run_index"}
"""Fields of the signed receipt whose column has another name."""
SEALED_COLUMNS = (
    "receipt_id", "run_id", "signature", "agent", "submitted_at", "status", "verdict", "reason", "units", "verified_at",
    "parked_at", "recount", "confirmed_by",
)  # fmt: skip


def receipt_by_id(receipt_id: str) -> Receipt:
    """The receipt called rcp_0x…. Raises NotFound."""
    try:
        wanted = rcp_id(parse_id(receipt_id, prefix="rcp"))
    except FieldError as error:
        raise NotFound(f"There is no such receipt: {error.problem.message}") from None
    found = Receipt.objects.filter(receipt_id=wanted).select_related("run__trade").first()
    if found is None:
        raise NotFound("There is no receipt with this id.")
    return found


def parked() -> Iterable[Receipt]:
    """Receipts that nobody is paid for because our engines disagree or could not finish; for the status page."""
    return Receipt.objects.exclude(parked_at=None).order_by("-parked_at", "-id")


def backlog() -> int:
    """Receipts that wait for their verdict."""
    return Receipt.objects.filter(status="submitted", parked_at=None).count()


def signed_struct(receipt: Receipt) -> SignedReceipt:
    """The EIP-712 struct that the agent signed, rebuilt from its columns."""
    return restored(SignedReceipt, receipt, RENAMED)


def seal_of(receipt: Receipt) -> str:
    """keccak256 of what the exchange itself wrote about a receipt; the receipt's digest covers what the agent signed.

    Whoever changes a column by hand leaves a seal that does not fit, which verify_ledger names. It is no signature.
    """
    values = {name: getattr(receipt, name) for name in SEALED_COLUMNS}
    return to_hex(
        keccak(canonical_json(values | {"units": str(receipt.units), "verdict": int(receipt.verdict)}))
    )


def counters_of(receipt: Receipt) -> Counters:
    """The four counters as the receipt states them."""
    return Counters(receipt.fp64, receipt.fp32, receipt.integer, receipt.memory_control)


def verified_run(receipt: Receipt | None, run: int) -> VerifiedRun:
    """What settlement may count of one run: the verdict and the recomputed work, never the claimed."""
    if receipt is None:
        return VerifiedRun.missing(run)
    return VerifiedRun(
        run=run,
        verdict=ReceiptVerdict(receipt.verdict),
        exit_reason=ExitReason(receipt.exit_reason),
        counted=WorkUnits(int(receipt.units)),
    )


def render(receipt: Receipt) -> dict[str, Any]:
    """The receipt as the API shows it."""
    return {
        "receipt_id": receipt.receipt_id,
        "trade_id": f"trd_{receipt.trade}",
        "run": receipt.run_index,
        "receipt": signed_struct(receipt).to_json(),
        "signature": receipt.signature,
        "agent": receipt.agent,
        "acknowledgement": receipt.acknowledgement,
        "status": receipt.status,
        "parked": receipt.parked_at is not None,
        "verdict": receipt.verdict,
        "reason": receipt.reason,
        "units": str(receipt.units),
        "confirmed_by": receipt.confirmed_by,
        "recount": receipt.recount,
        "submitted_at": receipt.submitted_at,
        "verified_at": receipt.verified_at,
    }
