"""A seeded walk through the life of a market: calls that mostly succeed, with a good share that must not.

`Walk` chooses the next step by looking at the model; a step is applied to the model and, in the differential
test, to the real contract. Nothing here asks a clock: time is the walk's own.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from suan.core.contract.limits import PLACES
from suan.core.contract.records import BatchHead, Clearing, Fill, KeySet, Outcome, Record, Session
from suan.core.encoding import ZERO_ADDRESS
from suan.core.orders.products import PRODUCTS
from suan.core.signing.domains import Domain
from suan.core.signing.structs import SIDE_BUY, SIDE_SELL, Bid, Offer
from suan.core.units import minimum_units
from tests.core.signing.keys import Key
from tests.oracle.market.disputing import Disputing
from tests.oracle.market.model import MarketModel, Opened
from tests.oracle.market.money import MarketParameters
from tests.oracle.market.receipts import Published, published
from tests.oracle.market.state import Delegate, Reverted

TREASURY, POOL, RERUN = ("0x" + digit * 40 for digit in "789")
TOKEN = 10**18
PRODUCT, OTHER_PRODUCT = (product.id for product in list(PRODUCTS.values())[:2])


@dataclass(frozen=True)
class Step:
    """One call: the model's method, its arguments, and when (unix seconds)."""

    name: str
    arguments: dict[str, Any]
    now: int


@dataclass
class Batch:
    head: BatchHead
    records: tuple[Record, ...]


@dataclass
class Decided:
    """A verdict that waits, or waited: what settle() and dispute() need."""

    batch: Batch
    outcomes: list[tuple[int, Outcome]]
    root: bytes
    settle_after: int


class Walk(Disputing):
    """People, their orders and the batches so far. `delegates` and `agents` are what the Registry must know."""

    def __init__(
        self, *, seed: int, now: int, domain: Domain, parameters: MarketParameters, verifiers: KeySet
    ) -> None:
        self.chance = random.Random(seed)
        self.now = now
        self.verifiers, self.verifier_set = verifiers, verifiers.id()
        self.verdicts: list[Decided] = []
        self.published: dict[bytes, Published] = {}
        self.nonces: dict[tuple[str, int], int] = {}
        self.people = [Key(f"person {number}") for number in range(8)]
        self.helper, self.stranger = Key("helper"), Key("stranger")
        self.delegates = self._delegates()
        self.agents = self._agents()
        self.model = MarketModel(
            domain, parameters, TREASURY, POOL, RERUN,
            delegates=dict(self.delegates), agents=dict(self.agents), caps={self.verifier_set: verifiers.payout_cap},
        )  # fmt: skip
        self.offers: list[tuple[Offer, bytes]] = []
        self.bids: list[tuple[Bid, bytes]] = []
        self.batches: list[Batch] = []
        self.clearings = 0
        self.opened: list[Session] = []

    def next_step(self) -> Step:
        """The next call; time moves on, sometimes past every deadline of the open trades."""
        self.now += self.chance.choice([1, 1, 1, 2, 5, 30])
        poor = [key.address for key in self.people if key.address not in self.model.accounts]
        if poor:
            return Step(
                "deposit",
                {"account": poor[0], "amount": self.chance.choice([TOKEN // 100, 100 * TOKEN])},
                self.now,
            )
        makers = [self._deposit, *[self._open] * 8, self._cancel]
        makers += [self._deposit, self._request_withdrawal, self._withdraw, self._open_session]
        if self.batches:
            makers += [
                *[self._decide] * 3, self._accept, self._give_up, self._refund, self._refund_given_up,
            ]  # fmt: skip
        if self.verdicts:
            makers += [*[self._settle] * 3, *[self._dispute] * 3]
        if self.model.disputes:
            makers += [*[self._rule] * 4, *[self._reveal] * 3, *[self._time_out] * 2]
        if any(self.model.claims.values()):
            makers += [self._reclaim]
        name, arguments = self.chance.choice(makers)()
        return Step(name, arguments, self.now)

    def apply(self, step: Step) -> Any:
        """What the model answers; Reverted comes back as a value."""
        untimed = {"deposit", "reclaim"}
        arguments = step.arguments | ({} if step.name in untimed else {"now": step.now})
        try:
            result = getattr(self.model, step.name)(**arguments)
        except Reverted as error:
            return error
        if isinstance(result, Opened) and result.head:
            self.batches.append(Batch(result.head, result.records))
        if step.name == "open_session":
            self.opened.append(step.arguments["session"])
        if step.name == "decide":
            self.verdicts.append(
                Decided(
                    self._batch_of(step.arguments["head"]),
                    step.arguments["outcomes"],
                    step.arguments["receipts_root"],
                    self.model.decided[result][1],
                )
            )
        return result

    def _deposit(self):
        return "deposit", {
            "account": self._person().address,
            "amount": self.chance.choice([0, 1, TOKEN, 50 * TOKEN, 50 * TOKEN]),
        }

    def _request_withdrawal(self):
        account = self._person().address
        everything = self.model.account(account).available
        amount = self.chance.choice([0, 1, TOKEN, 20 * TOKEN, everything])
        return "request_withdrawal", {"account": account, "amount": amount}

    def _open_session(self):
        leaving = [key.address for key in self.people if self.model.account(key.address).exiting]
        buyer = self.chance.choice(leaving or [self._person().address])
        ceiling = self.chance.choice([1, TOKEN // 10, self.model.account(buyer).exiting])
        expires_at = self.now + self._mostly(500, 0)
        return "open_session", {
            "session": Session(buyer, ceiling, self._person().address, expires_at, len(self.model.sessions))
        }

    def _withdraw(self):
        return "withdraw", {"account": self._person().address}

    def _cancel(self):
        orders = [order for order, _ in self.offers[-6:] + self.bids[-6:]]
        if not orders:
            return "cancel", {"maker": self._person().address, "side": SIDE_BUY, "nonce": 0}
        order = self.chance.choice(orders)
        return "cancel", {"maker": order.maker, "side": order.side, "nonce": order.nonce}

    def _open(self):
        offers = [self._order(self.offers, self._offer) for _ in range(self.chance.randint(1, 3))]
        bids = [self._order(self.bids, self._bid) for _ in range(self.chance.randint(1, 4))]
        self.clearings += 1
        clearings = [
            Clearing(
                product,
                self.clearings,
                bytes(32),
                self.chance.choice([TOKEN, TOKEN, TOKEN, TOKEN + 12_345, 3 * TOKEN]),
            )
            for product in (PRODUCT, OTHER_PRODUCT)[: self.chance.randint(1, 2)]
        ]
        fills = [self._fill(offers, bids, clearings) for _ in range(self.chance.randint(2, 10))]
        return "open", {
            "verifier_set": self.verifier_set, "clearings": clearings, "fills": fills,
            "offers": [order for order, _ in offers], "offer_signatures": [signature for _, signature in offers],
            "bids": [order for order, _ in bids], "bid_signatures": [signature for _, signature in bids],
        }  # fmt: skip

    def _fill(self, offers, bids, clearings):
        bid = self.chance.randrange(len(bids))
        runs = self._mostly(self.chance.choice([1, 1, 2, 3]), 0)
        last = max(bids[bid][0].runs - runs, 0)
        first = self._mostly(self._first_run(bids[bid][0], last), last + 1)
        runs = min(runs, bids[bid][0].runs)
        stray = self.chance.random() < 0.05
        return Fill(
            len(offers) if stray else self.chance.randrange(len(offers)),
            bid,
            self._mostly(0, len(clearings) - 1),
            first,
            runs,
        )

    def _first_run(self, bid, last):
        """Often the first that is new, or one behind it; else any."""
        state = self.model.order(bid.maker, SIDE_BUY, bid.nonce)
        reached = state.reached if state.generation == bid.nonce // PLACES else 0
        if self.chance.random() < 0.25:
            return self.chance.randint(0, last)
        return min(reached + self.chance.choice([0, 0, 0, 1]), last)

    def _order(self, known, make):
        if known and self.chance.random() < 0.6:
            alive = [entry for entry in known[-8:] if entry[0].valid_until >= self.now]
            return self.chance.choice(self._mostly(alive, known) or known)
        known.append(make())
        return known[-1]

    def _offer(self):
        units, price = self.chance.choice([5_000, 10**8, 10**9]), self.chance.choice([0, TOKEN // 2, TOKEN])
        return self._signed(Offer, SIDE_SELL, {"units": units, "price": price})

    def _bid(self):
        runs, ceiling = self.chance.randint(1, 8), self.chance.choice([1, 999, 36_001, 10**7])
        price = self._mostly(2 * TOKEN, TOKEN - 1)
        return self._signed(Bid, SIDE_BUY, {"runs": runs, "ceiling": ceiling, "price": price})

    def _signed(self, struct, side, special):
        owner = self._person()
        nonce = self.nonces.get((owner.address, side), self.chance.randrange(3))
        newest = self.model.account(owner.address).newest[side]
        # Near neighbours share a word; a leap of a generation now and then ends the order that stood there.
        self.nonces[owner.address, side] = min(nonce + self._mostly(1, 256), newest + 256)
        nonce = self._mostly(nonce, newest + 257)
        valid_until = self.now + self.chance.choice([0, 20] + [600] * 8)
        order = struct(
            maker=owner.address, product=self._mostly(PRODUCT, OTHER_PRODUCT),
            side=self._mostly(side, 3 - side), nonce=nonce, valid_until=valid_until,
            deliver_by=valid_until + self.chance.choice([0, 100, 400, 400, 400, 400, 31 * 86_400]),
            verifier_set=self._mostly(self.verifier_set, bytes(32)), max_fee_bps=self._mostly(10_000, 0),
            terms=bytes(32), **special,
        )  # fmt: skip
        signer = self.chance.choices([owner, self.helper, self.stranger], [90, 9, 1])[0]
        signature = signer.sign(order.digest(self.model.domain))
        return order, self._mostly(signature, signature[:64] + b"\x1d")

    def _decide(self):
        batch, records = self._some_records()
        outcomes = [(record.index, self._outcome(record)) for record in records]
        return "decide", {
            "head": batch.head,
            "outcomes": outcomes,
            "receipts_root": self._publish(batch, outcomes),
        }

    def _publish(self, batch, outcomes):
        """The receipts root of a verdict."""
        made = published(
            self.chance, [(batch.records[index], outcome) for index, outcome in outcomes], self.model.domain
        )
        self.published[made.root] = made
        return made.root

    def _settle(self):
        verdict = self.chance.choice(self.verdicts[-6:])
        if self.now < verdict.settle_after and self.chance.random() < 0.8:
            self.now = verdict.settle_after
        named = dict(verdict.outcomes)
        return "settle", {
            "head": verdict.batch.head,
            "records": [record for record in verdict.batch.records if record.index in named],
            "outcomes": verdict.outcomes,
            "receipts_root": verdict.root,
        }

    def _accept(self):
        batch, records = self._some_records()
        buyer, provider = records[0].buyer, ZERO_ADDRESS
        if self.chance.random() < 0.5:
            provider = records[0].provider
        mine = [r for r in records if r.buyer == buyer and provider in (r.provider, ZERO_ADDRESS)]
        parts = [(r.index, self._settled(r)) for r in mine]
        whole = [(r.index, Outcome(1, r.runs, r.runs * r.ceiling)) for r in mine]
        return "accept", {
            "head": batch.head,
            "buyer": self._mostly(buyer, self._person().address),
            "provider": provider,
            "agent": self.chance.choices(
                [records[0].provider, self.helper.address, self.stranger.address], [60, 35, 5]
            )[0],
            "records": mine,
            "outcomes": self._mostly(whole if provider == ZERO_ADDRESS else parts, parts),
        }

    def _give_up(self):
        batch, records = self._some_records()
        provider = records[0].provider
        return "give_up", {
            "head": batch.head,
            "provider": self._mostly(provider, self._person().address),
            "signer": self.chance.choices([provider, self.helper.address], [9, 1])[0],
            "records": [record for record in records if record.provider == provider],
        }

    def _batch_of(self, head):
        (batch,) = (batch for batch in self.batches if batch.head.id() == head.id())
        return batch

    def _refund(self):
        batch, records = self._some_records()
        self._wait_for(records, self.model.parameters.verification_grace)
        return "refund", {"head": batch.head, "records": records}

    def _refund_given_up(self):
        given_up = [
            (batch, [record])
            for batch in self.batches
            for record in self._open_records(batch)
            if (batch.head.id(), record.index) in self.model.refundable_from
        ]
        batch, records = self.chance.choice(given_up or [self._some_records()])
        due = self.model.refundable_from.get((batch.head.id(), records[0].index), 0)
        self.now = max(self.now, due - (self.chance.random() < 0.2))
        return "refund", {"head": batch.head, "records": records}

    def _wait_for(self, records, grace):
        """Often let the time of these trades pass, so that what waits for it can happen."""
        due = max(record.deliver_by for record in records) + grace
        if self.now < due < self.now + 2_000 and self.chance.random() < 0.7:
            self.now = due - (self.chance.random() < 0.1)

    def _some_records(self):
        """Records of one batch by index: mostly open ones, sometimes with some that have ended."""
        batch = self.chance.choice([b for b in self.batches if self._open_records(b)] or self.batches)
        records = self._mostly(self._open_records(batch), batch.records) or batch.records
        count = self.chance.randint(1, len(records))
        return batch, sorted(self.chance.sample(records, count), key=lambda record: record.index)

    def _open_records(self, batch):
        bits = self.model.open_bits[batch.head.id()]
        return [record for record in batch.records if bits & (1 << record.index)]

    def _outcome(self, record):
        kind = self.chance.choices([0, 1, 2, 3], [20, 57, 20, 3])[0]
        if kind != 1:
            return Outcome(kind, 0, self.chance.choice([1, 5_000, 2**63]) if kind == 2 else 0)
        return self._settled(record)

    def _settled(self, record):
        delivered = self.chance.randint(1, record.runs)
        least = delivered * minimum_units(record.ceiling)
        units = self._mostly(self.chance.randint(least, delivered * record.ceiling), least - 1)
        return Outcome(1, delivered, units)

    def _agents(self):
        """The helper is an agent of some people, for ever or not for long."""
        owners = [owner for owner in self.people if self.chance.random() < 0.7]
        return {
            (owner.address, self.helper.address): self.now + self.chance.choice([500, 10**6])
            for owner in owners
        }

    def _delegates(self):
        settings = {}
        for owner in self.people:
            for side in (SIDE_BUY, SIDE_SELL):
                if self.chance.random() < 0.8:
                    cap = self.chance.choice([TOKEN // 100, 20 * TOKEN])
                    worst = self.chance.choice([TOKEN, 2 * TOKEN] if side == SIDE_BUY else [0, TOKEN // 2])
                    valid = self.now + self.chance.choice([500, 10**6])
                    settings[owner.address, self.helper.address, side] = Delegate(cap, worst, valid, 1)
        return settings

    def _person(self) -> Key:
        return self.chance.choice(self.people)

    def _mostly(self, right, wrong):
        return wrong if self.chance.random() < 0.015 else right
