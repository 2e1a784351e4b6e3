"""`make demo`: start a market on an empty folder, trade real jobs between strangers, settle, audit, say what happened.

The demonstration uses the public interface only. It ends with exit code 0 only if every trade settled or was refunded,
the dishonest provider was caught, every order behaved as the rules say, and the audit found no difference.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from operations.demo import people, summary
from operations.demo.jobs import TILES, Job, OptionResult, measured, option_result, save_picture
from operations.demo.people import wait_until
from operations.demo.story import Story, say
from operations.run import layout
from operations.run.market import Market, start_market
from suan.client.api import CLOSED_TRADES, TERMINAL, Suan
from suan.client.audit.report import Report
from suan.client.audit.run import audit
from suan.core import units

PRODUCT = "cpu.fp64:eu-north:recomputed"
PROVIDERS = (("Aurora", "0.90", PRODUCT), ("Borealis", "1.10", PRODUCT), ("Cirrus", "0.70", PRODUCT))
DISHONEST = "Cirrus"
CAPACITY = {"Aurora": "0.0012", "Borealis": "0.01", "Cirrus": "0.0002"}
OPTION_BIDS, NBODY_BIDS = 12, 9
# (group, buyer, job, limit price, runs); buyers are Ada 0, Bea 1, Chen 2.
PLAN = (
    *(("option", 2, "option", "2.00", 1) for _ in range(OPTION_BIDS)),
    *(("nbody", 0, "nbody", f"1.{20 + 5 * i}", 1) for i in range(NBODY_BIDS)),
    ("picture", 1, "picture", "1.60", TILES),
    ("trap", 0, "trap", "1.50", 1),
    ("too low", 1, "option", "0.01", 1),
    ("cancelled", 0, "nbody", "0.02", 2),
)
RESTING = ("too low",)
LEFT_OUT = ("agent1", "agent2")
PACE = {
    "LOCK_SECONDS": "1",
    "CLOSE_SECONDS": "1",
    "SWEEP_SECONDS": "0.5",
    "SEND_SECONDS": "0.25",
    "INDEX_SECONDS": "0.25",
    "BLOCK_SECONDS": "0.3",
}
"""A demonstration has an audience: fills and closes wait half as long for company, and every step looks twice as often.

Two processors are under half busy meanwhile: what an audience would wait for are these clocks.
"""
TRADING_SECONDS_MAX = 240.0
RERUN_PPM = 100_000

Json = dict[str, Any]


def main(arguments: Sequence[str]) -> int:
    """Run the demonstration; 0 when everything that it promises came true."""
    parser = argparse.ArgumentParser(prog="python -m operations demo", description=__doc__)
    parser.parse_args(arguments)
    folder = layout.default_var() / "demo"
    began = time.monotonic()
    say("starting a market of its own in " + str(folder / "market"))
    with ThreadPoolExecutor(1) as aside:
        jobs = aside.submit(measured, folder / "jobs")  # while the market starts
        return run(folder, began, jobs)


def run(folder: Path, began: float, jobs: Future[dict[str, Job]]) -> int:
    """The demonstration from start to summary."""
    with start_market(
        var=empty(folder), profile="demo", without=LEFT_OUT, environment=PACE, report=say
    ) as market:
        story = Story(market, folder, facts={"jobs": jobs}, began=began)
        story.phase("start")
        prepare(story)
        place(story)
        settle(story)
        collect(story)
        report = check(story)
        story.facts["ledger_differences"] = ledger_differences(market)
        wait_until("all closes to be final", lambda: all_final(story), poll=1.0)
        story.facts["trades"] = all_trades(story)
        story.phase("books")
        document = summary.document(story, report)
        say("stopping the market")
    document["seconds"] = story.seconds | {"total": round(time.monotonic() - began, 1)}
    (folder / "report.json").write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")
    failures = summary.failures(document)
    summary.show(document, failures, folder)
    return 1 if failures else 0


def empty(folder: Path) -> Path:
    """An empty var folder for the market; compiled contracts are kept, since they follow from their sources alone."""
    market, kept = folder / "market", folder / "contracts"
    if market.exists():
        if (market / "contracts").exists():
            shutil.rmtree(kept, ignore_errors=True)
            shutil.move(market / "contracts", kept)
        layout.remove(market)
    market.mkdir(parents=True, mode=0o700)
    if kept.exists():
        shutil.copytree(kept, market / "contracts")
    return market


def prepare(story: Story) -> None:
    """Accounts, test tokens, agents that measure their machines, jobs that their buyers measured."""
    say("three providers and three buyers open accounts and ask the faucet for test tokens")
    with ThreadPoolExecutor(1) as aside:
        buyers = aside.submit(people.buyers, story.market)
        story.providers = people.providers(story.market, PROVIDERS)
        people.start_agents(story.market, story.providers, dishonest=DISHONEST)
        story.buyers = buyers.result()
    say("agents measure their machines; buyers measure their jobs")
    story.facts["jobs"] = story.facts["jobs"].result()
    people.wait_for_nodes(story.providers)
    say("waiting until the deposits are final")
    people.wait_for_money([*(p.account for p in story.providers), *(b.hand for b in story.buyers)])
    people.wait_for_delegate(story.buyers[2])
    story.phase("accounts")


def place(story: Story, plan: Sequence[tuple[str, int, str, str, int]] = PLAN) -> None:
    """Offers first, then all bids within a second or two, as a market sees them."""
    for provider in story.providers:
        offered = units.parse_gflops_hours(CAPACITY[provider.name])
        offer = people.list_capacity(provider, units_offered=offered)
        remember(story, "offers", provider.account, offer)
        say(f"{provider.name} offers {CAPACITY[provider.name]} GFLOPS·h at {provider.price}")
    jobs: dict[str, Job] = story.facts["jobs"]
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(bid, story, jobs[entry[2]], *entry) for entry in plan]:
            done.result()
    say(f"{len(plan)} bids are in the book")
    for hand, order in story.named.get("cancelled", []):
        story.facts["cancelled"] = hand.cancel(order["order_id"])
    story.phase("orders")


def bid(story: Story, job: Job, group: str, buyer_number: int, name: str, price: str, runs: int) -> None:
    """Upload a job and bid for its runs as one of the buyers."""
    buyer = story.buyers[buyer_number]
    placed = buyer.hand.bid(
        PRODUCT,
        price=price,
        module=buyer.hand.upload(job.module),
        input=buyer.hand.upload(job.stdin),
        runs=runs,
        ceiling_units=job.ceiling_units,
        deliver_seconds=600,
        maker=None if buyer.hand.key is None else buyer.maker,
    )
    remember(story, group, buyer.hand, placed)


def remember(story: Story, group: str, hand: Suan, order: Json) -> None:
    story.orders.append((hand, order))
    story.named.setdefault(group, []).append((hand, order))


def settle(story: Story) -> None:
    """Wait until every trade is closed and every bid that can trade is filled by runs that were delivered.

    A bid whose run came to nothing is `filled` until the refund or the slash is final; then the run trades again.
    """
    waiting = [
        entry
        for group, entries in story.named.items()
        if group != "offers" and group not in RESTING
        for entry in entries
    ]
    shown = ""

    def done() -> bool:
        nonlocal shown
        states: dict[str, int] = {}
        trades = all_trades(story)
        for trade in trades:
            states[trade["status"]] = states.get(trade["status"], 0) + 1
        line = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        if line != shown:
            say(f"trades: {line or 'none yet'}")
            shown = line
        if not trades or any(trade["status"] not in CLOSED_TRADES for trade in trades):
            return False
        delivered = delivered_runs(trades)
        return all(has_ended(hand.order(order["order_id"]), delivered) for hand, order in waiting)

    wait_until("all trades to be closed", done, seconds=TRADING_SECONDS_MAX, poll=1.5)
    story.phase("trading")


def delivered_runs(trades: Sequence[Json]) -> Counter[str]:
    """Runs that settled trades delivered, by id of the bid. A close that left the chain comes back, and counts then."""
    delivered = Counter[str]()
    for trade in trades:
        if trade["status"] == "settled" and trade["close"]:
            delivered[trade["bid_id"]] += trade["close"]["runs_delivered"]
    return delivered


def has_ended(bid: Json, delivered: Counter[str]) -> bool:
    """Whether nothing of a bid will trade any more; delivered: runs of settled trades, by id of the bid."""
    if bid["order_status"] == "filled":
        return int(bid["cum_quantity"]) == delivered[bid["order_id"]]
    return bid["order_status"] in TERMINAL


def all_trades(story: Story) -> list[Json]:
    """Every trade of the market, as anybody may list them."""
    return list(story.buyers[0].hand.pages("/trades", limit=500))


def all_final(story: Story) -> bool:
    """Whether every trade's end has its confirmations."""
    return all(trade["finality"] == "final" for trade in all_trades(story))


def collect(story: Story) -> None:
    """Fetch what was bought and look at it."""
    picture_hand, picture = story.named["picture"][0]
    path = story.folder / "picture.png"
    save_picture(picture_hand.outputs(picture["order_id"]), path)
    story.facts["picture"] = str(path.relative_to(layout.default_var().parent))
    outputs = [o for hand, order in story.named["option"] for o in hand.outputs(order["order_id"])]
    result: OptionResult = option_result(outputs)
    story.facts["option"] = result
    hand, low = story.named["too low"][0]
    story.facts["explanation"] = hand.explain(low["order_id"])
    hand, trap = story.named["trap"][0]
    story.facts["trap"] = hand.get(f"/trades/{hand.trades(trap['order_id'])[0]['trade_id']}")
    nbody_hand, nbody = story.named["nbody"][0]
    story.facts["nbody"] = nbody_hand.outputs(nbody["order_id"])[0].data.decode()
    story.phase("results")


def check(story: Story) -> Report:
    """Audit from the chain and the published evidence, as a stranger would."""
    deployment = story.buyers[0].hand.market
    acknowledgements = []
    folder = story.folder / "acknowledgements"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for number, (_, order) in enumerate(story.orders):
        path = folder / f"{number:03d}.json"
        path.write_text(json.dumps(order["acknowledgement"]))
        acknowledgements.append(path)
    say("auditing from the chain endpoint and the evidence address alone")
    report = audit(
        story.market.rpc_url,
        deployment["market"],
        f"{story.market.base_url}/evidence",
        acknowledgements=acknowledgements,
        rerun_ppm=RERUN_PPM,
    )
    say(f"audit: {report.differences_total} differences")
    story.phase("audit")
    return report


def ledger_differences(market: Market) -> int:
    """What `manage.py verify_ledger` finds between the database and the chain; each finding is printed."""
    command = (sys.executable, "manage.py", "verify_ledger")
    done = subprocess.run(  # noqa: S603 - a command of this project
        command, env=market.environment, cwd=layout.PROJECT, capture_output=True, text=True, timeout=600
    )
    if done.returncode:
        print(done.stdout[-4000:], done.stderr[-2000:], flush=True)
    return 0 if done.returncode == 0 else max(1, done.stdout.count("DIFFERENCE"))
