"""Disputes in the model of the Market: claims about what was decided, receipts shown, a ruling, or the time that ran out.

Invariant: the bond of a claim is locked until it ends; then it goes back to the challenger, or some of it to whoever was
attacked or showed what was asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

from suan.core.contract.records import BatchHead, Outcome, OutcomeKind, Record, pack_outcomes
from suan.core.signing.structs import Verdict
from tests.oracle.market.endings import Endings
from tests.oracle.market.money import Shares, as_possible, possible, shares
from tests.oracle.market.receipts import ACCEPTED, REJECTED, Showing
from tests.oracle.market.state import ModelDispute, Reverted

NO_RECEIPT, FALSE_RECEIPT, WRONG_COUNT = 1, 2, 3
ANY_RUN = 2**32 - 1


class Disputes(Endings):
    """The state of one Market, with the disputes about its verdicts."""

    def dispute(
        self,
        head: BatchHead,
        record: Record,
        outcomes: Sequence[tuple[int, Outcome]],
        receipts_root: bytes,
        challenger: str,
        claim: int,
        run: int,
        *,
        now: int,
    ) -> None:
        """Claim something about a decided trade; the first claim takes it out of its verdict."""
        batch, key = head.id(), (head.id(), record.index)
        verdict = Verdict(batch, pack_outcomes(outcomes), receipts_root).struct_hash()
        found = self.disputes.get(key)
        if found is None:
            found = self._first(verdict, record, outcomes, receipts_root, now)
        elif found.receipts_root != receipts_root:
            raise Reverted("NotDisputed")
        asked = self.claims.setdefault(key, {})
        if claim == NO_RECEIPT:
            self._may_ask(found, asked, record, run, now)
        else:
            self._may_claim(found, challenger, claim, now)
        bond, account = self.parameters.dispute_bond, self.account(challenger)
        if account.available < bond:
            raise Reverted("InsufficientAvailable")
        account.available -= bond
        account.locked += bond
        if key not in self.disputes:
            waiting, settle_after = self.decided.pop(verdict)
            left = waiting & ~(1 << record.index)
            self.decided |= {verdict: (left, settle_after)} if left else {}
            self.disputes[key] = found
        if claim == NO_RECEIPT:
            asked[run] = challenger
        else:
            found.for_arbiters.append((challenger, claim))

    def reveal(self, head: BatchHead, record: Record, run: int, showing: Showing, *, now: int) -> None:
        """Show the receipt of a run that somebody asks for; it costs the challenger a tenth of its bond."""
        key = head.id(), record.index
        found, asked = self.disputes.get(key), self.claims.get(key, {})
        if found is None or run not in asked:
            raise Reverted("NotDisputed")
        if now >= found.reveal_by:
            raise Reverted("TooLate")
        if not self._answers(found, record, run, showing):
            raise Reverted("InvalidReceipt")
        self.shown.add((record.trade, run))
        challenger, cost = self.account(asked.pop(run)), self.parameters.dispute_bond // 10
        challenger.locked -= self.parameters.dispute_bond
        challenger.available += self.parameters.dispute_bond - cost
        self.account(showing.revealer).available += cost
        found.claim_by = max(found.claim_by, now + self.parameters.dispute_window // 2)

    def rule(self, head: BatchHead, record: Record, outcome: Outcome, *, now: int) -> None:
        """End a disputed trade as arbiters say."""
        found = self._disputed(head, record)
        if not found.for_arbiters:
            raise Reverted("NotDisputed")
        if now >= found.rule_by:
            raise Reverted("TooLate")
        if not possible(record, outcome):
            raise Reverted("InvalidOutcome")
        (was_providers, was_buyers), (providers, buyers) = (
            self._shares(record, one) for one in (found.outcome, outcome)
        )
        loser, there = "", 0
        if providers < was_providers:
            loser, there = record.provider, providers
        elif buyers < was_buyers:
            loser, there = record.buyer, buyers
        ends = self._end_dispute(head, record, outcome)
        payer = loser
        if loser == record.provider and outcome.kind == OutcomeKind.SLASHED:
            payer, there = self.pool, ends.pool
        reward = min(there, self.parameters.dispute_bond) // len(found.for_arbiters)
        for challenger, _ in found.for_arbiters:
            if outcome == found.outcome or challenger == loser:
                self._forfeit(record, challenger)
                continue
            self._free(challenger)
            if reward:
                self.account(payer).available -= reward
                self.account(challenger).available += reward

    def time_out(self, head: BatchHead, record: Record, *, now: int) -> None:
        """End a disputed trade without a ruling; nobody is rewarded."""
        found = self._disputed(head, record)
        outcome, due = found.outcome, found.rule_by if found.for_arbiters else found.claim_by
        if self.claims.get((head.id(), record.index)):
            outcome, due = Outcome(OutcomeKind.REFUNDED, 0, 0), found.reveal_by
        if now < due:
            raise Reverted("TooEarly")
        self._end_dispute(head, record, outcome)
        for challenger, _ in found.for_arbiters:
            self._free(challenger)

    def reclaim(self, head: BatchHead, record: Record, run: int) -> None:
        """Free the bond of a claim for a receipt that was open when its trade ended."""
        key = head.id(), record.index
        if key in self.disputes or run not in self.claims.get(key, {}):
            raise Reverted("NotDisputed")
        self._free(self.claims[key].pop(run))

    def _first(
        self,
        verdict: bytes,
        record: Record,
        outcomes: Sequence[tuple[int, Outcome]],
        receipts_root: bytes,
        now: int,
    ) -> ModelDispute:
        waiting, settle_after = self.decided.get(verdict, (0, 0))
        if not waiting >> record.index & 1:
            raise Reverted("TradeNotOpen")
        if now >= settle_after:
            raise Reverted("TooLate")
        window, outcome = self.parameters.dispute_window, as_possible(record, dict(outcomes)[record.index])
        return ModelDispute(
            outcome, receipts_root, settle_after, settle_after + window, settle_after + 2 * window
        )

    def _may_ask(
        self, found: ModelDispute, asked: dict[int, str], record: Record, run: int, now: int
    ) -> None:
        if now >= found.reveal_by - self.parameters.dispute_window:
            raise Reverted("TooLate")
        runs = range(record.first_run, record.first_run + record.runs)
        paid = found.outcome.kind == OutcomeKind.SETTLED and run in runs
        if not paid and not (found.outcome.kind == OutcomeKind.SLASHED and run == ANY_RUN):
            raise Reverted("InvalidClaim")
        if run in asked or (record.trade, run) in self.shown:
            raise Reverted("ClaimTaken")

    def _may_claim(self, found: ModelDispute, challenger: str, claim: int, now: int) -> None:
        if claim not in (FALSE_RECEIPT, WRONG_COUNT):
            raise Reverted("InvalidClaim")
        if now >= found.claim_by:
            raise Reverted("TooLate")
        known = [who for who, _ in found.for_arbiters]
        if len(known) == 2 or challenger in known:
            raise Reverted("ClaimTaken")

    def _answers(self, found: ModelDispute, record: Record, run: int, showing: Showing) -> bool:
        paid = found.outcome.kind == OutcomeKind.SETTLED
        wanted = run if paid else showing.run
        has_receipt = showing.receipt is not None and (record.provider, showing.agent) in self.agents
        if showing.receipt is not None and (showing.receipt.trade, showing.receipt.run) != (
            record.trade,
            wanted,
        ):
            return False
        if found.receipts_root != showing.published.root:
            return False
        if showing.acknowledged:
            return paid and has_receipt
        if showing.leaf(record, wanted, self.domain) not in showing.published.leaves:
            return False
        if not paid:
            return has_receipt and showing.verdict == REJECTED
        if showing.units:
            return has_receipt and showing.verdict == ACCEPTED
        if found.unbilled == record.runs - found.outcome.runs_delivered:
            return False
        found.unbilled += 1
        return True

    def _free(self, challenger: str) -> None:
        account = self.account(challenger)
        account.locked -= self.parameters.dispute_bond
        account.available += self.parameters.dispute_bond

    def _forfeit(self, record: Record, challenger: str) -> None:
        attacked = {record.provider: record.buyer, record.buyer: record.provider}.get(challenger, self.pool)
        self.account(challenger).locked -= self.parameters.dispute_bond
        self.account(attacked).available += self.parameters.dispute_bond

    def _shares(self, record: Record, outcome: Outcome) -> tuple[int, int]:
        """What an outcome leaves to provider and buyer."""
        ends = shares(record, outcome, self.parameters.fee_bps)
        return ends.provider, ends.buyer

    def _end_dispute(self, head: BatchHead, record: Record, outcome: Outcome) -> Shares:
        del self.disputes[head.id(), record.index]
        return self._pay(head.verifier_set, record, outcome)

    def _disputed(self, head: BatchHead, record: Record) -> ModelDispute:
        found = self.disputes.get((head.id(), record.index))
        if found is None:
            raise Reverted("NotDisputed")
        return found
