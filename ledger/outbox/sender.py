"""The sender: takes planned transactions to the chain exactly once. The only place that spends nonces.

For each signer, in order of planning: estimate (network), then in one short database transaction lock the nonce row,
take the nonce, sign and store the bytes; commit; broadcast outside any transaction; record. A crash at any point
broadcasts the same bytes again. What the limits of the key do not allow (ledger/chain/limits.py) fails unsigned. What
does not get in is replaced under the same nonce at a 13 % higher fee. Inclusion is read from receipts whose block the
indexer calls canonical; when that block is orphaned, the same bytes go out again in order of nonce, once the pending
state bears them. A row fails when a reverted receipt is final, or when its simulation reverted REFUSALS_MAX times
before a nonce was spent.

Invariant: one row per (signer, nonce), and nonces without gaps; a nonce changes hands only after somebody else's
transaction with it has been on chain for more than N blocks and none of our attempts has a receipt.
Known limit: at most IN_FLIGHT_MAX transactions of a signer wait in the pool; the rest stay planned.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from ledger import queries
from ledger.chain import (
    Fees,
    Gateway,
    Header,
    NodeError,
    NodeRefused,
    NodeUnavailable,
    SigningRefused,
    TxReceipt,
    explain_revert,
    first_fees,
    gas_limit,
    is_known,
    is_revert,
    is_too_cheap,
    replacement_fees,
)
from ledger.chain.signer import Signer
from ledger.models import Attempt, Block, OutgoingTx, SignerNonce
from ledger.outbox.plan import plan

IN_FLIGHT_MAX = 24
REFUSALS_MAX = 6
ATTEMPTS_MAX = 24
RESEND_SECONDS_MIN, RESEND_SECONDS_MAX = 2, 30
REPLACE_SECONDS_MIN = 2
PARKED_SECONDS_MAX = 15
HELD_BACK_SECONDS_MAX = 60
Status = OutgoingTx.Status

log = logging.getLogger(__name__)


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
        self._gateway = gateway
        self._keys = keys
        self._limits = limits
        self.name = name
        self.address = keys.address(name)
        self._foreign_since: dict[int, int] = {}
        SignerNonce.objects.get_or_create(signer=name, defaults={"address": self.address})

    def step(self, *, now: datetime) -> int:
        """Bring every row of this signer closer to final; returns how many rows moved. Nothing while halted."""
        if queries.is_halted():
            return 0
        moved = self._reopen_orphaned(now) + self._confirm(now)
        in_flight = self._rows(Status.SIGNED, Status.SENT)
        if not in_flight and not self._rows(Status.PLANNED)[:1]:
            return moved
        header = self._gateway.header("latest")
        if header is None:
            raise NodeUnavailable("the node has no latest block")
        moved += self._include(in_flight, now)
        waiting = self._rows(Status.SIGNED, Status.SENT)
        moved += self._resend(waiting, header, now)
        self._fill_gap(waiting)
        return moved + self._send_planned(header, now)

    def _rows(self, *statuses: str) -> list[OutgoingTx]:
        rows = OutgoingTx.objects.filter(signer=self.name, status__in=statuses)
        return list(rows.order_by("nonce", "id").prefetch_related("attempts"))

    def _reopen_orphaned(self, now: datetime) -> int:
        """Rows whose block left the chain wait for inclusion again; their bytes go out again."""
        rows = OutgoingTx.objects.filter(signer=self.name, block__canonical=False)
        count = 0
        for row in rows.order_by("nonce"):
            log.warning("%s: block %s was orphaned, sending again", row.key, row.block_id)
            Attempt.objects.filter(outgoing=row).update(sent_at=None, broadcasts=0, sent_block_number=None)
            _save(
                row,
                now,
                status=Status.SENT,
                block=None,
                tx_hash=None,
                gas_used=None,
                reverted=False,
                error="",
            )
            count += 1
        return count

    def _confirm(self, now: datetime) -> int:
        final = queries.final_number()
        rows = OutgoingTx.objects.filter(signer=self.name, status=Status.INCLUDED, block__number__lte=final)
        for row in rows:
            _save(row, now, status=Status.FAILED if row.reverted else Status.FINAL)
        return len(rows)

    def _include(self, rows: Iterable[OutgoingTx], now: datetime) -> int:
        count = 0
        for row in rows:
            receipt = self._receipt(row)
            if receipt is None:
                continue
            block = Block.objects.filter(hash=receipt.block_hash, canonical=True).first()
            if block is None:
                continue  # The indexer has not seen it yet, or it is already history.
            error = "" if receipt.succeeded else self._revert_reason(row, receipt)
            _save(
                row, now, status=Status.INCLUDED, block=block, tx_hash=receipt.tx_hash, gas_used=receipt.gas_used,
                reverted=not receipt.succeeded, error=error,
            )  # fmt: skip
            self._foreign_since.pop(row.pk, None)
            count += 1
        return count

    def _receipt(self, row: OutgoingTx) -> TxReceipt | None:
        for attempt in sorted(row.attempts.all(), key=lambda attempt: -attempt.pk):
            receipt = self._gateway.receipt(attempt.tx_hash)
            if receipt is not None:
                return receipt
        return None

    def _resend(self, rows: list[OutgoingTx], header: Header, now: datetime) -> int:
        """In order of nonce: broadcast what was never sent or may be forgotten, replace what is stuck."""
        count = 0
        for position, row in enumerate(rows):
            attempt = max(row.attempts.all(), key=lambda attempt: attempt.pk)
            stuck = self._stuck(attempt, header, now, first=position == 0)
            forgotten = attempt.sent_at is None or now - attempt.sent_at >= _patience(attempt)
            if not (stuck or forgotten) or self._receipt(row) is not None:
                continue
            if attempt.sent_at is None and self._too_early(row, now):
                break  # Higher nonces cannot get in before this one does.
            replacement = self._replace(row, attempt, header, now) if stuck else None
            if replacement is not None or forgotten:
                count += self._broadcast(row, replacement or attempt, header, now)
        return count

    def _too_early(self, row: OutgoingTx, now: datetime) -> bool:
        """Whether bytes that a reorganisation threw out would revert now, because what they build on is not back yet.

        Signers do not wait for each other's nonces: a close sent before its opening would be mined and fail. It is held
        back until the pending state bears it, at most HELD_BACK_SECONDS_MAX; then its room decides about the failure.
        """
        if now - row.updated_at >= timedelta(seconds=HELD_BACK_SECONDS_MAX):
            return False
        try:
            self._gateway.estimate_gas(self._fields(row))
        except NodeRefused as refusal:
            if not is_revert(refusal):
                return False
            reason = f"held back after a reorganisation: {explain_revert(refusal)}"
            OutgoingTx.objects.filter(pk=row.pk).update(error=reason[:500])
            return True
        return False

    def _fields(self, row: OutgoingTx) -> dict[str, object]:
        """The row as a call that a node simulates."""
        return {
            "from": self.address,
            "to": row.to,
            "data": "0x" + bytes(row.calldata).hex(),
            "value": hex(row.value),
        }

    def _fill_gap(self, rows: list[OutgoingTx]) -> None:
        """Plan an empty transaction for a nonce that nobody holds, so that the ones above it can get in.

        That happens when a transaction of the signer that was not ours (a deployment) left the chain in a reorg.
        """
        lowest = min((row.nonce for row in rows if row.nonce is not None), default=None)
        if lowest is None or OutgoingTx.objects.filter(signer=self.name, status=Status.PLANNED).exists():
            return
        chain_nonce = self._gateway.nonce(self.address, "latest")
        held = OutgoingTx.objects.filter(signer=self.name, nonce__gte=chain_nonce, nonce__lt=lowest).exists()
        if chain_nonce < lowest and not held:
            log.warning("%s: nobody holds nonce %d, filling the gap", self.name, chain_nonce)
            key = f"gap:{self.name}:{chain_nonce}:{max(row.pk for row in rows)}"
            plan(key=key, signer=self.name, to=self.address, calldata=b"")

    def _stuck(self, attempt: Attempt, header: Header, now: datetime, *, first: bool) -> bool:
        if now - attempt.created_at < timedelta(seconds=REPLACE_SECONDS_MIN):
            return False
        if attempt.max_fee_per_gas < header.base_fee or is_too_cheap(attempt.error):
            return True
        sent_at_block = attempt.sent_block_number
        return (
            first and sent_at_block is not None and header.number - sent_at_block >= self._limits.stuck_blocks
        )

    def _replace(self, row: OutgoingTx, attempt: Attempt, header: Header, now: datetime) -> Attempt | None:
        if row.attempts.count() >= ATTEMPTS_MAX:
            _save(row, now, error=f"stuck after {ATTEMPTS_MAX} attempts; see docs/runbook.md")
            return None
        previous = Fees(attempt.max_fee_per_gas, attempt.max_priority_fee_per_gas)
        fees = replacement_fees(previous, base_fee=header.base_fee, priority_fee=self._gateway.priority_fee())
        if fees is None:
            _save(row, now, error="waiting: the fee that the chain asks for is above the limit")
            return None
        log.warning("%s: stuck, replacing at %d wei per gas", row.key, fees.max_fee_per_gas)
        with transaction.atomic():
            locked = OutgoingTx.objects.select_for_update().get(pk=row.pk)
            newest = locked.attempts.order_by("-id").first()
            if locked.status not in (Status.SIGNED, Status.SENT) or newest != attempt:
                return None
            try:
                return self._sign(locked, attempt.nonce, attempt.gas_limit, fees, now)
            except SigningRefused as refusal:
                _save(locked, now, error=f"not replaced, the signer refuses: {refusal}")
                return None

    def _send_planned(self, header: Header, now: datetime) -> int:
        free = (
            IN_FLIGHT_MAX
            - OutgoingTx.objects.filter(signer=self.name, status__in=(Status.SIGNED, Status.SENT)).count()
        )
        due = OutgoingTx.objects.filter(
            Q(due_at=None) | Q(due_at__lte=now), signer=self.name, status=Status.PLANNED
        )
        rows = list(due.order_by("id")[: max(free, 0)])
        if not rows:
            return 0
        chain_nonce = self._gateway.nonce(self.address, "latest")
        fees = first_fees(base_fee=header.base_fee, priority_fee=self._gateway.priority_fee())
        count = 0
        for row in rows:
            gas = self._estimate(row, now)
            if gas is None:
                continue
            try:
                attempt = self._take_nonce(row, chain_nonce, gas, fees, now)
            except SigningRefused as refusal:
                log.error("%s failed without being signed: %s", row.key, refusal)
                _save(row, now, status=Status.FAILED, error=f"the signer refuses: {refusal}")
                continue
            if attempt is not None:
                self._broadcast(row, attempt, header, now)
                count += 1
        return count

    def _estimate(self, row: OutgoingTx, now: datetime) -> int | None:
        """The gas limit of a planned row, or None: parked with its reason, or failed."""
        try:
            estimate = self._gateway.estimate_gas(self._fields(row))
        except NodeRefused as refusal:
            self._park(row, refusal, now)
            return None
        if estimate > self._limits.gas_max:
            reason = f"needs {estimate} gas, the limit of a transaction is {self._limits.gas_max}; plan a smaller one"
            _save(row, now, status=Status.FAILED, error=reason)
            return None
        return gas_limit(estimate, limit=self._limits.gas_max)

    def _park(self, row: OutgoingTx, refusal: NodeRefused, now: datetime) -> None:
        refusals = row.refusals + 1 if is_revert(refusal) else row.refusals
        reason = f"simulation: {explain_revert(refusal)}"
        if refusals >= REFUSALS_MAX:
            log.error("%s failed without being sent, %s", row.key, reason)
            _save(row, now, status=Status.FAILED, refusals=refusals, error=reason)
            return
        wait = timedelta(seconds=min(2**refusals, PARKED_SECONDS_MAX))
        _save(row, now, refusals=refusals, due_at=now + wait, error=reason)

    def _take_nonce(
        self, row: OutgoingTx, chain_nonce: int, gas: int, fees: Fees, now: datetime
    ) -> Attempt | None:
        with transaction.atomic():
            ours = SignerNonce.objects.select_for_update().get(signer=self.name)
            locked = OutgoingTx.objects.select_for_update().get(pk=row.pk)
            if locked.status != Status.PLANNED:
                return None
            spent = set(
                OutgoingTx.objects.filter(signer=self.name, nonce__gte=chain_nonce).values_list(
                    "nonce", flat=True
                )
            )
            nonce = chain_nonce
            while nonce in spent:
                nonce += 1
            ours.next_nonce = max(ours.next_nonce, nonce + 1)
            ours.save(update_fields=["next_nonce"])
            _save(locked, now, status=Status.SIGNED, nonce=nonce, due_at=None, error="")
            return self._sign(locked, nonce, gas, fees, now)

    def _sign(self, row: OutgoingTx, nonce: int, gas: int, fees: Fees, now: datetime) -> Attempt:
        signed = self._keys.sign_transaction(
            self.name,
            {
                "chainId": self._limits.chain_id,
                "nonce": nonce,
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
            nonce=nonce,
            gas_limit=gas,
            max_fee_per_gas=fees.max_fee_per_gas,
            max_priority_fee_per_gas=fees.max_priority_fee_per_gas,
            created_at=now,
        )

    def _broadcast(self, row: OutgoingTx, attempt: Attempt, header: Header, now: datetime) -> int:
        """Hand the stored bytes to the node; returns 1 if the node has them now."""
        error = ""
        try:
            self._gateway.send_raw(bytes(attempt.raw))
        except NodeRefused as refusal:
            error = refusal.message
            if is_known(error):
                error = ""
            elif "nonce too low" in error.lower():
                self._nonce_was_used(row, header, now)
        except NodeUnavailable as failure:
            # It may have arrived all the same: the next step sends the same bytes again.
            attempt.error = str(failure)[:500]
            attempt.save(update_fields=["error"])
            return 0
        attempt.error = error[:500]
        attempt.broadcasts += 1
        attempt.sent_at = now
        if attempt.sent_block_number is None or attempt.broadcasts == 1:
            attempt.sent_block_number = header.number
        attempt.save(update_fields=["error", "broadcasts", "sent_at", "sent_block_number"])
        if error:
            log.warning("%s: the node refused nonce %d: %s", row.key, attempt.nonce, error)
            OutgoingTx.objects.filter(pk=row.pk, status__in=(Status.SIGNED, Status.SENT)).update(
                error=error[:500]
            )
            return 0
        OutgoingTx.objects.filter(pk=row.pk, status__in=(Status.SIGNED, Status.SENT)).update(
            status=Status.SENT, error="", updated_at=now
        )
        return 1

    def _nonce_was_used(self, row: OutgoingTx, header: Header, now: datetime) -> None:
        """Ours was mined (then the receipt says so soon), or another transaction took the nonce for good."""
        if self._receipt(row) is not None or row.nonce is None:
            return
        if self._gateway.nonce(self.address, "latest") <= row.nonce:
            self._foreign_since.pop(row.pk, None)
            return
        since = self._foreign_since.setdefault(row.pk, header.number)
        if header.number - since <= self._limits.confirmations:
            return
        del self._foreign_since[row.pk]
        log.error("%s: nonce %d was used by another transaction, taking a new one", row.key, row.nonce)
        reason = f"nonce {row.nonce} was used by a transaction that is not ours"
        with transaction.atomic():
            locked = OutgoingTx.objects.select_for_update().get(pk=row.pk)
            _save(locked, now, status=Status.PLANNED, nonce=None, error=reason)

    def _revert_reason(self, row: OutgoingTx, receipt: TxReceipt) -> str:
        """Run the call again on the state before its block; the best that a node without traces can say."""
        try:
            self._gateway.call(
                to=row.to, data=bytes(row.calldata), sender=self.address, block=receipt.block_number - 1
            )
        except NodeRefused as refusal:
            return f"reverted: {explain_revert(refusal)}"
        except NodeError as failure:
            return f"reverted, reason unknown ({failure})"[:500]
        return "reverted: out of gas, or because of another transaction in the same block"


def _patience(attempt: Attempt) -> timedelta:
    return timedelta(seconds=min(RESEND_SECONDS_MIN * 2 ** min(attempt.broadcasts, 6), RESEND_SECONDS_MAX))


def _save(row: OutgoingTx, now: datetime, **fields: object) -> None:
    for name, value in fields.items():
        setattr(row, name, value[:500] if isinstance(value, str) and name == "error" else value)
    row.updated_at = now
    row.save(update_fields=[*fields, "updated_at"])
