"""How an audit, and an index from block 0, grow with the trades of a market: rate, share of each extra trade, memory.

Claim: both are linear in trades and their memory is flat. The baseline is the smallest market in the same run: `x` is processor
seconds per trade (audit) or per event (index) against it, `MiB` the peak of the process that works, one of its own per row. One
process works, so a rate per processor second is that of a core; what node and database do is in the seconds, not in the
processor time.

audit: all that `suan audit` checks, re-runs of jobs apart (tests/audit/traded_market.py says what of the market is real).
index: `manage.py index_chain --until-head` on an empty database: blocks, events, and the posting of final ones to the journal.

    python -m benchmarks.books_growth                      1,000 and 10,000 trades, some minutes
    python -m benchmarks.books_growth 1000 10000 100000    half an hour: the node has to execute each trade first
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

ROOT = Path(__file__).resolve().parent.parent
SIZES = [1_000, 10_000]
SEED = 7
FINAL = 13

Json = dict[str, Any]


def main(sizes: list[int]) -> None:
    from tests.audit.traded_market import TradedMarket

    first: dict[str, float] = {}
    print(
        f"{'':<6} {'trades':>8} {'blocks':>7} {'events':>8} {'seconds':>8} {'cpu s':>8} {'per cpu s':>15} {'x':>6} {'MiB':>6}"
    )
    with tempfile.TemporaryDirectory(prefix="suan-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL may run as another user than this process.
        made = TradedMarket(folder / "chain", random.Random(SEED))  # noqa: S311
        try:
            for size in sizes:
                while made.trades < size:
                    made.trade()
                made.node.mine(FINAL)
                found = audited(made)
                show("audit", made, found, found["trades"], "trades", first)
                found = indexed(made, folder / str(size))
                show("index", made, found, found["events"], "events", first)
        finally:
            made.stop()


def show(kind: str, made: Any, found: Json, count: int, unit: str, first: dict[str, float]) -> None:
    """One row: `count` of `unit` in the seconds that `found` says."""
    each = found["processor_seconds"] / count
    baseline = first.setdefault(kind, each)
    print(
        f"{kind:<6} {made.trades:>8} {made.node.head():>7} {found['events']:>8} {found['seconds']:>8.1f} "
        f"{found['processor_seconds']:>8.1f} {1 / each:>8.0f} {unit} {each / baseline:>6.2f} {found['peak_mib']:>6.0f}",
        flush=True,
    )


def audited(made: Any) -> Json:
    """Measures of one audit of the whole market. Raises AssertionError when it finds a difference."""
    found = alone("--audit", made.node.url, made.market, str(made.evidence))
    assert not found["differences"] and found["trades"] == made.trades, found
    return found


def indexed(made: Any, folder: Path) -> Json:
    """Measures of indexing the whole chain into an empty database, with the events that are there afterwards."""
    from tests.services import TestServices

    folder.mkdir()
    folder.chmod(0o711)
    services = TestServices(folder / "var", keep=())
    (services.var / "deployment.json").write_bytes((made.folder / "deployment.json").read_bytes())
    environment = (
        os.environ
        | services.addresses()
        | {
            "SUAN_VAR": str(services.var),
            "CHAIN_RPC_URL": made.node.url,
            "DJANGO_SETTINGS_MODULE": "marketplace.settings",
        }
    )
    try:
        url = services.start("postgres")
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(migrate, cwd=ROOT, env=environment, check=True)
        found = alone("--index", environment=environment)
        with psycopg.connect(url) as connection:
            row = connection.execute("SELECT count(*) FROM ledger_chainevent").fetchone()
        return found | {"events": row[0] if row else 0}
    finally:
        services.stop()


def alone(*arguments: str, environment: dict[str, str] | None = None) -> Json:
    """Run one of the works below in a process of its own and return what it measured."""
    command = [sys.executable, "-m", "benchmarks.books_growth", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    if done.returncode:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-4000:])
    found: Json = json.loads(done.stdout.splitlines()[-1])
    return found


def audit_here(rpc: str, market: str, evidence: str) -> Json:
    from suan.client.audit.run import audit

    report = audit(rpc, market, evidence)
    return {
        "trades": report.trades_checked,
        "events": report.events,
        "words": report.words_proven,
        "receipts": report.receipts_checked,
        "differences": [str(difference) for difference in report.differences[:5]],
    }


def index_here() -> Json:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("index_chain", "--until-head")
    return {}


def measured(work: Any, *arguments: str) -> None:
    """Do the work and print its result with seconds, processor seconds and the peak of this process, as JSON.

    The peak is VmHWM, which begins with this program; ru_maxrss would begin with the memory of the parent.
    """
    began, processor = time.perf_counter(), time.process_time()
    found = work(*arguments)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    found |= {
        "seconds": time.perf_counter() - began,
        "processor_seconds": time.process_time() - processor,
        "peak_mib": int(status["VmHWM"].split()[0]) / 1024,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--audit"]:
        measured(audit_here, *sys.argv[2:5])
    elif sys.argv[1:2] == ["--index"]:
        measured(index_here)
    else:
        main([int(size) for size in sys.argv[1:]] or SIZES)
