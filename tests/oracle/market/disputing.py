"""The steps of a walk that dispute what was decided: claims, receipts shown, rulings, and what time ends."""

from __future__ import annotations

from tests.oracle.market.receipts import Showing, receipt_of

ANY_RUN = 2**32 - 1


class Disputing:
    """Chooses by looking at the model, as the rest of the walk does."""

    def _dispute(self):
        verdict = self.chance.choice(self.verdicts[-4:])
        index, _ = self.chance.choice(verdict.outcomes)
        record = verdict.batch.records[index]
        challenger = self.chance.choice([record.buyer, record.provider, self._person().address])
        return "dispute", {
            "head": verdict.batch.head,
            "record": record,
            "outcomes": verdict.outcomes,
            "receipts_root": verdict.root,
            "challenger": challenger,
            **self._claim(record, dict(verdict.outcomes)[index]),
        }

    def _claim(self, record, decided):
        claim = self.chance.choice([1, 1, 2, 3])
        run = record.first_run + self.chance.randrange(record.runs) if decided.kind == 1 else ANY_RUN
        return {"claim": self._mostly(claim, 0), "run": self._mostly(run, record.first_run + record.runs)}

    def _disputed(self):
        batch_id, index = self.chance.choice(list(self.model.disputes))
        (batch,) = (batch for batch in self.batches if batch.head.id() == batch_id)
        return batch, batch.records[index], self.model.disputes[batch_id, index]

    def _reveal(self):
        batch, record, dispute = self._disputed()
        under = self.published[dispute.receipts_root]
        asked = list(self.model.claims.get((batch.head.id(), record.index), {}))
        run = self.chance.choice(asked or [record.first_run])
        shown = record.first_run if run == ANY_RUN else run
        _, _, _, verdict, units = under.leaf_of(record.trade, min(shown, record.first_run + record.runs - 1))
        receipt = under.receipts.get((record.trade, shown))
        acknowledged = self.chance.random() < 0.3
        if acknowledged:
            receipt = receipt or receipt_of(record, shown)
        showing = Showing(
            self._mostly(under, self.chance.choice(list(self.published.values()))), shown, self._mostly(verdict, 1),
            self._mostly(units, 3), self._mostly(receipt, None),
            self.chance.choices([self.helper.address, self.stranger.address], [19, 1])[0],
            self._person().address, acknowledged,
        )  # fmt: skip
        return "reveal", {"head": batch.head, "record": record, "run": run, "showing": showing}

    def _reclaim(self):
        batch, (record, *_) = self._some_records()
        left = [
            (batch_id, index, run)
            for (batch_id, index), claims in self.model.claims.items()
            for run in claims
            if (batch_id, index) not in self.model.disputes
        ]
        run = record.first_run
        if left:
            batch_id, index, run = self.chance.choice(left)
            (batch,) = (batch for batch in self.batches if batch.head.id() == batch_id)
            record = batch.records[index]
        return "reclaim", {"head": batch.head, "record": record, "run": run}

    def _rule(self):
        batch, record, dispute = self._disputed()
        outcome = dispute.outcome if self.chance.random() < 0.4 else self._outcome(record)
        return "rule", {"head": batch.head, "record": record, "outcome": outcome}

    def _time_out(self):
        batch, record, dispute = self._disputed()
        due = self.chance.choice([dispute.claim_by, dispute.reveal_by, dispute.rule_by])
        self.now = max(self.now, due - (self.chance.random() < 0.1))
        return "time_out", {"head": batch.head, "record": record}
