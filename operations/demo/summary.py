"""What a demonstration proved: a document for programs, a page for people, and the list of what did not come true."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from operations.demo.story import Story
from suan.client.audit.report import Report
from suan.client.rpc import Rpc
from suan.core import units
from suan.core.contract import PAID_KINDS, ReceiptVerdict, event_topics
from suan.core.delivery import ExitReason
from suan.core.units import WorkUnits

COUNTERS = {"fp64": "fp64", "fp32": "fp32", "integer": "integer", "memory_control": "memoryControl"}
TRADES_MIN = 20
SLASHED_MIN = 2
BIDS_MIN = 24

Json = dict[str, Any]


def document(story: Story, report: Report) -> Json:
    """The report of docs: counts from the trades, the published settlements and the chain."""
    trades: list[Json] = story.facts["trades"]
    counted = settlements(story.market.var / "evidence" / "settlements")
    status = {
        name: sum(trade["status"] == name for trade in trades) for name in ("settled", "refunded", "slashed")
    }
    rejected_on_chain = sum(trade["status"] == "rejected" for trade in trades)
    rpc = Rpc(story.market.rpc_url)
    option = story.facts["option"]
    return {
        "trades": len(trades) - rejected_on_chain,
        "settled": status["settled"],
        "refunded": status["refunded"] + status["slashed"],
        "slashed": status["slashed"],
        "fills_refused": rejected_on_chain,
        "bids": sum(len(entries) for group, entries in story.named.items() if group != "offers"),
        "providers": [provider.name for provider in story.providers],
        "buyers": {buyer.name: buyer.how for buyer in story.buyers},
        **counted,
        "clearing_batches": report.clearings_checked,
        "chain_blocks": rpc.block_number(),
        "gas_per_trade": gas_per_trade(rpc, story.buyers[0].hand.market["market"], trades),
        "audit": {
            "differences": report.differences_total,
            "orders_checked": report.orders_checked,
            "receipts_checked": report.receipts_checked,
            "clearings_checked": report.clearings_checked,
            "acknowledgements_checked": report.acknowledgements_checked,
            "runs_recomputed": report.runs_recomputed,
            "accounts_checked": report.accounts_checked,
            "money_conserved": report.money_conserved,
            "named": [str(difference) for difference in report.differences[:20]],
        },
        "ledger_differences": story.facts["ledger_differences"],
        "money": {
            name: units.format_tokens(getattr(report, name))
            for name in ("paid", "fees", "slashed", "custody")
        },
        "picture": story.facts["picture"],
        "option": {
            "paths": option.paths,
            "monte_carlo": f"{option.mean:.5f}",
            "standard_error": f"{option.error:.5f}",
            "closed_form": f"{option.closed_form:.5f}",
            "agrees": option.agrees,
        },
        "too_low": story.facts["explanation"],
        "cancelled": story.facts["cancelled"]["order_status"],
        "trap": {
            "status": story.facts["trap"]["status"],
            "runs": [
                ExitReason(run["exit_reason"]).name.lower() for run in story.facts["trap"]["runs_detail"]
            ],
        },
        "seconds": dict(story.seconds),
    }


def settlements(folder: Path) -> Json:
    """Sums over all published settlements: exact counters, work units, runs, receipts refused."""
    counters = dict.fromkeys(COUNTERS, 0)
    work = runs = rejected = 0
    for path in sorted(folder.glob("*.json")):
        published = json.loads(path.read_bytes())
        for outcome in published["outcomes"]:
            if outcome["kind"] in PAID_KINDS:
                work += int(outcome["units"])
                runs += outcome["runs_delivered"]
        for item in published["receipts"]:
            rejected += item["verdict"] == ReceiptVerdict.REJECTED
            if item["verdict"] == ReceiptVerdict.ACCEPTED:
                for name, label in COUNTERS.items():
                    counters[name] += int(item["receipt"][label])
    return {"runs": runs, "work_units": work, "rejected_receipts": rejected, "counters_total": counters}


def gas_per_trade(rpc: Rpc, market: str, trades: list[Json]) -> int:
    """Gas of all openings, verdicts and settlements, divided by the trades they carried (down)."""
    hashes = {trade[step]["tx_hash"] for trade in trades for step in ("lock", "close") if trade.get(step)}
    decided = {"address": market, "topics": event_topics("BatchDecided"), "fromBlock": "0x0"}
    hashes |= {log["transactionHash"] for log in rpc.call("eth_getLogs", decided)}
    used = sum(int(rpc.call("eth_getTransactionReceipt", name)["gasUsed"], 16) for name in hashes if name)
    carried = sum(bool(trade.get("lock")) for trade in trades)
    return used // max(1, carried)


def failures(found: Json) -> list[str]:
    """Every promise of the demonstration that did not come true."""
    audit = found["audit"]
    promises = {
        f"at least {TRADES_MIN} trades": found["trades"] >= TRADES_MIN,
        f"at least {BIDS_MIN} bids": found["bids"] >= BIDS_MIN,
        "every trade settled or refunded": found["settled"] + found["refunded"] == found["trades"],
        "two lies caught and slashed": found["slashed"] >= SLASHED_MIN
        and found["rejected_receipts"] >= SLASHED_MIN,
        "the audit finds no difference": audit["differences"] == 0,
        "the database agrees with the chain": found["ledger_differences"] == 0,
        "money is conserved": audit["money_conserved"],
        "clearings and receipts were checked": audit["clearings_checked"] > 0
        and audit["receipts_checked"] > 0,
        "the option's price agrees with the closed form": found["option"]["agrees"],
        "the trapped job was billed": found["trap"] == {"status": "settled", "runs": ["trap"]},
        "the cancelled bid is cancelled": found["cancelled"] == "canceled",
        "the bid that is too low says why": bool(found["too_low"].get("code")),
    }
    return [name for name, kept in promises.items() if not kept]


def show(found: Json, missing: list[str], folder: Path) -> None:
    """A page that a person enjoys reading."""
    hours = units.format_gflops_hours(WorkUnits(found["work_units"]))
    option, audit, money = found["option"], found["audit"], found["money"]
    mended = "conserved" if audit["money_conserved"] else "NOT CONSERVED"
    lines = [
        "",
        "  算  Suan: what just happened on this machine",
        "",
        f"  {found['bids']} bids of {len(found['buyers'])} buyers met offers of {len(found['providers'])} providers",
        f"  in {found['clearing_batches']} call auctions: {found['trades']} trades, {found['settled']} settled,",
        f"  {found['refunded']} refunded, {found['slashed']} of these slashed.",
        f"  {found['runs']} runs delivered {found['work_units']} work units ({hours} GFLOPS·h).",
        f"  Paid {money['paid']} tokens, of which {money['fees']} fees.",
        f"  A trade's whole life cost {found['gas_per_trade']} gas; the chain has {found['chain_blocks']} blocks.",
        "",
        "  Operations counted inside the jobs, exactly:",
        *(f"    {name.replace('_', ' and '):<20} {n:>16,}" for name, n in found["counters_total"].items()),
        "",
        f"  A liar sold false output and inflated counters: {found['rejected_receipts']} receipts rejected by two",
        f"  engines, nothing paid, {money['slashed']} tokens of bond slashed; honest machines did the work instead.",
        f"  A picture in tiles, computed run by run: {found['picture']}",
        f"  An option over {option['paths']:,} paths: {option['monte_carlo']} ± {option['standard_error']}, "
        f"closed form {option['closed_form']}.",
        f"  A bid that was too low: {found['too_low']['sentence']}",
        f"  A job that trapped: {found['trap']['status']}, by the table of money outcomes.",
        "",
        f"  Audit from chain and evidence alone: {audit['differences']} differences in",
        f"  {audit['orders_checked']} orders, {audit['receipts_checked']} receipts, "
        f"{audit['clearings_checked']} clearings, "
        f"{audit['accounts_checked']} accounts, {audit['runs_recomputed']} runs recomputed; money {mended}.",
        "",
        "  seconds: " + ", ".join(f"{name} {value}" for name, value in found["seconds"].items()),
        f"  all numbers: {folder.name}/report.json in the var folder",
        "",
    ]
    print("\n".join(lines), flush=True)
    for name in audit["named"]:
        print(f"  difference: {name}")
    for name in missing:
        print(f"  NOT KEPT: {name}")
