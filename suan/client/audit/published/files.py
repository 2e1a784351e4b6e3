"""Files that the chain does not lead to: every published document is looked at once, whoever it belongs to.

An order that never traded, its terms, acknowledgement and cancellation are promises too; a seal or an acknowledgement
without its document says that something was withdrawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from suan.client.audit.published.orders import OrderShelf
from suan.client.audit.report import Report
from suan.client.audit.source.evidence import Evidence, hash_in
from suan.client.audit.store.tables import Store
from suan.core import encoding

ORDER_KINDS = ("orders", "acknowledgements", "cancels")
SEALED_KINDS = ("clearings", "settlements")


def check_published(
    evidence: Evidence,
    shelf: OrderShelf,
    report: Report,
    store: Store,
    between: Callable[[int], None] = lambda _: None,
) -> None:
    """Check all published orders, acknowledgements, cancellations, terms and seals by their names and content.

    `between` two of them gets the number of files so far.
    """
    looked = 0

    def unseen(kind: str) -> Iterator[str]:
        nonlocal looked
        for name in evidence.names(kind):
            if store.once(f"published {kind}", name):
                yield name
                looked += 1
                between(looked)

    for kind in ORDER_KINDS:
        for name in unseen(kind):
            _order(shelf, report, kind, name)
    for name in unseen("terms"):
        _terms(evidence, report, name)
    sealed = store.table("sealed documents")
    for kind in SEALED_KINDS:
        for name in evidence.names(kind):
            sealed.setdefault(name, kind)
            store.settle()
    for name in unseen("seals"):
        if name not in sealed:
            report.differ(f"seals/{name}", "sealed document", "published", "missing")


def _order(shelf: OrderShelf, report: Report, kind: str, name: str) -> None:
    digest = hash_in(name, "ord_")
    if digest is None:
        report.differ(f"{kind}/{name}", "name", "ord_0x… and the id's 64 digits", name)
        return
    order_hash = encoding.to_hex(digest)
    published = shelf.find(order_hash)
    if kind == "cancels" and published is not None:
        shelf.cancelled(order_hash, published.order)


def _terms(evidence: Evidence, report: Report, name: str) -> None:
    """Terms are named by the keccak256 of their canonical JSON, so their bytes need no reading to be checked."""
    data, digest = evidence.read("terms", name), hash_in(name)
    if data is None or digest is None:
        report.differ(f"terms/{name}", "name", "0x… and the 64 digits of a hash", name)
        return
    report.files_checked += 1
    report.expect(f"terms/{name}", "hash", encoding.to_hex(digest), encoding.to_hex(encoding.keccak(data)))
