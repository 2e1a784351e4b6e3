"""The Market contract's book-keeping in plain Python: the oracle that differential tests hold the contract to.

The model follows the rules of docs/protocol.md section 4 in the order in which the contract asks them, so it
also predicts the code of a refused fill. Time and the Registry's facts are arguments.

Invariant: custody == sum of available, locked and exiting of all accounts, and every open trade's payment and
bond are locked. Not modelled: Merkle proofs and the quorum of verifiers (a verdict is taken as given), the
token, the operator and pausing; an opening's arrays are taken to have valid lengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from suan.core.contract.limits import (
    DAY_SECONDS,
    NONCE_AHEAD_MAX,
    NONCE_MAX,
    PLACES,
    RUNS_MAX,
    TERM_SECONDS_MAX,
    UNITS_MAX,
)
from suan.core.contract.places import OrderState, Shadow, Turn
from suan.core.contract.records import BatchHead, Clearing, Fill, Record, batch_head, trade_id
from suan.core.contract.reject_codes import RejectCode
from suan.core.encoding import keccak
from suan.core.signing.recover import BadSignature, recover
from suan.core.signing.structs import SIDE_BUY, SIDE_SELL, Bid, Offer
from suan.core.units import Price, WorkUnits, bond, bond_price, lock_payment
from tests.oracle.market.disputes import Disputes
from tests.oracle.market.state import Delegate, Reverted


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


class MarketModel(Disputes):
    """One Market: money in and out, cancels and openings here, everything that ends a trade in Endings and Disputes."""

    def deposit(self, account: str, amount: int) -> None:
        if amount == 0:
            raise Reverted("ZeroAmount")
        if self.custody + amount >= 2**96:
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
        owner.fresh = owner.fresh_at(now) + amount
        owner.ready_at = now + self.parameters.withdrawal_delay
        owner.fresh_until = now + self.parameters.match_window

    def withdraw(self, account: str, *, now: int) -> int:
        """Base units that leave the market."""
        owner = self.account(account)
        if owner.exiting == 0:
            raise Reverted("NothingToWithdraw")
        if now < owner.ready_at:
            raise Reverted("WithdrawalNotReady")
        amount = owner.exiting
        owner.leave(amount)
        self.custody -= amount
        return amount

    def cancel(self, maker: str, side: int, nonce: int, *, now: int) -> None:
        state, newest = self.order(maker, side, nonce), self.account(maker).newest
        if nonce > min(newest[side] + NONCE_AHEAD_MAX, NONCE_MAX):
            raise Reverted("NonceTooFar")
        if state.generation <= nonce // PLACES and not (state.ended and state.generation == nonce // PLACES):
            shadow = self.shadows.setdefault((maker, side, nonce % PLACES), Shadow())
            shadow.cancel(state, nonce // PLACES, now=now, window=self.parameters.match_window)
            state.begin(nonce // PLACES)
            state.end()
            newest[side] = max(newest[side], nonce)

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
        records: list[Record] = []
        rejections = []
        for position, fill in enumerate(fills):
            if fill.offer >= len(offers) or fill.bid >= len(bids) or fill.clearing >= len(clearings):
                rejections.append(Rejection(position, RejectCode.BAD_INDEX))
                continue
            offer, bid, clearing = offers[fill.offer], bids[fill.bid], clearings[fill.clearing]
            checked = (
                self._check(offer, SIDE_SELL, offer_signatures[fill.offer], verifier_set, clearing, now),
                self._check(bid, SIDE_BUY, bid_signatures[fill.bid], verifier_set, clearing, now),
            )
            code = self._pair_code(offer, bid, checked, fill, now)
            if code is RejectCode.NONE:
                result = self._lock(offer, bid, checked, clearing, fill, len(records), now)
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

    def _check(
        self,
        order: Offer | Bid,
        side: int,
        signature: bytes,
        verifier_set: bytes,
        clearing: Clearing,
        now: int,
    ) -> _Checked:
        # The contract takes side, set and product from the call: an order that names others is signed over other fields.
        seen = replace(order, side=side, verifier_set=verifier_set, product=clearing.product)
        digest = seen.digest(self.domain)
        if now >= order.deliver_by:
            return _Checked(digest, RejectCode.EXPIRED)
        if order.max_fee_bps < self.parameters.fee_bps:
            return _Checked(digest, RejectCode.FEE_ABOVE_MAXIMUM)
        if order.price > clearing.price if side == SIDE_SELL else order.price < clearing.price:
            return _Checked(digest, RejectCode.PRICE_OUTSIDE_LIMITS)
        if not _countable(order):
            return _Checked(digest, RejectCode.BAD_INDEX)
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
        fill: Fill,
        now: int,
    ) -> RejectCode:
        for one in checked:
            if one.code is not RejectCode.NONE:
                return one.code
        if offer.maker == bid.maker:
            return RejectCode.SAME_MAKER
        if fill.runs == 0 or fill.first_run + fill.runs > bid.runs:
            return RejectCode.BAD_INDEX
        if min(offer.deliver_by, bid.deliver_by) > now + TERM_SECONDS_MAX:
            return RejectCode.DELIVER_BY_TOO_FAR
        for order, side in ((offer, SIDE_SELL), (bid, SIDE_BUY)):
            if order.nonce > min(self.account(order.maker).newest[side] + NONCE_AHEAD_MAX, NONCE_MAX):
                return RejectCode.NONCE_TOO_FAR
        sold = self._counting(offer.maker, SIDE_SELL, offer.nonce, now)
        code = _units_code(sold, offer, fill.runs * bid.ceiling, now)
        if code is not RejectCode.NONE:
            return code
        return _runs_code(self._counting(bid.maker, SIDE_BUY, bid.nonce, now), bid, fill, now)

    def _counting(self, maker: str, side: int, nonce: int, now: int) -> OrderState:
        """Where the order counts: its place, or what the place was before a cancel ended the order a moment ago."""
        place, shadow = self.order(maker, side, nonce), self.shadows.get((maker, side, nonce % PLACES))
        found = _of_order(place, nonce)
        ended = found.generation > nonce // PLACES or found.ended
        return shadow.kept if ended and shadow and shadow.covers(nonce // PLACES, now) else place

    def _lock(
        self,
        offer: Offer,
        bid: Bid,
        checked: tuple[_Checked, _Checked],
        clearing: Clearing,
        fill: Fill,
        index: int,
        now: int,
    ) -> Record | RejectCode:
        units = WorkUnits(fill.runs * bid.ceiling)
        payment = lock_payment(Price(clearing.price), units)
        per_unit = bond_price(
            Price(offer.price), self.parameters.bond_bps, Price(self.parameters.bond_floor_price)
        )
        bonded = bond(per_unit, units)
        buyer, provider = self.account(bid.maker), self.account(offer.maker)
        if payment > buyer.available + buyer.fresh_at(now):
            return RejectCode.INSUFFICIENT_FUNDS
        if bonded > provider.available + provider.fresh_at(now):
            return RejectCode.INSUFFICIENT_BOND
        exposure = self.exposure.get(bid.verifier_set, 0) + payment + bonded
        if exposure > self.caps[bid.verifier_set]:
            return RejectCode.CAP_REACHED
        spends = [(checked[0], bonded), (checked[1], payment)]
        granted = [(one.grant, one.spend_cap, amount) for one, amount in spends if one.grant is not None]
        if any(self.spent_today(grant, now) + amount > cap for grant, cap, amount in granted):
            return RejectCode.DELEGATE_NOT_ALLOWED
        for grant, _, amount in granted:
            self.spent[grant] = (now // DAY_SECONDS, self.spent_today(grant, now) + amount)
        self.exposure[bid.verifier_set] = exposure
        for account, amount in ((buyer, payment), (provider, bonded)):
            if (lack := amount - account.available) > 0:
                account.available += lack
                account.fresh -= lack
                account.leave(lack)
            account.available -= amount
            account.locked += amount
        self._counting(offer.maker, SIDE_SELL, offer.nonce, now).take(offer.nonce // PLACES, units)
        bought = self._counting(bid.maker, SIDE_BUY, bid.nonce, now)
        bought.take_runs(bid.nonce // PLACES, fill.first_run, fill.runs)
        provider.newest[SIDE_SELL] = max(provider.newest[SIDE_SELL], offer.nonce)
        buyer.newest[SIDE_BUY] = max(buyer.newest[SIDE_BUY], bid.nonce)
        return Record(
            trade=trade_id(checked[0].hash, checked[1].hash, fill.first_run, clearing.id()),
            provider=offer.maker,
            buyer=bid.maker,
            index=index,
            first_run=fill.first_run,
            runs=fill.runs,
            ceiling=bid.ceiling,
            price=clearing.price,
            bond=bonded,
            deliver_by=min(offer.deliver_by, bid.deliver_by),
            offer_nonce=offer.nonce,
            bid_nonce=bid.nonce,
        )

    def spent_today(self, grant: bytes, now: int) -> int:
        """Base units that a delegate's setting locked in the UTC day of `now`."""
        day, spent = self.spent.get(grant, (0, 0))
        return spent if day == now // DAY_SECONDS else 0


def _countable(order: Offer | Bid) -> bool:
    """Whether the quantity fits the order's place, and there is work at all."""
    if isinstance(order, Offer):
        return order.units <= UNITS_MAX
    return order.runs <= RUNS_MAX and order.ceiling > 0


def _of_order(state: OrderState, nonce: int) -> OrderState:
    """The counts of this order in its place; none if an older one stands there."""
    return OrderState(nonce // PLACES) if state.generation < nonce // PLACES else state


def _units_code(state: OrderState, offer: Offer, units: int, now: int) -> RejectCode:
    found = _of_order(state, offer.nonce)
    if found.generation > offer.nonce // PLACES or found.ended:
        return RejectCode.CANCELLED
    if found.consumed + units > offer.units:
        return RejectCode.NOT_ENOUGH_QUANTITY
    late = now > offer.valid_until and found.consumed + units > found.reached
    return RejectCode.EXPIRED if late else RejectCode.NONE


def _runs_code(state: OrderState, bid: Bid, fill: Fill, now: int) -> RejectCode:
    found = _of_order(state, bid.nonce)
    if found.generation > bid.nonce // PLACES or found.ended:
        return RejectCode.CANCELLED
    turn = found.turn(fill.first_run, fill.runs)
    if turn is Turn.NONE:
        return RejectCode.NOT_ENOUGH_QUANTITY
    late = now > bid.valid_until and turn is not Turn.BACK
    return RejectCode.EXPIRED if late else RejectCode.NONE
