"""How the sender's objects write a row of the outbox. Once it is planned, nobody else does."""

from datetime import datetime

from ledger.models import OutgoingTx

ERROR_CHARACTERS_MAX = 500
Status = OutgoingTx.Status
IN_FLIGHT = (Status.SIGNED, Status.SENT)
"""A nonce is taken and bytes are stored; no block is known to hold them."""


def lock(row: OutgoingTx) -> OutgoingTx:
    """The row as it stands now, locked until the caller's transaction ends."""
    return OutgoingTx.objects.select_for_update().get(pk=row.pk)


def save(row: OutgoingTx, now: datetime, **fields: object) -> None:
    """Write these columns and `updated_at`; an `error` is cut to the length of its column."""
    for name, value in fields.items():
        setattr(
            row, name, value[:ERROR_CHARACTERS_MAX] if isinstance(value, str) and name == "error" else value
        )
    row.updated_at = now
    row.save(update_fields=[*fields, "updated_at"])
