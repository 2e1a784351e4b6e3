"""Published evidence under roots on chain: anchors of files, and proof files that anybody checks."""

from suan.core.evidence import proofs
from suan.core.evidence.anchors import EMPTY_HEAD, files_root, kind_word, next_head
from suan.core.evidence.answers import Answers, acknowledged, leaf_of
from suan.core.evidence.proofs import (
    PROOF_BYTES_MAX,
    ROOT_EVENTS,
    Anchor,
    Check,
    check_anchor,
    check_proof,
    passed,
    read_proof,
    receipt_proof,
)

__all__ = [
    "Anchor",
    "Answers",
    "Check",
    "EMPTY_HEAD",
    "PROOF_BYTES_MAX",
    "ROOT_EVENTS",
    "acknowledged",
    "check_anchor",
    "check_proof",
    "files_root",
    "kind_word",
    "leaf_of",
    "next_head",
    "passed",
    "proofs",
    "read_proof",
    "receipt_proof",
]
