"""The Market contract's book-keeping in plain Python: the oracle that differential tests hold the contract to.

The model follows the rules of docs/protocol.md section 4 in the order in which the contract asks them, so it
also predicts the code of a refused fill. Time and the Registry's facts are arguments.

Invariant: custody == sum of available, locked and exiting of all accounts, and every open trade's payment and
bond are locked. Not modelled: Merkle proofs and the quorum of verifiers (a verdict is taken as given), the
token, the operator and pausing; an opening's arrays are taken to have valid lengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from suan.core.identity import BadSignature, Domain, keccak, recover
from suan.core.records import BatchHead, Clearing, Fill, Outcome, OutcomeKind, Record, RejectCode, batch_head
from suan.core.settlement import (
    MarketParameters,
    check_outcome,
    pay_attested_after,
    refund_after,
    split,
    trade_id,
    units_given_back,
)
from suan.core.signed import SIDE_BUY, SIDE_SELL, Bid, Offer
from suan.core.units import Price, WorkUnits, bond, bond_price, lock_payment

TERM_SECONDS_MAX = 30 * 86_400


class Reverted(Exception):
    """The contract would revert; `args[0]` is the name of its error."""


@dataclass(slots=True)
class ModelAccount:
    available: int = 0
    locked: int = 0
    exiting: int = 0
    ready_at: int = 0


@dataclass(slots=True)
class OrderState:
    """Work units (offer) or runs (bid) in trades now, the most there ever were, and whether it was cancelled."""

    consumed: int = 0
    peak: int = 0
    cancelled: bool = False

    def take(self, quantity: int) -> None:
        self.consumed += quantity
        self.peak = max(self.peak, self.consumed)


@dataclass(frozen=True, slots=True)
class Delegate:
    """A delegate key as the Registry has it. version counts its settings; 0 means never set."""

    spend_cap: int = 0
    worst_price: int = 0
    valid_until: int = 0
    version: int = 0


@dataclass(frozen=True, slots=True)
class Rejection:
    """A refused fill: its position in the call and the reason."""

    position: int
    code: RejectCode


@dataclass(frozen=True, slots=True)
class Opened:
    """What an opening did. head is None when no fill was accepted."""

    head: BatchHead | None
    records: tuple[Record, ...]
    rejections: tuple[Rejection, ...]


@dataclass(frozen=True, slots=True)
class _Checked:
    """An order after the checks that concern it alone; grant is the delegate's setting that signed, if any."""

    hash: bytes
    code: RejectCode
    grant: bytes | None = None
    spend_cap: int = 0


@dataclass
class MarketModel:
    """The state of one Market. delegates: (owner, key, side) -> Delegate, as the Registry answers."""

    domain: Domain
    parameters: MarketParameters
    treasury: str
    pool: str
    rerun_account: str
    delegates: dict[tuple[str, str, int], Delegate] = field(default_factory=dict)
    accounts: dict[str, ModelAccount] = field(default_factory=dict)
    orders: dict[tuple[str, bytes], OrderState] = field(default_factory=dict)
    spent: dict[bytes, int] = field(default_factory=dict)
    open_bits: dict[bytes, int] = field(default_factory=dict)
    attestations: dict[tuple[bytes, int], tuple[int, int]] = field(default_factory=dict)
    batches: int = 0
    custody: int = 0

    def account(self, owner: str) -> ModelAccount:
        return self.accounts.setdefault(owner, ModelAccount())

    def order(self, maker: str, order: bytes) -> OrderState:
        return self.orders.setdefault((maker, order), OrderState())

    def deposit(self, account: str, amount: int) -> None:
        if amount == 0:
            raise Reverted("ZeroAmount")
        if self.custody + amount >= 2**128:
            raise Reverted("CustodyLimitExceeded")
        self.custody += amount
        self.account(account).available += amount

    def request_withdrawal(self, account: str, amount: int, *, now: int) -> None:
        owner = self.account(account)
        if amount == 0:
            raise Reverted("ZeroAmount")
        if owner.available < amount:
            raise Reverted("InsufficientAvailable")
        owner.available -= amount
        owner.exiting += amount
        owner.ready_at = now + self.parameters.withdrawal_delay

    def withdraw(self, account: str, *, now: int) -> int:
        """Base units that leave the market."""
        owner = self.account(account)
        if owner.exiting == 0:
            raise Reverted("NothingToWithdraw")
        if now < owner.ready_at:
            raise Reverted("WithdrawalNotReady")
        amount, owner.exiting, owner.ready_at = owner.exiting, 0, 0
        self.custody -= amount
        return amount

    def cancel(self, maker: str, order: bytes) -> None:
        self.order(maker, order).cancelled = True

    def open(
        self,
        *,
        verifier_set: bytes,
        clearings: Sequence[Clearing],
        offers: Sequence[Offer],
        offer_signatures: Sequence[bytes],
        bids: Sequence[Bid],
        bid_signatures: Sequence[bytes],
        fills: Sequence[Fill],
        now: int,
    ) -> Opened:
        """Lock every fill that keeps the rules; the first rule that another one breaks is its code."""
        checked_offers = [
            self._check(order, SIDE_SELL, signature, verifier_set, now)
            for order, signature in zip(offers, offer_signatures, strict=True)
        ]
        checked_bids = [
            self._check(order, SIDE_BUY, signature, verifier_set, now)
            for order, signature in zip(bids, bid_signatures, strict=True)
        ]
        records: list[Record] = []
        rejections = []
        for position, fill in enumerate(fills):
            if fill.offer >= len(offers) or fill.bid >= len(bids) or fill.clearing >= len(clearings):
                rejections.append(Rejection(position, RejectCode.BAD_INDEX))
                continue
            offer, bid, clearing = offers[fill.offer], bids[fill.bid], clearings[fill.clearing]
            checked = checked_offers[fill.offer], checked_bids[fill.bid]
            code = self._pair_code(offer, bid, checked, clearing, fill, now)
            if code is RejectCode.NONE:
                result = self._lock(offer, bid, checked, clearing, fill, len(records))
                if isinstance(result, Record):
                    records.append(result)
                    continue
                code = result
            rejections.append(Rejection(position, code))
        head = None
        if records:
            self.batches += 1
            head = batch_head(self.batches, verifier_set, records)
            self.open_bits[head.id()] = (1 << len(records)) - 1
        return Opened(head, tuple(records), tuple(rejections))

    def close(self, head: BatchHead, records: Sequence[Record], outcomes: Sequence[Outcome]) -> int:
        """Close by verdict; returns the bits of the trades that were closed. Ended trades are passed over."""
        batch, closed = head.id(), 0
        still_open = [r for r in records if self.open_bits.get(batch, 0) & (1 << r.index)]
        for record, outcome in zip(records, outcomes, strict=True):
            if record in still_open:
                check_outcome(record, outcome)
        for record, outcome in zip(records, outcomes, strict=True):
            if self.open_bits.get(batch, 0) & (1 << record.index):
                self._close_trade(batch, record, outcome)
                closed |= 1 << record.index
        if not closed:
            raise Reverted("NothingOpen")
        return closed

    def refund(self, head: BatchHead, records: Sequence[Record], *, now: int) -> None:
        batch = head.id()
        still_open = [r for r in records if self.open_bits.get(batch, 0) & (1 << r.index)]
        for record in still_open:
            if now < refund_after(record.deliver_by, self.parameters.verification_grace):
                raise Reverted("TooEarly")
            if (batch, record.index) in self.attestations:
                raise Reverted("TradeAttested")
        if not still_open:
            raise Reverted("NothingOpen")
        for record in still_open:
            self._close_trade(batch, record, Outcome(OutcomeKind.REFUNDED, 0, 0))

    def attest_delivery(
        self, head: BatchHead, record: Record, runs_delivered: int, units: int, *, now: int
    ) -> None:
        batch = head.id()
        self._demand_open(batch, record)
        if now >= refund_after(record.deliver_by, self.parameters.verification_grace):
            raise Reverted("TooLate")
        check_outcome(record, Outcome(OutcomeKind.SETTLED, runs_delivered, units))
        if runs_delivered <= self.attestations.get((batch, record.index), (0, 0))[0]:
            raise Reverted("AttestationNotGreater")
        self.attestations[batch, record.index] = (runs_delivered, units)

    def pay_attested(self, head: BatchHead, record: Record, *, now: int) -> None:
        batch = head.id()
        self._demand_open(batch, record)
        attested = self.attestations.get((batch, record.index))
        if attested is None:
            raise Reverted("TradeNotAttested")
        if now < pay_attested_after(record.deliver_by, self.parameters.verification_grace):
            raise Reverted("TooEarly")
        self._close_trade(batch, record, Outcome(OutcomeKind.SETTLED, *attested))

    def _check(
        self, order: Offer | Bid, side: int, signature: bytes, verifier_set: bytes, now: int
    ) -> _Checked:
        digest = order.digest(self.domain)
        if order.side != side:
            return _Checked(digest, RejectCode.BAD_SIDE)
        if order.verifier_set != verifier_set:
            return _Checked(digest, RejectCode.WRONG_VERIFIER_SET)
        if now >= order.deliver_by:
            return _Checked(digest, RejectCode.EXPIRED)
        if order.max_fee_bps < self.parameters.fee_bps:
            return _Checked(digest, RejectCode.FEE_ABOVE_MAXIMUM)
        try:
            signer = recover(digest, signature)
        except BadSignature:
            return _Checked(digest, RejectCode.BAD_SIGNATURE)
        if signer == order.maker:
            return _Checked(digest, RejectCode.NONE)
        return self._check_delegate(order, digest, signer, side, now)

    def _check_delegate(
        self, order: Offer | Bid, digest: bytes, signer: str, side: int, now: int
    ) -> _Checked:
        delegate = self.delegates.get((order.maker, signer, side), Delegate())
        other = self.delegates.get((order.maker, signer, 3 - side), Delegate())
        if not delegate.version and not other.version:
            return _Checked(digest, RejectCode.BAD_SIGNATURE)
        worse = order.price > delegate.worst_price if side == SIDE_BUY else order.price < delegate.worst_price
        if not delegate.version or now > delegate.valid_until or worse:
            return _Checked(digest, RejectCode.DELEGATE_NOT_ALLOWED)
        words = [bytes(12) + bytes.fromhex(address[2:]) for address in (order.maker, signer)]
        grant = keccak(b"".join([*words, side.to_bytes(32, "big"), delegate.version.to_bytes(32, "big")]))
        return _Checked(digest, RejectCode.NONE, grant, delegate.spend_cap)

    def _pair_code(
        self,
        offer: Offer,
        bid: Bid,
        checked: tuple[_Checked, _Checked],
        clearing: Clearing,
        fill: Fill,
        now: int,
    ) -> RejectCode:
        for one in checked:
            if one.code is not RejectCode.NONE:
                return one.code
        if offer.maker == bid.maker:
            return RejectCode.SAME_MAKER
        if not offer.product == bid.product == clearing.product:
            return RejectCode.PRODUCT_DIFFERS
        if not offer.price <= clearing.price <= bid.price:
            return RejectCode.PRICE_OUTSIDE_LIMITS
        if fill.runs == 0 or bid.ceiling == 0 or fill.first_run + fill.runs > bid.runs:
            return RejectCode.BAD_INDEX
        if min(offer.deliver_by, bid.deliver_by) > now + TERM_SECONDS_MAX:
            return RejectCode.DELIVER_BY_TOO_FAR
        sold = self.order(offer.maker, checked[0].hash)
        code = _quantity_code(sold, offer.units, fill.runs * bid.ceiling, offer.valid_until, now)
        if code is not RejectCode.NONE:
            return code
        bought = self.order(bid.maker, checked[1].hash)
        return _quantity_code(bought, bid.runs, fill.runs, bid.valid_until, now)

    def _lock(
        self,
        offer: Offer,
        bid: Bid,
        checked: tuple[_Checked, _Checked],
        clearing: Clearing,
        fill: Fill,
        index: int,
    ) -> Record | RejectCode:
        units = WorkUnits(fill.runs * bid.ceiling)
        payment = lock_payment(Price(clearing.price), units)
        per_unit = bond_price(
            Price(offer.price), self.parameters.bond_bps, Price(self.parameters.bond_floor_price)
        )
        bonded = bond(per_unit, units)
        buyer, provider = self.account(bid.maker), self.account(offer.maker)
        if payment > buyer.available:
            return RejectCode.INSUFFICIENT_FUNDS
        if bonded > provider.available:
            return RejectCode.INSUFFICIENT_BOND
        spends = [(checked[0], bonded), (checked[1], payment)]
        granted = [(one.grant, one.spend_cap, amount) for one, amount in spends if one.grant is not None]
        if any(self.spent.get(grant, 0) + amount > cap for grant, cap, amount in granted):
            return RejectCode.DELEGATE_NOT_ALLOWED
        for grant, _, amount in granted:
            self.spent[grant] = self.spent.get(grant, 0) + amount
        for account, amount in ((buyer, payment), (provider, bonded)):
            account.available -= amount
            account.locked += amount
        self.order(offer.maker, checked[0].hash).take(units)
        self.order(bid.maker, checked[1].hash).take(fill.runs)
        return Record(
            trade=trade_id(checked[0].hash, checked[1].hash, fill.first_run, clearing.id()),
            offer=checked[0].hash,
            bid=checked[1].hash,
            provider=offer.maker,
            buyer=bid.maker,
            index=index,
            first_run=fill.first_run,
            runs=fill.runs,
            ceiling=bid.ceiling,
            price=clearing.price,
            payment=payment,
            bond=bonded,
            deliver_by=min(offer.deliver_by, bid.deliver_by),
        )

    def _close_trade(self, batch: bytes, record: Record, outcome: Outcome) -> None:
        payout = split(record, outcome, self.parameters)
        self.open_bits[batch] &= ~(1 << record.index)
        provider, buyer = self.account(record.provider), self.account(record.buyer)
        provider.locked -= record.bond
        buyer.locked -= record.payment
        provider.available += payout.bond_back + payout.to_provider
        buyer.available += payout.to_buyer
        self.account(self.treasury).available += payout.fee
        self.account(self.rerun_account).available += payout.rerun
        self.account(self.pool).available += payout.pool
        units, runs = units_given_back(record, outcome)
        self.order(record.provider, record.offer).consumed -= units
        self.order(record.buyer, record.bid).consumed -= runs

    def _demand_open(self, batch: bytes, record: Record) -> None:
        if not self.open_bits.get(batch, 0) & (1 << record.index):
            raise Reverted("TradeNotOpen")


def _quantity_code(state: OrderState, limit: int, quantity: int, valid_until: int, now: int) -> RejectCode:
    if state.cancelled:
        return RejectCode.CANCELLED
    consumed = state.consumed + quantity
    if consumed > limit:
        return RejectCode.NOT_ENOUGH_QUANTITY
    if now > valid_until and consumed > state.peak:
        return RejectCode.EXPIRED
    return RejectCode.NONE
