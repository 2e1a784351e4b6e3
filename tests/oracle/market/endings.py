"""How trades end in the model of the Market: by verdict, by signature, by time; and sessions.

Invariant: whatever ends a trade pays out exactly its payment and its bond; a session's ceiling is locked until it ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from suan.core.contract.deadlines import refund_after
from suan.core.contract.limits import PLACES, TERM_SECONDS_MAX
from suan.core.contract.places import OrderState, Shadow
from suan.core.contract.records import (
    BatchHead,
    Outcome,
    OutcomeKind,
    Record,
    Session,
    pack_outcomes,
)
from suan.core.contract.reject_codes import RejectCode
from suan.core.encoding import ZERO_ADDRESS
from suan.core.signing.domains import Domain
from suan.core.signing.structs import SIDE_BUY, SIDE_SELL, Verdict
from suan.core.units import BaseUnits, fee
from tests.oracle.market.money import MarketParameters, Shares, as_possible, possible, shares
from tests.oracle.market.state import Delegate, ModelAccount, ModelDispute, ModelSession, Reverted


@dataclass
class Endings:
    """The state of one Market. As the Registry answers: delegates (owner, key, side) -> Delegate, agents (owner, key) -> valid
    until. exposure: verifier set -> base units locked in its trades, at most caps of it.
    """

    domain: Domain
    parameters: MarketParameters
    treasury: str
    pool: str
    rerun_account: str
    delegates: dict[tuple[str, str, int], Delegate] = field(default_factory=dict)
    agents: dict[tuple[str, str], int] = field(default_factory=dict)
    caps: dict[bytes, int] = field(default_factory=dict)
    accounts: dict[str, ModelAccount] = field(default_factory=dict)
    orders: dict[tuple[str, int, int], OrderState] = field(default_factory=dict)
    shadows: dict[tuple[str, int, int], Shadow] = field(default_factory=dict)
    spent: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    open_bits: dict[bytes, int] = field(default_factory=dict)
    decided: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    exposure: dict[bytes, int] = field(default_factory=dict)
    disputes: dict[tuple[bytes, int], ModelDispute] = field(default_factory=dict)
    claims: dict[tuple[bytes, int], dict[int, str]] = field(default_factory=dict)
    shown: set[tuple[bytes, int]] = field(default_factory=set)
    sessions: dict[bytes, ModelSession] = field(default_factory=dict)
    refundable_from: dict[tuple[bytes, int], int] = field(default_factory=dict)
    batches: int = 0
    custody: int = 0

    def account(self, owner: str) -> ModelAccount:
        return self.accounts.setdefault(owner, ModelAccount())

    def order(self, maker: str, side: int, nonce: int) -> OrderState:
        """The place of the order with this nonce."""
        return self.orders.setdefault((maker, side, nonce % PLACES), OrderState())

    def decide(
        self, head: BatchHead, outcomes: Sequence[tuple[int, Outcome]], receipts_root: bytes, *, now: int
    ) -> bytes:
        """The id of the verdict; its trades wait until the dispute window is over. Trades that are not open are passed over."""
        batch = head.id()
        bits = sum(1 << index for index, _ in outcomes)
        if not outcomes or bits >> head.count:
            raise Reverted("MalformedOutcomes")
        bits &= self.open_bits.get(batch, 0)
        if not bits:
            raise Reverted("NothingOpen")
        verdict = Verdict(batch, pack_outcomes(outcomes), receipts_root).struct_hash()
        self.open_bits[batch] ^= bits
        self.decided[verdict] = (bits, now + self.parameters.dispute_window)
        return verdict

    def settle(
        self,
        head: BatchHead,
        records: Sequence[Record],
        outcomes: Sequence[tuple[int, Outcome]],
        receipts_root: bytes,
        *,
        now: int,
    ) -> int:
        """Bits of the trades that ended: all that waited. An outcome that its trade cannot have refunds it."""
        verdict = Verdict(head.id(), pack_outcomes(outcomes), receipts_root).struct_hash()
        waiting, settle_after = self.decided.get(verdict, (0, 0))
        if not waiting:
            raise Reverted("NothingOpen")
        if now < settle_after:
            raise Reverted("TooEarly")
        del self.decided[verdict]
        for record, (_, outcome) in zip(records, outcomes, strict=True):
            if waiting & (1 << record.index):
                self._pay(head.verifier_set, record, as_possible(record, outcome))
        return waiting

    def accept(
        self,
        head: BatchHead,
        buyer: str,
        provider: str,
        agent: str,
        records: Sequence[Record],
        outcomes: Sequence[tuple[int, Outcome]],
        *,
        now: int,
    ) -> int:
        """Bits of the trades that the buyer, or both sides, ended by signature; ended trades are passed over.

        agent: whose key signs for the provider, if one is named.
        """
        batch, closed = head.id(), 0
        alone = provider == ZERO_ADDRESS
        if not alone and agent != provider and self.agents.get((provider, agent), 0) < now:
            raise Reverted("InvalidSignature")
        for record, (index, outcome) in zip(records, outcomes, strict=True):
            if record.buyer != buyer or not (alone or record.provider == provider):
                raise Reverted("InvalidSignature")
            if index != record.index or outcome.kind != OutcomeKind.SETTLED or not possible(record, outcome):
                raise Reverted("InvalidOutcome")
            if alone and outcome != Outcome(OutcomeKind.SETTLED, record.runs, record.runs * record.ceiling):
                raise Reverted("InvalidOutcome")
        for record, (_, outcome) in zip(records, outcomes, strict=True):
            if self.open_bits.get(batch, 0) & (1 << record.index):
                self._close_trade(head, record, outcome)
                closed |= 1 << record.index
        if not closed:
            raise Reverted("NothingOpen")
        return closed

    def give_up(
        self, head: BatchHead, provider: str, signer: str, records: Sequence[Record], *, now: int
    ) -> None:
        """Note when the open ones of these trades may be refunded; the first word counts."""
        batch = head.id()
        if signer != provider or any(record.provider != provider for record in records):
            raise Reverted("InvalidSignature")
        news = [
            (batch, record.index)
            for record in records
            if self.open_bits.get(batch, 0) & (1 << record.index)
            and (batch, record.index) not in self.refundable_from
        ]
        if not news:
            raise Reverted("NothingOpen")
        self.refundable_from |= dict.fromkeys(news, now + self.parameters.dispute_window)

    def refund(self, head: BatchHead, records: Sequence[Record], *, now: int) -> None:
        batch = head.id()
        still_open = [r for r in records if self.open_bits.get(batch, 0) & (1 << r.index)]
        for record in still_open:
            silent = refund_after(record.deliver_by, self.parameters.verification_grace)
            if now < silent and now < self.refundable_from.get((batch, record.index), silent):
                raise Reverted("TooEarly")
        if not still_open:
            raise Reverted("NothingOpen")
        for record in still_open:
            self._close_trade(head, record, Outcome(OutcomeKind.REFUNDED, 0, 0))

    def open_session(self, session: Session, *, now: int) -> None:
        buyer = self.account(session.buyer)
        usable = session.buyer != session.provider and session.ceiling and session.id() not in self.sessions
        if not usable or not now < session.expires_at <= now + TERM_SECONDS_MAX:
            raise Reverted("InvalidSession")
        buyer_fresh = buyer.fresh_at(now)
        if buyer.exiting - buyer_fresh < session.ceiling:
            raise Reverted("InsufficientExit")
        buyer.fresh = buyer_fresh
        buyer.leave(session.ceiling)
        buyer.locked += session.ceiling
        self.sessions[session.id()] = ModelSession()

    def redeem(self, session: Session, cumulative: int) -> RejectCode:
        """Pay what a voucher of the session's buyer adds; the reason if it adds nothing."""
        known = self.sessions.get(session.id())
        if known is None or not known.is_open:
            return RejectCode.SESSION_NOT_OPEN
        if cumulative <= known.paid:
            return RejectCode.VOUCHER_NOT_GREATER
        if cumulative > session.ceiling:
            return RejectCode.CEILING_EXCEEDED
        paid = cumulative - known.paid
        charged = fee(BaseUnits(paid), self.parameters.fee_bps)
        known.paid = cumulative
        self.account(session.buyer).locked -= paid
        self.account(session.provider).available += paid - charged
        self.account(self.treasury).available += charged
        return RejectCode.NONE

    def close_session(self, session: Session, sender: str, *, now: int) -> int:
        """Base units that are the buyer's again."""
        known = self.sessions.get(session.id())
        if known is None or not known.is_open:
            raise Reverted("InvalidSession")
        if sender != session.provider and now < session.expires_at + self.parameters.verification_grace:
            raise Reverted("SessionNotExpired")
        known.is_open = False
        released = session.ceiling - known.paid
        buyer = self.account(session.buyer)
        buyer.locked -= released
        buyer.available += released
        return released

    def _close_trade(self, head: BatchHead, record: Record, outcome: Outcome) -> None:
        self._pay(head.verifier_set, record, outcome)
        self.open_bits[head.id()] &= ~(1 << record.index)

    def _pay(self, verifier_set: bytes, record: Record, outcome: Outcome) -> Shares:
        self.exposure[verifier_set] -= record.payment + record.bond
        ends = shares(record, outcome, self.parameters.fee_bps)
        provider, buyer = self.account(record.provider), self.account(record.buyer)
        provider.locked -= record.bond
        buyer.locked -= record.payment
        provider.available += ends.provider
        buyer.available += ends.buyer
        self.account(self.treasury).available += ends.treasury
        self.account(self.rerun_account).available += ends.rerun_account
        self.account(self.pool).available += ends.pool
        used = outcome.units if outcome.kind == OutcomeKind.SETTLED else 0
        offer = self.order(record.provider, SIDE_SELL, record.offer_nonce)
        offer.give(record.offer_nonce // PLACES, record.runs * record.ceiling - used)
        bid = self.order(record.buyer, SIDE_BUY, record.bid_nonce)
        bid.give(record.bid_nonce // PLACES, record.runs - outcome.runs_delivered)
        return ends
