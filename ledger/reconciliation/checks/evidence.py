"""Files of evidence against their rows, anchors against files and the log on chain."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from ledger import conf
from ledger.models import Anchor, EvidenceFile
from ledger.reconciliation.finding import ChainView, Finding
from suan.core.encoding import from_hex, to_hex
from suan.core.evidence import EMPTY_HEAD, files_root, kind_word, next_head


def check_evidence(view: ChainView) -> Iterator[Finding]:
    """Every indexed file is there with its size; with `deep`, with its bytes."""
    for row in EvidenceFile.objects.order_by("id").iterator(chunk_size=500):
        view.checked["evidence"] = view.checked.get("evidence", 0) + 1
        path = conf.evidence_dir() / row.kind / row.name
        if not path.is_file():
            yield Finding("ledger_evidencefile", str(row), "name", str(row), "no such file")
        elif path.stat().st_size != row.size:
            yield Finding("ledger_evidencefile", str(row), "size", str(row.size), str(path.stat().st_size))
        elif view.deep:
            found = "0x" + hashlib.sha256(path.read_bytes()).hexdigest()
            if found != row.sha256:
                yield Finding("ledger_evidencefile", str(row), "sha256", row.sha256, found)


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
