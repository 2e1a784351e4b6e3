"""Files that the chain does not lead to: every published document is looked at once, whoever it belongs to.

An order that never traded, its terms, acknowledgement and cancellation are promises too; a seal or an acknowledgement
without its document says that something was withdrawn.
"""

from __future__ import annotations

from collections.abc import Callable

from suan.client.audit.evidence import Evidence, hash_in
from suan.client.audit.orders import OrderShelf
from suan.client.audit.report import Report
from suan.core import identity

ORDER_KINDS = ("orders", "acknowledgements", "cancels")


def check_published(
    evidence: Evidence, shelf: OrderShelf, report: Report, progress: Callable[[str], None] = lambda _: None
) -> None:
    """Check all published orders, acknowledgements, cancellations, terms and seals by their names and content."""
    for kind in ORDER_KINDS:
        progress(f"checking published {kind}")
        for name in evidence.names(kind):
            digest = hash_in(name, "ord_")
            if digest is None:
                report.differ(f"{kind}/{name}", "name", "ord_0x… and the id's 64 digits", name)
                continue
            order_hash = identity.to_hex(digest)
            published = shelf.find(order_hash)
            if kind == "cancels" and published is not None:
                shelf.cancelled(order_hash, published.order)
    progress("checking published terms and seals")
    for name in evidence.names("terms"):
        _terms(evidence, report, name)
    sealed = {*evidence.names("clearings"), *evidence.names("settlements")}
    for name in evidence.names("seals"):
        if name not in sealed:
            report.differ(f"seals/{name}", "sealed document", "published", "missing")


def _terms(evidence: Evidence, report: Report, name: str) -> None:
    """Terms are named by the keccak256 of their canonical JSON, so their bytes need no reading to be checked."""
    data, digest = evidence.read("terms", name), hash_in(name)
    if data is None or digest is None:
        report.differ(f"terms/{name}", "name", "0x… and the 64 digits of a hash", name)
        return
    report.files_checked += 1
    report.expect(f"terms/{name}", "hash", identity.to_hex(digest), identity.to_hex(identity.keccak(data)))
