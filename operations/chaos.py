"""`make chaos`: `kill -9` of each process in the middle of trading, each on a fresh market of its own.

For every process: start a market, let strangers trade, kill the process when a trade reaches a state that the seed
chooses, see the supervisor bring it back, wait until every trade is settled or refunded and final, audit from chain and
evidence, compare the books with the chain. The seed reproduces the moments.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from operations import demo, layout
from operations.demo import Story, say
from operations.jobs import Job, measured
from operations.market import start_market
from operations.people import DidNotHappen, wait_until
from suan.client.api import CLOSED_TRADES

# (group, buyer, job, limit price, runs): enough trades that every step of the market is busy when the blow falls.
PLAN = (
    *(("option", 2, "option", "2.00", 1) for _ in range(5)),
    *(("nbody", 0, "nbody", f"1.{20 + 5 * i}", 2) for i in range(4)),
    ("trap", 0, "trap", "1.50", 1),
)
VICTIMS = (
    "web",
    "worker",
    "verifier",
    "beat",
    "agent-aurora",
    "indexer",
    "sender",
    "miner",
    "valkey",
    "postgres",
    "anvil",
)
MOMENTS = ("locking", "locked", "delivered", "closing")
MOMENT_SECONDS_MAX = 60.0


@dataclass(frozen=True)
class Run:
    """What one killing did."""

    victim: str
    moment: str
    trades: int
    settled: int
    refunded: int
    audit_differences: int
    ledger_differences: int
    seconds: int

    @property
    def lost_nothing(self) -> bool:
        found = self.audit_differences + self.ledger_differences
        return self.trades > 0 and self.settled + self.refunded == self.trades and found == 0


def main(arguments: Sequence[str]) -> int:
    """Kill every process once; 0 when nothing was lost."""
    parser = argparse.ArgumentParser(prog="python -m operations chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--only", action="append", choices=VICTIMS, help="kill only this process; may be repeated"
    )
    options = parser.parse_args(arguments)
    chance = random.Random(options.seed)  # noqa: S311 - the seed is to be reproduced, not to be secret
    moments = {victim: chance.choice(MOMENTS) for victim in VICTIMS}
    folder = layout.default_var() / "chaos"
    runs: list[Run] = []
    jobs: Future[dict[str, Job]] = Future()
    jobs.set_result(measured(folder / "jobs"))
    for victim in options.only or VICTIMS:
        try:
            runs.append(one_run(folder, victim, moments[victim], jobs))
        except DidNotHappen as fault:
            say(f"{victim}: {fault}")
            runs.append(Run(victim, moments[victim], 0, 0, 0, 0, 0, 0))
    folder.mkdir(parents=True, exist_ok=True)
    document = {"seed": options.seed, "runs": [run.__dict__ for run in runs]}
    (folder / "report.json").write_text(json.dumps(document, indent=2) + "\n")
    show(runs)
    return 0 if all(run.lost_nothing for run in runs) else 1


def one_run(folder: Path, victim: str, moment: str, jobs: Future[dict[str, Job]]) -> Run:
    """One fresh market with one killing."""
    began = time.monotonic()
    say(f"--- {victim} will be killed when a trade is {moment}")
    market_folder = demo.empty(folder)
    with start_market(var=market_folder, profile="demo", without=demo.LEFT_OUT, report=say) as market:
        story = Story(market, folder)
        story.facts["jobs"] = jobs
        demo.prepare(story)
        demo.place(story, PLAN)
        strike(story, victim, moment)
        demo.settle(story)
        wait_until("all closes to be final", lambda: demo.all_final(story), poll=1.0)
        trades = demo.all_trades(story)
        report = demo.check(story)
        for difference in report.differences:
            say(f"audit: {difference}")
        differences = demo.ledger_differences(market)
    settled = sum(trade["status"] == "settled" for trade in trades)
    closed_unpaid = sum(trade["status"] in ("refunded", "slashed") for trade in trades)
    return Run(
        victim,
        moment,
        sum(trade["status"] != "rejected" for trade in trades),
        settled,
        closed_unpaid,
        report.differences_total,
        differences,
        round(time.monotonic() - began),
    )


def strike(story: Story, victim: str, moment: str) -> None:
    """Kill the victim at the moment, or as soon as trading has passed it; wait until it is back."""
    passed = CLOSED_TRADES

    def now() -> bool:
        states = {trade["status"] for trade in demo.all_trades(story)}
        return moment in states or bool(states & passed)

    wait_until(f"a trade that is {moment}", now, seconds=MOMENT_SECONDS_MAX)
    dead = story.market.kill(victim)
    say(f"killed {victim} ({dead})")
    if not story.market.wait_restarted(victim, dead, seconds=60.0):
        raise DidNotHappen(f"{victim} did not come back")


def show(runs: Sequence[Run]) -> None:
    """A table for people."""
    print(
        f"\n  {'killed':<14}{'when':<12}{'trades':>7}{'settled':>9}{'refunded':>9}{'audit':>7}{'ledger':>8}{'s':>6}"
    )
    for run in runs:
        verdict = "" if run.lost_nothing else "  NOT KEPT"
        print(
            f"  {run.victim:<14}{run.moment:<12}{run.trades:>7}{run.settled:>9}{run.refunded:>9}"
            f"{run.audit_differences:>7}{run.ledger_differences:>8}{run.seconds:>6}{verdict}"
        )
