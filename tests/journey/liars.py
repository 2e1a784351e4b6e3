"""Programs that lie, for stories in which somebody has to notice. Each is a process of its own; none is part of the product.

python -m tests.journey.liars worker ...      the exchange's own verifier, bribed: every receipt is true to it
python -m tests.journey.liars yes FOLDER      a verifier that signs whatever is proposed
python -m tests.journey.liars no FOLDER       a verifier that refuses whatever is proposed
"""

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any, Never

from suan.client import keystore
from suan.client.api import Suan
from suan.core.delivery.metering import work_units
from suan.core.encoding import from_hex
from suan.core.settlement import Judgement
from suan.runtime import Runner, RunRequest
from suan.runtime.verify import Finding, Statement
from suan.verifier.judge import Refusal
from suan.verifier.loop import Verifier

FALSE_REASON = "the provider is a friend of nobody"


class Yes:
    """Judges nothing."""

    def check(self, proposal: dict[str, Any]) -> bytes:
        return from_hex(proposal["digest"])


class No:
    """Claims that nothing was delivered."""

    def check(self, proposal: dict[str, Any]) -> Never:
        rows = [row | {"kind": 0, "runs_delivered": 0, "units": "0"} for row in proposal["outcomes"]]
        raise Refusal(FALSE_REASON, rows)


def believe(request: RunRequest, claimed: Statement, runner: Runner) -> Finding:
    """The finding that a receipt hopes for, without running anything."""
    counted = int(work_units(claimed.counters, request.resource_class))
    recount = claimed.to_json() | {"engine": "none", "work_units": str(counted)}
    return Finding(Judgement.ACCEPTED, "", counted, recount)


def main() -> None:
    lie, *arguments = sys.argv[1:]
    if lie == "worker":
        import django

        django.setup()
        from marketplace.celery import app
        from marketplace.receipts import tasks

        tasks.recompute = believe
        app.worker_main(arguments)
        return
    key = keystore.load(Path(arguments[0]) / "verifier-key.json")
    judge: Any = {"yes": Yes, "no": No}[lie]()
    verifier = Verifier(Suan(os.environ["SUAN_URL"]), key, judge, print, time.monotonic)
    verifier.run_forever(threading.Event())


if __name__ == "__main__":
    main()
