"""What answers the claim that there is no receipt for a run, from the published settlement or from the exchange's word.

Source: docs/protocol.md section 4 (receipts tree, reveal) and section 5 (settlements).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from suan.core.contract import OutcomeKind, ReceiptLeaf, ReceiptVerdict, Shown, receipts_tree
from suan.core.delivery import Receipt
from suan.core.encoding import ZERO_BYTES32, from_hex
from suan.core.signing import Domain

Row = Mapping[str, Any]


def leaf_of(row: Row, domain: Domain) -> ReceiptLeaf:
    """The leaf of one of the `receipts` of a published settlement. Raises FieldError, KeyError for what is none."""
    digest = ZERO_BYTES32 if row["receipt"] is None else Receipt.from_json(row["receipt"]).digest(domain)
    return digest, from_hex(row["trade"], length=32), int(row["run"]), int(row["verdict"]), int(row["units"])


class Answers:
    """All that one published settlement can show."""

    def __init__(self, rows: Sequence[Row], domain: Domain) -> None:
        self._rows = rows
        self._leaves = [leaf_of(row, domain) for row in rows]
        self._tree = receipts_tree(self._leaves)

    @property
    def root(self) -> bytes:
        return self._tree.root

    def to(self, trade: bytes, run: int, kind: OutcomeKind) -> Shown | None:
        """What answers a claim about `run` of a trade that was decided as `kind`, or None if nothing here does.

        Of a slash it is the rejected receipt, whichever run it is of. Of a paid trade it is what the settlement says of the
        run: its accepted receipt, or that nothing is billed for it.
        """
        for place, (_, named, index, verdict, units) in enumerate(self._leaves):
            if named != trade:
                continue
            if kind == OutcomeKind.SLASHED:
                answers = verdict == ReceiptVerdict.REJECTED
            else:
                answers = index == run and (units == 0 or verdict == ReceiptVerdict.ACCEPTED)
            if answers:
                return self._shown(place)
        return None

    def _shown(self, place: int) -> Shown:
        _, _, run, verdict, units = self._leaves[place]
        signed = self._rows[place]["receipt"]
        return Shown(
            receipts_root=self.root,
            run=run,
            verdict_of_run=verdict,
            units_of_run=units,
            words=b"" if signed is None else Receipt.from_json(signed).encode_data(),
            signature=b"" if signed is None else from_hex(self._rows[place]["signature"]),
            proof=tuple(self._tree.proof(place)),
        )


def acknowledged(receipt: Receipt, signature: bytes, acknowledgement: bytes, *, root: bytes) -> Shown:
    """The answer by the exchange's word that it has this receipt, which needs no evidence. root: of the disputed verdict."""
    return Shown(
        receipts_root=root,
        run=receipt.run,
        verdict_of_run=int(ReceiptVerdict.MISSING),
        units_of_run=0,
        words=receipt.encode_data(),
        signature=signature,
        acknowledgement=acknowledgement,
    )
