"""A receipt's proof of inclusion as a file: everything that is needed to check it, and what each check found.

The file is canonical JSON with exactly the fields of `FIELDS`. `leaf_encoding`, `value`, `proof` and `root` are what
StandardMerkleTree.verify of @openzeppelin/merkle-tree and MerkleProof.verify of @openzeppelin/contracts take, so one
file is checked in Python, JavaScript and Solidity. `value` is (receipt digest, trade, run, verdict) as decimal and hex
text. `digest` is keccak256 of the canonical JSON of all other fields: a changed byte anywhere is noticed, by whoever
recomputes it; it is no signature. Batch, contract and transaction are statements until they are compared with the
chain, where the contract logged the root (`suan verify proof FILE --rpc URL`).

Source: docs/protocol.md section 4 (receipts tree) and section 9 (the file).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from suan.core.contract import EVENTS, RECEIPT_LEAF_TYPES, ReceiptLeaf, ReceiptVerdict, receipts_tree
from suan.core.encoding import canonical_json, from_hex, keccak, normalise_address, to_hex
from suan.core.ids import parse_id, rcp_id, trd_id
from suan.core.merkle import leaf_hash, node_hash
from suan.core.problems import FieldError

KIND: Final = "receipt-inclusion"
PROOF_BYTES_MAX: Final = 64 * 1024
PROOF_NODES_MAX: Final = 64
"""A tree of 2^64 leaves; no file is longer."""
FIELDS: Final = (
    "batch", "block_hash", "block_number", "chain_id", "contract", "digest", "kind", "leaf", "leaf_encoding", "proof",
    "receipt", "root", "trade", "transaction", "value", "version",
)  # fmt: skip

ROOT_EVENTS: Final = tuple(
    name
    for name, event in EVENTS.items()
    if {"batch_id", "receipts_root"} <= {parameter.name for parameter in event.parameters}
)
"""Events of the Market that log the root of a close's receipts."""


@dataclass(frozen=True)
class Check:
    """One step of a verification: what was asked, whether it holds, and both values.

    `passed` is None when the step cannot be made yet; `found` then says why.
    """

    name: str
    passed: bool | None
    expected: str
    found: str

    def to_json(self) -> dict[str, Any]:
        return {"check": self.name, "passed": self.passed, "expected": self.expected, "found": self.found}


@dataclass(frozen=True)
class Anchor:
    """Where a root is on chain: the lock batch whose close carries it, and the transaction once it is in a block."""

    batch: bytes
    chain_id: int
    contract: str
    transaction: str | None = None
    block_number: int | None = None
    block_hash: str | None = None


def receipt_proof(leaves: Sequence[ReceiptLeaf], index: int, anchor: Anchor) -> bytes:
    """The file that proves leaf `index` under the root of all leaves of one close.

    Raises ValueError for a run without a receipt: there is nothing to name.
    """
    digest, trade, run, verdict, units = leaves[index]
    if verdict == ReceiptVerdict.MISSING:
        raise ValueError(f"run {run} has no receipt; its leaf says so")
    tree = receipts_tree(leaves)
    body: dict[str, Any] = {
        "batch": f"bat_{to_hex(anchor.batch)}",
        "block_hash": anchor.block_hash,
        "block_number": anchor.block_number,
        "chain_id": anchor.chain_id,
        "contract": anchor.contract,
        "kind": KIND,
        "leaf": to_hex(tree.leaves[index]),
        "leaf_encoding": list(RECEIPT_LEAF_TYPES),
        "proof": [to_hex(node) for node in tree.proof(index)],
        "receipt": rcp_id(digest),
        "root": to_hex(tree.root),
        "trade": trd_id(trade),
        "transaction": anchor.transaction,
        "value": [to_hex(digest), to_hex(trade), str(run), str(verdict), str(units)],
        "version": 1,
    }
    return canonical_json(body | {"digest": to_hex(keccak(canonical_json(body)))})


def read_proof(data: bytes) -> dict[str, Any]:
    """The fields of a proof file. Raises FieldError that names the first one which is not as it must be."""
    if len(data) > PROOF_BYTES_MAX:
        raise FieldError("file", "too_large", f"a proof has at most {PROOF_BYTES_MAX} bytes; this is none.")
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        raise FieldError("file", "not_json", "it is not JSON; give the file as it was downloaded.") from None
    if not isinstance(body, dict) or body.get("kind") != KIND:
        raise FieldError("kind", "unknown", f"it is no proof: `kind` must be {KIND!r}.")
    for name in (*FIELDS, *body):
        if (name in body) != (name in FIELDS):
            missing = "is missing" if name in FIELDS else "is not a field of a proof"
            raise FieldError(str(name)[:80], "fields", f"{missing}; take the file as it was downloaded.")
    if body["version"] != 1 or body["leaf_encoding"] != list(RECEIPT_LEAF_TYPES):
        raise FieldError(
            "version", "unknown", "this program reads version 1 with the leaf of docs/protocol.md."
        )
    _shapes(body)
    return body


def check_proof(data: bytes) -> list[Check]:
    """Every step from the file's bytes to its root, with the values of each; all passed means: the receipt is in it.

    Raises FieldError when it is no proof file at all.
    """
    body = read_proof(data)
    rest = {name: value for name, value in body.items() if name != "digest"}
    value = _leaf(body["value"])
    digest, trade = value[:2]
    leaf = leaf_hash(RECEIPT_LEAF_TYPES, value)
    node = leaf
    for sibling in body["proof"]:
        node = node_hash(node, from_hex(sibling))
    canonical = canonical_json(body)
    return [
        _equal("canonical", to_hex(keccak(canonical)), to_hex(keccak(data))),
        _equal("digest", to_hex(keccak(canonical_json(rest))), body["digest"]),
        _equal("receipt", rcp_id(digest), body["receipt"]),
        _equal("trade", trd_id(trade), body["trade"]),
        _equal("leaf", to_hex(leaf), body["leaf"]),
        _equal("root", to_hex(node), body["root"]),
    ]


def check_anchor(body: Mapping[str, Any], logged: Mapping[str, Any] | None) -> list[Check]:
    """Compare what a file says of the chain with what was read there.

    logged: `{root, batch, transaction, block_hash, contract, chain_id}` of the event that carries the root, or None
    when the contract logged no such root.
    """
    if logged is None:
        return [Check("anchored", None, body["root"], "no event of the contract carries this root yet")]
    names = ("root", "batch", "contract", "chain_id")
    said = [name for name in ("transaction", "block_hash") if body[name] is not None]
    return [_equal(f"anchored {name}", str(logged[name]), str(body[name])) for name in (*names, *said)]


def passed(checks: Sequence[Check]) -> bool:
    """Whether every step was made and holds."""
    return bool(checks) and all(check.passed for check in checks)


def _equal(name: str, expected: str, found: str) -> Check:
    return Check(name, expected == found, expected, found)


def _leaf(value: Sequence[str]) -> ReceiptLeaf:
    return from_hex(value[0]), from_hex(value[1]), int(value[2]), int(value[3]), int(value[4])


def _shapes(body: Mapping[str, Any]) -> None:
    for name in ("leaf", "root", "digest"):
        from_hex(body[name], field=name, length=32)
    for name in ("transaction", "block_hash"):
        if body[name] is not None:
            from_hex(body[name], field=name, length=32)
    for name, prefix in (("receipt", "rcp"), ("trade", "trd"), ("batch", "bat")):
        parse_id(body[name], prefix=prefix)
    normalise_address(body["contract"])
    _number(body["chain_id"], "chain_id")
    if body["block_number"] is not None:
        _number(body["block_number"], "block_number")
    proof, value = body["proof"], body["value"]
    if not isinstance(proof, list) or len(proof) > PROOF_NODES_MAX:
        raise FieldError("proof", "not_a_list", f"a list of at most {PROOF_NODES_MAX} hashes is needed.")
    for node in proof:
        from_hex(node, field="proof", length=32)
    if not isinstance(value, list) or len(value) != len(RECEIPT_LEAF_TYPES):
        raise FieldError("value", "not_a_leaf", "receipt digest, trade, run, verdict and units are needed.")
    for item in value[:2]:
        from_hex(item, field="value", length=32)
    for item, bits in zip(value[2:], (32, 8, 64), strict=True):
        if not (isinstance(item, str) and item.isascii() and item.isdigit() and str(int(item[:20])) == item):
            raise FieldError("value", "not_a_number", "run, verdict and units are decimal text.")
        if int(item) >= 2**bits:
            raise FieldError("value", "too_high", f"a uint{bits} is needed.")


def _number(value: Any, field: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise FieldError(field, "not_a_number", "a whole number is needed.")
