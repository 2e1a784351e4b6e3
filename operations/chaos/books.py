"""What must hold when a storm is over: each trade closed once, each run paid once, one chain, one view, no difference.

Trades of the exchange are compared with the events of the node's own chain; the exchange's view with a fresh index
of that chain in an empty database, byte for byte; everything with `suan audit` and `manage.py verify_ledger`.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import psycopg

from operations.chaos.storm import Storm
from operations.run import layout
from suan.client.rpc import Rpc
from suan.core.contract import PAID_KINDS, AbiError, OutcomeKind, decode_event
from suan.core.settlement import END_STATES

REJECTED = "rejected"
FRESH_DATABASE = "suan_fresh_index"
NAMED_MAX = 20

Json = dict[str, Any]


def chain_events(node: Rpc, addresses: Sequence[str]) -> list[tuple[str, Json]]:
    """Names and arguments of all events of these contracts on the node's chain, in its order."""
    found = []
    ranges = node.logs(list(addresses), 0, node.block_number())
    for log in (log for _end, logs in ranges for log in logs):
        try:
            found.append(decode_event(log["topics"], log["data"]))
        except AbiError:
            continue  # Of a contract that is not ours to read; reconciliation names what should be known.
    return found


def compare_trades(trades: Sequence[Json], events: Iterable[tuple[str, Json]]) -> Iterator[str]:
    """Where trades of the exchange and events of the chain are not one to one, in words. Pure.

    Every trade that was not refused is locked once and closed once, with the end that the exchange shows; no run of a
    bid is paid twice.
    """
    locked: Counter[str] = Counter()
    closed: Counter[str] = Counter()
    ends: dict[str, Json] = {}
    places: dict[str, Json] = {}
    for name, args in events:
        if name == "TradeLocked":
            locked[args["trade"]] += 1
            places[args["trade"]] = args
        elif name == "TradeClosed":
            closed[args["trade"]] += 1
            ends[args["trade"]] = args
    ours = {trade["trade_id"].removeprefix("trd_"): trade for trade in trades}
    wanted = {name for name, trade in ours.items() if trade["status"] != REJECTED}
    for word, seen in (("locked", locked), ("closed", closed)):
        for name in sorted(wanted | set(seen)):
            if seen[name] != (name in wanted):
                status = ours[name]["status"] if name in ours else "unknown to the exchange"
                yield f"trade {name} was {word} {seen[name]} times on the chain; the exchange calls it {status}"
    for name in sorted(wanted & set(ends)):
        end = END_STATES[OutcomeKind(int(ends[name]["kind"]))]
        if ours[name]["status"] != end:
            yield f"trade {name} is {end} on the chain; the exchange calls it {ours[name]['status']}"
    yield from _paid_twice(places, ends)


def _paid_twice(places: dict[str, Json], ends: dict[str, Json]) -> Iterator[str]:
    """Bids of which more runs were delivered and paid than their trades could hold together, each run once."""
    paid: dict[tuple[str, int], int] = defaultdict(int)
    bought: dict[tuple[str, int], set[int]] = defaultdict(set)
    for name, place in places.items():
        end = ends.get(name)
        if end is not None and int(end["kind"]) in PAID_KINDS:
            bid = place["buyer"], int(place["bid_nonce"])
            paid[bid] += int(end["runs_delivered"])
            first = int(place["first_run"])
            bought[bid] |= set(range(first, first + int(place["runs"])))
    for (buyer, nonce), runs in sorted(paid.items()):
        held = len(bought[buyer, nonce])
        if runs > held:
            yield f"{runs} runs of bid {nonce} of {buyer} were paid; its settled trades hold {held} different ones"


def unexplained(orders: Sequence[Json], explanations: dict[str, Json]) -> list[str]:
    """Orders that have not ended and of which the exchange cannot say why."""
    return [
        f"order {order['order_id']} is {order['order_status']}, and nothing says why"
        for order in orders
        if not explanations.get(order["order_id"], {}).get("code")
    ]


def fresh_index(storm: Storm) -> Json:
    """Export the view; read the whole chain anew into an empty database; export again; compare the bytes.

    The chain must stand still meanwhile. The exchange has caught up when it asks for nothing more.
    """
    url = layout.services(storm.market.var)["database_url"]
    ours = storm.command("export_view").encode()
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {FRESH_DATABASE} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {FRESH_DATABASE}")
    parts = urlsplit(url)
    environment = {"DATABASE_URL": parts._replace(path="/" + FRESH_DATABASE).geturl()}
    storm.command("migrate", "--verbosity", "0", environment=environment)
    storm.command("index_chain", "--until-head", environment=environment)
    fresh = storm.command("export_view", environment=environment).encode()
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"DROP DATABASE {FRESH_DATABASE} WITH (FORCE)")
    mine, theirs = ours.splitlines(), fresh.splitlines()
    missing, extra = Counter(theirs) - Counter(mine), Counter(mine) - Counter(theirs)
    return {
        "lines": len(mine),
        "bytes": len(ours),
        "sha256": hashlib.sha256(ours).hexdigest(),
        "equal": ours == fresh,
        "differences": [f"only in the fresh index: {line.decode()}" for line in list(missing)[:NAMED_MAX]]
        + [f"only in the exchange: {line.decode()}" for line in list(extra)[:NAMED_MAX]],
    }
