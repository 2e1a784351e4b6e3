"""Failure: what a row that the contract or the key refuses has to expect, and how its reason is told.

Before a nonce is spent, a simulation that reverts parks the row, with pauses that grow to PARKED_SECONDS_MAX; the
REFUSALS_MAX-th refusal fails it. What needs too much gas, and what the key may not sign, fails at once. After a
reorganisation, what would revert now is held back, at most HELD_BACK_SECONDS_MAX. Other rows pass a parked one by.
"""

import logging
from datetime import datetime, timedelta

from ledger.chain import (
    Gateway,
    NodeError,
    NodeRefused,
    SigningRefused,
    TxReceipt,
    explain_revert,
    gas_limit,
    is_revert,
)
from ledger.models import OutgoingTx
from ledger.outbox.rows import ERROR_CHARACTERS_MAX, Status, save

REFUSALS_MAX = 6
PARKED_SECONDS_MAX = 15
HELD_BACK_SECONDS_MAX = 60

log = logging.getLogger(__name__)


class Failure:
    """Of one signer. gas_max: what a transaction may use at most."""

    def __init__(self, gateway: Gateway, address: str, *, gas_max: int) -> None:
        self._gateway = gateway
        self._address = address
        self._gas_max = gas_max

    def gas_of(self, row: OutgoingTx, now: datetime) -> int | None:
        """The gas limit of a planned row on the pending state, or None: it is parked or failed, with its reason."""
        try:
            estimate = self._gateway.estimate_gas(self._as_call(row))
        except NodeRefused as refusal:
            self._park(row, refusal, now)
            return None
        if estimate > self._gas_max:
            reason = (
                f"needs {estimate} gas, the limit of a transaction is {self._gas_max}; plan a smaller one"
            )
            save(row, now, status=Status.FAILED, error=reason)
            return None
        return gas_limit(estimate, limit=self._gas_max)

    def _park(self, row: OutgoingTx, refusal: NodeRefused, now: datetime) -> None:
        refusals = row.refusals + 1 if is_revert(refusal) else row.refusals
        reason = f"simulation: {explain_revert(refusal)}"
        if refusals >= REFUSALS_MAX:
            log.error("%s failed without being sent, %s", row.key, reason)
            save(row, now, status=Status.FAILED, refusals=refusals, error=reason)
            return
        wait = timedelta(seconds=min(2**refusals, PARKED_SECONDS_MAX))
        save(row, now, refusals=refusals, due_at=now + wait, error=reason)

    def unsigned(self, row: OutgoingTx, refusal: SigningRefused, now: datetime) -> None:
        """The limits of the key do not allow a planned row: it fails."""
        log.error("%s failed without being signed: %s", row.key, refusal)
        save(row, now, status=Status.FAILED, error=f"the signer refuses: {refusal}")

    def is_too_early(self, row: OutgoingTx, now: datetime) -> bool:
        """Whether bytes that a reorganisation threw out would revert now, because what they build on is not back yet.

        Signers do not wait for each other's nonces: a close sent before its opening would be mined and fail. It is held
        back until the pending state bears it, at most HELD_BACK_SECONDS_MAX; then its room decides about the failure.
        """
        if now - row.updated_at >= timedelta(seconds=HELD_BACK_SECONDS_MAX):
            return False
        try:
            self._gateway.estimate_gas(self._as_call(row))
        except NodeRefused as refusal:
            if not is_revert(refusal):
                return False
            reason = f"held back after a reorganisation: {explain_revert(refusal)}"
            # `updated_at` stays: it says since when the row waits.
            OutgoingTx.objects.filter(pk=row.pk).update(error=reason[:ERROR_CHARACTERS_MAX])
            return True
        return False

    def why_reverted(self, row: OutgoingTx, receipt: TxReceipt) -> str:
        """Run the call again on the state before its block; the best that a node without traces can say."""
        try:
            self._gateway.call(
                to=row.to, data=bytes(row.calldata), sender=self._address, block=receipt.block_number - 1
            )
        except NodeRefused as refusal:
            return f"reverted: {explain_revert(refusal)}"
        except NodeError as failure:
            return f"reverted, reason unknown ({failure})"[:ERROR_CHARACTERS_MAX]
        return "reverted: out of gas, or because of another transaction in the same block"

    def _as_call(self, row: OutgoingTx) -> dict[str, object]:
        return {
            "from": self._address,
            "to": row.to,
            "data": "0x" + bytes(row.calldata).hex(),
            "value": hex(row.value),
        }
