"""`make chaos`: one market in trade, `kill -9` of every process, and everything that a chain and a node can do wrong.

A seed decides the plan of faults before the market starts. A crowd bids while the faults fall; afterwards every trade
must be settled or refunded, every order ended or explained, the chain's events one to one with the exchange's trades,
its view equal to a fresh index of the chain byte for byte, and audit and reconciliation without a difference.
"""

from __future__ import annotations

import argparse
import json
import signal
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from operations.chaos import books
from operations.chaos.crowd import Crowd, wishes
from operations.chaos.faults import KILL, NODE, Blow, plan
from operations.chaos.proxy import FaultProxy
from operations.chaos.storm import Storm
from operations.demo import demo
from operations.demo.jobs import Job, measured, small_sources
from operations.demo.people import DidNotHappen, wait_until
from operations.demo.story import Story, say
from operations.run import layout
from operations.run.market import Market, start_market

CONFIRMATIONS = 12
HISTORY_BLOCKS = 96
SETTINGS = {
    **dict.fromkeys(("DATABASE_URL", "REDIS_URL", "CHAIN_RPC_URL", "PORT"), ""),
    "CONFIRMATIONS": str(CONFIRMATIONS),
    "SUAN_CHAIN_HISTORY_BLOCKS": str(HISTORY_BLOCKS),
    "BLOCK_SECONDS": "1",
    "BLOCK_HEARTBEAT_SECONDS": "1",
    "CLEARING_SECONDS": "2",
    "SWEEP_SECONDS": "2",
    "INDEX_SECONDS": "0.5",
    "SEND_SECONDS": "0.5",
    "RECONCILE_SECONDS": "120",
    "RPC_TIMEOUT_SECONDS": "5",
    "VERIFICATION_GRACE_SECONDS": "3600",
}
"""Blocks come all the time, so that a chain that lost some grows back; a lost answer costs five seconds, not ten. Two
cores carry the market and what happens to it: alarm clocks ring every two seconds. Services are its own in any case."""
BUYERS = 3
QUIET_SECONDS_MAX = 300.0
FINAL_SECONDS_MAX = 300.0

Json = dict[str, Any]


def main(arguments: Sequence[str]) -> int:
    """Let the storm rage; 0 when nothing was lost and nothing paid twice."""
    parser = argparse.ArgumentParser(prog="python -m operations chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--trades", type=int, default=100, help="bids, each of which ends in one trade or more"
    )
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--reorgs", type=int, default=10)
    parser.add_argument("--shallow", action="store_true", help="no reorganisation deeper than final")
    parser.add_argument("--only", action="append", help="kill only this process; may be repeated")
    parser.add_argument("--plan", action="store_true", help="print the plan of faults and stop")
    options = parser.parse_args(arguments)
    blows = plan(
        seed=options.seed,
        bids=options.trades,
        kills=options.kills,
        reorgs=options.reorgs,
        victims=options.only or victims(),
        confirmations=CONFIRMATIONS,
        deep=not options.shallow,
    )
    if options.plan:
        print("\n".join(f"after bid {blow.after:>5}: {blow}" for blow in blows))
        return 0
    folder = layout.default_var() / "chaos"
    found = run(folder, seed=options.seed, bids=options.trades, blows=blows)
    (folder / "report.json").write_text(json.dumps(found, indent=2) + "\n")
    show(found, folder)
    return 1 if found["failures"] else 0


def victims() -> list[str]:
    """Every process of the Procfile, with the agents of the crowd's providers in place of the demo's."""
    lines = (layout.PROJECT / "Procfile").read_text().splitlines()
    names = [line.partition(":")[0] for line in lines if line and not line.startswith("#")]
    agents = [f"agent-{name.lower()}" for name, _, _ in demo.PROVIDERS]
    return [name for name in names if name not in demo.LEFT_OUT] + agents


def run(folder: Path, *, seed: int, bids: int, blows: Sequence[Blow]) -> Json:
    """One market in one storm; returns the report."""
    began = time.monotonic()
    proxies: list[FaultProxy] = []

    def between(node: str) -> str:
        proxies.append(FaultProxy(node))
        return proxies[0].url

    jobs: Future[dict[str, Job]] = Future()
    jobs.set_result(measured(folder / "jobs", small_sources()))
    try:
        with start_market(
            var=demo.empty(folder),
            profile="demo",
            without=demo.LEFT_OUT,
            environment=SETTINGS,
            chain_proxy=between,
            report=say,
        ) as market:
            story = Story(market, folder, began=began)
            story.facts["jobs"] = jobs
            storm = Storm(market, proxies[0], CONFIRMATIONS, say)
            crowd = Crowd(story, storm, seed)
            story.phase("start")
            demo.prepare(story)
            wanted = wishes(seed=seed, bids=bids, buyers=BUYERS)
            crowd.open_shop(wanted, dishonest=demo.DISHONEST)
            story.phase("shop")
            try:
                crowd.trade(wanted, blows)
                storm.calm()
                story.phase("storm")
                crowd.settle()
                crowd.close_shop()
                wait_until(
                    "all closes to be final", lambda: demo.all_final(story), seconds=FINAL_SECONDS_MAX, poll=2
                )
                story.phase("calm")
            except (DidNotHappen, AssertionError) as fault:
                story.facts["stuck"] = str(fault)
                say(f"STUCK: {fault}")
            found = report(story, storm, crowd, blows)
            say("stopping the market")
    finally:
        for proxy in proxies:
            proxy.close()
    return found | {
        "seed": seed,
        "bids": bids,
        "seconds": story.seconds | {"total": round(time.monotonic() - began)},
    }


def stand_still(market: Market, storm: Storm) -> None:
    """Stop the chain's clock and wait until the exchange has read and posted all of it."""
    market.supervisor.hold("miner")
    storm.market.kill("miner")

    def caught_up() -> bool:
        status = storm.status()
        return bool(status["head"]["number"] == storm.node.block_number() and not status["unposted_events"])

    wait_until("the exchange to have read the whole chain", caught_up, seconds=QUIET_SECONDS_MAX, poll=1.0)


def report(story: Story, storm: Storm, crowd: Crowd, blows: Sequence[Blow]) -> Json:
    """Compare everything with everything, and say what did not hold."""
    stand_still(story.market, storm)
    trades = crowd.trades()
    deployment = story.buyers[0].hand.market
    events = books.chain_events(storm.node, [deployment["market"]])
    mismatches = list(books.compare_trades(trades, events))
    say(f"trades against the chain's events: {len(mismatches)} mismatches")
    fresh = books.fresh_index(storm)
    say(
        f"fresh index: {'equal' if fresh['equal'] else 'NOT EQUAL'}, {fresh['lines']} lines, {fresh['bytes']} bytes"
    )
    audited = demo.check(story)
    ledger = demo.ledger_differences(story.market)
    story.phase("books")
    open_orders = crowd.open_orders()
    explained = {order["order_id"]: hand.explain(order["order_id"]) for hand, order in open_orders}
    orphans = books.unexplained([order for _, order in open_orders], explained)
    killed = Counter(death.name for death in story.market.supervisor.deaths if death.code == -signal.SIGKILL)
    states = Counter(trade["status"] for trade in trades)
    found: Json = {
        "plan": [{"after": blow.after, "blow": str(blow)} for blow in blows],
        "trades": sum(states.values()) - states["rejected"],
        "states": dict(states),
        "kills": dict(sorted(storm.kills.items())),
        "deaths_by_signal": dict(sorted(killed.items())),
        "reorgs_asked": {str(depth): count for depth, count in sorted(storm.reorgs.items())},
        "transactions_kept_by_reorgs": storm.kept,
        "flushes": storm.flushes,
        "node_faults_met": {
            f"{method} {name}": count for (method, name), count in sorted(storm.proxy.met.items())
        },
        "halts": storm.halts,
        "orders_open": len(open_orders),
        "mismatches": mismatches[: books.NAMED_MAX],
        "fresh_index": fresh,
        "audit": {
            "differences": audited.differences_total,
            "named": [str(difference) for difference in audited.differences[: books.NAMED_MAX]],
            "trades": audited.trades_checked,
            "receipts": audited.receipts_checked,
            "acknowledgements": audited.acknowledgements_checked,
            "runs_recomputed": audited.runs_recomputed,
        },
        "ledger_differences": ledger,
        "chain_blocks": storm.node.block_number(),
    }
    found["failures"] = failures(
        found, blows, [*orphans, *([story.facts["stuck"]] if "stuck" in story.facts else [])]
    )
    return found


def failures(found: Json, blows: Sequence[Blow], named: Sequence[str]) -> list[str]:
    """Every promise that was not kept, in words."""
    ended = sum(found["states"].get(name, 0) for name in ("settled", "refunded", "slashed"))
    promises = {
        f"{found['trades'] - ended} trades are neither settled nor refunded": ended == found["trades"],
        f"{len(found['mismatches'])} trades differ from the chain's events": not found["mismatches"],
        "the view differs from a fresh index": found["fresh_index"]["equal"],
        f"the audit finds {found['audit']['differences']} differences": not found["audit"]["differences"],
        f"reconciliation finds {found['ledger_differences']} differences": not found["ledger_differences"],
        "a process was not killed as planned": sum(found["kills"].values())
        == sum(blow.kind == KILL for blow in blows),
        "no fault of the node was met": bool(found["node_faults_met"])
        or not any(blow.kind == NODE for blow in blows),
        "something was sent while settlement was halted": not any(
            halt["transactions_sent_while_halted"] or halt["healthy_while_halted"] for halt in found["halts"]
        ),
    }
    return [*named, *(text for text, kept in promises.items() if not kept)]


def show(found: Json, folder: Path) -> None:
    """What happened, for people."""
    states = ", ".join(f"{count} {name}" for name, count in sorted(found["states"].items()))
    lines = [
        "",
        f"  {found['bids']} bids became {found['trades']} trades: {states}",
        f"  kill -9, {sum(found['kills'].values())} times: "
        + ", ".join(f"{name} {count}" for name, count in found["kills"].items()),
        f"  reorganisations, {sum(found['reorgs_asked'].values())}, by depth: "
        + ", ".join(f"{depth} ({count})" for depth, count in found["reorgs_asked"].items()),
        f"  FLUSHALL {found['flushes']} times; wrong answers of the node: {sum(found['node_faults_met'].values())}",
        *(
            f"  halted {halt['seconds']} s by a reorganisation of {halt['depth']} blocks: {' '.join(halt['rewind'])}"
            for halt in found["halts"]
        ),
        f"  {found['audit']['trades']} trades and {found['audit']['receipts']} receipts audited: "
        f"{found['audit']['differences']} differences; reconciliation: {found['ledger_differences']}",
        f"  view of {found['fresh_index']['lines']} lines against a fresh index of {found['chain_blocks']} blocks: "
        + ("equal" if found["fresh_index"]["equal"] else "NOT EQUAL"),
        "  seconds: " + ", ".join(f"{name} {value}" for name, value in found["seconds"].items()),
        f"  the plan and all numbers: {folder.name}/report.json in the var folder",
        "",
    ]
    print("\n".join(lines), flush=True)
    for name in (*found["mismatches"], *found["fresh_index"]["differences"], *found["audit"]["named"]):
        print(f"  difference: {name[:400]}")
    for name in found["failures"]:
        print(f"  NOT KEPT: {name}")
