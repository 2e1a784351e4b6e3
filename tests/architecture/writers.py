"""Who writes rows: an allow-list over every module, so that a new writer is a decision and not an accident."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.architecture.source import Source

SERVER = ("ledger", "marketplace", "frontend")
WRITERS = {
    r"marketplace/\w+/actions\.py": "the verbs of a room",
    r"marketplace/\w+/verbs/\w+\.py": "the same, by group",
    r"ledger/journal/(verbs|rows)\.py": "transfers and accounts",
    r"ledger/journal/posting\.py": "which events are posted, and how far",
    r"ledger/outbox/\w+\.py": "planned transactions, their attempts, the nonces of signers",
    r"ledger/indexer/\w+\.py": "blocks, events, cursors, halts, and tables made again from them",
    r"ledger/evidence/(files|anchors)\.py": "which files are published and anchored",
    r"ledger/control/kill_switch\.py": "the log of the kill switch",
    r"ledger/custodial\.py": "keys that the platform keeps",
    r"ledger/reconciliation/run\.py": "what a reconciliation found",
}
"""What each writer writes, by the files that do it. An entry that no longer writes must go."""

LESSON = (
    "Only verbs write rows: move the write into the room's actions.py or verbs/, and call the action. "
    "A new kind of writer is named in tests/architecture/writers.py with what it writes."
)

_MANAGER_VERBS = frozenset({"create", "bulk_create", "bulk_update", "get_or_create", "update_or_create"})
_ROW_VERBS = frozenset({"save", "delete"})
_SQL = re.compile(r"\b(INSERT INTO|DELETE FROM|TRUNCATE|UPDATE\s+\S+\s+SET)\b|\bnextval\(")


def strangers(source: Source) -> list[str]:
    """Places outside the allow-list that write rows."""
    allowed = [re.compile(pattern) for pattern in WRITERS]
    return [
        place
        for path in source.files(*SERVER)
        if not any(pattern.fullmatch(str(path)) for pattern in allowed)
        for place in writes_in(source, path)
    ]


def idle(source: Source) -> list[str]:
    """Entries of the allow-list under which no file writes any more."""
    writing = [str(path) for path in source.files(*SERVER) if any(writes_in(source, path))]
    return [pattern for pattern in WRITERS if not any(re.fullmatch(pattern, path) for path in writing)]


def writes_in(source: Source, path: Path) -> list[str]:
    return list(source.places(path, _writes))


def _writes(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and _SQL.search(node.value) is not None
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    verb = node.func.attr
    if verb in _ROW_VERBS:
        return True
    if verb in _MANAGER_VERBS:
        receiver = ast.unparse(node.func.value)
        return "objects" in receiver or "_manager" in receiver or receiver.endswith("_set")
    if verb != "update" or node.args or not node.keywords:
        return False
    # A query set is updated by keywords; a dictionary, as a form's attributes are one, is no row.
    return not ast.unparse(node.func.value).endswith(".attrs")
