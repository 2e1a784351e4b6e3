"""The one outbox: what must happen on the chain, exactly once.

`plan` writes the wish in the caller's transaction. Everything after it is the sender's (ledger/outbox/sender.py), which runs
in `manage.py send_transactions`, one process at a time per signer.
"""

import re

from django.db import transaction

from ledger.errors import KeyConflict
from ledger.models import OutgoingTx

CALLDATA_BYTES_MAX = 120_000
"""Nodes refuse transactions above 128 KiB."""
SIGNERS = ("operator", "relayer")
_ADDRESS = re.compile(r"0x[0-9a-f]{40}")


def plan(*, key: str, signer: str, to: str, calldata: bytes, value: int = 0) -> OutgoingTx:
    """Ask for one transaction from `signer` (operator | relayer) to `to`; `value` in wei.

    Idempotent on `key` (at most 200 characters): the same call again returns the row as it stands; another content
    under the same key raises KeyConflict. Call it inside the transaction that makes it necessary. The row goes
    planned -> signed -> sent -> included -> final, or failed with `error`; ask ledger.queries.outgoing(key).
    """
    to = to.lower()
    if signer not in SIGNERS:
        raise ValueError(f"signer is {' or '.join(SIGNERS)}, not {signer!r}")
    if not _ADDRESS.fullmatch(to):
        raise ValueError(f"{to!r} is not an address")
    if len(calldata) > CALLDATA_BYTES_MAX:
        raise ValueError(f"calldata has {len(calldata)} bytes, the limit is {CALLDATA_BYTES_MAX}")
    if not 0 < len(key) <= 200:
        raise ValueError("a key has 1 to 200 characters")
    with transaction.atomic():
        row, made = OutgoingTx.objects.get_or_create(
            key=key, defaults={"signer": signer, "to": to, "calldata": calldata, "value": value}
        )
    if not made:
        for field, stored, given in (
            ("signer", row.signer, signer),
            ("to", row.to, to),
            ("calldata", bytes(row.calldata), bytes(calldata)),
            ("value", row.value, value),
        ):
            if stored != given:
                raise KeyConflict(key=key, field=field, stored=stored, given=given)
    return row
