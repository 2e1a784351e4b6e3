"""The sender: takes planned transactions to the chain exactly once. This is the story; four objects know its parts.

    nonces     which number a row gets, and when it gives it up
    attempts   the signed bytes of a row: stored, broadcast, replaced
    inclusion  what blocks and receipts say: included, orphaned, final
    failure    what is parked, held back or failed, and why

For each signer, in order of planning: estimate (network), then in one short database transaction lock the nonce row,
take the nonce, sign and store the bytes; commit; broadcast outside any transaction; record. A crash at any point
broadcasts the same bytes again. What the limits of the key do not allow (ledger/chain/limits.py) fails unsigned. What
does not get in is replaced under the same nonce at a 13 % higher fee. When the block of a transaction is orphaned, the
same bytes go out again in order of nonce, once the pending state bears them.

Known limit: at most IN_FLIGHT_MAX transactions of a signer wait in the pool; the rest stay planned.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from ledger import queries
from ledger.chain import Fees, Gateway, Header, NodeUnavailable, SigningRefused, first_fees
from ledger.chain.signer import Signer
from ledger.models import Attempt, OutgoingTx
from ledger.outbox.attempts import Attempts, is_due, newest
from ledger.outbox.failure import Failure
from ledger.outbox.inclusion import Inclusion
from ledger.outbox.nonces import Nonces
from ledger.outbox.rows import IN_FLIGHT, Status

IN_FLIGHT_MAX = 24


@dataclass(frozen=True)
class Limits:
    """Of a deployment: chain, blocks until a replacement, N, and gas a transaction may use at most."""

    chain_id: int
    stuck_blocks: int
    confirmations: int
    gas_max: int


class Sender:
    """Serves one signer. The caller holds the advisory lock of that signer."""

    def __init__(self, gateway: Gateway, keys: Signer, name: str, limits: Limits) -> None:
        self.name = name
        self.address = keys.address(name)
        self._gateway = gateway
        self._nonces = Nonces(gateway, name, self.address, confirmations=limits.confirmations)
        self._attempts = Attempts(
            gateway, keys, name, chain_id=limits.chain_id, stuck_blocks=limits.stuck_blocks
        )
        self._failure = Failure(gateway, self.address, gas_max=limits.gas_max)
        self._inclusion = Inclusion(gateway, name, self._failure)

    def step(self, *, now: datetime) -> int:
        """Bring every row of this signer closer to final; returns how many rows moved. Nothing while halted."""
        if queries.is_halted():
            return 0
        moved = self._inclusion.reopen_orphaned(now) + self._inclusion.confirm(now)
        in_flight = self._rows(*IN_FLIGHT)
        if not in_flight and not self._rows(Status.PLANNED)[:1]:
            return moved
        header = self._gateway.header("latest")
        if header is None:
            raise NodeUnavailable("the node has no latest block")
        moved += self._include(in_flight, now)
        waiting = self._rows(*IN_FLIGHT)
        moved += self._resend(waiting, header, now)
        self._nonces.fill_gap(waiting)
        return moved + self._send_planned(header, now)

    def _rows(self, *statuses: str) -> list[OutgoingTx]:
        rows = OutgoingTx.objects.filter(signer=self.name, status__in=statuses)
        return list(rows.order_by("nonce", "id").prefetch_related("attempts"))

    def _include(self, rows: list[OutgoingTx], now: datetime) -> int:
        count = 0
        for row in rows:
            if self._inclusion.include(row, now):
                self._nonces.is_ours(row)
                count += 1
        return count

    def _resend(self, rows: list[OutgoingTx], header: Header, now: datetime) -> int:
        """In order of nonce: broadcast what was never sent or may be forgotten, replace what is stuck."""
        count = 0
        for position, row in enumerate(rows):
            attempt = newest(row)
            stuck = self._attempts.is_stuck(attempt, header, now, first=position == 0)
            due = is_due(attempt, now)
            if not (stuck or due) or self._inclusion.receipt(row) is not None:
                continue
            if attempt.sent_at is None and self._failure.is_too_early(row, now):
                break  # Higher nonces cannot get in before this one does.
            replacement = self._attempts.replace(row, attempt, header, now) if stuck else None
            if replacement is not None or due:
                count += self._broadcast(row, replacement or attempt, header, now)
        return count

    def _send_planned(self, header: Header, now: datetime) -> int:
        """In order of planning, as many as the pool may hold of ours: sign, store, broadcast."""
        waiting = OutgoingTx.objects.filter(signer=self.name, status__in=IN_FLIGHT).count()
        due = OutgoingTx.objects.filter(
            Q(due_at=None) | Q(due_at__lte=now), signer=self.name, status=Status.PLANNED
        )
        rows = list(due.order_by("id")[: max(IN_FLIGHT_MAX - waiting, 0)])
        if not rows:
            return 0
        chain_nonce = self._nonces.on_chain()
        fees = first_fees(base_fee=header.base_fee, priority_fee=self._gateway.priority_fee())
        count = 0
        for row in rows:
            gas = self._failure.gas_of(row, now)
            if gas is None:
                continue
            try:
                attempt = self._sign(row, chain_nonce, gas, fees, now)
            except SigningRefused as refusal:
                self._failure.unsigned(row, refusal, now)
                continue
            if attempt is not None:
                self._broadcast(row, attempt, header, now)
                count += 1
        return count

    def _sign(self, row: OutgoingTx, chain_nonce: int, gas: int, fees: Fees, now: datetime) -> Attempt | None:
        """The one short transaction in which a nonce is spent: when it commits, the bytes are stored."""
        with transaction.atomic():
            taken = self._nonces.take(row, chain_nonce=chain_nonce, now=now)
            return None if taken is None else self._attempts.sign(taken, gas, fees, now)

    def _broadcast(self, row: OutgoingTx, attempt: Attempt, header: Header, now: datetime) -> bool:
        """Hand the stored bytes to the node and write down its answer; whether it has them now."""
        answer = self._attempts.hand_over(attempt)
        # Ours was mined (then the receipt says so soon), or another transaction took the nonce.
        if answer.nonce_was_used and self._inclusion.receipt(row) is None:
            self._nonces.doubt(row, header, now)
        return self._attempts.record(row, attempt, answer, header, now)
