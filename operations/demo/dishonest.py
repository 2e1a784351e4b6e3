"""An agent that lies: its first run gets a false output, the second inflated counters. It exists to be caught.

Everything else is the honest agent's code: same keys, same calls, same diary. A market worth its name pays it nothing.
"""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import threading
from argparse import ArgumentParser
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from suan.client import keystore
from suan.client.api import Suan
from suan.core.delivery import Receipt
from suan.provider.diary import Diary
from suan.provider.loop import Agent
from suan.runtime import RunResult

INFLATION = 3


@dataclass
class Liar(Agent):
    """Tells two lies, one of each kind, in the order in which its runs come."""

    told: list[str] = field(default_factory=list)

    def execute(self, lease: dict[str, Any]) -> RunResult:
        result = super().execute(lease)
        if "false output" not in self.told:
            self.told.append("false output")
            invented = hashlib.sha256(result.output).digest() * (len(result.output) // 32 + 1)
            return replace(result, output=invented[: max(1, len(result.output))])
        return result

    def receipt(self, lease: dict[str, Any], result: RunResult, started: int, ended: int) -> Receipt:
        honest = super().receipt(lease, result, started, ended)
        if len(self.told) == 1 and len(self.diary.results) == 1:
            self.told.append("inflated counters")
            return replace(honest, fp64=honest.fp64 * INFLATION, integer=honest.integer * INFLATION)
        return honest


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--region", required=True)
    parser.add_argument("--class", dest="resource_class", required=True)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    path = options.folder / "agent-key.json"
    agent = Liar(
        market=Suan(os.environ["SUAN_URL"], api_key=os.environ["SUAN_API_KEY"]),
        key=keystore.load(path) if path.exists() else keystore.create(path),
        diary=Diary(options.folder),
        region=options.region,
        resource_classes=(options.resource_class,),
    )
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    agent.register_patiently(stop)
    agent.run_forever(stop)


if __name__ == "__main__":
    main()
