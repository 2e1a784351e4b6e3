"""Rows of an outbox without a market behind them, for tests of one object at a time."""

from datetime import datetime

from ledger.chain import Fees, Header
from ledger.chain.rpc import RpcGateway
from ledger.models import Attempt, OutgoingTx
from ledger.outbox.plan import plan

SIGNER, ADDRESS, SOMEBODY = "relayer", "0x" + "a1" * 20, "0x" + "b0" * 20
CHAIN_ID, FEES = 31_337, Fees(4 * 10**9, 10**9)
NOBODY = RpcGateway("http://127.0.0.1:1", timeout_seconds=1)
"""A node that is not there: whoever asks it fails."""


def planned(number: int, *, to: str = SOMEBODY, value: int = 0) -> OutgoingTx:
    """A wish with neither call nor value."""
    return plan(key=f"wish:{number}", signer=SIGNER, to=to, calldata=b"", value=value)


def signed(number: int, *, nonce: int, status: str = "sent") -> OutgoingTx:
    """A row as it stands once it holds a nonce."""
    row = planned(number)
    row.nonce, row.status = nonce, status
    row.save(update_fields=["nonce", "status"])
    return row


def attempt_of(row: OutgoingTx, now: datetime, *, fee: int = 100, **columns: object) -> Attempt:
    """Stored bytes of a row; the bytes are none."""
    number = Attempt.objects.count()
    return Attempt.objects.create(
        outgoing=row, raw=b"\x02", tx_hash=f"0x{number:064x}", nonce=row.nonce, gas_limit=21_000,
        max_fee_per_gas=fee, max_priority_fee_per_gas=1, created_at=now, **columns,
    )  # fmt: skip


def head(number: int, *, base_fee: int = 10) -> Header:
    return Header(
        number=number, hash=f"0x{number:064x}", parent="0x" + "0" * 64, timestamp=0, base_fee=base_fee
    )
