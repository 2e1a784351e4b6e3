"""A crowd that trades through a storm: bids with names of their own, repeated until the exchange has them, once each.

A program that bids through crashes gives each bid a client_order_id and sends it again until it has an answer; the
exchange answers a repeat with the first order. Only a part of the bids waits for the end of its trades at a time, so that
the storm falls on trades at every stage of their lives and not on a queue.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from operations.chaos.faults import Blow
from operations.chaos.storm import Storm
from operations.demo.demo import PRODUCT, delivered_runs, has_ended, remember
from operations.demo.jobs import Job
from operations.demo.people import DidNotHappen, list_capacity, wait_until
from operations.demo.story import Story, say
from suan.client.api import CLOSED_TRADES, TERMINAL, Suan
from suan.client.errors import SuanError, UnknownOutcome, Unreachable
from suan.core.contract import event_topics

OPEN_PART = 8
OPEN_TRADES_MIN, OPEN_TRADES_MAX = 12, 120
"""Of the bids, one in OPEN_PART may wait for the end of its trades, but at least and at most so many."""
GROUP = 4
HANDS = 4
BLOW_PAUSE_SECONDS = 1.0
PLACE_SECONDS_MAX = 300.0
STALL_SECONDS_MAX = 600.0
DELIVER_SECONDS = 6 * 3_600
VALID_SECONDS = 3 * 3_600
DISHONEST_RUNS = 20
SPARE = 2
"""Offers hold this many times the work of all bids: runs that come back trade again."""
TRAPS_PER_HUNDRED = 2

Json = dict[str, Any]


@dataclass(frozen=True)
class Wish:
    """One bid: who, which job, limit price in tokens per GFLOPS·h, how many runs."""

    number: int
    buyer: int
    job: str
    price: str
    runs: int


def wishes(*, seed: int, bids: int, buyers: int) -> tuple[Wish, ...]:
    """What the crowd will ask for. Pure: the seed decides it."""
    chance = random.Random(f"wishes {seed}")  # noqa: S311 - to be reproduced, not to be secret
    return tuple(
        Wish(
            number,
            chance.randrange(buyers),
            "trap" if chance.randrange(100) < TRAPS_PER_HUNDRED else "option",
            f"{chance.randint(120, 200) / 100:.2f}",
            1 + (chance.randrange(10) == 0),
        )
        for number in range(bids)
    )


@dataclass
class Crowd:
    """The buyers of a story with their uploaded jobs, and what they have in the book."""

    story: Story
    storm: Storm
    seed: int
    hashes: dict[tuple[int, str], tuple[str, str]] = field(default_factory=dict)
    placed: int = 0
    room: int = OPEN_TRADES_MAX

    @property
    def jobs(self) -> dict[str, Job]:
        found: dict[str, Job] = self.story.facts["jobs"]
        return found

    def open_shop(self, wanted: Sequence[Wish], *, dishonest: str) -> None:
        """Offers with room for everything, and every job uploaded by every buyer, before the storm begins."""
        work = sum(wish.runs * self.jobs[wish.job].ceiling_units for wish in wanted)
        few = DISHONEST_RUNS * self.jobs["option"].ceiling_units
        for provider in self.story.providers:
            offer = list_capacity(
                provider,
                units_offered=few if provider.name == dishonest else SPARE * work,
                valid_seconds=VALID_SECONDS,
                deliver_seconds=DELIVER_SECONDS,
            )
            remember(self.story, "offers", provider.account, offer)
        for number, buyer in enumerate(self.story.buyers):
            for name, job in self.jobs.items():
                self.hashes[number, name] = buyer.hand.upload(job.module), buyer.hand.upload(job.stdin)

    def trade(self, wanted: Sequence[Wish], blows: Sequence[Blow]) -> None:
        """Place all bids; after each group let the blows fall whose moment has come."""
        coming = list(blows)
        self.room = min(max(len(wanted) // OPEN_PART, OPEN_TRADES_MIN), OPEN_TRADES_MAX)
        with ThreadPoolExecutor(HANDS) as pool:
            for start in range(0, len(wanted), GROUP):
                self._wait_for_room()
                for order in pool.map(self._place, wanted[start : start + GROUP]):
                    remember(self.story, "bids", self.story.buyers[order[0]].hand, order[1])
                self.placed = min(start + GROUP, len(wanted))
                while coming and coming[0].after <= self.placed:
                    self.storm.strike(coming.pop(0))
                    time.sleep(BLOW_PAUSE_SECONDS)

    def _place(self, wish: Wish) -> tuple[int, Json]:
        """Bid until there is an answer; the same name each time, so one order at most."""
        hand, maker = self.story.buyers[wish.buyer].hand, self.story.buyers[wish.buyer].maker
        module, stdin = self.hashes[wish.buyer, wish.job]
        until = time.monotonic() + PLACE_SECONDS_MAX
        while True:
            try:
                return wish.buyer, hand.bid(
                    PRODUCT,
                    price=wish.price,
                    module=module,
                    input=stdin,
                    runs=wish.runs,
                    ceiling_units=self.jobs[wish.job].ceiling_units,
                    client_order_id=f"chaos-{self.seed}-{wish.number}",
                    valid_seconds=VALID_SECONDS,
                    deliver_seconds=DELIVER_SECONDS,
                    maker=None if hand.key is None else maker,
                )
            except (Unreachable, UnknownOutcome):
                if time.monotonic() > until:
                    raise
                time.sleep(BLOW_PAUSE_SECONDS)

    def _wait_for_room(self) -> None:
        """Until fewer bids than there is room for wait for the end of their trades."""
        wait_until(
            f"fewer than {self.room} open trades after {self.placed} bids",
            lambda: self.placed - self.closed() < self.room,
            seconds=STALL_SECONDS_MAX,
        )

    def closed(self) -> int:
        """Trades that have ended on the chain as it is now, asked of the node itself."""
        self.storm.look()
        query = {"fromBlock": "0x0", "toBlock": "latest", "topics": [event_topics("TradeClosed")]}
        return len(self.storm.node.call("eth_getLogs", query))

    def settle(self) -> None:
        """Wait until every trade has ended and every bid is terminal; says how far it is when that changes."""
        shown = ""
        moved = time.monotonic()
        while True:
            try:
                trades = self.trades()
                states = Counter(trade["status"] for trade in trades)
                waiting = sum(not _is_closed(trade) for trade in trades)
                line = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
                open_bids = 0 if waiting else self._open_bids(delivered_runs(trades))
                line += "" if waiting else f"; {open_bids} bids open"
                if line != shown:
                    say(f"trades: {line}")
                    shown, moved = line, time.monotonic()
                if not waiting and not open_bids:
                    return
            except SuanError as fault:
                say(f"the exchange does not answer: {fault}")
            if time.monotonic() - moved > STALL_SECONDS_MAX:
                raise DidNotHappen(f"nothing moves for {STALL_SECONDS_MAX:.0f} s: {shown}")
            time.sleep(3 * BLOW_PAUSE_SECONDS)

    def trades(self) -> list[Json]:
        """Every trade of the market."""
        return list(self.story.buyers[0].hand.pages("/trades", limit=500))

    def open_orders(self) -> list[tuple[Suan, Json]]:
        """Orders of everybody that have not ended, each with the hand that may ask about it."""
        hands = [buyer.hand for buyer in self.story.buyers] + [one.account for one in self.story.providers]
        mine = [(hand, order) for hand in hands for order in hand.orders(limit=500)]
        return [(hand, order) for hand, order in mine if order["order_status"] not in TERMINAL]

    def _open_bids(self, delivered: Counter[str]) -> int:
        mine = [order for buyer in self.story.buyers for order in buyer.hand.orders(limit=500)]
        return sum(not has_ended(order, delivered) for order in mine)

    def close_shop(self) -> None:
        """Providers take back what is left of their offers."""
        for hand, order in self.story.named["offers"]:
            if hand.order(order["order_id"])["order_status"] not in TERMINAL:
                hand.cancel(order["order_id"])


def _is_closed(trade: Json) -> bool:
    """Whether a trade has ended on the chain as it is now: a close that a reorganisation took is yet to come back."""
    return trade["status"] in CLOSED_TRADES and (trade["status"] == "rejected" or bool(trade["close"]))
