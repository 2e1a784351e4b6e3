"""How fast the ledger indexes a chain from block 0, and whether that grows in line.

Claim: time is linear in events and memory is flat. The baseline is the smallest chain in the same run: `x per event` is processor
seconds per event against it. What runs is `manage.py index_chain --until-head` on an empty database, a process of its own per row:
blocks, events, and the posting of final ones to the journal. The chain is that of tests/audit/traded_market.py, on a real node.

    python -m benchmarks.index_growth 1000 10000           trades on the chain
"""

import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from tests.audit.traded_market import TradedMarket
from tests.services import TestServices

ROOT = Path(__file__).resolve().parent.parent
SIZES = [1_000, 10_000]
SEED = 7
FINAL = 13


def manage(environment: dict[str, str], *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-4000:])


def indexed(made: TradedMarket, folder: Path) -> tuple[float, float, int]:
    """(seconds, processor seconds, events) of indexing the whole chain into an empty database."""
    folder.mkdir()
    folder.chmod(0o711)
    services = TestServices(folder / "var", keep=())
    (services.var / "deployment.json").write_bytes((made.folder / "deployment.json").read_bytes())
    environment = (
        os.environ | services.addresses() | {"SUAN_VAR": str(services.var), "CHAIN_RPC_URL": made.node.url}
    )
    try:
        url = services.start("postgres")
        manage(environment, "migrate", "--verbosity", "0")
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        manage(environment, "index_chain", "--until-head")
        seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        with psycopg.connect(url) as connection:
            row = connection.execute("SELECT count(*) FROM ledger_chainevent").fetchone()
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return seconds, used, int(row[0]) if row else 0
    finally:
        services.stop()


def main(sizes: list[int]) -> None:
    print(
        f"{'trades':>8} {'blocks':>8} {'events':>8} {'seconds':>9} {'cpu s':>8} {'events/s':>9} {'x per event':>11}"
    )
    first: float | None = None
    with tempfile.TemporaryDirectory(prefix="suan-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        made = TradedMarket(folder / "chain", random.Random(SEED))  # noqa: S311
        try:
            for size in sizes:
                while made.trades < size:
                    made.trade()
                made.node.mine(FINAL)
                seconds, used, events = indexed(made, folder / str(size))
                first = first or used / events
                print(
                    f"{made.trades:>8} {made.node.head():>8} {events:>8} {seconds:>9.1f} {used:>8.1f} "
                    f"{events / seconds:>9.0f} {used / events / first:>11.2f}",
                    flush=True,
                )
        finally:
            made.stop()


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or SIZES)
