"""How an audit grows with the trades of a market: rate, share of each extra trade, memory.

Claim: time is linear in trades and memory is flat. The baseline is the audit of the smallest market in the same run: `x per trade`
is processor seconds per trade against it, `memory` the peak of the auditing process, one of its own per row. Everything that
`suan audit` checks is checked, re-runs of jobs apart (tests/audit/traded_market.py says what is real). One process audits, so the
rate per processor second is that of a core; the node's work in answering is in the seconds, not in the processor time.

    python -m benchmarks.audit_growth                      1,000 and 10,000 trades, some minutes
    python -m benchmarks.audit_growth 1000 10000 100000    an hour and more: the node has to execute each trade first
"""

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

SIZES = [1_000, 10_000]
SEED = 7


def audit_here(rpc: str, market: str, evidence: str) -> None:
    """One audit; writes its measures as JSON. Run in a process of its own, so that its memory is its own."""
    from suan.client.audit.run import audit

    began, processor = time.perf_counter(), time.process_time()
    report = audit(rpc, market, evidence)
    measures = {
        "seconds": time.perf_counter() - began,
        "processor_seconds": time.process_time() - processor,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "trades": report.trades_checked,
        "events": report.events,
        "words": report.words_proven,
        "receipts": report.receipts_checked,
        "differences": [str(difference) for difference in report.differences[:5]],
    }
    print(json.dumps(measures))


def main(sizes: list[int]) -> None:
    from tests.audit.traded_market import TradedMarket

    print(
        f"{'trades':>8} {'events':>8} {'receipts':>9} {'words':>7} {'seconds':>9} {'cpu s':>8} "
        f"{'trades/s':>9} {'per cpu s':>9} {'x per trade':>11} {'memory MiB':>11}"
    )
    first: float | None = None
    with tempfile.TemporaryDirectory(prefix="suan-bench-") as folder:
        made = TradedMarket(Path(folder), random.Random(SEED))  # noqa: S311
        try:
            for size in sizes:
                while made.trades < size:
                    made.trade()
                command = [
                    sys.executable,
                    __file__,
                    "--audit",
                    made.node.url,
                    made.market,
                    str(made.evidence),
                ]
                done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
                found = json.loads(done.stdout)
                assert not found["differences"] and found["trades"] == made.trades, found
                each = found["processor_seconds"] / found["trades"]
                first = first or each
                print(
                    f"{found['trades']:>8} {found['events']:>8} {found['receipts']:>9} {found['words']:>7} "
                    f"{found['seconds']:>9.1f} {found['processor_seconds']:>8.1f} "
                    f"{found['trades'] / found['seconds']:>9.0f} {1 / each:>9.0f} {each / first:>11.2f} "
                    f"{found['peak_mib']:>11.0f}",
                    flush=True,
                )
        finally:
            made.stop()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--audit"]:
        audit_here(*sys.argv[2:5])
    else:
        main([int(size) for size in sys.argv[1:]] or SIZES)
