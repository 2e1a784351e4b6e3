"""Attempts: signed bytes of a row, stored before anybody sees them, handed to the node until a block has them.

A row is signed once. Its bytes are replaced, under the same nonce and at fees 13 % higher, only when they cannot get in
as they are; every attempt stays, since any of them may be the one that is mined.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from ledger.chain import (
    Fees,
    Gateway,
    Header,
    NodeRefused,
    NodeUnavailable,
    SigningRefused,
    is_known,
    is_too_cheap,
    replacement_fees,
)
from ledger.chain.signer import Signer
from ledger.models import Attempt, OutgoingTx
from ledger.outbox.rows import ERROR_CHARACTERS_MAX, IN_FLIGHT, Status, lock, save

ATTEMPTS_MAX = 24
RESEND_SECONDS_MIN, RESEND_SECONDS_MAX = 2, 30
REPLACE_SECONDS_MIN = 2

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """What the node said to bytes: nothing (it has them), a refusal, or `lost`: no answer, and they may have arrived."""

    error: str = ""
    lost: bool = False

    @property
    def nonce_was_used(self) -> bool:
        """A block holds a transaction with this nonce: ours, or somebody else's."""
        return not self.lost and "nonce too low" in self.error.lower()


class Attempts:
    """Of one signer: the only place that asks for its signature."""

    def __init__(
        self, gateway: Gateway, keys: Signer, signer: str, *, chain_id: int, stuck_blocks: int
    ) -> None:
        self._gateway = gateway
        self._keys = keys
        self._signer = signer
        self._chain_id = chain_id
        self._stuck_blocks = stuck_blocks

    def sign(self, row: OutgoingTx, gas: int, fees: Fees, now: datetime) -> Attempt:
        """Sign the row under the nonce that it holds, and store the bytes in the caller's transaction, which holds its lock.

        Broadcast after that transaction has committed, never inside it. Raises SigningRefused; nothing is stored then.
        """
        signed = self._keys.sign_transaction(
            self._signer,
            {
                "chainId": self._chain_id,
                "nonce": row.nonce,
                "to": row.to,
                "value": row.value,
                "data": bytes(row.calldata),
                "gas": gas,
                "maxFeePerGas": fees.max_fee_per_gas,
                "maxPriorityFeePerGas": fees.max_priority_fee_per_gas,
            },
        )
        return Attempt.objects.create(
            outgoing=row,
            raw=signed.raw,
            tx_hash=signed.tx_hash,
            nonce=row.nonce,
            gas_limit=gas,
            max_fee_per_gas=fees.max_fee_per_gas,
            max_priority_fee_per_gas=fees.max_priority_fee_per_gas,
            created_at=now,
        )

    def is_stuck(self, attempt: Attempt, header: Header, now: datetime, *, first: bool) -> bool:
        """Whether the bytes cannot get in as they are. first: no lower nonce of ours waits, so that blocks pass it by."""
        if now - attempt.created_at < timedelta(seconds=REPLACE_SECONDS_MIN):
            return False
        if attempt.max_fee_per_gas < header.base_fee or is_too_cheap(attempt.error):
            return True
        sent_at_block = attempt.sent_block_number
        return first and sent_at_block is not None and header.number - sent_at_block >= self._stuck_blocks

    def replace(self, row: OutgoingTx, attempt: Attempt, header: Header, now: datetime) -> Attempt | None:
        """Sign again under the same nonce at higher fees; None, with the reason on the row, when that is not to be.

        Asks the node for its fee, then locks the row in a transaction of its own, which stores the bytes. None without
        a reason: meanwhile somebody else replaced the attempt, or the row is in flight no longer.
        """
        if row.attempts.count() >= ATTEMPTS_MAX:
            save(row, now, error=f"stuck after {ATTEMPTS_MAX} attempts; see docs/runbook.md")
            return None
        previous = Fees(attempt.max_fee_per_gas, attempt.max_priority_fee_per_gas)
        fees = replacement_fees(previous, base_fee=header.base_fee, priority_fee=self._gateway.priority_fee())
        if fees is None:
            save(row, now, error="waiting: the fee that the chain asks for is above the limit")
            return None
        log.warning("%s: stuck, replacing at %d wei per gas", row.key, fees.max_fee_per_gas)
        with transaction.atomic():
            locked = lock(row)
            if locked.status not in IN_FLIGHT or locked.attempts.order_by("-id").first() != attempt:
                return None
            try:
                return self.sign(locked, attempt.gas_limit, fees, now)
            except SigningRefused as refusal:
                save(locked, now, error=f"not replaced, the signer refuses: {refusal}")
                return None

    def hand_over(self, attempt: Attempt) -> Answer:
        """Give the stored bytes to the node, outside any transaction. Writes nothing: `record` does."""
        try:
            self._gateway.send_raw(bytes(attempt.raw))
        except NodeRefused as refusal:
            return Answer("" if is_known(refusal.message) else refusal.message)
        except NodeUnavailable as failure:
            return Answer(str(failure), lost=True)
        return Answer()

    def record(
        self, row: OutgoingTx, attempt: Attempt, answer: Answer, header: Header, now: datetime
    ) -> bool:
        """Write down what the node said; whether it has the bytes. Lost answers leave them due: the same go out again."""
        attempt.error = answer.error[:ERROR_CHARACTERS_MAX]
        if answer.lost:
            attempt.save(update_fields=["error"])
            return False
        attempt.broadcasts += 1
        attempt.sent_at = now
        if attempt.sent_block_number is None or attempt.broadcasts == 1:
            attempt.sent_block_number = header.number
        attempt.save(update_fields=["error", "broadcasts", "sent_at", "sent_block_number"])
        in_flight = OutgoingTx.objects.filter(pk=row.pk, status__in=IN_FLIGHT)
        if answer.error:
            log.warning("%s: the node refused nonce %d: %s", row.key, attempt.nonce, answer.error)
            in_flight.update(error=answer.error[:ERROR_CHARACTERS_MAX])
            return False
        in_flight.update(status=Status.SENT, error="", updated_at=now)
        return True


def newest(row: OutgoingTx) -> Attempt:
    """The last attempt of a row that has one."""
    return max(row.attempts.all(), key=lambda attempt: attempt.pk)


def is_due(attempt: Attempt, now: datetime) -> bool:
    """Whether the bytes go out (again): never sent, or so long ago that the node may have forgotten them."""
    if attempt.sent_at is None:
        return True
    seconds = min(RESEND_SECONDS_MIN * 2 ** min(attempt.broadcasts, 6), RESEND_SECONDS_MAX)
    return now - attempt.sent_at >= timedelta(seconds=seconds)
