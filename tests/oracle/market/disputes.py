"""Disputes in the model of the Market: a bond against what was decided, a receipt shown, a ruling, or the time that ran out.

Invariant: a dispute's bond is locked until it ends, and then goes back to the challenger or to the side that it attacked.
"""

from __future__ import annotations

from collections.abc import Sequence

from suan.core.contract.records import BatchHead, Outcome, OutcomeKind, Record, pack_outcomes
from suan.core.signing.structs import Verdict
from tests.oracle.market.endings import Endings
from tests.oracle.market.money import Shares, as_possible, possible, shares
from tests.oracle.market.state import ModelDispute, Reverted


class Disputes(Endings):
    """The state of one Market, with the disputes about its verdicts."""

    def dispute(
        self,
        head: BatchHead,
        record: Record,
        outcomes: Sequence[tuple[int, Outcome]],
        receipts_root: bytes,
        challenger: str,
        *,
        now: int,
    ) -> None:
        """Take a decided trade out of its verdict and lock the challenger's bond."""
        batch = head.id()
        verdict = Verdict(batch, pack_outcomes(outcomes), receipts_root).struct_hash()
        waiting, settle_after = self.decided.get(verdict, (0, 0))
        bit = 1 << record.index
        if not waiting & bit:
            raise Reverted("TradeNotOpen")
        if now >= settle_after:
            raise Reverted("TooLate")
        bond, account = self.parameters.dispute_bond, self.account(challenger)
        if account.available < bond:
            raise Reverted("InsufficientAvailable")
        account.available -= bond
        account.locked += bond
        self.decided[verdict] = (waiting ^ bit, settle_after)
        if waiting == bit:
            del self.decided[verdict]
        window = self.parameters.dispute_window
        outcome = as_possible(record, dict(outcomes)[record.index])
        self.disputes[batch, record.index] = ModelDispute(
            challenger, bond, now + window, now + 2 * window, outcome
        )

    def reveal(self, head: BatchHead, record: Record, *, now: int) -> None:
        """A receipt of the trade was shown."""
        dispute = self._disputed(head, record)
        if now >= dispute.reveal_by:
            raise Reverted("TooLate")
        dispute.revealed = True

    def rule(self, head: BatchHead, record: Record, outcome: Outcome, *, now: int) -> int:
        """End a disputed trade as arbiters say; the reward of a challenger who was right, else 0."""
        dispute = self._disputed(head, record)
        if now >= dispute.rule_by:
            raise Reverted("TooLate")
        if not possible(record, outcome):
            raise Reverted("InvalidOutcome")
        if outcome != dispute.outcome:
            return self._overturn(head, record, dispute, outcome)
        return self._uphold(head, record, dispute, outcome)

    def time_out(self, head: BatchHead, record: Record, *, now: int) -> int:
        """End a disputed trade without a ruling; the reward of a challenger whom nobody answered, else 0."""
        dispute = self._disputed(head, record)
        unbacked = dispute.outcome.kind == OutcomeKind.SETTLED and not dispute.revealed
        if unbacked and dispute.challenger != record.provider:
            if now < dispute.reveal_by:
                raise Reverted("TooEarly")
            return self._overturn(head, record, dispute, Outcome(OutcomeKind.REFUNDED, 0, 0))
        if now < dispute.rule_by:
            raise Reverted("TooEarly")
        self._end_dispute(head, record, dispute.outcome)
        challenger = self.account(dispute.challenger)
        challenger.locked -= dispute.bond
        challenger.available += dispute.bond
        return 0

    def _overturn(self, head: BatchHead, record: Record, dispute: ModelDispute, outcome: Outcome) -> int:
        """The loser is the side to which the ruling leaves less than the decision did."""
        was, becomes = (self._shares(record, one) for one in (dispute.outcome, outcome))
        payer, there = "", 0
        if becomes[0] < was[0]:
            payer, there = record.provider, becomes[0]
        elif becomes[1] < was[1]:
            payer, there = record.buyer, becomes[1]
        if payer == dispute.challenger:
            return self._uphold(head, record, dispute, outcome)
        ends = self._end_dispute(head, record, outcome)
        if payer == record.provider and outcome.kind == OutcomeKind.SLASHED:
            payer, there = self.pool, ends.pool
        reward = min(there, dispute.bond)
        if reward:
            self.account(payer).available -= reward
        challenger = self.account(dispute.challenger)
        challenger.locked -= dispute.bond
        challenger.available += dispute.bond + reward
        return reward

    def _uphold(self, head: BatchHead, record: Record, dispute: ModelDispute, outcome: Outcome) -> int:
        """The challenger was wrong: its bond goes to the side that it attacked."""
        self._end_dispute(head, record, outcome)
        attacked = record.buyer if dispute.challenger == record.provider else record.provider
        self.account(dispute.challenger).locked -= dispute.bond
        self.account(attacked).available += dispute.bond
        return 0

    def _shares(self, record: Record, outcome: Outcome) -> tuple[int, int]:
        """What an outcome leaves to provider and buyer."""
        ends = shares(record, outcome, self.parameters.fee_bps)
        return ends.provider, ends.buyer

    def _end_dispute(self, head: BatchHead, record: Record, outcome: Outcome) -> Shares:
        del self.disputes[head.id(), record.index]
        return self._pay(head.verifier_set, record, outcome)

    def _disputed(self, head: BatchHead, record: Record) -> ModelDispute:
        dispute = self.disputes.get((head.id(), record.index))
        if dispute is None:
            raise Reverted("NotDisputed")
        return dispute
