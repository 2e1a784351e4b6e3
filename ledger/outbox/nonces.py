"""Nonces of one signer: which is free, who holds it, when it changes hands. Nothing else spends one.

Invariant: one row per (signer, nonce), and nonces without gaps. A row gives its nonce up only after somebody else's
transaction with it has been on chain for more than N blocks while none of the row's attempts had a receipt.
"""

import logging
from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from ledger.chain import Gateway, Header
from ledger.models import OutgoingTx, SignerNonce
from ledger.outbox.plan import plan
from ledger.outbox.rows import Status, lock, save

log = logging.getLogger(__name__)


class Nonces:
    """Of one signer. What it remembers of foreign transactions is lost with the process, which makes it wait again."""

    def __init__(self, gateway: Gateway, signer: str, address: str, *, confirmations: int) -> None:
        self._gateway = gateway
        self._signer = signer
        self._address = address
        self._foreign = ForeignNonces(confirmations)
        SignerNonce.objects.get_or_create(signer=signer, defaults={"address": address})

    def on_chain(self) -> int:
        """The lowest nonce that no block has. A call of the node."""
        return self._gateway.nonce(self._address, "latest")

    def take(self, row: OutgoingTx, *, chain_nonce: int, now: datetime) -> OutgoingTx | None:
        """Give a planned row the lowest nonce from `chain_nonce` on that no row holds; None if it is planned no longer.

        Locks the signer's nonce row, then the row, until the caller's transaction ends. The row is signed when it
        returns, so the caller stores the signed bytes in the same transaction: no nonce is spent without its bytes.
        """
        ours = SignerNonce.objects.select_for_update().get(signer=self._signer)
        locked = lock(row)
        if locked.status != Status.PLANNED:
            return None
        held = OutgoingTx.objects.filter(signer=self._signer, nonce__gte=chain_nonce)
        spent = set(held.values_list("nonce", flat=True))
        nonce = chain_nonce
        while nonce in spent:
            nonce += 1
        ours.next_nonce = max(ours.next_nonce, nonce + 1)
        ours.save(update_fields=["next_nonce"])
        save(locked, now, status=Status.SIGNED, nonce=nonce, due_at=None, error="")
        return locked

    def fill_gap(self, in_flight: Iterable[OutgoingTx]) -> None:
        """Plan an empty transaction for a nonce that nobody holds, so that the ones above it can get in.

        That happens when a transaction of the signer that was not ours (a deployment) left the chain in a reorg.
        """
        rows = list(in_flight)
        lowest = min((row.nonce for row in rows if row.nonce is not None), default=None)
        if lowest is None or OutgoingTx.objects.filter(signer=self._signer, status=Status.PLANNED).exists():
            return
        chain_nonce = self.on_chain()
        held = OutgoingTx.objects.filter(
            signer=self._signer, nonce__gte=chain_nonce, nonce__lt=lowest
        ).exists()
        if chain_nonce < lowest and not held:
            log.warning("%s: nobody holds nonce %d, filling the gap", self._signer, chain_nonce)
            key = f"gap:{self._signer}:{chain_nonce}:{max(row.pk for row in rows)}"
            plan(key=key, signer=self._signer, to=self._address, calldata=b"")

    def doubt(self, row: OutgoingTx, header: Header, now: datetime) -> None:
        """The node calls the row's nonce used, and no attempt has a receipt: give it up once that is for good.

        Then the row is planned again, without a nonce, in a transaction of its own. It has not happened: bytes with a
        spent nonce never get in.
        """
        if row.nonce is None:
            return
        if self.on_chain() <= row.nonce:
            self.is_ours(row)
            return
        if not self._foreign.is_for_good(row.pk, header.number):
            return
        self.is_ours(row)
        log.error("%s: nonce %d was used by another transaction, taking a new one", row.key, row.nonce)
        reason = f"nonce {row.nonce} was used by a transaction that is not ours"
        with transaction.atomic():
            save(lock(row), now, status=Status.PLANNED, nonce=None, error=reason)

    def is_ours(self, row: OutgoingTx) -> None:
        """Doubts about the row's nonce are over."""
        self._foreign.forget(row.pk)


class ForeignNonces:
    """Since which block a foreign transaction has held the nonce of a row. Pure; the block number is the clock."""

    def __init__(self, confirmations: int) -> None:
        self._confirmations = confirmations
        self._since: dict[int, int] = {}

    def is_for_good(self, row: int, head: int) -> bool:
        """Note that the nonce stands used at block `head`; whether it has for more than N blocks."""
        return head - self._since.setdefault(row, head) > self._confirmations

    def forget(self, row: int) -> None:
        self._since.pop(row, None)
