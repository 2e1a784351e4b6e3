"""Anchors: roots over published evidence, appended to the EvidenceLog contract, one chain of roots for each kind.

A file of evidence waits until the next anchor of its kind takes it up. An anchor is a row, the published list of its files
(`anchors/<root>.json`) and one outgoing transaction, all made in one database transaction; the relayer sends it and is the
publisher on chain. The sender keeps the order of its transactions, so the number of a row is its number on chain.
`manage.py verify_ledger` compares files, rows and the log (`check_anchors`).

Known limit: seals are not anchored. They are signatures over files that are anchored themselves.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.db import transaction

from ledger import evidence, queries
from ledger.audit import ChainView, Finding
from ledger.models import Anchor, EvidenceFile
from ledger.outgoing import plan
from suan.core.abi import encode_call
from suan.core.anchors import EMPTY_HEAD, files_root, kind_word, next_head
from suan.core.identity import canonical_json, from_hex, to_hex

ANCHORED = ("orders", "terms", "acknowledgements", "cancels", "clearings", "settlements", "objects")
FILES_PER_ANCHOR_MAX = 5_000


def anchor_all() -> int:
    """Anchor what waits, at most FILES_PER_ANCHOR_MAX files of each kind; returns the number of anchors made."""
    return sum(anchor(kind) is not None for kind in ANCHORED)


@transaction.atomic
def anchor(kind: str, *, limit: int = FILES_PER_ANCHOR_MAX) -> Anchor | None:
    """The next anchor of a kind, over at most `limit` files, or None when no file waits.

    Two callers at once never take up a file twice: the files are locked, and a number is unique within its kind.
    """
    waiting = EvidenceFile.objects.select_for_update().filter(kind=kind, anchor=None).order_by("id")
    files = list(waiting[:limit])
    if not files:
        return None
    root = files_root([(file.name, from_hex(file.sha256)) for file in files])
    row = Anchor.objects.create(
        kind=kind,
        number=Anchor.objects.filter(kind=kind).count(),
        root=to_hex(root),
        count=len(files),
    )
    EvidenceFile.objects.filter(pk__in=[file.pk for file in files]).update(anchor=row)
    entries = [{"name": file.name, "sha256": file.sha256} for file in files]
    evidence.publish("anchors", row.root, canonical_json({"kind": kind, "files": entries}))
    plan(
        key=f"anchor:{kind}:{row.number}",
        signer="relayer",
        to=queries.deployment().evidence_log,
        calldata=encode_call("append", kind_word(kind), root, row.count),
    )
    return row


def check_anchors(view: ChainView) -> Iterator[Finding]:
    """Every anchor's root stands over its files, and the log on chain has our anchors, no others, under the right heads."""
    table, told = "ledger_anchor", _anchors_told(view)
    heads: dict[str, bytes] = defaultdict(lambda: EMPTY_HEAD)
    for (kind, number), values in told.items():
        heads[kind] = next_head(
            heads[kind],
            publisher=view.deployment.relayer,
            kind=from_hex(kind),
            number=number,
            root=from_hex(values["root"]),
            count=values["count"],
        )
        if values["head"] != to_hex(heads[kind]):
            yield Finding(table, f"{kind}/{number}", "head", to_hex(heads[kind]), values["head"])
    for row in Anchor.objects.order_by("kind", "number").prefetch_related("files"):
        view.checked["anchors"] = view.checked.get("anchors", 0) + 1
        files = [(file.name, from_hex(file.sha256)) for file in row.files.all()]
        if row.count != len(files):
            yield Finding(table, str(row), "count", str(row.count), str(len(files)))
        root = to_hex(files_root(files)) if files else "no files"
        if row.root != root:
            yield Finding(table, str(row), "root", row.root, root)
        entry = told.pop((to_hex(kind_word(row.kind)), row.number), None)
        for column, stored in (("root", row.root), ("count", row.count)):
            if entry is not None and stored != entry[column]:
                yield Finding(table, str(row), column, str(stored), f"{entry[column]} on chain")
    for (kind, number), values in told.items():
        yield Finding(table, f"{kind}/{number}", "*", "no row", f"{values['root']} on chain")


def _anchors_told(view: ChainView) -> dict[tuple[str, int], dict[str, Any]]:
    """(kind, number) -> arguments of every entry that our publisher, the relayer, has in the log, in chain order."""
    known = view.deployment
    return {
        (str(event.args["kind"]), int(str(event.args["number"]))): event.args
        for event in view.named("EvidenceAnchored")
        if event.address == known.evidence_log and event.args["publisher"] == known.relayer
    }
