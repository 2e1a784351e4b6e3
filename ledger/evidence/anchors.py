"""Anchors: roots over published evidence, appended to the EvidenceLog contract, one chain of roots for each kind.

A file of evidence waits until the next anchor of its kind takes it up. An anchor is a row, the published list of its files
(`anchors/<root>.json`) and one outgoing transaction, all made in one database transaction; the relayer sends it and is the
publisher on chain. The sender keeps the order of its transactions, so the number of a row is its number on chain.
`manage.py verify_ledger` compares files, rows and the log (`check_anchors`).

Known limit: seals are not anchored. They are signatures over files that are anchored themselves.
"""

from django.db import transaction

from ledger import queries
from ledger.evidence.files import publish
from ledger.models import Anchor, EvidenceFile
from ledger.outbox import plan
from suan.core.contract import encode_call
from suan.core.encoding import canonical_json, from_hex, to_hex
from suan.core.evidence import files_root, kind_word

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
    publish("anchors", row.root, canonical_json({"kind": kind, "files": entries}))
    plan(
        key=f"anchor:{kind}:{row.number}",
        signer="relayer",
        to=queries.deployment().evidence_log,
        calldata=encode_call("append", kind_word(kind), root, row.count),
    )
    return row
